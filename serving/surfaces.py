"""Lists that are about products and moments rather than about one user: what is bought with something, what is in
demand now, what is new.

Numbers of customers are said from the anonymity bound of reasons up, as everywhere. The score of an item says what its
list is ordered by; what that is stands with each function.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from cypher.errors import InputError
from gnn.score import top_products
from kg.snapshot import DAY_MS
from serving.answer import Answer, Filter, Item, Reason, check_page
from serving.arrangement import Mask, Ordered, Scores, marked
from serving.events import EventCount
from serving.ready import Ready
from serving.stages import lap
from serving.words import Words, describe_item

MAX_BASKET = 50
"""Most products of a basket."""
NEW_DAYS = 90
"""How long a product counts as new unless it is said otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basket:
    """Products that belong together, and what is wanted beside them."""

    product_ids: tuple[str, ...]
    """One at least, MAX_BASKET at most; each counts once."""
    is_strict: bool = False
    """Whether a product must go with all of them; else with one of them at least."""
    budget: float | None = None
    """What the products of the answer may cost together; those without a price are then left out."""


def bought_together(
    ready: Ready,
    basket: Basket,
    *,
    n: int,
    offset: int = 0,
    filter: Filter | None = None,
    words: Words | None = None,
) -> Answer:
    """Return the products that customers had as well, those with most customers in common first.

    The score is the cosine of the customers of both, added up over the basket. At least `[reasons] min_supporters`
    customers stand behind each pair, and the hundred closest products of each are looked at. Under a budget the best is
    taken, then the best that the rest of the budget pays for, and so on.

    Args:
        ready: the bundle.
        basket: what there is already; none of it is in the answer.
        n: how many.
        offset: how many of the best to skip.
        filter: what may be in the answer; None: what is in stock.
        words: how reasons are told; None: in the shop's language.

    Raises:
        UnknownProduct: the bundle does not hold a product of the basket.
        InputError: n, offset, basket or budget out of range, or a filter that cannot be used.
    """
    check_page(n, offset)
    rows = _basket_rows(ready, basket)
    bounds = filter or Filter()
    pinnable, removed = ready.allow(bounds, None)
    pinnable[rows] = False
    allowed = pinnable.copy()
    score, most = np.zeros(len(allowed)), np.zeros(len(allowed), dtype=np.int64)
    in_common = np.zeros(len(allowed), dtype=np.int64)
    for event in ready.finder.events[:1]:
        users = ready.finder.num_users(event)
        for row in rows.tolist():
            found = ready.finder.companions(event, row, ready.reasons.min_supporters)
            other, count = np.array([*found], dtype=np.int64), np.array([*found.values()], dtype=np.int64)
            score[other] += count / np.sqrt(users[other] * float(users[row]))
            most[other] = np.maximum(most[other], count)
            in_common[other] += 1
    allowed &= in_common >= (len(rows) if basket.is_strict else 1)
    told = words or ready.words()
    page = _Page(ready, bounds, told, n, offset, removed)
    if basket.budget is None:
        ordered = page.order(score, allowed, pinnable)
    else:
        weighed = ready.arranged(bounds.rules).weigh(score, allowed)
        ordered = Ordered(_affordable(ready, weighed, allowed, basket.budget, k=offset + n), {})
    texts = [_together(told, count, count_from=ready.reasons.count_from) for count in most[ordered.rows].tolist()]
    return page.answer(ordered, score, texts, source="bought_together", reason=Reason.COLLABORATIVE)


def trending(
    ready: Ready,
    since: Iterable[EventCount],
    *,
    n: int,
    offset: int = 0,
    filter: Filter | None = None,
    words: Words | None = None,
) -> Answer:
    """Return the products in demand now, the hottest first; those that nobody wants are left out.

    The score is what all events with a product weigh, by type, each halved after the half-life of its type
    (`[events]`); where events have no clock they do not fade.

    Args:
        ready: the bundle.
        since: events of the log that are not in the bundle; they count as of now.
        n: how many.
        offset: how many of the best to skip.
        filter: what may be in the answer; None: what is in stock.
        words: how reasons are told; None: in the shop's language.

    Raises:
        InputError: n or offset out of range, or a filter that cannot be used.
    """
    check_page(n, offset)
    snapshot, demand = ready.bundle.snapshot, ready.demand
    heat = demand.heat.copy()
    for entry in since:
        if (row := snapshot.product_of_event(entry.product_id)) is not None:
            heat[row] += demand.weights.get(entry.type, 0.0) * entry.count
    bounds, told = filter or Filter(), words or ready.words()
    pinnable, removed = ready.allow(bounds, None)
    page = _Page(ready, bounds, told, n, offset, removed)
    ordered = page.order(heat, pinnable & (heat > 0), pinnable)
    texts = [describe_item(told, (), (Reason.TRENDING,))] * len(ordered.rows)
    return page.answer(ordered, heat, texts, source="trending", reason=Reason.TRENDING)


