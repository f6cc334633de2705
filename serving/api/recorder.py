"""Writes records of answered lists in the background, so that no answer waits for the disk.

An answer leaves its record in a queue; one thread a process writes what has gathered, many in a transaction, and
deletes what has expired. The queue is bounded by its bytes: while it is full, because the disk is full or somebody
holds the file, new lists are answered without a record, which is counted, logged and said as a cause of degradation.
What waits when the process ends is written first; a killed process loses what came in the last moment.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from cypher.errors import WhycartError
from serving.api.metrics import Metrics
from serving.errors import UnknownRecommendation
from serving.logs import background
from serving.records import Record, RecordLog

logger = logging.getLogger(__name__)
MAX_WAITING_BYTES = 64 * 1024 * 1024
"""Most bytes of answers that wait to be written."""
BATCH = 200
"""Most records of one transaction."""
GATHER_S = 0.1
"""How long the first record of a batch waits for others."""
SETTLE_S = 0.3
"""After this time a list of any process is written, if all is well."""
EXPIRE_EVERY_S = 3600.0
LONGEST_PAUSE_S = 10.0


class Recorder:
    """One background thread; `start` and `stop` it once."""

    def __init__(
        self,
        records: RecordLog,
        metrics: Metrics,
        *,
        max_waiting_bytes: int = MAX_WAITING_BYTES,
        forgets: Callable[[str], bool] | None = None,
        expire_more: Callable[[], object] | None = None,
    ) -> None:
        """Write to `records` and count in `metrics`; nothing is written before `start`.

        Args:
            records: where to.
            metrics: of the process.
            max_waiting_bytes: most bytes of answers that wait.
            forgets: tells of a user id whether that user was deleted, and gets no record; None: nobody was.
            expire_more: deletes what else has expired; None: there is nothing.
        """
        self.records = records
        """Where to."""
        self._expire_more = expire_more
        self._forgets, self._metrics, self._max_bytes = forgets, metrics, max_waiting_bytes
        self._waiting: deque[Record] = deque()
        self._bytes = 0
        self._failures = 0
        self._full = False
        self._lock = threading.Lock()
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = background(self._run, "record-lists")

    @property
    def enabled(self) -> bool:
        """Whether lists are recorded."""
        return self.records.config.enabled

    @property
    def failing(self) -> bool:
        """Whether records cannot be written now, or a list had to go without one since the last were."""
        return self._failures > 0 or self._full

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, end, and close the file."""
        self._stop.set()
        self._wake.set()
        self._thread.join()
        self.records.close()

    def add(self, record: Record) -> None:
        """Leave a record to be written; returns at once."""
        if not self.enabled:
            return
        with self._lock:
            taken = self._bytes + len(record.answer) <= self._max_bytes
            if taken:
                self._waiting.append(record)
                self._bytes += len(record.answer)
        if taken:
            self._wake.set()
        else:
            self._lose(1)

    def find(self, recommendation_id: str) -> Record:
        """Return one record, be it written or waiting here; for one of another process SETTLE_S are waited.

        Raises:
            UnknownRecommendation: no such record, or it has expired.
            StateError: the file cannot be read.
        """
        with self._lock:
            waiting = next((one for one in self._waiting if one.recommendation_id == recommendation_id), None)
        if waiting is not None:
            return waiting
        try:
            return self.records.find(recommendation_id)
        except UnknownRecommendation:
            time.sleep(SETTLE_S)
            return self.records.find(recommendation_id)

    def _run(self) -> None:
        expire_at = time.monotonic()
        while not self._stop.is_set():
            if time.monotonic() >= expire_at:
                self._expire()
                expire_at = time.monotonic() + EXPIRE_EVERY_S
            if self._wake.wait(max(0.0, expire_at - time.monotonic())):
                self._stop.wait(self._pause_s())
                self._wake.clear()
                self._write_waiting()
        self._write_waiting()
        if self._waiting:
            logger.error("the last records of lists were not written", extra={"num_records": len(self._waiting)})
            self._metrics.count_records(written=0, lost=len(self._waiting))

    def _pause_s(self) -> float:
        return float(min(GATHER_S * 2**self._failures, LONGEST_PAUSE_S))

    def _write_waiting(self) -> None:
        """Write batch after batch until nothing waits, or one cannot be written."""
        while batch := self._oldest():
            try:
                self.records.add([record for record in batch if not self._is_of_deleted(record)])
            except Exception as err:  # the edge of a thread: the records wait, whatever happened
                self._failures = min(self._failures + 1, 30)
                ours = isinstance(err, WhycartError)
                logger.warning("records of lists wait, they cannot be written: %s", err, exc_info=not ours)
                self._wake.set()
                return
            with self._lock:
                for record in batch:
                    self._waiting.popleft()
                    self._bytes -= len(record.answer)
            self._failures, self._full = 0, False
            self._metrics.count_records(written=len(batch), lost=0)

    def _is_of_deleted(self, record: Record) -> bool:
        return self._forgets is not None and record.user_id is not None and self._forgets(record.user_id)

    def _oldest(self) -> list[Record]:
        with self._lock:
            return [self._waiting[place] for place in range(min(BATCH, len(self._waiting)))]

    def _expire(self) -> None:
        try:
            deleted = self.records.expire()
            if self._expire_more is not None:
                self._expire_more()
        except Exception as err:  # the edge of a thread: they are deleted another time
            ours = isinstance(err, WhycartError)
            logger.warning("expired records of lists cannot be deleted: %s", err, exc_info=not ours)
        else:
            logger.info("expired records of lists deleted", extra={"num_records": deleted})

    def _lose(self, number: int) -> None:
        if not self._full:
            self._full = True
            logger.error("lists are answered without a record: too many wait to be written")
        self._metrics.count_records(written=0, lost=number)
