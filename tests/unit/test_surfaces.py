"""What is bought together, in demand and new: against loops over the events of random shops."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from cypher.errors import InputError
from kg.snapshot import DAY_MS, Snapshot
from serving.answer import Filter, Reason
from serving.errors import UnknownProduct
from serving.events import EventCount
from serving.ready import Ready, prepare
from serving.reason_config import ReasonConfig
from serving.surfaces import MAX_BASKET, Basket, bought_together, newest, trending
from tests.support.models import random_bundle
from tests.support.random_shops import random_snapshot

SEEDS = (0, 1, 2)


@pytest.fixture(scope="module", params=SEEDS)
def ready(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ready:
    snapshot = random_snapshot(request.param, users=30, products=14, events=220)
    return prepare(random_bundle(snapshot, tmp_path_factory.mktemp("bundle")))


def buyers(snapshot: Snapshot) -> dict[str, set[int]]:
    """Who bought each product: of what speaks for a product, the heaviest type."""
    kind, found = snapshot.event_names.index("bought"), defaultdict(set)
    ids = snapshot.ids("Product")
    for user, product, what in zip(*_columns(snapshot), strict=True):
        if what == kind:
            found[ids[product]].add(user)
    return found


def _columns(snapshot: Snapshot) -> tuple[list[int], list[int], list[int]]:
    events = snapshot.events
    return events.user.tolist(), events.product.tolist(), events.kind.tolist()


def together(snapshot: Snapshot, basket: list[str], *, strict: bool) -> dict[str, float]:
    """The cosine of customers, added up over a basket, pair by pair."""
    of, found, pairs = buyers(snapshot), Counter[str](), Counter[str]()
    for one in basket:
        for other in of:
            both = len(of[one] & of[other])
            if other not in basket and both >= 2:
                found[other] += both / math.sqrt(len(of[one]) * len(of[other]))
                pairs[other] += 1
    return {key: score for key, score in found.items() if pairs[key] >= (len(basket) if strict else 1)}


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_what_is_bought_together_is_what_a_loop_finds(size: int, strict: bool, ready: Ready) -> None:
    snapshot = ready.bundle.snapshot
    for start in range(0, 12, 3):
        basket = snapshot.ids("Product")[start : start + size]

        answer = bought_together(ready, Basket(product_ids=tuple(basket), is_strict=strict), n=20)

        expected = together(snapshot, basket, strict=strict)
        assert pytest.approx(expected) == {item.product_id: item.score for item in answer.items}
        scores = [item.score for item in answer.items]
        assert scores == sorted(scores, reverse=True)
        assert list(range(1, len(scores) + 1)) == [item.rank for item in answer.items]


def test_a_page_goes_on_where_the_last_one_ended(ready: Ready) -> None:
    basket = Basket(product_ids=("p00",))
    whole = [item.product_id for item in bought_together(ready, basket, n=6).items]

    assert whole[2:4] == [item.product_id for item in bought_together(ready, basket, n=2, offset=2).items]


def test_a_budget_is_kept_and_the_best_is_taken_first(ready: Ready) -> None:
    price = dict(zip(ready.bundle.snapshot.ids("Product"), ready.shelf.price.tolist(), strict=True))
    basket = Basket(product_ids=("p00", "p01"))
    free = bought_together(ready, basket, n=10).items

    for budget in (1.0, 6.0, 15.0):
        chosen = bought_together(ready, Basket(product_ids=("p00", "p01"), budget=budget), n=10).items

        left, expected = budget, []
        for item in free:
            if price[item.product_id] <= left:
                left -= price[item.product_id]
                expected.append(item.product_id)
        assert expected == [item.product_id for item in chosen]


def test_customers_are_counted_in_words_from_the_bound_up_only(ready: Ready) -> None:
    few = bought_together(ready, Basket(product_ids=("p00",)), n=5)
    many = bought_together(_counting(ready, 2), Basket(product_ids=("p00",)), n=5)

    of = buyers(ready.bundle.snapshot)
    assert {"Customers chose these together"} == {item.text for item in few.items}
    assert [f"{len(of['p00'] & of[item.product_id])} customers chose these together" for item in many.items] == [
        item.text for item in many.items
    ]
    assert {(Reason.COLLABORATIVE,)} == {item.reasons for item in few.items}


def _counting(ready: Ready, count_from: int) -> Ready:
    return prepare(ready.bundle, ReasonConfig(min_supporters=2, count_from=count_from))


@pytest.mark.parametrize(
    ("basket", "words"),
    [
        (Basket(product_ids=()), "1 to 50 products, got 0"),
        (Basket(product_ids=tuple(map(str, range(MAX_BASKET + 1)))), "got 51"),
        (Basket(product_ids=("p00",), budget=0.0), "budget must be above 0"),
    ],
)
def test_a_basket_that_cannot_be_is_refused(basket: Basket, words: str, ready: Ready) -> None:
    with pytest.raises(InputError, match=words):
        bought_together(ready, basket, n=3)
    with pytest.raises(UnknownProduct, match="p99"):
        bought_together(ready, Basket(product_ids=("p99",)), n=3)


def heat(snapshot: Snapshot) -> dict[str, float]:
    events, schema, names = snapshot.events, snapshot.schema.events, snapshot.event_names
    found, last = Counter[str](), int(events.time.max())
    for row in range(len(events)):
        kind = schema[names[int(events.kind[row])]]
        age_days = (last - int(events.time[row])) / DAY_MS
        key = snapshot.ids("Product")[int(events.product[row])]
        found[key] += max(kind.weight, 0.0) / 5.0 * 0.5 ** (age_days / kind.half_life_days)
    return {key: value for key, value in found.items() if value > 0}


def test_what_is_in_demand_is_what_a_loop_over_the_events_finds(ready: Ready) -> None:
    answer = trending(ready, (), n=20)

    assert pytest.approx(heat(ready.bundle.snapshot), rel=1e-5) == {
        item.product_id: item.score for item in answer.items
    }
    assert {(Reason.TRENDING,)} == {item.reasons for item in answer.items}


def test_events_since_the_bundle_count_as_of_now(ready: Ready) -> None:
    before = {item.product_id: item.score for item in trending(ready, (), n=20).items}
    since = (EventCount("p03", "bought", 40), EventCount("p03", "returned", 9), EventCount("p99", "bought", 5))

    answer = trending(ready, since, n=20)

    assert "p03" == answer.items[0].product_id
    assert pytest.approx(before.get("p03", 0.0) + 40.0, rel=1e-5) == answer.items[0].score
    others = {item.product_id: item.score for item in answer.items[1:]}
    assert {key: score for key, score in before.items() if key != "p03"} == others


def test_lists_obey_the_filter(ready: Ready) -> None:
    wish = Filter(where="price < 4")
    cheap = {
        key
        for key, price in zip(ready.bundle.snapshot.ids("Product"), ready.shelf.price.tolist(), strict=True)
        if price < 4
    }

    for answer in (
        trending(ready, (), n=20, filter=wish),
        newest(ready, n=20, days=10_000, filter=wish),
        bought_together(ready, Basket(product_ids=("p00",)), n=20, filter=wish),
    ):
        assert {item.product_id for item in answer.items} <= cheap
        assert answer.removed["filter"] == 14 - len(cheap)


def first_seen(snapshot: Snapshot) -> dict[str, int]:
    found: dict[str, int] = {}
    for product, at in zip(snapshot.events.product.tolist(), snapshot.events.time.tolist(), strict=True):
        key = snapshot.ids("Product")[product]
        found[key] = min(at, found.get(key, at))
    return found


@pytest.mark.parametrize("days", [1, 5, 1000])
def test_new_is_what_came_last(days: int, ready: Ready) -> None:
    came = first_seen(ready.bundle.snapshot)

    answer = newest(ready, n=20, days=days)

    last = max(came.values())
    expected = {key: at / DAY_MS for key, at in came.items() if at > last - days * DAY_MS}
    assert expected == {item.product_id: item.score for item in answer.items}
    assert sorted(expected.values(), reverse=True) == [item.score for item in answer.items]
    assert {"New in the shop"} == {item.text for item in answer.items}


def test_new_products_come_in_the_order_of_a_taste(ready: Ready) -> None:
    taste = np.random.default_rng(0).normal(size=ready.bundle.snapshot.num_nodes("Product"))

    answer = newest(ready, n=20, days=1000, taste=taste)

    ids = ready.bundle.snapshot.ids("Product")
    listed = [taste[ids.index(item.product_id)] for item in answer.items]
    assert set(first_seen(ready.bundle.snapshot)) == {item.product_id for item in answer.items}
    assert sorted(listed, reverse=True) == listed


def test_no_days_are_refused(ready: Ready) -> None:
    with pytest.raises(InputError, match="days must be at least 1, got 0"):
        newest(ready, n=3, days=0)
