"""How long work reports that it moves. Drawing it is the command line's business."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Progress(Protocol):
    """Called as work moves; must be cheap and must not raise."""

    def __call__(self, step: str, done: int, total: int | None) -> None:
        """Report that `done` of `total` units of `step` are finished; total None: not known."""


def silent(step: str, done: int, total: int | None) -> None:
    """Report nothing."""
