"""A generated shop as large as one likes, its tables as arrays: what grows is measured on it.

Unlike the shop of `kg.sources.generated`, no cause is kept and no event is drawn alone, so ten million rows take
seconds. Users have tastes (some leaves of the category tree, some brands), products have popularity with a long tail,
and what goes together in a middle category is bought and linked together, so there is something to learn.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from kg.schema import GraphSchema

START_MS, YEAR_MS = 1_704_067_200_000, 31_536_000_000
PER_LEAF, LEAVES_PER_MIDDLE, MIDDLES_PER_ROOT = 50, 5, 5
"""Products a leaf, and how the category tree widens."""
PER_BRAND = 12
TASTES, FAVOURITES = 4, 2
"""Leaves and brands a user keeps to."""
SHARES = (0.5, 0.15, 0.2)
"""Purchases within a taste, of a favourite brand, of what goes with the one before; the rest is by popularity."""
RELATIONS = {"ALSO_BOUGHT": 0.5, "ALSO_VIEWED": 0.4, "BOUGHT_TOGETHER": 0.1}
"""Share of each relation in the edges between products."""
ADJECTIVES = ("soft", "fresh", "bold", "pure", "calm", "bright", "mild", "deep", "fine", "rich", "light", "warm")
THINGS = ("soap", "tea", "cream", "brush", "oil", "mask", "powder", "towel", "candle", "spray", "comb", "balm", "salt")
SYLLABLES = ("ka", "lo", "mi", "ra", "tu", "ven", "sol", "dor", "nem", "pia", "zeta", "bri", "quo", "fen", "har", "ull")


@dataclass(frozen=True, slots=True)
class Groups:
    """Products in groups, so that one of a group can be drawn by popularity."""

    order: Int[np.ndarray, " product"]
    """Products, group by group."""
    start: Int[np.ndarray, " group_plus_one"]
    """Where each group begins."""
    heap: Float[np.ndarray, " product_plus_one"]
    """Popularity added up along `order`, from 0."""

    @classmethod
    def of(cls, group: Int[np.ndarray, " product"], popularity: Float[np.ndarray, " product"]) -> "Groups":
        """Return the groups; numbers of groups run from 0."""
        order = np.argsort(group, kind="stable")
        start = np.r_[0, np.cumsum(np.bincount(group))]
        return cls(order, start, np.r_[0.0, np.cumsum(popularity[order])])

    def draw(self, group: Int[np.ndarray, " draw"], rng: np.random.Generator) -> Int[np.ndarray, " draw"]:
        """Return one product of each group that is asked for."""
        low, high = self.heap[self.start[group]], self.heap[self.start[group + 1]]
        place = np.searchsorted(self.heap, low + rng.random(len(group)) * (high - low), side="right") - 1
        return np.asarray(self.order[np.clip(place, self.start[group], self.start[group + 1] - 1)])


def synthetic_shop(
    *, users: int = 70_000, products: int = 25_000, purchases: int = 650_000, edges: int = 2_500_000, seed: int = 0
) -> dict[str, pa.Table]:
    """Return the tables of an input folder by name; the same numbers and seed give the same tables.

    Args:
        users: how many users; each has at least one purchase when there are as many.
        products: how many products, at least 50.
        purchases: how many events.
        edges: how many edges that are no purchase: brands, categories and relations between products.
        seed: of everything drawn.

    Raises:
        ValueError: a number is too small, or there are not so many different edges.
    """
    if users < 1 or products < PER_LEAF or purchases < users:
        least = f"at least 1 user, {PER_LEAF} products and a purchase a user"
        raise ValueError(f"{least}, got {users} users, {products} products, {purchases} purchases")
    rng = np.random.default_rng(seed)
    num_leaves, num_brands = max(1, products // PER_LEAF), max(1, products // PER_BRAND)
    leaf = rng.integers(0, num_leaves, products)
    leaf[:num_leaves] = np.arange(num_leaves)
    brand = rng.integers(0, num_brands, products)
    brand[:num_brands] = np.arange(num_brands)
    popularity = rng.lognormal(0.0, 1.4, products)
    middle = leaf // LEAVES_PER_MIDDLE
    by_leaf, by_brand, by_middle = (Groups.of(group, popularity) for group in (leaf, brand, middle))
    everything = Groups.of(np.zeros(products, dtype=np.int64), popularity)
    user, product, at = _purchases(rng, (users, purchases), (by_leaf, by_brand, by_middle, everything), middle)
    names = {"User": "u", "Product": "p", "Brand": "b", "Category": "c"}
    ids = {label: _Ids(prefix) for label, prefix in names.items()}
    categories, is_leaf = _categories(num_leaves, ids["Category"])
    brand_names = _names(rng, num_brands)
    num_links = edges - 2 * products - categories.num_rows + int(categories["parent_id"].null_count)
    return {
        "products": pa.table(
            {
                "product_id": ids["Product"](np.arange(products)),
                "title": _titles(rng, brand_names[brand], leaf),
                "brand_id": ids["Brand"](brand),
                "categories": _as_paths(ids["Category"](is_leaf[leaf])),
                "price": np.round(rng.lognormal(2.0, 0.7, products), 2),
            }
        ),
        "brands": pa.table({"brand_id": ids["Brand"](np.arange(num_brands)), "name": pa.array(brand_names.tolist())}),
        "categories": categories,
        "events": pa.table(
            {
                "event_id": _Ids("e")(np.arange(purchases)),
                "user_id": ids["User"](user),
                "product_id": ids["Product"](product),
                "type": pa.array(["bought"] * purchases),
                "at": pa.array(at, pa.timestamp("ms", "UTC")),
            }
        ),
        "relations": _relations(rng, num_links, (by_middle, everything), middle, ids["Product"]),
    }


def _purchases(
    rng: np.random.Generator, size: tuple[int, int], groups: tuple[Groups, ...], middle: Int[np.ndarray, " product"]
) -> tuple[Int[np.ndarray, " event"], Int[np.ndarray, " event"], Int[np.ndarray, " event"]]:
    """User, product and time of each purchase, by user and time."""
    (users, purchases), (by_leaf, by_brand, by_middle, everything) = size, groups
    activity = rng.lognormal(0.0, 0.9, users)
    more = rng.choice(users, purchases - users, p=activity / activity.sum())
    user = np.sort(np.r_[np.arange(users), more])
    at = START_MS + rng.integers(0, YEAR_MS, purchases)
    at = at[np.lexsort((at, user))]
    tastes = rng.integers(0, len(by_leaf.start) - 1, (users, TASTES))
    favourites = rng.integers(0, len(by_brand.start) - 1, (users, FAVOURITES))
    product = by_leaf.draw(tastes[user, rng.integers(0, TASTES, purchases)], rng)
    which = rng.random(purchases)
    loyal = (which >= SHARES[0]) & (which < sum(SHARES[:2]))
    product[loyal] = by_brand.draw(favourites[user[loyal], rng.integers(0, FAVOURITES, loyal.sum())], rng)
    any_product = which >= sum(SHARES)
    product[any_product] = everything.draw(np.zeros(any_product.sum(), dtype=np.int64), rng)
    goes_with = (which >= sum(SHARES[:2])) & (which < sum(SHARES)) & np.r_[False, user[1:] == user[:-1]]
    before = np.flatnonzero(goes_with) - 1
    product[goes_with] = by_middle.draw(middle[product[before]], rng)
    return user, product, at


def _relations(
    rng: np.random.Generator,
    count: int,
    groups: tuple[Groups, Groups],
    middle: Int[np.ndarray, " product"],
    ids: "_Ids",
) -> pa.Table:
    """Different edges between products: nine in ten within a middle category, none from a product to itself."""
    by_middle, everything = groups
    parts, products = [], len(middle)
    ends = np.round(count * np.cumsum([0.0, *RELATIONS.values()])).astype(np.int64)
    for name, wanted in zip(RELATIONS, np.diff(ends).tolist(), strict=True):
        found = np.zeros(0, dtype=np.int64)
        if wanted > 0.2 * products * PER_LEAF * LEAVES_PER_MIDDLE:
            raise ValueError(f"{products} products do not have {wanted} different edges of {name}; ask for fewer edges")
        while len(found) < wanted:
            source = rng.integers(0, products, wanted - len(found) + 1000)
            target = by_middle.draw(middle[source], rng)
            far = rng.random(len(source)) < 0.1
            target[far] = everything.draw(np.zeros(far.sum(), dtype=np.int64), rng)
            if GraphSchema().relation(name).symmetric:
                source, target = np.minimum(source, target), np.maximum(source, target)
            keys = np.r_[found, (source * products + target)[source != target]]
            _, first = np.unique(keys, return_index=True)
            found = keys[np.sort(first)][:wanted]
        table = {
            "from_id": ids(found // products),
            "relation": pa.array([name] * len(found)),
            "to_id": ids(found % products),
            "at": pa.array(START_MS + rng.integers(0, YEAR_MS // 2, len(found)), pa.timestamp("ms", "UTC")),
        }
        parts.append(pa.table(table))
    return pa.concat_tables(parts)


def _categories(num_leaves: int, ids: "_Ids") -> tuple[pa.Table, Int[np.ndarray, " leaf"]]:
    """The table of the tree, and the number of each leaf in it."""
    middles = -(-num_leaves // LEAVES_PER_MIDDLE)
    roots = -(-middles // MIDDLES_PER_ROOT)
    leaf = roots + middles + np.arange(num_leaves)
    above = ids(roots + np.arange(num_leaves) // LEAVES_PER_MIDDLE)
    parents = pa.concat_arrays([pa.nulls(roots, pa.string()), ids(np.arange(middles) // MIDDLES_PER_ROOT), above])
    words = [
        f"{THINGS[row % len(THINGS)]} {ADJECTIVES[row // len(THINGS) % len(ADJECTIVES)]} {row}"
        for row in range(roots + middles + num_leaves)
    ]
    table = {"category_id": ids(np.arange(len(words))), "name": pa.array(words), "parent_id": parents}
    return pa.table(table), leaf


def _titles(rng: np.random.Generator, brand: np.ndarray, leaf: Int[np.ndarray, " product"]) -> pa.Array:
    parts = (
        brand.tolist(),
        rng.choice(ADJECTIVES, len(leaf)).tolist(),
        rng.choice(ADJECTIVES, len(leaf)).tolist(),
        np.array(THINGS)[leaf % len(THINGS)].tolist(),
        leaf.tolist(),
        rng.integers(1, 2000, len(leaf)).tolist(),
    )
    return pa.array([f"{a} {b} {c} {d} no {e}, {f} ml" for a, b, c, d, e, f in zip(*parts, strict=True)])


def _names(rng: np.random.Generator, count: int) -> np.ndarray:
    """Different invented names."""
    parts = rng.choice(SYLLABLES, (count, 3))
    return np.array([f"{a}{b}{c} {number}".title() for number, (a, b, c) in enumerate(parts.tolist())])


def _as_paths(leaves: pa.Array) -> pa.Array:
    """Each category as a list of one path of one name."""
    one = np.arange(len(leaves) + 1, dtype=np.int32)
    return pa.ListArray.from_arrays(one, pa.ListArray.from_arrays(one, leaves))


class _Ids:
    """Numbers as external ids."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def __call__(self, rows: Int[np.ndarray, " row"]) -> pa.Array:
        return pa.array(np.char.add(self._prefix, np.char.zfill(rows.astype(np.int64).astype(str), 8)))
