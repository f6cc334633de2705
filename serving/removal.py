"""The smallest set of products of a user's history without which a product drops out of the list.

Every set that is returned was scored as the served model scores, and the list ranked anew by the same filter.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Int

from gnn.removals import count_ahead
from gnn.score import History, decayed_products, top_products
from serving.standing import Question, Standing

MOST_CONSIDERED = 30
"""Products of the history that a search takes into account, those first that hold the product up most."""
MOST_REMOVED = 8
"""Most products of one set; every subset of so many can be tried."""
_RIVALS = 40
_AT_ONCE = 16
_MOST_TRIED = 128


@dataclass(frozen=True, slots=True)
class Removal:
    """What a search for the smallest removal came to."""

    products: tuple[int, ...]
    """Rows whose removal drops the product out of the list, the strongest first; empty: none was found."""
    after: Standing | None
    """Where the product stands without them; None: none was found."""
    num_considered: int
    """Products of the history that were taken into account."""
    is_exact: bool
    """Whether it is certain that no smaller set does it, or that none does."""


def smallest_removal(question: Question, history: History, standing: Standing) -> Removal:
    """Return the smallest set of products of the history whose removal drops a listed product out of the list.

    Sets of one and two are all tried, and all sets of a history of up to eight products. Beyond that products are taken
    out one after the other, and what turns out not to be needed is put back.

    Args:
        question: a product that is in the list, and the list.
        history: what the user did.
        standing: where the product stands; it is listed.
    """
    if not len(history):
        return Removal((), None, 0, True)
    products = _strongest(question, history, standing)
    considered, whole = products[:MOST_CONSIDERED], len(products) <= MOST_CONSIDERED
    search = _Search(question, history, standing, considered)
    if _has_room(question):
        return search.result((), is_exact=True)
    small = len(considered) <= MOST_REMOVED
    for size in range(1, (len(considered) if small else 2) + 1):
        if found := search.first_of_size(considered.tolist(), size):
            return search.result(found, is_exact=not search.gave_up and (size == 1 or whole))
    if small:
        return search.result((), is_exact=whole and not search.gave_up)
    found = search.greedy()
    # Not every subset of a set that works works, so the smallest of them is looked for by trying all.
    for size in range(3, len(found)):
        if smaller := search.first_of_size(found, size):
            found = smaller
            break
    return search.result(tuple(found), is_exact=False)


@dataclass(slots=True)
class _Search:
    question: Question
    history: History
    standing: Standing
    considered: Int[np.ndarray, " history"]
    """Strongest first."""
    gave_up: bool = False
    """Whether more sets looked promising than were scored."""

    def first_of_size(self, pool: Sequence[int], size: int) -> tuple[int, ...]:
        """Return the set of this size from the pool that drops the product furthest; empty: none does."""
        sets = list(combinations(pool, size))
        counts = self._count_ahead(sets)
        order = np.argsort(-counts, kind="stable")
        order = order[counts[order] >= self.question.n]
        self.gave_up |= len(order) > _MOST_TRIED
        for chunk in _chunks([sets[place] for place in order[:_MOST_TRIED]]):
            stands = self.question.stand_each([self._without(removed) for removed in chunk])
            for removed, after in zip(chunk, stands, strict=True):
                if not after.is_listed and not self.stand(removed).is_listed:
                    return removed
        return ()

    def greedy(self) -> tuple[int, ...]:
        """Return a set of three to eight products that drops the product, built one by one; empty: none was found."""
        chosen: tuple[int, ...] = ()
        while len(chosen) < MOST_REMOVED:
            longer = [(*chosen, product) for product in self.considered.tolist() if product not in chosen]
            stands = self.question.stand_each([self._without(removed) for removed in longer])
            best = min(range(len(longer)), key=lambda place: stands[place].lead)
            chosen = longer[best]
            if not stands[best].is_listed and not self.stand(chosen).is_listed:
                return chosen
        return ()

    def stand(self, removed: Sequence[int]) -> Standing:
        """Return where the product stands without some products, scored by themselves as a request is."""
        return self.question.stand(self._without(removed))

    def result(self, found: tuple[int, ...], *, is_exact: bool) -> Removal:
        return Removal(found, self.stand(found) if found else None, len(self.considered), is_exact)

    def _without(self, removed: Sequence[int]) -> History:
        return self.history.without(*removed)

    def _count_ahead(self, sets: Sequence[Sequence[int]]) -> Int[np.ndarray, " set"]:
        pool = np.unique(self.considered)
        removed = np.zeros((len(sets), len(pool)), dtype=bool)
        for row, products in enumerate(sets):
            removed[row, np.searchsorted(pool, products)] = True
        ready = self.question.ready
        whole, _ = ready.allow(self.question.filter, None)
        return count_ahead(
            ready.bundle.scorer,
            self.history,
            pool,
            removed=removed,
            target=self.question.product,
            allowed=self.standing.allowed,
            freed=whole & ~self.standing.allowed,
        )


def _strongest(question: Question, history: History, standing: Standing) -> Int[np.ndarray, " history"]:
    """The distinct products of the history, first those without which the product loses most to its rivals."""
    scorer = question.ready.bundle.scorer
    heard = decayed_products(history, scorer.blend.decays)
    others = standing.allowed.copy()
    others[question.product] = False
    rivals = top_products(standing.scores, others, k=question.n + _RIVALS)
    targets = np.r_[question.product, rivals[question.n - 1 :]]
    without = scorer.totals_without(heard, scorer.entries(heard.products, targets))
    without += scorer.prior_parts(targets).sum(axis=0)
    lead = without[:, 0] - without[:, 1:].max(axis=1, initial=-np.inf)
    return np.asarray(heard.products[np.lexsort((heard.products, lead))])


def _has_room(question: Question) -> bool:
    """Whether the list takes everything that may ever be recommended."""
    allowed, _ = question.ready.allow(question.filter, None)
    return int(allowed.sum()) <= question.n


def _chunks(sets: Sequence[tuple[int, ...]]) -> Iterator[Sequence[tuple[int, ...]]]:
    for first in range(0, len(sets), _AT_ONCE):
        yield sets[first : first + _AT_ONCE]
