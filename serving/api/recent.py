"""What was done since the served bundle was made, counted for lists of what is in demand; read anew every second."""

import hashlib
import threading
import time
from dataclasses import dataclass

from serving.events import EventCount, EventLog

READ_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Counted:
    """How often each thing was done with each product."""

    counts: tuple[EventCount, ...]
    digest: str
    """The same for the same counts, in every process."""


class Recent:
    """Counts of the event log, as one API process knows them."""

    def __init__(self, log: EventLog) -> None:
        """Read nothing yet."""
        self._log = log
        self._known: tuple[int, float, Counted] = (-1, float("-inf"), _counted(()))
        self._lock = threading.Lock()

    def counts(self, *, after: int) -> tuple[EventCount, ...]:
        """Return how often each thing was done with each product, by events with a log number above `after`.

        Raises:
            StateError: the log cannot be read.
        """
        return self.counted(after=after).counts

    def counted(self, *, after: int) -> Counted:
        """Return the same with a digest."""
        with self._lock:
            number, read_at, found = self._known
            if number != after or time.monotonic() - read_at >= READ_EVERY_S:
                found = _counted(self._log.counts(after=after))
                self._known = (after, time.monotonic(), found)
            return found


def _counted(counts: tuple[EventCount, ...]) -> Counted:
    text = "\n".join(f"{one.product_id}\0{one.type}\0{one.count}" for one in counts)
    return Counted(counts, hashlib.blake2b(text.encode(), digest_size=12).hexdigest())
