"""How many products stand before one when parts of a history are taken out: arithmetic for many sets at once.

What stays is added up anew for every set and nothing is subtracted, so that a faint remainder keeps its digits. The
result is for choosing sets; whoever claims something of one scores the reduced history with `gnn.score`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from gnn.score import History, Scorer, decayed, decayed_products, mass_floor, stack_rows
from kg.kernels import Kernel

_BLOCK = 4096
_SLACK = 1e-5
"""Scores this near (in parts of the larger one, at least 1) count as ahead: float32 may decide either way."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What one kernel says for each set: what stays of the considered products, and all that is never taken out."""

    kernel: Kernel
    considered: Int[np.ndarray, " history"]
    held: Float[np.ndarray, "set history"]
    """How much each considered product still counts."""
    scale: Float[np.ndarray, "set decay"]
    rest: Float[np.ndarray, "decay product"]
    """What the products that are not considered say, before `scale`."""

    def totals(self, columns: Int[np.ndarray, " column"]) -> Float[np.ndarray, "set column"]:
        held = self.held @ self.kernel.entries(self.considered, columns)
        return np.asarray(held + self.scale @ self.rest[:, columns])


def count_ahead(
    scorer: Scorer,
    history: History,
    considered: Int[np.ndarray, " history"],
    *,
    removed: Bool[np.ndarray, "set history"],
    target: int,
    allowed: Bool[np.ndarray, " product"],
    freed: Bool[np.ndarray, " product"],
) -> Int[np.ndarray, " set"]:
    """Return how many products may stand before a target without each set of products of the history.

    Args:
        scorer: the model.
        history: what the user did.
        considered: distinct products of the history that may be taken out, in order of their row.
        removed: which of them each set takes out.
        target: row of the product.
        allowed: which products count while the history is whole.
        freed: products that count once they are taken out of the history.

    Returns:
        A count a set; products about level with the target are counted.
    """
    parts = _parts(scorer, history, considered, removed)
    prior = np.asarray(scorer.blend.prior_weights @ scorer.priors, dtype=np.float64)
    own = prior[target] + sum((part.totals(np.array([target]))[:, 0] for part in parts), np.zeros(len(removed)))
    least = own - _SLACK * np.maximum(1.0, np.abs(own))
    count = np.zeros(len(removed), dtype=np.int64)
    for first in range(0, len(prior), _BLOCK):
        columns = np.arange(first, min(first + _BLOCK, len(prior)))
        totals = prior[columns] + sum((part.totals(columns) for part in parts), np.zeros((len(removed), len(columns))))
        counted = np.repeat(allowed[None, columns], len(removed), axis=0)
        for place in np.flatnonzero(freed[considered] & np.isin(considered, columns)):
            counted[removed[:, place], considered[place] - first] = True
        counted[:, columns == target] = False
        count += ((totals >= least[:, None]) & counted).sum(axis=1)
    return count


def _parts(
    scorer: Scorer, history: History, considered: Int[np.ndarray, " history"], removed: Bool[np.ndarray, "set history"]
) -> list[_Part]:
    blend, faded = scorer.blend, decayed(history, scorer.blend.decays)
    inside = np.isin(history.product, considered)
    _, said, loud = decayed_products(history.where(inside), blend.decays)
    others, others_faded = history.product[~inside], faded[:, ~inside]
    found = []
    for kernel, weights in zip(scorer.kernels, blend.weights, strict=True):
        used = np.flatnonzero(weights)
        if not len(used):
            continue
        given = loud[:, used] * kernel.mass[considered][:, None]
        always = np.abs(others_faded[used]) @ kernel.mass[others]
        mass = np.maximum(~removed @ given + always, mass_floor(kernel))
        scale = weights[used] / mass**blend.mass_power
        held = ~removed * (scale @ said[:, used].T)
        rows = stack_rows([others] * len(used), list(others_faded[used]), scorer.priors.shape[1])
        found.append(_Part(kernel, considered, held, scale, kernel.spread(rows)))
    return found
