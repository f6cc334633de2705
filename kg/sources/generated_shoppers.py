"""The shoppers of the generated shop: who they are, what they do over the year and why.

Each event carries the cause that produced it. Draws from the generator it is given and nothing else.
"""

import heapq
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, TypeVar

import numpy as np

from kg.slugs import slug_id
from kg.sources.generated_catalogue import DAY_MS, DAYS, START_MS, Catalogue

Cause = Literal["brand", "complement", "taste", "popularity", "noise"]
_CAUSES: tuple[Cause, ...] = ("brand", "taste", "popularity", "noise")
_STEPS = (0.42, 0.75, 0.91)
"""Where the shares of the causes end: 42% brand, 33% taste, 16% popularity, 9% noise."""
_FOLLOW = 0.65
"""Chance that a bought product's complement is bought some days later."""
_DRIFTING = 0.5
_MINUTE_MS = 60_000
_NEVER = 20
_ACTS_A_PLAN = 2.2
_Key = TypeVar("_Key", int, str)


@dataclass(frozen=True, slots=True)
class Shopper:
    """What a user likes."""

    user_id: str
    language: str
    joined_at: int
    brands: tuple[str, ...]
    """Ids of the brands the user sticks to, the dearest first."""
    early: tuple[int, ...]
    """Positions of the leaves liked at the start of the year."""
    late: tuple[int, ...]
    """Positions of the leaves liked at its end."""


@dataclass(frozen=True, slots=True)
class Act:
    """One event and why it happened."""

    user: int
    item: int
    type: str
    at: int
    cause: Cause
    because: str | None
    """Id of the product, brand or category it came from; None for popularity and noise."""
    value: float | None = None
    quantity: int | None = None


