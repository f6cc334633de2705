"""Writes checked tables into the graph in batches. A second import of the same tables changes nothing.

What is in the graph is read first (seconds, as it comes one row a user), and only what is new or differs is written:
matching an event among the thousands of a heavy user costs more than creating it. A few events for a large graph are
matched all the same, as reading it all would cost more. This module trusts its tables:
whatever reads files has checked them. It deletes nothing: what only an earlier import named stays, and who was deleted
stays away.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cypher.catalogue import load_query
from kg.additions import Additions
from kg.deletions import events_of_users, without_deleted
from kg.difference import changed_rows, new_rows
from kg.extract import read_edges, read_events, read_nodes
from kg.import_lock import import_lock
from kg.merge_rule import MergeRule
from kg.merged_import import MergedImport, plan_merge
from kg.merging import MergedProduct
from kg.privacy import Secret
from kg.progress import Progress, silent
from kg.schema import EventKind, GraphSchema, NodeKind, RelationKind
from kg.store import GraphStore
from kg.tables import Tables
from kg.writer import EDGE_ENDS, Writer, by_user, create_and_merge, merge_edges, without_empty_columns

logger = logging.getLogger(__name__)
FEW = 10
"""The graph's events of a type are not read when there are more than so many times those to be written."""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one import was given and what of it was new."""

    nodes: Mapping[str, int]
    """Rows of the tables by label."""
    edges: Mapping[str, int]
    """Rows of the tables by relation."""
    events: Mapping[str, int]
    """Rows of the tables by event type."""
    nodes_created: int
    edges_created: int
    events_created: int
    num_deleted: int
    """Users of the tables who were deleted from the graph, and were left out with all they did."""
    num_conflicts: int
    """Rows that were there with other properties: kept as they were, or written anew. Of a few events for a large graph
    it is not known, as that is not read for them."""
    num_retired: int
    """Products that the tables do not list and that are no longer available since."""
    took_s: float
    merged: tuple[MergedProduct, ...] = ()
    """Products that the tables have under several ids, and the id that stays."""
    num_merged_away: int = 0
    """Products of the graph that were merged into others and are no longer available since."""

    @property
    def num_rows(self) -> int:
        """Rows of all tables."""
        return sum(self.nodes.values()) + sum(self.edges.values()) + sum(self.events.values())

    @property
    def rows_per_s(self) -> float:
        """Rows of the tables dealt with in a second."""
        return self.num_rows / self.took_s if self.took_s > 0 else 0.0


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What an import may be told."""

    keep: bool = False
    """What to do with a node, an edge or an event that is in the graph with other properties: True keeps it as it is
    there, False writes what the tables say."""
    whole_catalogue: bool = False
    """Whether the tables list every product that can be had: one of the graph that they do not list is no longer
    available, and stays with its history."""
    merge: MergeRule | None = None
    """When two products of the tables are one; None: never, and what was merged earlier is taken apart."""
    batch_rows: int = 5_000
    """Rows a transaction, 1,000 to 5,000 are fastest."""


def ingest(
    store: GraphStore,
    tables: Tables,
    *,
    options: ImportOptions | None = None,
    secret: Secret | None = None,
    parts: Iterable[pa.Table] = (),
    progress: Progress = silent,
) -> IngestReport:
    """Write the tables into the graph: constraints, then nodes, then edges, then events.

    Args:
        store: an open graph.
        tables: checked tables.
        options: None: the usual ones.
        secret: of the shop, which says who was deleted; needed only where somebody was.
        parts: further events of users and products of the tables, a canonical table after the other, so that they need
            not be in memory together. They are written without a look at what is there, so `keep` does not hold for
            them; those of a user that was left out of the tables are left out as well.
        progress: told the rows of each kind that are in the graph.

    Raises:
        GraphBusyError: another import is running.
        PrivacyError: users were deleted from the graph, and the secret that says who is missing.
        GraphConnectionError: the server does not answer; the same import may simply be run again.
        TableError: rows name nodes that are not in the graph.
        QueryError: the server refuses a row, for example an event_id that belongs to another user's event.
    """
    started = time.perf_counter()
    options = options or ImportOptions()
    with import_lock(store):
        store.create_schema(tables.schema)
        tables, num_deleted = without_deleted(store, tables, secret)
        writer = Writer(store, options.batch_rows, progress, options.keep)
        plan = plan_merge(store, tables, options.merge)
        tables = tables if plan is None else _merge(writer, plan)
        nodes_created = sum(_import_nodes(writer, kind, tables=tables) for kind in tables.schema.nodes.values())
        edges_created = sum(_import_edges(writer, kind, tables=tables) for kind in tables.schema.relations.values())
        counts, events_created = _import_all_events(writer, tables, parts, plan)
        num_retired = _retire_others(writer, tables) if options.whole_catalogue else 0
    report = IngestReport(
        nodes={label: table.num_rows for label, table in tables.nodes.items()},
        edges={name: table.num_rows for name, table in tables.edges.items()},
        events=counts,
        nodes_created=nodes_created,
        edges_created=edges_created,
        events_created=events_created,
        num_deleted=num_deleted,
        num_conflicts=writer.num_conflicts,
        num_retired=num_retired,
        took_s=time.perf_counter() - started,
        merged=() if plan is None else plan.merged.products,
        num_merged_away=0 if plan is None else len(plan.retired),
    )
    logger.info("tables imported", extra={"num_rows": report.num_rows, "took_s": round(report.took_s, 3)})
    return report


def write_events(store: GraphStore, schema: GraphSchema, *, events: pa.Table, batch_rows: int = 1_000) -> int:
    """Write events between users and products that are in the graph; return how many were new.

    Args:
        store: an open graph whose schema has been created.
        schema: kinds in use.
        events: canonical events; one whose event_id is there already is updated.
        batch_rows: rows a transaction.

    Raises:
        TableError: an event names a user or a product that is not in the graph.
    """
    writer = Writer(store, batch_rows, silent)
    names = sorted(pc.unique(events["type"]).to_pylist())
    return sum(_write_all(writer, schema.event(name), _of_type(events, name), step=name) for name in names)


def write_nodes(store: GraphStore, schema: GraphSchema, *, label: str, nodes: pa.Table, batch_rows: int = 1_000) -> int:
    """Write nodes of one kind; return how many were new.

    Args:
        store: an open graph whose schema has been created.
        schema: kinds in use.
        label: a label of the schema.
        nodes: canonical nodes; one whose key is there already is updated.
        batch_rows: rows a transaction.
    """
    merge = load_query("merge_nodes").bind(label=label, key=schema.nodes[label].key)
    return Writer(store, batch_rows, silent).write(merge, nodes, step=label)


def write_additions(store: GraphStore, schema: GraphSchema, additions: Additions) -> None:
    """Write products with the brands and categories that they are linked to; links are added and never taken away.

    Args:
        store: an open graph whose schema has been created.
        schema: kinds in use.
        additions: checked rows.
    """
    for label, named in additions.nodes.items():
        key = schema.nodes[label].key
        rows = {node: {} if name is None else {"name": name} for node, name in named.items()}
        _write_rows(store, schema, label=label, key=key, rows=rows)
    _write_rows(store, schema, label="Product", key=schema.nodes["Product"].key, rows=additions.products)
    writer = Writer(store, 1_000, silent)
    for name, pairs in additions.edges.items():
        edges = [{"from_id": source, "to_id": target, "at": None, "weight": None} for source, target in pairs]
        rows = pa.Table.from_pylist(edges)
        writer.write(merge_edges(schema, schema.relation(name), rows), rows, step=name)


def _write_rows(
    store: GraphStore, schema: GraphSchema, *, label: str, key: str, rows: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write nodes that have different properties: those with the same ones together, as a null would remove one."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for node, fields in rows.items():
        groups.setdefault(tuple(sorted(fields)), []).append({key: node, **fields})
    for group in groups.values():
        write_nodes(store, schema, label=label, nodes=pa.Table.from_pylist(group))


def _merge(writer: Writer, plan: MergedImport) -> Tables:
    """Change what is there so that the merged tables fit, and return those; stopped and done again it is the same."""
    tables = plan.tables
    plan.take_back(writer.store, tables.schema, tables.events)
    kind = tables.schema.nodes["Product"]
    for rows in filter(len, plan.changes):
        writer.write(load_query("merge_nodes").bind(label=kind.label, key=kind.key), rows, step="merged products")
    return tables


def _import_nodes(writer: Writer, kind: NodeKind, *, tables: Tables) -> int:
    wanted = tables.nodes[kind.label]
    if not wanted.num_rows:
        return 0
    there = read_nodes(writer.store, kind)
    rows = pa.concat_tables(_to_write(writer, wanted, there, key=(kind.key,)))
    merge = load_query("merge_nodes").bind(label=kind.label, key=kind.key)
    return writer.write(merge, rows, step=kind.label, skipped=wanted.num_rows - rows.num_rows)


def _retire_others(writer: Writer, tables: Tables) -> int:
    kind = tables.schema.nodes["Product"]
    there = read_nodes(writer.store, kind)
    gone = pc.invert(pc.is_in(there[kind.key], value_set=tables.nodes["Product"][kind.key].combine_chunks()))
    if "available" in there.column_names:
        gone = pc.and_(gone, pc.fill_null(there["available"], True))
    ids = there.filter(gone)[kind.key].combine_chunks()
    rows = pa.table({kind.key: ids, "available": pa.array([False] * len(ids), pa.bool_())})
    writer.write(load_query("merge_nodes").bind(label=kind.label, key=kind.key), rows, step="no longer available")
    return len(ids)


def _import_edges(writer: Writer, kind: RelationKind, *, tables: Tables) -> int:
    wanted = tables.edges[kind.name]
    if not wanted.num_rows:
        return 0
    there, created = read_edges(writer.store, kind, schema=tables.schema), 0
    new, changed = _to_write(writer, wanted, there, key=EDGE_ENDS)
    skipped = wanted.num_rows - new.num_rows - changed.num_rows
    for rows in (without_empty_columns(new), changed):
        if rows.num_rows:
            merge = merge_edges(tables.schema, kind, rows)
            created += writer.write(merge, rows, step=kind.name, skipped=skipped)
            skipped += rows.num_rows
    return created


def _import_all_events(
    writer: Writer, tables: Tables, parts: Iterable[pa.Table], plan: MergedImport | None
) -> tuple[Mapping[str, int], int]:
    """Write events; return how many there were of each type, and how many were new."""
    kinds = tables.schema.events
    counts = {name: _of_type(tables.events, name).num_rows for name in kinds}
    created = sum(_import_events(writer, kind, tables=tables) for kind in kinds.values())
    for number, part in enumerate(parts, start=1):
        known = events_of_users(part, tables)
        if plan is not None:
            known = plan.events(known)
            plan.take_back(writer.store, tables.schema, known)
        for name, kind in kinds.items():
            events = _of_type(known, name)
            counts[name] += events.num_rows
            created += _write_all(writer, kind, events, step=f"{name}, part {number}") if events.num_rows else 0
    return counts, created


def _import_events(writer: Writer, kind: EventKind, *, tables: Tables) -> int:
    wanted = _of_type(tables.events, kind.name)
    if not wanted.num_rows:
        return 0
    if not writer.keep and _is_few(writer.store, kind, wanted.num_rows):
        return _write_all(writer, kind, wanted, step=kind.name)
    there = read_events(writer.store, [kind])
    changed = by_user(changed_rows(wanted, there, key=("event_id",)))
    writer.num_conflicts += changed.num_rows
    changed = changed.slice(0, 0) if writer.keep else changed
    new = by_user(without_empty_columns(new_rows(wanted, there, key=("event_id",))))
    unchanged = wanted.num_rows - changed.num_rows - new.num_rows
    _, merge = create_and_merge(kind, changed)
    created = writer.write(merge, changed, step=kind.name, skipped=unchanged) if changed.num_rows else 0
    create, merge = create_and_merge(kind, new)
    return created + writer.write(create, new, step=kind.name, otherwise=merge, skipped=unchanged + changed.num_rows)


def _write_all(writer: Writer, kind: EventKind, events: pa.Table, *, step: str) -> int:
    """Write events of which nobody knows how many are there: creating is quickest, so that is tried first."""
    rows = by_user(events)
    create, merge = create_and_merge(kind, rows)
    return writer.write(create, rows, step=step, otherwise=merge)


def _is_few(store: GraphStore, kind: EventKind, num_rows: int) -> bool:
    count = load_query("num_edges_of_relation").bind(relation=kind.relation)
    return bool(store.read(count)[0]["num_edges"] > FEW * num_rows)


def _to_write(writer: Writer, wanted: pa.Table, there: pa.Table, *, key: Sequence[str]) -> tuple[pa.Table, pa.Table]:
    """Return the rows that are new and those that are there with other properties, as far as they are to be written."""
    new, changed = new_rows(wanted, there, key=key), changed_rows(wanted, there, key=key)
    writer.num_conflicts += changed.num_rows
    return new, changed.slice(0, 0) if writer.keep else changed


def _of_type(events: pa.Table, name: str) -> pa.Table:
    return events.filter(pc.equal(events["type"], name))
