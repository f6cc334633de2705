"""The steps of a job: named, timed, and told to whoever started it."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gnn.report import Report
from gnn.stopwatch import Stopwatch

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """A step that ended without an error."""

    name: str
    took_s: float
    line: str
    """What came out, in one line."""
    report: Report | None = None
    """What was measured; only of the step that measures."""


StepDone = Callable[[StepOutcome], None]
"""Called after each step."""


class Steps:
    """Names the steps of a job, counts their seconds and tells the caller."""

    def __init__(self, clock: Stopwatch, done: StepDone | None) -> None:
        self._clock, self.done, self._line = clock, done, ""
        self._report: Report | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Run one step; it is reported when it ends without an error."""
        self._line, self._report = "", None
        start = time.perf_counter()
        with self._clock.lap(name):
            yield
        took = time.perf_counter() - start
        logger.info("step done", extra={"step": name, "took_s": round(took, 2), "outcome": self._line})
        if self.done is not None:
            self.done(StepOutcome(name, took, self._line, self._report))

    def says(self, line: str, report: Report | None = None) -> None:
        """Say in one line what came out of the running step, with what was measured in it."""
        self._line, self._report = line, report