def newest(
    ready: Ready,
    *,
    n: int,
    offset: int = 0,
    days: int = NEW_DAYS,
    taste: Float[np.ndarray, " product"] | None = None,
    filter: Filter | None = None,
    words: Words | None = None,
) -> Answer:
    """Return the products that are new, the newest first, or those first that a user likes most.

    New is what came at most so many days before the newest product of all: by `created_at` where the shop gives it,
    else by the first event with the product. The score is the day it came, counted from 1970, or the user's score.

    Args:
        ready: the bundle.
        n: how many.
        offset: how many of the best to skip.
        days: how long a product counts as new.
        taste: score of each product for a user; None: for nobody.
        filter: what may be in the answer; None: what is in stock.
        words: how reasons are told; None: in the shop's language.

    Raises:
        InputError: n, offset or days out of range, or a filter that cannot be used.
    """
    check_page(n, offset)
    if days < 1:
        raise InputError(f"days must be at least 1, got {days}")
    came = ready.demand.came_at_ms
    bounds, told = filter or Filter(), words or ready.words()
    pinnable, removed = ready.allow(bounds, None)
    last = np.nanmax(came, initial=0.0)
    allowed = pinnable & (np.nan_to_num(came, nan=-np.inf) > last - days * DAY_MS)
    score = np.nan_to_num(came / DAY_MS) if taste is None else taste
    page = _Page(ready, bounds, told, n, offset, removed)
    ordered = page.order(score, allowed, pinnable)
    texts = [describe_item(told, (), (Reason.NEW,))] * len(ordered.rows)
    return page.answer(ordered, score, texts, source="new", reason=Reason.NEW)


@dataclass(frozen=True, slots=True)
class _Page:
    """What every list of this module is cut and shaped by."""

    ready: Ready
    bounds: Filter
    words: Words
    n: int
    offset: int
    removed: Mapping[str, int]

    def order(self, score: Scores, allowed: Mask, pinnable: Mask) -> Ordered:
        """Return the list up to the end of the page, as the rules of the shop have it."""
        lap("score")
        arranged = self.ready.arranged(self.bounds.rules)
        ordered = arranged.order(score, allowed, k=self.offset + self.n, best=top_products, pinnable=pinnable)
        lap("rank")
        return ordered

    def answer(self, ordered: Ordered, score: Scores, texts: Sequence[str], *, source: str, reason: Reason) -> Answer:
        """Return the page without paths; `texts` are those of the whole list."""
        bundle = self.ready.bundle
        ids = bundle.snapshot.ids("Product")
        items = tuple(
            Item(ids[row], place, float(score[row]), source, (reason,), (), (), text)
            for place, (row, text) in enumerate(zip(ordered.rows.tolist(), texts, strict=True), start=1)
        )
        answer = Answer(items[self.offset :], bundle.version, bundle.snapshot.hash, 0, dict(self.removed))
        arranged = self.ready.arranged(self.bounds.rules)
        answer = marked(arranged, answer, ordered.rows[self.offset :], ordered.pinned, self.words)
        lap("reasons")
        return answer


def _basket_rows(ready: Ready, basket: Basket) -> Int[np.ndarray, " basket"]:
    keys = list(dict.fromkeys(basket.product_ids))
    if not 1 <= len(keys) <= MAX_BASKET:
        raise InputError(f"a basket holds 1 to {MAX_BASKET} products, got {len(keys)}")
    if basket.budget is not None and not basket.budget > 0:
        raise InputError(f"budget must be above 0, got {basket.budget:g}")
    return np.array([ready.product_row(key) for key in keys], dtype=np.int64)


def _affordable(
    ready: Ready,
    score: Float[np.ndarray, " product"],
    allowed: Bool[np.ndarray, " product"],
    budget: float | None,
    *,
    k: int,
) -> Int[np.ndarray, " place"]:
    """The best products; under a budget as many of them as it pays for, taken from the best down."""
    if budget is None:
        return top_products(score, allowed, k=k)
    price = ready.shelf.price
    payable = allowed & (np.nan_to_num(price, nan=np.inf) <= budget)
    chosen: list[int] = []
    for row in top_products(score, payable, k=int(payable.sum())).tolist():
        if len(chosen) < k and price[row] <= budget:
            chosen.append(row)
            budget -= float(price[row])
    return np.array(chosen, dtype=np.int64)


def _together(words: Words, count: int, *, count_from: int) -> str:
    if count < count_from:
        return words.language.text("together")
    return words.language.counted("together_counted", count, {})
