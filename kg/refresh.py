"""A snapshot of the graph made from an earlier one: of the events only what came since is read.

Nodes and relations are read whole. Of each user the server tells how many events there are and what their times and
quantities add up to; where that is what the earlier snapshot has, the user's events are taken from there. Of the others
those after the last one known are read; where they make up the difference, that is all, and else (something came late,
was changed or taken away) the user's events are read anew. What this cannot see is an event replaced by hand by another
of the same user, moment and quantity; nothing in this project does so, and a full reading (`kg.extract`) does not rest
on it. Where the two can be compared they are equal, hash for hash.
"""

import logging
import time
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool

from cypher.catalogue import load_query
from kg.canonical import canonical_events
from kg.extract import Later, read_edges, read_events, read_nodes
from kg.graph_format import read_format
from kg.progress import Progress, silent
from kg.snapshot import Events, Snapshot, assemble, build_events, count_steps
from kg.store import GraphStore
from kg.tables import Tables

logger = logging.getLogger(__name__)
_CLOSE = 1e-5
"""Relative difference up to which sums of quantities, kept in 32 bits, are the same."""
_EARLIEST = -(2**62)
"""A moment before all events."""
_SUMS = ("num_events", "timed", "placed", "at", "position", "quantity")


def refresh_snapshot(store: GraphStore, known: Snapshot, *, progress: Progress = silent) -> Snapshot | None:
    """Return the snapshot of the whole graph; None where it has to be read whole.

    Args:
        store: an open graph.
        known: an earlier snapshot of the same graph.
        progress: told the rows read of each kind.

    Raises:
        GraphConnectionError: the server does not answer.
        SchemaError: a newer release wrote the graph.
        TableError: a property has values of types that do not go together.
    """
    if known.cutoff_ms is not None or not len(known.events) or known.order == "none":
        return None
    started = time.perf_counter()
    read_format(store)
    schema = known.schema
    nodes = {label: read_nodes(store, kind, progress=progress) for label, kind in schema.nodes.items()}
    edges = {name: read_edges(store, kind, schema=schema, progress=progress) for name, kind in schema.relations.items()}
    now = _sums_of_graph(store, known, progress=progress)
    if not _has_order(now, known):
        return None
    column: Literal["at", "position"] = "at" if known.order == "clock" else "position"
    old = _sums_of(known).reindex(now.index, fill_value=0)
    changed = _different(now, old, moment=column)
    later = Later(column, _last_moments(known, changed))
    events = read_events(store, schema.events.values(), later=later, progress=progress)
    anew = _unexplained(now.loc[changed], old.loc[changed], events, column=column)
    if anew:
        events = events.filter(pc.invert(pc.is_in(events["user_id"], value_set=pa.array(anew))))
        whole = read_events(store, schema.events.values(), users=anew, progress=progress)
        events = canonical_events(pa.concat_tables([events, whole], promote_options="permissive"))
    tables = Tables(schema=schema, nodes=nodes, edges=edges, events=events)
    merged = _merged(known, tables, kept=now.index.difference(pd.Index(anew)))
    if merged is None:
        return None
    facts = {
        "num_users": len(changed),
        "num_users_anew": len(anew),
        "num_events": events.num_rows,
        "took_s": round(time.perf_counter() - started, 3),
    }
    logger.info("what is new of the graph was read", extra=facts)
    return assemble(tables, merged, order=known.order)


def _sums_of_graph(store: GraphStore, known: Snapshot, *, progress: Progress) -> pd.DataFrame:
    types = [kind.relation for kind in known.schema.events.values()]
    query = load_query("event_sums").bind(label="User")
    rows = [tuple(row.values()) for row in store.stream(query, {"types": types})]
    progress("users", len(rows), len(rows))
    return pd.DataFrame(rows, columns=["user_id", *_SUMS]).set_index("user_id")


def _has_order(now: pd.DataFrame, known: Snapshot) -> bool:
    """Whether the events still have a clock, or only an order, as those of the earlier snapshot."""
    timed, placed, every = (int(now[name].sum()) for name in ("timed", "placed", "num_events"))
    order = "clock" if timed == every else "position" if placed == every else "none"
    return order == known.order


def _sums_of(known: Snapshot) -> pd.DataFrame:
    events, num = known.events, known.num_nodes("User")
    counts = np.bincount(events.user, minlength=num)
    moments = np.zeros(num, dtype=np.int64)
    np.add.at(moments, events.user, events.time)
    quantity = np.bincount(events.user, weights=events.quantity.astype(float), minlength=num)
    frame = pd.DataFrame({"num_events": counts, "time": moments, "quantity": quantity}, index=known.ids("User"))
    return frame[frame["num_events"] > 0]


def _different(now: pd.DataFrame, old: pd.DataFrame, *, moment: str) -> list[str]:
    """Users whose events do not add up to `old`."""
    same = (now["num_events"] == old["num_events"]) & (now[moment] == old["time"])
    same &= (now["quantity"] - old["quantity"]).abs() <= _CLOSE * old["quantity"].abs().clip(lower=1.0)
    return sorted(now.index[~same])


def _last_moments(known: Snapshot, users: Sequence[str]) -> dict[str, int]:
    """After which moment the events of users are new, by user."""
    last = np.full(known.num_nodes("User") + 1, _EARLIEST, dtype=np.int64)  # the last place is that of newcomers
    np.maximum.at(last, known.events.user, known.events.time)
    places = pd.Index(known.ids("User")).get_indexer(pd.Index(users, dtype=object))
    return dict(zip(users, last[places].tolist(), strict=True))


def _unexplained(now: pd.DataFrame, old: pd.DataFrame, later: pa.Table, *, column: str) -> list[str]:
    """Users whose events are not those of the earlier snapshot, which add up to `old`, and the later ones."""
    frame = later.select(["user_id", column, "quantity"]).to_pandas()
    by_user = frame.assign(quantity=frame["quantity"].fillna(1.0)).groupby("user_id")
    more = pd.DataFrame(
        {"num_events": by_user.size(), "time": by_user[column].sum(), "quantity": by_user["quantity"].sum()}
    )
    return _different(now, old + more.reindex(now.index, fill_value=0), moment=column)


def _merged(known: Snapshot, tables: Tables, *, kept: "pd.Index[str]") -> Events | None:
    """The events known of the users `kept`, and those that were read; None where a product of them is gone."""
    rows = {label: pd.Index(table.column(0).to_pandas()) for label, table in tables.nodes.items()}
    fresh = build_events(tables, rows, None, order=known.order)
    old, ids = known.events, pd.Index(known.ids("User"))
    stays: Bool[np.ndarray, " user"] = ids.isin(kept)
    mine = stays[old.user]
    user = rows["User"].get_indexer(ids)[old.user[mine]].astype(np.int32)
    product = rows["Product"].get_indexer(known.ids("Product"))[old.product[mine]].astype(np.int32)
    if min(user.min(initial=0), product.min(initial=0)) < 0:
        return None
    parts = (
        (user, fresh.user),
        (product, fresh.product),
        (old.kind[mine], fresh.kind),
        (old.time[mine], fresh.time),
        (old.quantity[mine], fresh.quantity),
    )
    whole = [np.concatenate(part) for part in parts]
    # Both stand in their order, and what was read of a user whose events are kept comes after those.
    order = np.argsort(whole[0], kind="stable")
    user, product, kind, moment, quantity = (part[order] for part in whole)
    return Events(user, product, kind, moment, count_steps(user, time=moment), quantity)