class Shelves:
    """Products by leaf, by brand and all together, drawn by popularity among those that exist at a time."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._items = catalogue.items
        alive = [index for index, item in enumerate(catalogue.items) if item.popularity > 0]
        self._all = self._weighed(alive, power=1.0)
        self._even = self._weighed(alive, power=0.0)
        self._leaf = self._grouped(alive, [catalogue.leaves.index(item.leaf) for item in catalogue.items])
        self._brand = self._grouped(alive, [item.brand.brand_id for item in catalogue.items])

    def popular(self, rng: np.random.Generator, at: int) -> int | None:
        """Draw from all products by popularity."""
        return self._draw(rng, self._all, at=at)

    def any(self, rng: np.random.Generator, at: int) -> int | None:
        """Draw from all products evenly."""
        return self._draw(rng, self._even, at=at)

    def of_leaf(self, rng: np.random.Generator, leaf: int, *, at: int) -> int | None:
        """Draw from the products of a leaf."""
        return self._draw(rng, self._leaf.get(leaf), at=at)

    def of_brand(self, rng: np.random.Generator, brand_id: str, *, at: int) -> int | None:
        """Draw from the products of a brand."""
        return self._draw(rng, self._brand.get(brand_id), at=at)

    def exists(self, item: int, at: int) -> bool:
        """Return whether the product is on sale at this time."""
        return self._items[item].created_at <= at

    def _weighed(self, items: Sequence[int], *, power: float) -> tuple[list[int], list[float]]:
        return list(items), list(accumulate(self._items[index].popularity ** power for index in items))

    def _grouped(self, alive: Sequence[int], keys: Sequence[_Key]) -> dict[_Key, tuple[list[int], list[float]]]:
        groups: dict[_Key, list[int]] = {}
        for index in alive:
            groups.setdefault(keys[index], []).append(index)
        return {key: self._weighed(members, power=0.5) for key, members in groups.items()}

    def _draw(self, rng: np.random.Generator, shelf: tuple[list[int], list[float]] | None, *, at: int) -> int | None:
        if shelf is None:
            return None
        items, sums = shelf
        for _ in range(_NEVER):
            item = items[min(bisect_right(sums, rng.random() * sums[-1]), len(items) - 1)]
            if self.exists(item, at):
                return item
        return None


def draw_shoppers(rng: np.random.Generator, count: int, *, catalogue: Catalogue) -> list[Shopper]:
    """Draw users: a language, one to three favourite brands, and a taste that for half of them moves over the year."""
    width = len(str(count))
    leaves = {
        language: [index for index, leaf in enumerate(catalogue.leaves) if leaf.language == language]
        for language in ("en", "zh")
    }
    shoppers = []
    for index in range(count):
        language = "zh" if rng.random() < 0.35 else "en"
        own = leaves[language] or leaves["en"]
        makers = [brand for brand in catalogue.brands if brand.language == language] or list(catalogue.brands)
        favourites = rng.permutation(len(makers))[: int(rng.integers(1, 4))]
        early = tuple(own[int(place)] for place in rng.permutation(len(own))[:3])
        late = tuple(own[int(place)] for place in rng.permutation(len(own))[:3])
        shoppers.append(
            Shopper(
                user_id=f"u{index:0{width}d}",
                language=language,
                joined_at=START_MS - int(rng.random() * 900 * DAY_MS),
                brands=tuple(makers[int(place)].brand_id for place in favourites),
                early=early,
                late=late if rng.random() < _DRIFTING else early,
            )
        )
    return shoppers


def draw_acts(rng: np.random.Generator, shoppers: Sequence[Shopper], *, catalogue: Catalogue, events: int) -> list[Act]:
    """Draw exactly this many events over the year, in the order of time."""
    shop = _Shop(catalogue, Shelves(catalogue))
    weights = rng.lognormal(0.0, 0.6, len(shoppers))
    budgets = rng.multinomial(events, weights / weights.sum())
    acts = [
        act
        for user, budget in enumerate(budgets.tolist())
        for act in _live(rng, user, shopper=shoppers[user], shop=shop, budget=budget)
    ]
    return sorted(acts, key=lambda act: (act.at, act.user, act.item, act.type))


@dataclass(frozen=True, slots=True, eq=False)
class _Shop:
    catalogue: Catalogue
    shelves: Shelves


@dataclass(frozen=True, slots=True)
class _Wish:
    """A product somebody comes for, and why."""

    item: int
    cause: Cause
    because: str | None


def _live(rng: np.random.Generator, user: int, *, shopper: Shopper, shop: _Shop, budget: int) -> list[Act]:
    """Return the events of one user, of which a bought product may call for its complement some days later."""
    acts: list[Act] = []
    end = START_MS + DAYS * DAY_MS
    while len(acts) < budget:
        visits = max(1, int((budget - len(acts)) / _ACTS_A_PLAN))
        moments = START_MS + (rng.random(visits) * (DAYS - 1) * DAY_MS).astype(np.int64)
        plans: list[tuple[int, int]] = [(at, -1) for at in moments.tolist()]
        heapq.heapify(plans)
        while plans and len(acts) < budget:
            at, origin = heapq.heappop(plans)
            wish = _wish(rng, shopper, shop=shop, at=at) if origin < 0 else _partner(rng, origin, shop=shop, at=at)
            if wish is None:
                continue
            chain = _journey(rng, user, wish=wish, at=at, price=shop.catalogue.items[wish.item].price)
            acts.extend(chain[: budget - len(acts)])
            bought = any(act.type == "bought" for act in chain)
            if bought and wish.item in shop.catalogue.complements and rng.random() < _FOLLOW:
                later = at + int(rng.uniform(1.5, 6.5) * DAY_MS)
                if later < end:
                    heapq.heappush(plans, (later, wish.item))
    return acts


def _wish(rng: np.random.Generator, shopper: Shopper, *, shop: _Shop, at: int) -> _Wish | None:
    """Draw a cause and a product that follows from it; None when nothing of the kind is on sale."""
    cause = _CAUSES[bisect_right(_STEPS, rng.random())]
    if cause == "brand":
        place = min(int(rng.exponential(0.7)), len(shopper.brands) - 1)
        brand_id = shopper.brands[place]
        item = shop.shelves.of_brand(rng, brand_id, at=at)
        return None if item is None else _Wish(item, cause, brand_id)
    if cause == "taste":
        share = (at - START_MS) / (DAYS * DAY_MS)
        liked = shopper.late if rng.random() < share else shopper.early
        leaf = liked[int(rng.integers(len(liked)))]
        item = shop.shelves.of_leaf(rng, leaf, at=at)
        return None if item is None else _Wish(item, cause, slug_id(shop.catalogue.leaves[leaf].path))
    item = shop.shelves.popular(rng, at) if cause == "popularity" else shop.shelves.any(rng, at)
    return None if item is None else _Wish(item, cause, None)


def _partner(rng: np.random.Generator, origin: int, *, shop: _Shop, at: int) -> _Wish | None:
    partners = [item for item in shop.catalogue.complements[origin] if shop.shelves.exists(item, at)]
    if not partners:
        return None
    chosen = partners[0] if rng.random() < 0.75 else partners[-1]
    return _Wish(chosen, "complement", shop.catalogue.items[origin].product_id)


def _journey(rng: np.random.Generator, user: int, *, wish: _Wish, at: int, price: float) -> list[Act]:
    """Return what happens around one wish: looked at, put in the cart, bought, and sometimes rated days later."""
    luck = rng.random(5)
    looked, carted = luck[0] < 0.5, luck[1] < 0.3
    bought = bool(luck[2] < 0.75 or wish.cause == "complement" or not (looked or carted))
    steps: list[Act] = []

    def add(kind: str, moment: int, *, value: float | None = None, quantity: int | None = None) -> None:
        steps.append(Act(user, wish.item, kind, moment, wish.cause, wish.because, value, quantity))

    if looked:
        add("viewed", at)
    if carted:
        add("carted", at + 4 * _MINUTE_MS)
    if bought:
        quantity = 1 + int(luck[3] < 0.2)
        add("bought", at + 9 * _MINUTE_MS, value=round(quantity * price, 2), quantity=quantity)
        if luck[4] < 0.15:
            stars = 5 - int(rng.integers(0, 2 if wish.cause != "noise" else 4))
            later = min(at + int(rng.uniform(3, 15) * DAY_MS), START_MS + DAYS * DAY_MS - 1)
            add("rated", later, value=float(stars))
    return steps
