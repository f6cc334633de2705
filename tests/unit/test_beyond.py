"""What lists are held against is what was fitted on; the measures themselves are tested in test_metrics."""

from dataclasses import replace

import numpy as np
import pytest

from gnn.beyond import list_values, make_backdrop, total_values
from gnn.measure import rank_users
from gnn.metrics import novelty
from gnn.split import Targets, Trial
from tests.support.entrants import Table
from tests.support.random_shops import random_snapshot

SEEN = random_snapshot(1, events=80)


def test_the_backdrop_counts_users_and_what_they_had() -> None:
    backdrop = make_backdrop(SEEN)
    pairs = set(zip(SEEN.events.user.tolist(), SEEN.events.product.tolist(), strict=True))

    assert [sum(p == product for _, p in pairs) for product in range(12)] == backdrop.popularity.tolist()
    liked = {
        (user, product)
        for user, product, kind in zip(SEEN.events.user, SEEN.events.product, SEEN.events.kind, strict=True)
        if SEEN.schema.events[SEEN.event_names[kind]].weight > 0
    }
    for user in range(8):
        had = [backdrop.popularity[product] for other, product in liked if other == user]
        assert pytest.approx(np.mean(had) if had else np.nan, nan_ok=True) == backdrop.history_popularity[user]


def test_every_measure_of_lists_is_there_when_there_are_texts_and_categories() -> None:
    targets = Targets(np.arange(8), np.arange(8), 0)
    ranking = rank_users(
        Table(np.random.default_rng(0).random((8, 12))), Trial(SEEN, targets, True), users=targets.users, k=5
    )
    backdrop = make_backdrop(SEEN, np.eye(12))

    found = list_values(ranking, backdrop, 3)

    assert {"novelty@3", "diversity@3", "calibration@3"} == set(found)
    expected = novelty(ranking.products[:, :3], backdrop.popularity, num_users=backdrop.num_users)
    assert expected.tolist() == found["novelty@3"].tolist()
    assert pytest.approx([1.0] * 8) == found["diversity@3"].tolist()
    assert {"coverage@3", "gini@3", "popularity_lift@3"} == set(total_values(ranking, backdrop, 3))


def test_without_vectors_and_categories_the_others_are_left_out() -> None:
    bare = replace(SEEN, edges={})
    targets = Targets(np.array([0]), np.array([1]), 0)
    ranking = rank_users(Table(np.ones((8, 12))), Trial(bare, targets, False), users=targets.users, k=3)

    assert {"novelty@3"} == set(list_values(ranking, make_backdrop(bare), 3))
