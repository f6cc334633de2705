"""Each typed path operator against a slow loop over ids, on small random shops."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp

from kg.kernels import EntityKernel, NeighbourKernel
from kg.operators import (
    OperatorConfig,
    build_operators,
    category_levels,
    chain,
    co_purchase,
    interactions,
    next_purchase,
    next_step,
    popularity,
    same_basket,
)
from kg.schema import GraphSchema
from kg.snapshot import build_snapshot
from kg.tables import Tables
from tests.support.random_shops import random_shop
from tests.worlds import DAY_MS, MONDAY, make_tables, tiny_shop

SEEDS = range(5)
Matrix = dict[tuple[str, str], float]
KEEP_ALL = OperatorConfig(top_k=1000)


def liked(shop: Tables) -> dict[str, set[str]]:
    """Products by user, of events that speak for the product."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in shop.events.to_pylist():
        if shop.schema.events[row["type"]].weight > 0:
            found[row["user_id"]].add(row["product_id"])
    return found


def steps_of(shop: Tables) -> dict[str, list[set[str]]]:
    """What each user did, moment by moment; a moment of returns alone is an empty set."""
    moments: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in shop.events.to_pylist():
        time = row["at"] if shop.order == "clock" else row["position"]
        step = moments[row["user_id"]][time]
        if shop.schema.events[row["type"]].weight > 0:
            step.add(row["product_id"])
    return {user: [entry[time] for time in sorted(entry)] for user, entry in moments.items()}


def ids_of(shop: Tables, label: str = "Product") -> list[str]:
    return [row[shop.schema.nodes[label].key] for row in shop.nodes[label].to_pylist()]


def slow_walk(shop: Tables, config: OperatorConfig) -> Matrix:
    users = liked(shop)
    fans: dict[str, set[str]] = defaultdict(set)
    for user, products in users.items():
        for product in products:
            fans[product].add(user)
    found: Matrix = defaultdict(float)
    for j, its in fans.items():
        for user in its:
            for i in users[user] - {j}:
                there = (1 / len(its)) ** config.walk_power
                back = (1 / len(users[user])) ** config.walk_power
                found[j, i] += there * back / len(fans[i]) ** config.popularity_power
    return found


def slow_next(shop: Tables, config: OperatorConfig) -> Matrix:
    steps, count = steps_of(shop), _moments(shop)
    found: Matrix = defaultdict(float)
    for moments in steps.values():
        for here, first in enumerate(moments):
            for there, second in enumerate(moments):
                gap = abs(there - here)
                if not 1 <= gap <= config.max_gap:
                    continue
                weight = (1.0 if there > here else config.backward) / gap
                for j in first:
                    for i in second - {j}:
                        found[j, i] += weight * count[j] ** -0.5 * count[i] ** -0.4
    return found


def slow_step(shop: Tables, config: OperatorConfig) -> Matrix:
    """Only the very next moment of the same user, and never backwards, whatever the settings say of gaps."""
    count = _moments(shop)
    found: Matrix = defaultdict(float)
    for moments in steps_of(shop).values():
        for first, second in pairwise(moments):
            for j in first:
                for i in second - {j}:
                    found[j, i] += count[j] ** -0.5 * count[i] ** -0.4
    return found


def slow_basket(shop: Tables, config: OperatorConfig) -> Matrix:
    count = _moments(shop)
    found: Matrix = defaultdict(float)
    for moments in steps_of(shop).values():
        for basket in moments:
            for j in basket:
                for i in basket - {j}:
                    found[j, i] += count[j] ** -0.5 * len(basket) ** -0.5 * count[i] ** -0.4
    return found


def _moments(shop: Tables) -> dict[str, int]:
    """In how many moments each product was."""
    count: dict[str, int] = defaultdict(int)
    for moments in steps_of(shop).values():
        for basket in moments:
            for product in basket:
                count[product] += 1
    return count


def as_matrix(shop: Tables, kernel: NeighbourKernel | EntityKernel) -> Matrix:
    ids = ids_of(shop)
    every = np.arange(len(ids))
    entries = kernel.entries(every, every)
    return {(ids[j], ids[i]): float(entries[j, i]) for j in every for i in every if entries[j, i]}


def assert_equal(expected: Matrix, found: Matrix) -> None:
    __tracebackhide__ = True
    assert {pair for pair, value in expected.items() if value} == set(found)
    for pair, value in found.items():
        assert pytest.approx(expected[pair], rel=1e-4) == value


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("fast", "slow"),
    [(co_purchase, slow_walk), (next_purchase, slow_next), (next_step, slow_step), (same_basket, slow_basket)],
    ids=["co_purchase", "next_purchase", "next_step", "same_basket"],
)
@pytest.mark.parametrize("order", ["clock", "position"])
def test_an_operator_over_users_equals_the_slow_loop(
    seed: int, fast: Callable[..., NeighbourKernel], slow: Callable[..., Matrix], order: str
) -> None:
    shop = random_shop(seed, order=order)  # type: ignore[arg-type]  # parametrised
    config = OperatorConfig(top_k=1000, max_gap=3, backward=0.25)

    kernel = fast(build_snapshot(shop), config)

    assert_equal(slow(shop, config), as_matrix(shop, kernel))


