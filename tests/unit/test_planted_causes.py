"""Of a shop whose every event has a known cause: is the planted cause among the reasons that are shown?"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from gnn.bundle import Bundle
from kg.sources.generated import GeneratedShop, generated_shop
from serving.answer import Item, Path, Reason, RecommendRequest
from serving.history import NoEvents
from serving.ready import prepare
from serving.recommend import recommend
from tests.support.bundles import train_small_shop

PATHS = 3
"""Paths asked for, as the console and the demonstration do."""


@dataclass(frozen=True)
class Truth:
    """What was planted, by id."""

    brands: dict[str, set[str]]
    """Brands each user sticks to."""
    leaves: dict[str, set[str]]
    """Categories each user has a taste for."""
    partners: dict[str, set[str]]
    """Products that call for a product, by the product that is called for."""
    bought: dict[str, set[str]]
    """What each user bought."""
    brand_of: dict[str, str]
    leaf_of: dict[str, str]
    popular: set[str]
    """The twentieth of the catalogue that most users bought."""


def truth_of(shop: GeneratedShop) -> Truth:
    """Read the truth off the causes of the events.

    Only events have causes; a recommendation has one when what was planted into this very user would produce it:

    - brand: its brand is one the user sticks to, that is, some event of this user was caused by it;
    - complement: the user bought a product whose planted complement it is;
    - taste: its category is one the user has a taste for, that is, some event of this user was caused by it;
    - popularity: none of these, and it is among the twentieth of the catalogue that most users bought.
    """
    wanted: dict[str, dict[str, set[str]]] = {"brand": defaultdict(set), "taste": defaultdict(set)}
    bought, partners = defaultdict(set), defaultdict(set)
    for row in shop.causes.to_pylist():
        if row["cause"] in wanted:
            wanted[row["cause"]][row["user_id"]].add(row["because_id"])
        if row["type"] == "bought":
            bought[row["user_id"]].add(row["product_id"])
    for row in shop.complements.to_pylist():
        partners[row["to_id"]].add(row["from_id"])
    edges = {
        name: {row["from_id"]: row["to_id"] for row in shop.tables.edges[name].to_pylist()}
        for name in ("MADE_BY", "IN_CATEGORY")
    }
    fans = Counter(product for products in bought.values() for product in products)
    num_popular = shop.tables.nodes["Product"].num_rows // 20
    popular = {product for product, _ in sorted(fans.items(), key=lambda pair: (-pair[1], pair[0]))[:num_popular]}
    return Truth(wanted["brand"], wanted["taste"], partners, bought, edges["MADE_BY"], edges["IN_CATEGORY"], popular)


def causes_of(truth: Truth, user: str, product: str) -> dict[str, set[str]]:
    """Return what was planted that makes this user want this product: ids of nodes by kind of cause."""
    found = {
        "brand": truth.brands[user] & {truth.brand_of[product]},
        "complement": truth.bought[user] & truth.partners[product],
        "taste": truth.leaves[user] & {truth.leaf_of[product]},
    }
    found = {cause: ids for cause, ids in found.items() if ids}
    return found or ({"popularity": set()} if product in truth.popular else {})


def is_shown(item: Item, cause: str, ids: set[str]) -> bool:
    """Return whether a cause is among the reasons of an item."""
    if cause == "popularity":
        return Reason.POPULAR_FALLBACK in item.reasons
    return any(_says(path, cause, ids) for path in item.paths)


def _says(path: Path, cause: str, ids: set[str]) -> bool:
    if cause == "complement":
        # The bought product itself must lead here by what people do or by a relation, not by a shared brand.
        return path.nodes[1].id in ids and all(node.type in ("User", "Product") for node in path.nodes)
    label = {"brand": "Brand", "taste": "Category"}[cause]
    return any(node.type == label and node.id in ids for node in path.nodes)


@dataclass(frozen=True)
class Outcome:
    """One recommendation that has a planted cause."""

    user: str
    product: str
    rank: int
    causes: dict[str, set[str]]
    shown: tuple[str, ...]
    item: Item


def judge(bundle: Bundle, shop: GeneratedShop, *, n: int = 10) -> Iterator[Outcome]:
    """Recommend to every user and compare the reasons with the truth."""
    ready, truth = prepare(bundle), truth_of(shop)
    for user in bundle.snapshot.ids("User"):
        answer = recommend(ready, NoEvents(), RecommendRequest(user_id=user, n=n, paths=PATHS))
        for item in answer.items:
            causes = causes_of(truth, user, item.product_id)
            if causes:
                shown = tuple(cause for cause, ids in causes.items() if is_shown(item, cause, ids))
                yield Outcome(user, item.product_id, item.rank, causes, shown, item)


def share_by_cause(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return how often each kind of cause is shown where it is there."""
    there = Counter(cause for outcome in outcomes for cause in outcome.causes)
    shown = Counter(cause for outcome in outcomes for cause in outcome.shown)
    return {cause: shown[cause] / there[cause] for cause in sorted(there)}


@pytest.fixture(scope="module")
def shop() -> GeneratedShop:
    return generated_shop(products=600, brands=30, users=400, events=14_000, seed=3)


@pytest.fixture(scope="module")
def outcomes(shop: GeneratedShop, tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    return list(judge(train_small_shop(tmp_path_factory.mktemp("planted"), shop=shop).bundle, shop))


def test_most_recommendations_have_a_planted_cause(outcomes: list[Outcome], shop: GeneratedShop) -> None:
    assert len(outcomes) > 0.8 * 10 * shop.tables.nodes["User"].num_rows


def test_a_planted_cause_is_among_the_shown_reasons(outcomes: list[Outcome]) -> None:
    found = sum(bool(outcome.shown) for outcome in outcomes)

    assert found >= 0.8 * len(outcomes), share_by_cause(outcomes)
