"""From the event log to the graph: in order, nothing lost and nothing doubled, whatever stops it.

What waits is read from `serving.events` and marked there once the graph has it.
"""

import logging
from collections.abc import Sequence

import pyarrow as pa

from cypher.errors import QueryError
from kg.errors import TableError
from kg.ingest import write_events, write_nodes
from kg.snapshot import Snapshot
from kg.store import GraphStore
from kg.tables import EVENT_COLUMNS
from serving.events import APPLIED, PENDING, REFUSED, EventLog, LoggedEvent, NewEvent, row_of

logger = logging.getLogger(__name__)


def apply_events(log: EventLog, store: GraphStore, snapshot: Snapshot, *, wait_s: float = 60.0) -> int:
    """Write the waiting events of the log to the graph, in order; return how many are there now.

    An event is marked only after the graph has it, and the graph knows it by its event_id: stopped at any moment and
    called again, nothing is lost and nothing doubled. An event that the graph refuses (its product is not there) is
    set aside with the reason; `retry_refused` tries those again.

    Args:
        log: where the events wait.
        store: an open graph whose schema has been created.
        snapshot: says which kinds there are, and whether events have a time or only an order.
        wait_s: how long to wait for another process that does the same.

    Raises:
        GraphBusyError: another process is still at it.
        GraphConnectionError: the server does not answer; the events keep waiting.
        StateError: the log cannot be read or written.
    """
    return _apply(log, store, snapshot, state=PENDING, wait_s=wait_s)


def retry_refused(log: EventLog, store: GraphStore, snapshot: Snapshot, *, wait_s: float = 60.0) -> int:
    """Offer the graph again what it refused before, for example after an import of new products; arguments as above."""
    return _apply(log, store, snapshot, state=REFUSED, wait_s=wait_s)


def _apply(log: EventLog, store: GraphStore, snapshot: Snapshot, *, state: int, wait_s: float) -> int:
    written, last = 0, 0
    with log.applying(wait_s=wait_s):
        while batch := log.read(state, after=last):
            written += _apply_batch(log, store, snapshot, batch=batch)
            last = batch[-1].seq
    return written


def _apply_batch(log: EventLog, store: GraphStore, snapshot: Snapshot, *, batch: Sequence[LoggedEvent]) -> int:
    try:
        _write(store, snapshot, batch)
    except (TableError, QueryError) as err:
        if len(batch) == 1:
            log.mark([batch[0].seq], REFUSED, note=str(err))
            logger.warning("the graph refused an event; it is set aside", extra={"seq": batch[0].seq})
            return 0
        half = len(batch) // 2
        return sum(_apply_batch(log, store, snapshot, batch=part) for part in (batch[:half], batch[half:]))
    log.mark([logged.seq for logged in batch], APPLIED)
    return len(batch)


def _write(store: GraphStore, snapshot: Snapshot, batch: Sequence[LoggedEvent]) -> None:
    users = pa.table({"user_id": pa.array(sorted({logged.event.user_id for logged in batch}), pa.string())})
    write_nodes(store, snapshot.schema, label="User", nodes=users)
    # A shop without events has no order yet; its first events bring the clock.
    order = snapshot.order if len(snapshot.events) else "clock"
    rows = [_graph_row(logged.event, order) | _product(logged.event, snapshot) for logged in batch]
    write_events(store, snapshot.schema, events=pa.Table.from_pylist(rows, schema=EVENT_COLUMNS))


def _product(event: NewEvent, snapshot: Snapshot) -> dict[str, object]:
    """Return the product that the graph has for an event; one that is not there yet is named as it was sent."""
    row = snapshot.product_of_event(event.product_id)
    return {"product_id": event.product_id if row is None else snapshot.ids("Product")[row]}


def _graph_row(event: NewEvent, order: str) -> dict[str, object]:
    """Return an event with a time where the shop's events have one, else with a position after all imported ones."""
    row = row_of(event)
    at_ms = row.pop("at_ms")
    return row | {"at": at_ms if order == "clock" else None, "position": at_ms if order == "position" else None}
