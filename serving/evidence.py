"""One user's evidence for some products, taken apart once and read many times: terms, priors and what deletion leaves.

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


@dataclass(frozen=True, slots=True)
class Evidence:
    """A user's history against some products, taken apart once and read many times."""

    ready: Ready
    history: History
    user: int | None
    products: Int[np.ndarray, " history"]
    """Distinct products of the history."""
    weights: Float[np.ndarray, "kernel history"]
    """How much each product of the history counts for each kernel."""
    entries: Float[np.ndarray, "kernel history target"]
    """What each says for each target, before the weights."""
    priors: Float[np.ndarray, "prior target"]
    without: Float[np.ndarray, "history target"]
    """Score of each target without each product of the history."""
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
    without = scorer.totals_without(history, entries) + priors.sum(axis=0)
    return Evidence(ready, history, user, products, weights, entries, priors, without, words or ready.words())


def contributions(
    evidence: Evidence, parts: Float[np.ndarray, "kernel history"], by_prior: dict[str, float]
) -> tuple[Contribution, ...]:
    """The largest terms one by one, the rest of each kernel in one, then the priors: they add up to the score."""
    ids = evidence.ready.bundle.snapshot.ids("Product")
    names = evidence.scorer.blend.kernels
    size = np.abs(parts).ravel()
    largest = np.argpartition(-size, min(_TERMS, len(size) - 1))[:_TERMS] if len(size) else size.astype(np.int64)
    terms, rest = [], parts.sum(axis=1)
    for index in largest:
        kernel, row = divmod(int(index), parts.shape[1])
        if parts[kernel, row]:
            terms.append(Contribution(names[kernel], ids[evidence.products[row]], float(parts[kernel, row])))
            rest[kernel] -= parts[kernel, row]
    terms += [
        Contribution(name, None, float(value)) for name, value in zip(names, rest, strict=True) if abs(value) > 1e-12
    ]
    terms += [Contribution(name, None, value) for name, value in by_prior.items() if value]
    return tuple(sorted(terms, key=lambda term: -abs(term.value)))