def test_what_comes_next_is_directed() -> None:
    rows = [("e1", "a", 0), ("e2", "b", 1), ("e3", "c", 2)]
    events = [
        {"event_id": event, "user_id": "u", "product_id": product, "type": "bought", "at": MONDAY + day * DAY_MS}
        for event, product, day in rows
    ]
    nodes = {"User": [{"user_id": "u"}], "Product": [{"product_id": key} for key in "abc"]}
    shop = make_tables(GraphSchema(), nodes, edges={}, events=events)

    found = as_matrix(shop, next_purchase(build_snapshot(shop), OperatorConfig(backward=0.5)))

    assert {
        ("a", "b"): 1.0, ("a", "c"): 0.5, ("b", "c"): 1.0, ("b", "a"): 0.5, ("c", "b"): 0.5, ("c", "a"): 0.25
    } == pytest.approx(found)  # fmt: skip


def test_the_next_step_is_one_step_ahead_and_no_more() -> None:
    rows = [("e1", "a", 0), ("e2", "b", 1), ("e3", "c", 2)]
    events = [
        {"event_id": event, "user_id": "u", "product_id": product, "type": "bought", "at": MONDAY + day * DAY_MS}
        for event, product, day in rows
    ]
    nodes = {"User": [{"user_id": "u"}], "Product": [{"product_id": key} for key in "abc"]}
    shop = make_tables(GraphSchema(), nodes, edges={}, events=events)

    found = as_matrix(shop, next_step(build_snapshot(shop), OperatorConfig(backward=0.5)))

    assert {("a", "b"): 1.0, ("b", "c"): 1.0} == pytest.approx(found)


def slow_chain(first: np.ndarray, second: np.ndarray, *, width: int, top_k: int) -> np.ndarray:
    """Two random steps, each over the strongest few of a row; the walk never comes home."""
    size = len(first)

    def few(matrix: np.ndarray, row: int, count: int) -> dict[int, float]:
        others = [column for column in range(size) if column != row and matrix[row, column] > 0]
        kept = sorted(others, key=lambda column: (-matrix[row, column], column))[:count]
        return {column: float(matrix[row, column]) for column in kept}

    walk = np.zeros((size, size))
    for row in range(size):
        steps = few(first, row, width)
        for middle, value in steps.items():
            onward = few(second, middle, width)
            for column, other in onward.items():
                walk[row, column] += value / sum(steps.values()) * other / sum(onward.values())
    found = np.zeros((size, size))
    for row in range(size):
        for column, value in few(walk, row, top_k).items():
            found[row, column] = value
    return found


