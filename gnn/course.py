"""What the epochs of a training gave so far, and when that is enough; the training itself is `gnn.train`'s."""

import logging
from dataclasses import dataclass, field

import numpy as np

from gnn.curves import Curves

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Course:
    """What the epochs of a training gave so far, an interrupted one's that it goes on from included."""

    began: float = 0.0
    """When it began, by the clock of this process; earlier by what an interrupted training had taken."""
    losses: list[float] = field(default_factory=list)
    """Mean loss of each epoch."""
    values: list[float] = field(default_factory=list)
    """Validation value of each epoch; empty without validation."""
    epochs_s: list[float] = field(default_factory=list)
    """Seconds of the steps of each epoch."""

    @property
    def best_epoch(self) -> int:
        """Epoch with the best value, from 1; the last one without validation."""
        return int(np.argmax(self.values)) + 1 if self.values else len(self.losses)

    def is_over(self, last: int, patience: int) -> bool:
        """Return whether no further epoch is wanted: there were enough, or the best is too long ago."""
        return len(self.losses) >= last or len(self.losses) - self.best_epoch > patience

    def tell(self, curves: Curves) -> None:
        """Tell of the epoch that has ended."""
        number, loss, value = len(self.losses), self.losses[-1], self.values[-1] if self.values else None
        curves.epoch(number, loss=loss, value=value, seconds=self.epochs_s[-1])
        if value is not None:
            logger.info("epoch done", extra={"epoch": number, "loss": loss, "value": value})
