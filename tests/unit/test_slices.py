"""Slices against slow loops over targets."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from gnn.measure import rank_users
from gnn.slices import AMONG_COLD, keep_targets, product_groups, slice_ranking, user_groups
from gnn.split import Targets, Trial
from kg.snapshot import Snapshot, select_events
from tests.support.entrants import Table
from tests.support.random_shops import random_snapshot

SEEDS = range(6)


def shop(seed: int) -> Snapshot:
    """A shop in which some products have no event and some users none either."""
    snapshot = random_snapshot(seed, events=120)
    keep = (snapshot.events.product < 10) & (snapshot.events.user < 7)
    return select_events(snapshot, keep & (np.random.default_rng(seed).random(len(keep)) < 0.5))


@pytest.mark.parametrize("seed", SEEDS)
def test_products_are_grouped_by_their_events_and_users(seed: int) -> None:
    seen = shop(seed)
    count: Counter[int] = Counter(seen.events.product.tolist())
    users = defaultdict(set)
    for user, product in zip(seen.events.user.tolist(), seen.events.product.tolist(), strict=True):
        users[product].add(user)
    expected: dict[str, set[int]] = {name: set() for name in product_groups(seen)}
    passed = 0
    for product in sorted(count, key=lambda product: (-count[product], product)):
        share = passed / len(seen.events)
        name = "head" if share < 0.5 else "middle" if share < 0.8 else "tail"
        expected[f"{name} products"].add(product)
        passed += count[product]
    expected["cold products"] = {product for product in range(12) if not count[product]}
    expected["new products"] = {product for product in users if len(users[product]) <= 5}

    assert expected == {name: set(np.flatnonzero(chosen).tolist()) for name, chosen in product_groups(seen).items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_users_are_grouped_by_their_distinct_products(seed: int) -> None:
    seen = shop(seed)
    length = {user: len(set(seen.events.product[seen.user_events(user)].tolist())) for user in range(8)}
    bounds = {"history 0": (0, 0), "history 1-4": (1, 4), "history 5-19": (5, 19), "history 20+": (20, math.inf)}

    found = user_groups(seen)

    for name, (low, high) in bounds.items():
        assert {user for user in range(8) if low <= length[user] <= high} == set(np.flatnonzero(found[name]).tolist())


@pytest.mark.parametrize("seed", SEEDS)
def test_a_slice_keeps_only_its_targets_at_their_ranks(seed: int) -> None:
    seen, rng = shop(seed), np.random.default_rng(seed)
    user, product = np.nonzero(rng.random((8, 12)) < 0.3)
    targets = Targets(user, product, 0)
    ranking = rank_users(Table(rng.random((8, 12))), Trial(seen, targets, False), users=targets.users, k=5)

    found = slice_ranking(ranking, seen, ks=(3, 5))

    groups = product_groups(seen) | {"all": np.ones(12, dtype=bool)}
    people = user_groups(seen)
    for name, part in found.items():
        chosen = groups.get(name, groups["all"])
        expected = {}
        for row, asked in enumerate(ranking.users.tolist()):
            ranks = [
                rank
                for target, rank in zip(ranking.targets[row].tolist(), ranking.ranks[row].tolist(), strict=True)
                if target >= 0 and chosen[target]
            ]
            if ranks and (name not in people or people[name][asked]):
                gain = sum(1 / math.log2(rank + 1) for rank in ranks if rank <= 3)
                ideal = sum(1 / math.log2(place + 1) for place in range(1, min(3, len(ranks)) + 1))
                expected[asked] = (gain / ideal, sum(rank <= 3 for rank in ranks) / len(ranks))
        assert list(expected) == part.users.tolist()
        assert pytest.approx([value for value, _ in expected.values()]) == part.values["ndcg@3"].tolist()
        assert pytest.approx([value for _, value in expected.values()]) == part.values["recall@3"].tolist()


def test_a_slice_without_any_target_is_not_there() -> None:
    seen = shop(0)
    warm = int(seen.events.product[0])
    targets = Targets(np.array([1]), np.array([warm]), 0)
    ranking = rank_users(Table(np.ones((8, 12))), Trial(seen, targets, False), users=targets.users, k=3)

    found = slice_ranking(ranking, seen, ks=(3,))

    assert not {"cold products", AMONG_COLD, "history 20+"} & set(found)


def test_every_row_is_in_one_slice_of_history() -> None:
    seen, rng = shop(1), np.random.default_rng(1)
    user, product = np.nonzero(rng.random((8, 12)) < 0.3)
    targets = Targets(user, product, 0)
    ranking = rank_users(Table(rng.random((8, 12))), Trial(seen, targets, False), users=targets.users, k=3)

    parts = slice_ranking(ranking, seen, ks=(3,))

    rows = np.concatenate([part.users for name, part in parts.items() if name.startswith("history")])
    assert ranking.users.tolist() == sorted(rows.tolist())
    everything = keep_targets(ranking, np.ones(12, dtype=bool), ks=(3,))
    assert ranking.users.tolist() == everything.users.tolist()
