"""What is watched while some users are shown a new model: failures, empty lists, times; and what follows from it."""

import logging
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scipy import stats

from gnn.bundles import BundleStore
from gnn.canary import Canary
from serving.api.holding import Holding
from serving.api.metrics import Metrics, Result
from serving.publish_config import PublishConfig

logger = logging.getLogger(__name__)
ALARM_P = 1e-5
"""Probability below which more failures are no accident; so small because it is looked at again and again."""
_TIMES = 500
"""Latest answers of each side whose times are compared."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What users took up of a canary."""

    against: str | None
    """What speaks against serving it to all, in words; None: nothing does."""
    figures: str
    """In words."""


@dataclass(frozen=True, slots=True)
class CanaryWatch:
    """How an API process looks after a canary."""

    config: PublishConfig = field(default_factory=PublishConfig)
    """What takes it away."""
    judge: Callable[[Canary], Judgement] = lambda canary: Judgement(None, "nobody compared what users took up")
    """Says at its end what users took up."""
    tell: Callable[[Mapping[str, Any]], object] = lambda message: None
    """Hears how it ended; `text` is for people."""


_WORDS: Mapping[Result, str] = {"failed": "answers fail", "empty": "lists are empty"}


class _Side:
    """What one model did since the canary began, in this process."""

    def __init__(self) -> None:
        self.counts: dict[Result, int] = {"answered": 0, "empty": 0, "failed": 0}
        self.times: deque[float] = deque(maxlen=_TIMES)

    def copy(self) -> "_Side":
        other = _Side()
        other.counts, other.times = dict(self.counts), self.times.copy()
        return other

    @property
    def total(self) -> int:
        return sum(self.counts.values())


class Trial:
    """A canary in use by one API process."""

    def __init__(self, canary: Canary, holding: Holding, watch: CanaryWatch, metrics: Metrics) -> None:
        """Count from zero."""
        self.canary, self.holding = canary, holding
        self._watch, self._metrics = watch, metrics
        self._sides = {False: _Side(), True: _Side()}
        self._lock = threading.Lock()

    def count(self, result: Result, took_s: float, *, is_canary: bool) -> None:
        """Count one answer to a user.

        Args:
            result: what it was.
            took_s: seconds that the model took.
            is_canary: which model.
        """
        self._metrics.count_model("canary" if is_canary else "others", result, took_s=took_s)
        with self._lock:
            side = self._sides[is_canary]
            side.counts[result] += 1
            if result != "failed":
                side.times.append(took_s)

    def alarm(self) -> str | None:
        """Return what takes the canary away, in words; None: nothing does."""
        with self._lock:  # only to copy: whoever answers a user waits for it
            others, canary = self._sides[False].copy(), self._sides[True].copy()
        for result, what in _WORDS.items():
            pair = (canary.counts[result], canary.total), (others.counts[result], others.total)
            if pair[0][0] and is_more(*pair):
                return f"more of its {what}: {_of(*pair[0])}, beside {_of(*pair[1])}"
        if min(len(canary.times), len(others.times)) < min(self._watch.config.min_answers, _TIMES):
            return None
        slow, usual = statistics.median(canary.times), statistics.median(others.times)
        if slow > self._watch.config.max_slowdown * usual:
            return f"its answers take {slow * 1000:.1f} ms, beside {usual * 1000:.1f} ms of the model before"
        return None

    def look(self, bundles: BundleStore) -> None:
        """End the canary where something speaks against it or its time has come; one process of several does."""
        canary, now_ms = self.canary, int(time.time() * 1000)
        if (why := self.alarm()) is not None:
            self._end(bundles, why, now_ms)
        elif canary.until_ms is not None and now_ms >= canary.until_ms:
            found = self._watch.judge(canary)
            if found.against is not None:
                self._end(bundles, found.against, now_ms)
            elif bundles.promote(canary, found.figures):
                self._tell("promoted", f"{canary.version} is served to all: {found.figures}")

    def _end(self, bundles: BundleStore, why: str, now_ms: int) -> None:
        if bundles.canary.end(self.canary, "alarm", why, now_ms=now_ms):
            self._tell("alarm", f"{self.canary.version} is not shown any more, {self.canary.before} is served: {why}")

    def _tell(self, ending: str, text: str) -> None:
        level = logging.INFO if ending == "promoted" else logging.WARNING
        logger.log(level, "the canary has ended: %s", text, extra={"ending": ending})
        self._metrics.count_canary(ending)
        self._watch.tell({"text": f"Whycart: {text}", "kind": "canary", "ending": ending})


def is_more(first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Return whether a part is larger than another and this is no accident, by Fisher's exact test.

    Args:
        first: how many, of how many.
        second: the same of the other side.
    """
    (few, total), (others, of_others) = first, second
    table = [[few, total - few], [others, of_others - others]]
    return bool(stats.fisher_exact(table, alternative="greater").pvalue < ALARM_P)


def _of(number: int, total: int) -> str:
    return f"{number:,} of {total:,}"
