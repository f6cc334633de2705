"""A snapshot of the graph made from an earlier one: of the events only those of users who did something since are read.

Nodes and relations are read whole. Of each user the server tells how many events there are and what their times and
quantities add up to; where that is what the earlier snapshot has, the user's events are taken from there. What this
cannot see is an event replaced by hand by another of the same user, moment and quantity; nothing in this project does
so, and a full reading (`kg.extract`) does not rest on it. Where the two can be compared they are equal, hash for hash.
"""

import logging
import time

import numpy as np
import pandas as pd
from jaxtyping import Bool

from cypher.catalogue import load_query
from kg.extract import read_edges, read_events, read_nodes
from kg.graph_format import read_format
from kg.progress import Progress, silent
from kg.snapshot import Events, Snapshot, assemble, build_events, count_steps
from kg.store import GraphStore
from kg.tables import Tables

logger = logging.getLogger(__name__)
_CLOSE = 1e-5
"""Relative difference up to which sums of quantities, kept in 32 bits, are the same."""
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
    changed = _changed(now, known)
    events = read_events(store, schema.events.values(), users=changed, progress=progress)
    tables = Tables(schema=schema, nodes=nodes, edges=edges, events=events)
    merged = _merged(known, tables, kept=now.index.difference(pd.Index(changed)))
    if merged is None:
        return None
    facts = {
        "num_users": len(changed),
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


def _changed(now: pd.DataFrame, known: Snapshot) -> list[str]:
    """Users whose events are not those of the earlier snapshot."""
    old, moment = _sums_of(known).reindex(now.index), "at" if known.order == "clock" else "position"
    same = (now["num_events"] == old["num_events"]) & (now[moment] == old["time"])
    same &= (now["quantity"] - old["quantity"]).abs() <= _CLOSE * old["quantity"].abs().clip(lower=1.0)
    return sorted(now.index[~same])


def _merged(known: Snapshot, tables: Tables, *, kept: "pd.Index[str]") -> Events | None:
    """The events of users who stay as they were, and those that were read; None where a product of them is gone."""
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
    # A user is in one of the two, where the events stand in their order already.
    order = np.argsort(whole[0], kind="stable")
    user, product, kind, moment, quantity = (part[order] for part in whole)
    return Events(user, product, kind, moment, count_steps(user, time=moment), quantity)
