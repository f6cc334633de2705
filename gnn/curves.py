"""What a training does, step by step and epoch by epoch, as event files that `tensorboard --logdir` shows.

Off unless a folder is named, and nothing is imported then. Losses of a GPU are fetched some steps at a time. A file
that cannot be written costs a warning and never the training. The caller names the folders, one a training.
"""

import contextlib
import importlib.util
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from gnn.errors import ConfigError

if TYPE_CHECKING:
    from tensorboardX.event_file_writer import EventsWriter as Writer
    from tensorboardX.proto.summary_pb2 import Summary

logger = logging.getLogger(__name__)
STEP_LOSS, RATE = "step/loss", "step/learning_rate"
EPOCH_LOSS, VALUE, SECONDS = "epoch/loss", "epoch/validation", "epoch/seconds"
"""Names of the curves: those of a step stand at its number from 1, those of an epoch at that of the epoch."""
_TOGETHER = 50
"""Steps that are written together."""


def check_curves() -> None:
    """Make sure that event files can be written.

    Raises:
        ConfigError: what writes them is not installed.
    """
    if importlib.util.find_spec("tensorboardX") is None:
        raise ConfigError(
            "[tracking] tensorboard is set and tensorboardX, which writes the files, is not installed: "
            "pip install 'whycart[tracking]', or take the setting out"
        )


class Curves:
    """The event file of one training; without a folder nothing is written."""

    def __init__(self, folder: Path | None, settings: Mapping[str, Any]) -> None:
        """Begin a file.

        Args:
            folder: of this training alone; it is made when it is not there.
            settings: hyperparameters by name; what is neither number, text nor truth is written as text.

        Raises:
            ConfigError: what writes them is not installed.
        """
        self._waiting: list[tuple[int, float, Float[Tensor, ""], float]] = []
        self._writer: Writer | None = None
        if folder is None:
            return
        check_curves()
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.summary import hparams

        plain = {
            name: value if isinstance(value, bool | int | float) else str(value) for name, value in settings.items()
        }
        begin, values, self._end = hparams(plain, dict.fromkeys((EPOCH_LOSS, VALUE, SECONDS)))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._writer = EventsWriter(str(folder / "events"))
        except OSError as err:
            self._give_up(err)
        self._write([(begin, 0, time.time()), (values, 0, time.time())])

    def __enter__(self) -> "Curves":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what waits and close the file; a training that ended in an error is not marked as ended."""
        if self._writer is None:
            return
        self._write(self._steps() + ([(self._end, 0, time.time())] if kind is None else []))
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def step(self, number: int, *, loss: Float[Tensor, ""], rate: float) -> None:
        """Tell of an optimiser step.

        Args:
            number: of the step in the training, from 1.
            loss: mean loss of its examples; it is not waited for.
            rate: step size it was taken with.
        """
        if self._writer is None:
            return
        self._waiting.append((number, time.time(), loss, rate))
        if len(self._waiting) >= _TOGETHER:
            self._write(self._steps())

    def epoch(self, number: int, *, loss: float, value: float | None, seconds: float) -> None:
        """Tell of an epoch.

        Args:
            number: of the epoch, from 1.
            loss: its mean loss.
            value: validation value after it; None: nothing validates.
            seconds: of its steps.
        """
        if self._writer is None:
            return
        from tensorboardX.summary import scalar

        told = {EPOCH_LOSS: loss, VALUE: value, SECONDS: seconds}
        now = time.time()
        self._write(
            self._steps() + [(scalar(name, found), number, now) for name, found in told.items() if found is not None]
        )

    def _steps(self) -> list[tuple["Summary", int, float]]:
        """The steps that wait to be written."""
        from tensorboardX.summary import scalar

        losses = torch.stack([loss for _, _, loss, _ in self._waiting]).tolist() if self._waiting else []
        found = []
        for (number, at, _, rate), loss in zip(self._waiting, losses, strict=True):
            found += [(scalar(STEP_LOSS, loss), number, at), (scalar(RATE, rate), number, at)]
        self._waiting = []
        return found

    def _write(self, summaries: list[tuple["Summary", int, float]]) -> None:
        from tensorboardX.proto.event_pb2 import Event

        if self._writer is None:
            return
        try:
            for summary, step, at in summaries:
                self._writer.write_event(Event(wall_time=at, step=step, summary=summary))
            self._writer.flush()
        except OSError as err:
            self._give_up(err)

    def _give_up(self, err: OSError) -> None:
        logger.warning("the curves of the training are not written any more: %s", err)
        if self._writer is not None:
            with contextlib.suppress(OSError):  # what it still holds has no room either
                self._writer.close()
        self._writer = None