@pytest.mark.parametrize(("width", "top_k"), [(50, 200), (3, 200), (3, 2), (1, 1)])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_chain_is_two_random_steps_one_after_the_other(seed: int, width: int, top_k: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = (rng.random((2, 12, 12)) * (rng.random((2, 12, 12)) < 0.5)).astype(np.float32)
    first[4], second[:, 5] = 0.0, -1.0

    kernel = chain("twice", sp.csr_array(first), sp.csr_array(second), width=width, top_k=top_k)

    assert ("twice", np.float32) == (kernel.name, kernel.matrix.dtype)
    np.testing.assert_allclose(
        kernel.matrix.toarray(), slow_chain(first, second, width=width, top_k=top_k), rtol=1e-5, atol=1e-7
    )


def by_name(shop: Tables) -> dict[str, NeighbourKernel | EntityKernel]:
    return {kernel.name: kernel for kernel in build_operators(build_snapshot(shop), KEEP_ALL)}


def slow_entity(shop: Tables, members: dict[str, set[str]], *, damping: float, power: float) -> Matrix:
    """Members by entity; the boost of a candidate is a power of the logarithm of its users."""
    fans = defaultdict(int)
    for products in liked(shop).values():
        for product in products:
            fans[product] += 1
    found: Matrix = defaultdict(float)
    for linked in members.values():
        if len(linked) < 2:
            continue
        for j in linked:
            for i in linked - {j}:
                found[j, i] += len(linked) ** -damping * np.log(2 + fans[i]) ** power
    return found


def members_by(shop: Tables, relation: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for row in shop.edges[relation].to_pylist():
        found[row["to_id"]].add(row["from_id"])
    return found


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("name", "relation"), [("brand", "MADE_BY"), ("made_of", "MADE_OF")])
def test_a_shared_entity_counts_by_its_degree_and_the_candidates_popularity(
    seed: int, name: str, relation: str
) -> None:
    shop = random_shop(seed)

    expected = slow_entity(shop, members_by(shop, relation), damping=KEEP_ALL.brand_damping, power=1.0)

    assert_equal(expected, as_matrix(shop, by_name(shop)[name]))


def ancestors(shop: Tables, category: str) -> Iterator[str]:
    yield category
    for row in shop.edges["CHILD_OF"].to_pylist():
        if row["from_id"] == category:
            yield from ancestors(shop, row["to_id"])


def depth_of(shop: Tables, category: str) -> int:
    return len(list(ancestors(shop, category))) - 1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_category_level_links_everything_in_or_below_its_categories(seed: int) -> None:
    shop = random_shop(seed)
    levels: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in shop.edges["IN_CATEGORY"].to_pylist():
        for category in ancestors(shop, row["to_id"]):
            levels[depth_of(shop, category)][category].add(row["from_id"])
    found = by_name(shop)

    for depth, members in levels.items():
        expected = slow_entity(shop, members, damping=KEEP_ALL.category_damping, power=0.5)
        if any(expected.values()):
            assert_equal(expected, as_matrix(shop, found[f"category_{depth + 1}"]))


def test_the_levels_of_the_tiny_shop_are_known() -> None:
    shop = tiny_shop()
    names, ids = ids_of(shop, "Category"), ids_of(shop)

    levels = [
        {names[c]: sorted(ids[p] for p in level[:, [c]].nonzero()[0]) for c in set(level.indices.tolist())}
        for level in category_levels(build_snapshot(shop))
    ]

    drinks = ["p01", "p02", "p03", "p04", "p07", "p08"]
    snacks = ["p05", "p06", "p09"]
    assert [
        {"food": sorted(drinks + snacks)},
        {"drinks": drinks, "snacks": snacks},
        {"tea": ["p01", "p02", "p08"], "coffee": ["p03", "p04"]},
    ] == levels


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("relation", "symmetric"), [("ALSO_BOUGHT", False), ("BOUGHT_TOGETHER", True)])
def test_a_relation_between_products_speaks_directly_and_over_a_shared_product(
    seed: int, relation: str, symmetric: bool
) -> None:
    shop = random_shop(seed)
    weight: Matrix = defaultdict(float)
    for row in shop.edges[relation].to_pylist():
        weight[row["from_id"], row["to_id"]] = row["weight"]
        if symmetric:
            weight[row["to_id"], row["from_id"]] = row["weight"]
    degree_out, degree_in = defaultdict(int), defaultdict(int)
    for j, i in weight:
        degree_out[j] += 1
        degree_in[i] += 1
    direct = {(j, i): value / degree_out[j] ** 0.5 for (j, i), value in weight.items()}
    shared: Matrix = defaultdict(float)
    for (j, x), value in direct.items():
        for (i, y), other in weight.items():
            if x == y and i != j:
                shared[j, i] += value * degree_in[x] ** -KEEP_ALL.brand_damping * other
    found = by_name(shop)

    assert_equal(direct, as_matrix(shop, found[relation.lower()]))
    if shared:
        assert_equal(shared, as_matrix(shop, found[f"shared_{relation.lower()}"]))


def test_operators_that_would_be_empty_are_not_there() -> None:
    events = [{"event_id": "e", "user_id": "u", "product_id": "a", "type": "bought", "at": 0}]
    nodes = {"User": [{"user_id": "u"}], "Product": [{"product_id": key} for key in "ab"]}

    assert {} == by_name(make_tables(GraphSchema(), nodes, edges={}, events=events))


def test_without_an_order_no_operator_claims_one() -> None:
    names = set(by_name(random_shop(0, order="none")))

    assert set() == names & {"next_purchase", "next_step", "same_basket"}
    assert {"co_purchase", "brand", "made_of"} <= names


def test_a_shop_without_events_still_has_operators_over_entities() -> None:
    shop = random_shop(0, events=0)

    assert {"brand", "made_of", "also_bought"} <= set(by_name(shop))
    assert "co_purchase" not in by_name(shop)


def test_a_return_is_no_interaction() -> None:
    shop = random_shop(1)
    ids, users = ids_of(shop), ids_of(shop, "User")

    matrix = interactions(build_snapshot(shop)).toarray()

    expected = {(user, product) for user, products in liked(shop).items() for product in products}
    assert expected == {(users[u], ids[p]) for u, p in zip(*np.nonzero(matrix), strict=True)}
    assert {0.0, 1.0} == set(np.unique(matrix).tolist())


def test_popularity_counts_users_and_with_a_half_life_fading_events() -> None:
    shop = random_shop(2)
    rows, end = shop.events.to_pylist(), max(row["at"] for row in shop.events.to_pylist())
    fans, recent = defaultdict(set), defaultdict(float)
    for row in rows:
        weight = shop.schema.events[row["type"]].weight
        if weight > 0:
            fans[row["product_id"]].add(row["user_id"])
            recent[row["product_id"]] += weight / 5 * 0.5 ** ((end - row["at"]) / DAY_MS / 4)
    snapshot = build_snapshot(shop)

    assert [len(fans[key]) for key in ids_of(shop)] == popularity(snapshot).tolist()
    assert (
        pytest.approx([recent[key] for key in ids_of(shop)], rel=1e-5)
        == popularity(snapshot, half_life_days=4).tolist()
    )
