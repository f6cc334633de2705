"""One user's evidence for some products, taken apart once and read many times: terms and priors.

Pure arithmetic over the served model; paths are looked for in `serving.reasons`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from gnn.score import History, Scorer
from serving.answer import Contribution
from serving.ready import Ready
from serving.words import Words

_TERMS = 8
"""Terms of a score that are named one by one."""
_NOTHING = 1e-12


@dataclass(frozen=True, slots=True)
class Evidence:
    """A user's history against some products, taken apart once and read many times."""

    ready: Ready
    history: History
    user: int | None
    targets: Int[np.ndarray, " target"]
    """Product rows that the history is held against."""
    products: Int[np.ndarray, " history"]
    """Distinct products of the history."""
    weights: Float[np.ndarray, "kernel history"]
    """How much each product of the history counts for each kernel."""
    entries: Float[np.ndarray, "kernel history target"]
    """What each says for each target, before the weights."""
    priors: Float[np.ndarray, "prior target"]
    recency: Float[np.ndarray, " history"]
    """How late in the history each product last was: 1 at its last step, near 0 at its first; 1 without an order."""
    words: Words
    """How it is told."""

    @property
    def scorer(self) -> Scorer:
        """The model."""
        return self.ready.bundle.scorer

    @property
    def parts(self) -> Float[np.ndarray, "kernel history target"]:
        """What each product of the history adds to each target through each kernel."""
        return np.asarray(self.weights[:, :, None] * self.entries)


def take_apart(
    ready: Ready, targets: Int[np.ndarray, " target"], history: History, *, user: int | None, words: Words | None = None
) -> Evidence:
    """Return the evidence for some products; words: None: the shop's language, in full sentences."""
    scorer = ready.bundle.scorer
    products, weights = scorer.product_weights(history)
    entries, priors = scorer.entries(products, targets), scorer.prior_parts(targets)
    recency = _recency(history, products)
    return Evidence(ready, history, user, targets, products, weights, entries, priors, recency, words or ready.words())


def _recency(history: History, products: Int[np.ndarray, " history"]) -> Float[np.ndarray, " history"]:
    last = np.full(len(products), np.inf)
    np.minimum.at(last, np.searchsorted(products, history.product), history.rank)
    return np.asarray(1.0 - last / (1.0 + history.rank.max(initial=0)))


def contributions(
    evidence: Evidence, parts: Float[np.ndarray, "kernel history target"]
) -> list[tuple[Contribution, ...]]:
    """Return the terms of each target, the largest first: they add up to its score.

    The largest terms stand one by one, the rest of each kernel in one, then the priors.

    Args:
        evidence: of the user.
        parts: what each product of the history adds to each target through each kernel (`Evidence.parts`).
    """
    ids, blend = evidence.ready.bundle.snapshot.ids("Product"), evidence.scorer.blend
    num_history, num_targets = parts.shape[1:]
    flat = parts.reshape(-1, num_targets)
    size = min(_TERMS, len(flat))
    largest = np.argpartition(-np.abs(flat), size - 1, axis=0)[:size] if size else np.zeros((0, num_targets), dtype=int)
    values = np.take_along_axis(flat, largest, axis=0)
    rest = parts.sum(axis=1)
    for rows, amount in zip(largest, values, strict=True):
        rest[rows // num_history, np.arange(num_targets)] -= amount
    kernels, starts = (largest // max(1, num_history)).T.tolist(), (largest % max(1, num_history)).T.tolist()
    found = []
    for place in range(num_targets):
        terms = [
            Contribution(blend.kernels[kernel], ids[evidence.products[start]], value)
            for kernel, start, value in zip(kernels[place], starts[place], values[:, place].tolist(), strict=True)
            if value
        ]
        for names, amounts in ((blend.kernels, rest), (blend.priors, evidence.priors)):
            left = zip(names, amounts[:, place].tolist(), strict=True)
            terms += [Contribution(name, None, value) for name, value in left if abs(value) > _NOTHING]
        found.append(tuple(sorted(terms, key=lambda term: -abs(term.value))))
    return found
