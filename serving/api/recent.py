"""What was done since the served bundle was made, counted for lists of what is in demand; read anew every second."""

import threading
import time

from serving.events import EventCount, EventLog

READ_EVERY_S = 1.0


class Recent:
    """Counts of the event log, as one API process knows them."""

    def __init__(self, log: EventLog) -> None:
        """Read nothing yet."""
        self._log = log
        self._known: tuple[int, float, tuple[EventCount, ...]] = (-1, float("-inf"), ())
        self._lock = threading.Lock()

    def counts(self, *, after: int) -> tuple[EventCount, ...]:
        """Return how often each thing was done with each product, by events with a log number above `after`.

        Raises:
            StateError: the log cannot be read.
        """
        with self._lock:
            number, read_at, found = self._known
            if number != after or time.monotonic() - read_at >= READ_EVERY_S:
                found = self._log.counts(after=after)
                self._known = (after, time.monotonic(), found)
            return found
