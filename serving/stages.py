"""Where the time of an answer goes, stage by stage: the one source of `Server-Timing` and of traces.

Whoever finishes a stage says so with `lap`; the time since the stage before is that stage's. Where nobody set a watch
(command line, tests of single functions) a lap does nothing. What is done with the times is said in
`serving.api.edge` and `serving.tracing`.
"""

import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple


class Stage(NamedTuple):
    """One finished stage."""

    name: str
    started_s: float
    """By the clock of `time.perf_counter`."""
    ended_s: float


@dataclass(slots=True)
class Stages:
    """The stages of one answer, or of one step of a background thread, in the order they were finished."""

    started_s: float = field(default_factory=time.perf_counter)
    """By the clock of `time.perf_counter`."""
    began_ns: int = field(default_factory=time.time_ns)
    """The same moment, nanoseconds since 1970."""
    finished: list[Stage] = field(default_factory=list)

    def lap(self, stage: str) -> None:
        """Give the time since the stage before to `stage`."""
        since = self.finished[-1].ended_s if self.finished else self.started_s
        self.finished.append(Stage(stage, since, time.perf_counter()))

    def totals_ms(self) -> dict[str, float]:
        """Return the milliseconds of each stage, those of the same name together, in order."""
        found: dict[str, float] = {}
        for stage in self.finished:
            found[stage.name] = found.get(stage.name, 0.0) + (stage.ended_s - stage.started_s) * 1000
        return found

    def at_ns(self, moment_s: float) -> int:
        """Return a moment of `time.perf_counter` as nanoseconds since 1970."""
        return self.began_ns + int((moment_s - self.started_s) * 1e9)


STAGES: ContextVar[Stages | None] = ContextVar("stages", default=None)
"""Of what is done now; None: nobody measures."""


def lap(stage: str) -> None:
    """Say that a stage has ended.

    Args:
        stage: its name, a token of HTTP: lower-case letters and underscores.
    """
    watch = STAGES.get()
    if watch is not None:
        watch.lap(stage)
