"""What takes part in a comparison: the two small interfaces between models and the code that measures them.

An entrant is tuned on the validation part, fitted anew on everything before the test part, and then only asked for
scores. It never sees a test target: it is handed the past and nothing else.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float, Int

from gnn.score import History
from gnn.split import Trial
from kg.snapshot import Snapshot


class Recommender(Protocol):
    """A fitted model, ready to score the whole catalogue."""

    def score_users(
        self, users: Int[np.ndarray, " user"], histories: Sequence[History]
    ) -> Float[np.ndarray, "user product"]:
        """Return the score of every product for some users; larger is better.

        Args:
            users: user rows.
            histories: what each of them did, oldest first.
        """


class Entrant(Protocol):
    """A model from its settings to its scores."""

    name: str
    """Its name in tables: `ease`."""

    def tune(self, trial: Trial) -> Mapping[str, Any]:
        """Let the validation targets decide everything that is left open, and return what they chose."""

    def fit(self, seen: Snapshot) -> Recommender:
        """Fit on all that may be seen with the settings that `tune` chose."""


class Baseline(Entrant, Protocol):
    """An entrant whose whole tuning is the few settings it returns, so that they can be written down."""

    def recall(self, chosen: Mapping[str, Any]) -> None:
        """Take over what an earlier tuning chose; `fit` then does as after that tuning.

        Args:
            chosen: what `tune` returned, as it is or read from JSON.
        """
