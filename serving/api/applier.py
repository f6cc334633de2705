"""Writes logged products and events to the graph in the background, and keeps trying while the graph is away.

The graph is opened when the first event waits, so an API that only reads never needs one.
"""

import logging
import threading
import time
from collections.abc import Callable

from cypher.errors import WhycartError
from kg.errors import GraphBusyError
from kg.snapshot import Snapshot
from kg.store import GraphStore
from serving.applying import apply_events, retry_refused
from serving.events import PENDING, REFUSED, EventLog
from serving.logs import background
from serving.people_data import let_go
from serving.products import ProductLog, apply_products
from serving.stages import STAGES, Stages, lap
from serving.tracing import Traces

logger = logging.getLogger(__name__)
POLL_S = 2.0
"""How often events of other processes are looked for."""
GATHER_S = 1.0
"""How long events gather after some were written: many in a transaction cost the graph and this process little more
than one."""
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
STOP_WAIT_S = 5.0


class EventApplier:
    """One background thread; `start` and `stop` it once."""

    def __init__(
        self,
        log: EventLog,
        products: ProductLog,
        open_graph: Callable[[], GraphStore],
        *,
        snapshot: Callable[[], Snapshot | None],
        poll_s: float = POLL_S,
        traces: Traces | None = None,
    ) -> None:
        """Take what the logs hold to the graph that `open_graph` opens, once a snapshot names the kinds.

        Args:
            log: holds the events that wait.
            products: holds what was said of products.
            open_graph: opens the graph, when the first of them waits.
            snapshot: gives the snapshot in use; None: there is none yet.
            poll_s: seconds between two looks.
            traces: is told of every write; None: nobody is.
        """
        self._products, self._traces = products, traces
        self._log, self._open_graph, self._snapshot, self._poll_s = log, open_graph, snapshot, poll_s
        self._store: GraphStore | None = None
        self._retried: str | None = None
        self._failures = 0
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = background(self._run, "event-apply")

    @property
    def failing(self) -> bool:
        """Whether the last attempt to reach the graph failed."""
        return self._failures > 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Say that events wait."""
        self._wake.set()

    def stop(self) -> None:
        """End; what still waits, waits for the next start. A write under way is given STOP_WAIT_S."""
        self._stop.set()
        self._wake.set()
        self._thread.join(STOP_WAIT_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            has_written = self._step()
            if has_written:
                self._stop.wait(GATHER_S)
            if self._failures:
                self._stop.wait(min(FIRST_PAUSE_S * 2 ** (self._failures - 1), LONGEST_PAUSE_S))
            else:
                self._wake.wait(self._poll_s)
            self._wake.clear()
        self._close()

    def _step(self) -> bool:
        """Write what waits; return whether anything was written."""
        watch = Stages()
        STAGES.set(watch)
        try:
            has_written = self._apply()
            self._failures = 0
        except GraphBusyError:  # another process is at it
            self._failures = 0
            return False
        except Exception as err:  # the edge of a thread: events wait in the log, whatever happened
            self._failures = min(self._failures + 1, 30)
            ours = isinstance(err, WhycartError)
            logger.warning("events wait, the graph was not written: %s", err, exc_info=not ours)
            self._tell(watch, error=type(err).__name__)
            self._close()
            return False
        if has_written:
            self._tell(watch, error=None)
        return has_written

    def _tell(self, watch: Stages, *, error: str | None) -> None:
        if self._traces is not None:
            self._traces.step(watch, "write to the graph", ended_s=time.perf_counter(), error=error)

    def _apply(self) -> bool:
        snapshot = self._snapshot()
        if snapshot is None:
            return False
        leaving = bool(self._log.deletions.waiting())
        # What the graph refused may have its product by now: tried again once a bundle.
        refused = self._retried != snapshot.hash and self._log.count(REFUSED) > 0
        said = self._products.waiting(limit=1)
        if not leaving and not said and not refused and not self._log.read(PENDING, limit=1):
            return False
        lap("look")
        store = self._opened(snapshot)
        lap("open")
        if leaving:
            let_go(self._log, store, snapshot.schema, wait_s=0)
            lap("deletions")
        if said:
            with self._log.applying(wait_s=0):
                apply_products(self._products, store, snapshot)
            lap("products")
        if refused:
            retry_refused(self._log, store, snapshot, wait_s=0)
            lap("refused_before")
        self._retried = snapshot.hash
        written = apply_events(self._log, store, snapshot, wait_s=0)
        lap("events")
        logger.info("events written to the graph", extra={"num_events": written})
        return True

    def _opened(self, snapshot: Snapshot) -> GraphStore:
        if self._store is None:
            self._store = self._open_graph()
            self._store.create_schema(snapshot.schema)
        return self._store

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None
