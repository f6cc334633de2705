"""One user's evidence for some products, taken apart once and read many times: terms and priors.

Pure arithmetic over the served model; paths are looked for in `serving.reasons`.
"""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from gnn.score import History, Scorer, Spread
from kg.long_paths import Bounds
from serving.answer import Contribution
from serving.ready import Ready
from serving.words import Words

_TERMS = 8
"""Terms of a score that are named one by one."""
_NOTHING = 1e-12


@dataclass(frozen=True)
class Evidence:
    """A user's history against some products; what only paths need is taken apart when it is first asked for."""

    ready: Ready
    spread: Spread
    """The history, spread over the catalogue."""
    user: int | None
    targets: Int[np.ndarray, " target"]
    """Product rows that the history is held against."""
    priors: Float[np.ndarray, "prior target"]
    words: Words
    """How it is told."""

    @property
    def scorer(self) -> Scorer:
        """The model."""
        return self.ready.bundle.scorer

    @property
    def history(self) -> History:
        """What the user did."""
        return self.spread.history

    @property
    def products(self) -> Int[np.ndarray, " history"]:
        """Distinct products of the history."""
        return self.spread.heard.products

    @cached_property
    def entries(self) -> Float[np.ndarray, "kernel history target"]:
        """What each product of the history says for each target, before the weights."""
        return self.scorer.entries_of(self.spread, self.targets)

    @cached_property
    def parts(self) -> Float[np.ndarray, "kernel history target"]:
        """What each product of the history adds to each target through each kernel."""
        return np.asarray(self.spread.weights[:, :, None] * self.entries)

    @cached_property
    def recency(self) -> list[float]:
        """How late in the history each product last was: 1 at its last step, near 0 at its first."""
        history, last = self.history, np.full(len(self.products), np.inf)
        np.minimum.at(last, np.searchsorted(self.products, history.product), history.rank)
        found: list[float] = (1.0 - last / (1.0 + history.rank.max(initial=0))).tolist()
        return found

    @cached_property
    def own_events(self) -> dict[int, int]:
        """The event with each product that says most for it, the latest of several alike: event by product row."""
        history = self.history
        order = np.lexsort((history.weight, history.product))  # stable: the latest of several alike comes last
        return dict(zip(history.product[order].tolist(), order.tolist(), strict=True))

    @cached_property
    def num_events(self) -> Counter[tuple[int, int]]:
        """How many events there are of each product row and kind."""
        return Counter(zip(self.history.product.tolist(), self.history.kind.tolist(), strict=True))

    @cached_property
    def bounds(self) -> Bounds:
        """What paths may lead over."""
        return self.ready.bounds(self.user)


def take_apart(
    ready: Ready, targets: Int[np.ndarray, " target"], spread: Spread, *, user: int | None, words: Words | None = None
) -> Evidence:
    """Return the evidence for some products; words: None: the shop's language, in full sentences."""
    return Evidence(ready, spread, user, targets, ready.bundle.scorer.prior_parts(targets), words or ready.words())


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
    largest = strongest(np.abs(flat), _TERMS)
    values = np.take_along_axis(flat, largest, axis=0)
    rest = parts.sum(axis=1)
    for rows, amount in zip(largest, values, strict=True):
        rest[rows // num_history, np.arange(num_targets)] -= amount
    kernels, starts = (largest // max(1, num_history)).T.tolist(), (largest % max(1, num_history)).T.tolist()
    said_by, names = [ids[row] for row in evidence.products.tolist()], (*blend.kernels, *blend.priors)
    left = np.concatenate([rest, evidence.priors]).T.tolist()
    found = []
    for place, amounts in enumerate(values.T.tolist()):
        terms = [
            Contribution(blend.kernels[kernel], said_by[start], value)
            for kernel, start, value in zip(kernels[place], starts[place], amounts, strict=True)
            if value
        ]
        others = zip(names, left[place], strict=True)
        terms += [Contribution(name, None, value) for name, value in others if abs(value) > _NOTHING]
        found.append(tuple(sorted(terms, key=lambda term: -abs(term.value))))
    return found


def strongest(values: Float[np.ndarray, "term target"], most: int) -> Int[np.ndarray, "rank target"]:
    """Return the rows of the largest values of each column, largest first, equal ones in order of their row.

    At most `most` of them; as quick as one look at the values for each.
    """
    rows, lines = np.array(values.T, order="C"), np.arange(values.shape[1])
    found = np.zeros((min(most, len(values)), len(lines)), dtype=np.int64)
    for rank in range(len(found)):
        found[rank] = rows.argmax(axis=1)
        rows[lines, found[rank]] = -np.inf
    return found
