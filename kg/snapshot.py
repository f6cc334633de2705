"""A cut of the graph at one time: id maps, typed edge arrays, events in order, node properties, one content hash.

Everything that learns or serves reads a snapshot, never the live graph. A snapshot is made from checked tables
(`build_snapshot`), and the tables come from files or from a graph, so both roads lead to the same value.
Saving and loading is `kg.snapshot_files`; this module does no I/O.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Bool, Float, Int

from kg.errors import LeakageError, SnapshotError
from kg.merging import ids_merged
from kg.schema import GraphSchema
from kg.tables import Order, Tables

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Events:
    """Events sorted by user, then time, then event id; parallel arrays."""

    user: Int[np.ndarray, " event"]
    """Row of the user in the node table `User`; int32."""
    product: Int[np.ndarray, " event"]
    """Row of the product in the node table `Product`; int32."""
    kind: Int[np.ndarray, " event"]
    """Row of the event type in `Snapshot.event_names`; int8."""
    time: Int[np.ndarray, " event"]
    """Epoch milliseconds, or the position within the user, or 0, as `Snapshot.order` says; int64."""
    step: Int[np.ndarray, " event"]
    """Number of earlier distinct times of the same user; events of one moment share a step; int32."""
    quantity: Float[np.ndarray, " event"]
    """How many; 1 where the input says nothing; float32."""

    def __len__(self) -> int:
        return len(self.user)

    def select(self, keep: Bool[np.ndarray, " event"]) -> "Events":
        """Return the events where `keep` holds, in the same order, with steps counted anew."""
        user, time = self.user[keep], self.time[keep]
        return Events(
            user, self.product[keep], self.kind[keep], time, count_steps(user, time=time), self.quantity[keep]
        )


@dataclass(frozen=True, slots=True)
class Edges:
    """Edges of one relation sorted by source, then target; parallel arrays."""

    source: Int[np.ndarray, " edge"]
    """Row in the node table of the relation's source kind; int32."""
    target: Int[np.ndarray, " edge"]
    """Row in the node table of the relation's target kind; int32."""
    at_ms: Int[np.ndarray, " edge"] | None
    """Epoch milliseconds of each edge; None where no edge of the relation has a time."""
    weight: Float[np.ndarray, " edge"] | None
    """Weight of each edge; None where no edge of the relation has one; float32."""

    def __len__(self) -> int:
        return len(self.source)


@dataclass(frozen=True)
class Snapshot:
    """The graph as it was just before `cutoff_ms`."""

    schema: GraphSchema
    """Kinds in use, declared ones included."""
    nodes: Mapping[str, pa.Table]
    """Node table by label, sorted by key; a node's row number is its index everywhere."""
    edges: Mapping[str, Edges]
    """Edges by relation name; events are apart."""
    events: Events
    """Who did what with which product, in order."""
    order: Order
    """What the event times mean: a clock, a position within the user, or nothing."""
    cutoff_ms: int | None
    """No event and no timed edge is at or after this epoch millisecond; None: nothing was cut."""
    hash: str
    """Hex SHA-256 of everything above; equal content, equal hash."""

    @cached_property
    def event_names(self) -> tuple[str, ...]:
        """Event types in the order that `Events.kind` counts."""
        return tuple(sorted(self.schema.events))

    @cached_property
    def _ids(self) -> dict[str, list[str]]:
        return {label: table.column(0).to_pylist() for label, table in self.nodes.items()}

    @cached_property
    def _rows(self) -> dict[str, dict[str, int]]:
        return {label: {key: row for row, key in enumerate(ids)} for label, ids in self._ids.items()}

    @cached_property
    def _kept_of(self) -> Mapping[str, str]:
        return ids_merged(self.nodes["Product"])

    @cached_property
    def _offsets(self) -> Int[np.ndarray, " user_plus_one"]:
        return np.searchsorted(self.events.user, np.arange(self.num_nodes("User") + 1))

    @cached_property
    def last_time(self) -> int | None:
        """Time of the last event of anybody, as `order` says; None without events."""
        return int(self.events.time.max()) if len(self.events) else None

    def num_nodes(self, label: str) -> int:
        """Return how many nodes of this kind there are."""
        return int(self.nodes[label].num_rows)

    def ids(self, label: str) -> list[str]:
        """Return the external ids of a node kind, by row."""
        return self._ids[label]

    def row(self, label: str, key: str) -> int | None:
        """Return the row of a node, None when the snapshot does not know it."""
        return self._rows[label].get(key)

    def product_of_event(self, product_id: str) -> int | None:
        """Return the row of the product that an event is about, which may name it by an id that was merged away."""
        return self.row("Product", self._kept_of.get(product_id, product_id))

    def user_events(self, user: int) -> slice:
        """Return where one user's events stand in `events`."""
        return slice(int(self._offsets[user]), int(self._offsets[user + 1]))


