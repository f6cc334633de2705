"""Seconds by name: what the report says a fit has cost."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Stopwatch:
    """Adds up wall seconds under names; laps of one name add up."""

    def __init__(self, *, exact: bool = False) -> None:
        """Begin with no laps.

        Args:
            exact: whether work that was handed to a GPU is waited for at the end of a lap, which slows training down.
        """
        self.exact = exact
        self._laps: dict[str, float] = {}

    @contextmanager
    def lap(self, name: str) -> Iterator[None]:
        """Count what happens inside under a name, also when it ends in an error."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - start)

    def add(self, name: str, seconds: float) -> None:
        """Count seconds that were taken elsewhere."""
        self._laps[name] = self._laps.get(name, 0.0) + seconds

    def seconds(self, names: Iterable[str]) -> float:
        """Return the sum of some laps; a name that was never used counts as 0."""
        return sum(self._laps.get(name, 0.0) for name in names)

    @property
    def laps(self) -> dict[str, float]:
        """Seconds by name, in order of first use."""
        return dict(self._laps)
