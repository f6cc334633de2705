"""What a piece of work costs: wall seconds, CPU seconds and the most memory that was held meanwhile."""

import os
import threading
import time
from types import TracebackType

import psutil

_EVERY_S = 0.05
_MIB = 2**20


class Meter:
    """Measures what happens inside a `with` block; the numbers stand once it has ended.

    Memory is that of the whole process, so whatever was in memory before counts too. Child processes do not count.
    """

    def __init__(self) -> None:
        self.wall_s = 0.0
        """Seconds on the clock."""
        self.cpu_s = 0.0
        """Seconds of CPU of all threads together."""
        self.peak_rss_mb = 0.0
        """Most resident memory seen, in MiB; looked at twenty times a second."""
        self._done = threading.Event()
        self._process = psutil.Process(os.getpid())

    def __enter__(self) -> "Meter":
        self._done.clear()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._start = time.perf_counter(), time.process_time()
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wall_s = time.perf_counter() - self._start[0]
        self.cpu_s = time.process_time() - self._start[1]
        self._done.set()
        self._watch.join()
        self._note()

    def _look(self) -> None:
        self._note()
        while not self._done.wait(_EVERY_S):
            self._note()

    def _note(self) -> None:
        self.peak_rss_mb = max(self.peak_rss_mb, self._process.memory_info().rss / _MIB)
