"""Where one product stands in one list: its rank among what may be recommended, for any history the user might have.

It ranks as `serving.recommend` does, by the same scores, filter and rule for ties; it explains nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from gnn.score import History
from serving.answer import Filter
from serving.ready import Ready


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the product stands for one history."""

    scores: Float[np.ndarray, " product"]
    """Of the whole catalogue."""
    allowed: Bool[np.ndarray, " product"]
    """What may be recommended."""
    rank_of_all: int
    """Among the whole catalogue; 1 is the best."""
    rank: int
    """Among what may be recommended; for a product that may not, the rank it would have."""
    is_listed: bool
    """Whether it is one of the n best that may be recommended."""
    lead: float
    """Its score less that of the n-th best other product that may be recommended; inf where there are fewer."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which product, and which list."""

    ready: Ready
    product: int
    """Row of the product."""
    filter: Filter
    n: int
    """Length of the list; at least 1."""
    shown_often: tuple[int, ...] = ()
    """Marks of the products that come last, as the user was shown them too often."""

    @property
    def comes_last(self) -> bool:
        """Whether the user was shown the product too often."""
        return int(self.ready.marks[self.product]) in self.shown_often

    @property
    def excludes_seen(self) -> bool:
        """Whether products of the history are left out."""
        wanted = self.filter.exclude_seen
        return self.ready.bundle.exclude_seen if wanted is None else wanted

    def stand(self, history: History) -> Standing:
        """Return where the product stands for one history."""
        return self.judge(self.ready.bundle.scorer.score(history), history)

    def stand_each(self, histories: Sequence[History]) -> list[Standing]:
        """Return where the product stands for each of some histories, scored together."""
        if not histories:
            return []
        scores = self.ready.bundle.scorer.score_histories(histories)
        return [self.judge(row, history) for row, history in zip(scores, histories, strict=True)]

    def judge(self, scores: Float[np.ndarray, " product"], history: History) -> Standing:
        """Return where the product stands by the scores of a history."""
        allowed, _ = self.ready.allow(self.filter, history)
        own = scores[self.product]
        ahead = scores > own
        ahead[: self.product] |= scores[: self.product] == own
        fresh = self.ready.unmarked(allowed, self.shown_often)
        before = ahead
        if self.comes_last:
            before = ahead | fresh
        else:
            allowed = fresh
        rank = int((before & allowed).sum()) + 1
        others = allowed.copy()
        others[self.product] = False
        found = scores[others]
        lead = np.inf if len(found) < self.n else float(own - np.partition(found, len(found) - self.n)[-self.n])
        is_listed = bool(allowed[self.product]) and rank <= self.n
        return Standing(scores, allowed, int(ahead.sum()) + 1, rank, is_listed, lead)
