"""What a retraining learns from when it learns from the graph: everything in it, and what waits in the logs.

What waits is written to the graph first, so that the graph, which analysts ask, knows no less than the model.
"""

from dataclasses import dataclass
from datetime import datetime

from kg.extract import extract_tables
from kg.progress import Progress, silent
from kg.refresh import refresh_snapshot
from kg.schema import GraphSchema
from kg.snapshot import Snapshot, build_snapshot
from kg.store import GraphStore
from serving.applying import apply_events, retry_refused
from serving.events import APPLIED, PENDING, REFUSED, EventLog
from serving.people_data import let_go
from serving.products import ProductLog, apply_products


@dataclass(frozen=True, slots=True)
class Applied:
    """How much of the logs a snapshot holds."""

    events: int = 0
    """Last number of the event log."""
    products: int = 0
    """Last number of the product log; what the graph refused of it is not there."""
    deletions: int = 0
    """Number up to which deleted users are gone."""


def snapshot_of_graph(
    store: GraphStore, schema: GraphSchema, *, cutoff: datetime | None = None, progress: Progress = silent
) -> Snapshot:
    """Read the whole graph and cut it at a time."""
    return build_snapshot(extract_tables(store, schema, progress=progress), cutoff=cutoff)


def snapshot_with_events(  # noqa: PLR0913  # where from, what of, and how: each on its own
    store: GraphStore,
    schema: GraphSchema,
    *,
    log: EventLog,
    products: ProductLog,
    known: Snapshot | None = None,
    refresh: bool = False,
    cutoff: datetime | None = None,
    progress: Progress = silent,
) -> tuple[Snapshot, Applied]:
    """Write the waiting products and events of the logs to the graph, then read the graph and cut it at a time.

    Args:
        store: an open graph.
        schema: kinds in use.
        log: events that came in since the last model.
        products: what was said of products.
        known: an earlier snapshot of the same shop; None: the graph is read one time more when something waits.
        refresh: whether what `known` holds is taken from there where it can be (`kg.refresh`); the whole graph is read
            else, and in any case with a cutoff.
        cutoff: as for `snapshot_of_graph`.
        progress: called as work moves.

    Returns:
        The snapshot, and what of the logs is in it.

    Raises:
        GraphBusyError: another process writes the same events and does not end.
    """
    with log.applying():
        let_go(log, store, schema)
        if products.waiting() or log.count(PENDING) or log.count(REFUSED):
            known = known or snapshot_of_graph(store, schema)
            apply_products(products, store, known)
            apply_events(log, store, known)
            retry_refused(log, store, known)
        last, said, gone = log.applied_seq(), products.last_seq(), log.deletions.last()
        snapshot = None
        if refresh and cutoff is None and known is not None and known.schema == schema:
            snapshot = refresh_snapshot(store, known, progress=progress)
        if snapshot is None:
            snapshot = snapshot_of_graph(store, schema, cutoff=cutoff, progress=progress)
    return snapshot, Applied(last if cutoff is None else _last_before(log, cutoff, last), said, gone)


def _last_before(log: EventLog, cutoff: datetime, last: int) -> int:
    """Number up to which every event of the log is older than the cutoff, at most `last`."""
    cutoff_ms, done = int(cutoff.timestamp() * 1000), 0
    while batch := log.read(APPLIED, after=done):
        for logged in batch:
            if logged.event.at_ms >= cutoff_ms or logged.seq > last:
                return min(logged.seq - 1, last)
        done = batch[-1].seq
    return last
