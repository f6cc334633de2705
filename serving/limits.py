"""What a run of the job may take: time and memory. It fails with a sentence when it reaches either.

A signal reaches a run anywhere, inside a library too, where an error may be taken for one of the library's own. So what
is raised is `_Reached`, which no `except Exception` takes, and it becomes an error of ours at the edge.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

import psutil

from serving.errors import LimitReached
from serving.job_config import JobConfig

GIGABYTE = 10**9
_LOOK_S = 0.25


class _Reached(BaseException):
    """A limit is reached; the text is for people."""


@contextlib.contextmanager
def within(limits: JobConfig) -> Iterator[None]:
    """Hold what runs inside to its limits; call it on the main thread.

    What computes in a library is let come to the end of that one call first.

    Raises:
        LimitReached: it took too long, or its process holds too much memory.
    """
    try:
        with _time_limit(limits.max_minutes), _memory_limit(limits.max_memory_gb):
            yield
    except _Reached as err:
        raise LimitReached(str(err)) from err


@contextlib.contextmanager
def _time_limit(minutes: float) -> Iterator[None]:
    """Fail after so many minutes; 0: never."""

    def too_late(number: int, frame: FrameType | None) -> NoReturn:
        raise _Reached(
            f"the run took more than {minutes:g} minutes ([job] max_minutes); give it more time, or a smaller [train]"
        )

    with _handled(signal.SIGALRM, too_late):
        signal.setitimer(signal.ITIMER_REAL, 60.0 * minutes)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)


@contextlib.contextmanager
def _memory_limit(gigabytes: float) -> Iterator[None]:
    """Fail when the process holds so much; 0: never."""
    if not gigabytes:
        yield
        return

    def too_much(number: int, frame: FrameType | None) -> NoReturn:
        raise _Reached(
            f"the run took more than {gigabytes:g} GB of memory ([job] max_memory_gb); give it more, or a smaller "
            "[model] dim"
        )

    over, main = threading.Event(), threading.main_thread().ident
    watch = threading.Thread(target=_watch, args=(gigabytes * GIGABYTE, over, main), name="memory-watch", daemon=True)
    with _handled(signal.SIGUSR1, too_much):
        watch.start()
        try:
            yield
        finally:
            over.set()
            watch.join()


def _watch(most: float, over: threading.Event, main: int) -> None:
    process = psutil.Process()
    while not over.wait(_LOOK_S):
        if process.memory_info().rss > most:
            signal.pthread_kill(main, signal.SIGUSR1)
            return


@contextlib.contextmanager
def _handled(number: signal.Signals, handler: Callable[[int, FrameType | None], NoReturn]) -> Iterator[None]:
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)