def build_snapshot(tables: Tables, *, cutoff: datetime | None = None) -> Snapshot:
    """Return the snapshot of checked tables as of `cutoff`.

    Args:
        tables: the whole shop.
        cutoff: aware time; events and timed edges at or after it are left out. None keeps all.

    Raises:
        SnapshotError: a cutoff for a shop whose events have no time, or a naive cutoff.
    """
    if cutoff is not None and cutoff.tzinfo is None:
        raise SnapshotError(f"a cutoff needs a time zone, got {cutoff.isoformat()} (for example 2026-01-31T00:00:00Z)")
    if cutoff is not None and tables.order != "clock":
        raise SnapshotError("a cutoff was given, but the events of this shop have no time; leave the cutoff out")
    cutoff_ms = None if cutoff is None else int(cutoff.timestamp() * 1000)
    rows = {label: pd.Index(table.column(0).to_pandas()) for label, table in tables.nodes.items()}
    return assemble(tables, build_events(tables, rows, cutoff_ms), order=tables.order, cutoff_ms=cutoff_ms)


def assemble(tables: Tables, events: Events, *, order: Order, cutoff_ms: int | None = None) -> Snapshot:
    """Return the snapshot of the nodes and edges of tables and of events that are in order already.

    Args:
        tables: the whole shop; its events do not take part.
        events: rows of the nodes of the tables, none at or after the cutoff.
        order: what the event times mean.
        cutoff_ms: timed edges at or after it are left out; None keeps all.
    """
    nodes = {label: tables.nodes[label] for label in sorted(tables.nodes)}
    rows = {label: pd.Index(table.column(0).to_pandas()) for label, table in nodes.items()}
    edges = {}
    for name in sorted(tables.edges):
        kind = tables.schema.relation(name)
        edges[name] = _build_edges(tables.edges[name], rows[kind.source], rows[kind.target], cutoff_ms=cutoff_ms)
    digest = _content_hash(nodes, edges, events, head=f"{order} {cutoff_ms} {_kinds(tables.schema)}")
    return Snapshot(tables.schema, nodes, edges, events, order, cutoff_ms, digest)


def select_events(snapshot: Snapshot, keep: Bool[np.ndarray, " event"], *, cutoff_ms: int | None = None) -> Snapshot:
    """Return the same graph with only some of its events, and timed edges only before `cutoff_ms`.

    Args:
        snapshot: where to take from.
        keep: one flag an event.
        cutoff_ms: the new cutoff; None leaves the old one.

    Raises:
        LeakageError: a kept event lies at or after the new cutoff.
    """
    events = snapshot.events.select(keep)
    cutoff = snapshot.cutoff_ms if cutoff_ms is None else cutoff_ms
    if cutoff_ms is not None and len(events) and int(events.time.max()) >= cutoff_ms:
        late = datetime.fromtimestamp(int(events.time.max()) / 1000, UTC).isoformat()
        raise LeakageError(f"an event at {late} was kept although the cutoff is {cutoff_ms} ms; cut the events first")
    edges = dict(snapshot.edges)
    if cutoff_ms is not None:
        edges = {name: _edges_before(entry, cutoff_ms) for name, entry in edges.items()}
    digest = hashlib.sha256(f"{snapshot.hash} {cutoff}".encode())
    digest.update(np.packbits(keep).tobytes())
    return replace(snapshot, events=events, edges=edges, cutoff_ms=cutoff, hash=digest.hexdigest())


def count_steps(user: Int[np.ndarray, " event"], *, time: Int[np.ndarray, " event"]) -> Int[np.ndarray, " event"]:
    """Return for each event the number of earlier distinct times of its user; input sorted by user, then time."""
    if len(user) == 0:
        return np.zeros(0, dtype=np.int32)
    new_user = np.r_[True, user[1:] != user[:-1]]
    new_step = new_user | np.r_[True, time[1:] != time[:-1]]
    total = np.cumsum(new_step)
    first = np.maximum.accumulate(np.where(new_user, total, 0))
    return (total - first).astype(np.int32)


