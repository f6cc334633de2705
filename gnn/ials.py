"""Factorisation by alternating least squares, from the package `implicit`: the only place that imports it.

A user's factors are found from the history when asked (`recalculate_user`), so that a user who came later, or an event
that counts less because it is old, needs no new fit. Not for explanations: what is said here has no parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int
from threadpoolctl import threadpool_limits

from gnn.climb import Settings
from gnn.errors import ConfigError
from gnn.history_baseline import Family, Mix
from gnn.score import History, decayed, stack_rows
from kg.operators import event_weights, popularity
from kg.snapshot import Snapshot

_ITERATIONS = 15


@dataclass(frozen=True, slots=True)
class FoldIn:
    """Fitted product factors, and how a history becomes the factors of a user."""

    model: Any
    """`implicit`'s fitted AlternatingLeastSquares; the package has no types."""
    mix: Mix
    """Decays of an event's confidence, in equal shares."""
    popular: Float[np.ndarray, " product"]
    """Users of each product: the score of somebody without a history."""

    def score_users(
        self, users: Int[np.ndarray, " user"], histories: Sequence[History]
    ) -> Float[np.ndarray, "user product"]:
        """Return the score of every product; who the users are does not matter, only what they did."""
        weights = [decayed(history, self.mix).mean(axis=0) for history in histories]
        rows = confidence(stack_rows([history.product for history in histories], weights, len(self.popular)))
        with threadpool_limits(limits=1, user_api="blas"):
            factors = self.model.recalculate_user(np.arange(len(histories)), rows)
            scores = np.asarray(factors @ self.model.item_factors.T, dtype=np.float64)
        scores[np.diff(rows.indptr) == 0] = self.popular
        return scores


def fit_ials(seen: Snapshot, *, factors: int, regularisation: float, alpha: float, seed: int) -> Any:
    """Return the fitted model of `implicit`, its confidences alpha * log2(1 + events), and 1 for no event.

    Args:
        seen: what may be learned from.
        factors: width of the vectors.
        regularisation: ridge on them.
        alpha: how much more one event says than none.
        seed: start values.

    Raises:
        ConfigError: the package is not installed.

    Source: Hu et al., "Collaborative filtering for implicit feedback datasets", ICDM 2008.
    """
    shape = (seen.num_nodes("User"), seen.num_nodes("Product"))
    counts = sp.csr_array((event_weights(seen), (seen.events.user, seen.events.product)), shape=shape)
    # More threads than one in BLAS only get in the way of the model's own; `implicit` warns of it.
    with threadpool_limits(limits=1, user_api="blas"):
        model = _als_class()(
            factors=factors, regularization=regularisation, alpha=alpha, iterations=_ITERATIONS, random_state=seed
        )
        model.fit(confidence(counts), show_progress=False)
    return model


def confidence(weights: sp.csr_array) -> sp.csr_matrix:
    """Return log2(1 + weight) where a product's events add up to more than 0: 1 for one, slowly more for many."""
    rows = sp.csr_matrix(weights, dtype=np.float32)
    rows.sum_duplicates()
    rows.data = np.log2(1.0 + np.maximum(rows.data, 0.0))
    rows.eliminate_zeros()
    return rows


def _als_class() -> Any:
    try:
        from implicit.cpu.als import AlternatingLeastSquares
    except ImportError as err:
        raise ConfigError(
            "the baseline 'ials' needs the package implicit; install whycart with the extra 'bench' or leave it out"
        ) from err
    return AlternatingLeastSquares


def _fit(seen: Snapshot, settings: Settings, seed: int) -> Any:
    return fit_ials(
        seen,
        factors=int(settings["factors"]),
        regularisation=settings["regularisation"],
        alpha=settings["alpha"],
        seed=seed,
    )


def _recommend(model: Any, mix: Mix, seen: Snapshot) -> FoldIn:
    return FoldIn(model, mix, popularity(seen))


IALS: Family[Any] = Family(
    {
        "factors": (16, 32, 64, 128, 256),
        "regularisation": (0.01, 0.1, 1.0, 3.0, 10.0, 30.0, 100.0),
        "alpha": (1.0, 3.0, 10.0, 30.0, 100.0),
    },
    {"factors": 64, "regularisation": 3.0, "alpha": 10.0},
    10,
    _fit,
    _recommend,
)
"""What is tried of the factorisation."""