def build_events(
    tables: Tables, rows: Mapping[str, pd.Index], cutoff_ms: int | None, *, order: Order | None = None
) -> Events:
    """Return the events of tables, in order.

    Args:
        tables: the shop.
        rows: ids by label, in the order of the node tables.
        cutoff_ms: events at or after it are left out; None keeps all.
        order: what the event times mean; None: as the tables say.

    Raises:
        SnapshotError: an event names a user, a product or a type that the tables do not hold.
    """
    frame = tables.events.select(
        ["event_id", "user_id", "product_id", "type", "at", "position", "quantity"]
    ).to_pandas()
    names = sorted(tables.schema.events)
    time = {"clock": frame["at"], "position": frame["position"]}.get(order or tables.order)
    user = rows["User"].get_indexer(frame["user_id"]).astype(np.int32)
    product = rows["Product"].get_indexer(frame["product_id"]).astype(np.int32)
    kind = pd.Index(names).get_indexer(frame["type"]).astype(np.int8)
    moment = np.zeros(len(frame), dtype=np.int64) if time is None else time.to_numpy(dtype=np.int64)
    quantity = frame["quantity"].fillna(1.0).to_numpy(dtype=np.float32)
    if min(user.min(initial=0), product.min(initial=0), kind.min(initial=0)) < 0:
        raise SnapshotError("an event names a user, a product or a type that the tables do not hold; read them again")
    ranks = frame["event_id"].rank(method="first").to_numpy()
    places = np.lexsort((ranks, moment, user))
    if cutoff_ms is not None:
        places = places[moment[places] < cutoff_ms]
    user, moment = user[places], moment[places]
    return Events(user, product[places], kind[places], moment, count_steps(user, time=moment), quantity[places])


def _build_edges(table: pa.Table, sources: pd.Index, targets: pd.Index, *, cutoff_ms: int | None) -> Edges:
    source = sources.get_indexer(table["from_id"].to_pandas()).astype(np.int32)
    target = targets.get_indexer(table["to_id"].to_pandas()).astype(np.int32)
    if min(source.min(initial=0), target.min(initial=0)) < 0:
        raise SnapshotError("an edge names a node that the tables do not hold; read them again")
    order = np.lexsort((target, source))
    # An edge without a time among timed ones is older than any cutoff: nothing says that it is new.
    at = table["at"].fill_null(0).to_numpy() if table["at"].null_count < table.num_rows else None
    weight = table["weight"].fill_null(1.0).to_numpy() if table["weight"].null_count < table.num_rows else None
    edges = Edges(
        source[order],
        target[order],
        None if at is None else at[order].astype(np.int64),
        None if weight is None else weight[order].astype(np.float32),
    )
    return edges if cutoff_ms is None else _edges_before(edges, cutoff_ms)


def _edges_before(edges: Edges, cutoff_ms: int) -> Edges:
    if edges.at_ms is None:
        return edges
    keep = edges.at_ms < cutoff_ms
    weight = None if edges.weight is None else edges.weight[keep]
    return Edges(edges.source[keep], edges.target[keep], edges.at_ms[keep], weight)


def _kinds(schema: GraphSchema) -> str:
    """Every kind as text, in an order that does not depend on who declared it first."""
    kinds = (*schema.nodes.values(), *schema.relations.values(), *schema.events.values())
    return "\n".join(sorted(map(repr, kinds)))


def _content_hash(nodes: Mapping[str, pa.Table], edges: Mapping[str, Edges], events: Events, *, head: str) -> str:
    digest = hashlib.sha256(head.encode())
    for label, table in nodes.items():
        digest.update(f"{label} {table.schema.names}".encode())
        digest.update(pd.util.hash_pandas_object(table.to_pandas(), index=False).to_numpy().tobytes())
    for name, entry in edges.items():
        digest.update(f"{name} {entry.at_ms is not None} {entry.weight is not None}".encode())
        for array in (entry.source, entry.target, entry.at_ms, entry.weight):
            if array is not None:
                digest.update(np.ascontiguousarray(array).tobytes())
    for column in (events.user, events.product, events.kind, events.time, events.quantity):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()
