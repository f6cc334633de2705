"""The search over settings against what one sees on small hills, and the judge against the metric itself."""

from collections.abc import Mapping

import numpy as np
import pytest

from gnn import climb as module
from gnn.climb import climb, make_judge
from gnn.measure import metric_values, rank_users
from gnn.split import Trial, split_snapshot
from tests.support.entrants import Table
from tests.support.random_shops import random_snapshot

LADDERS = {"x": (0.0, 1.0, 2.0, 3.0, 4.0), "y": (0.0, 1.0, 2.0)}


def hill(settings: Mapping[str, float]) -> float:
    return -((settings["x"] - 4) ** 2) - 2 * (settings["y"] - 0) ** 2


def test_the_climb_reaches_the_top_of_a_hill() -> None:
    found = climb(LADDERS, dict, hill, start={"x": 1.0, "y": 1.0}, max_trials=100)

    assert ({"x": 4.0, "y": 0.0}, 0.0) == (found.settings, found.value)
    assert found.settings == found.model


@pytest.mark.parametrize("limit", [1, 3, 5])
def test_the_climb_tries_no_more_than_it_may_and_nothing_twice(limit: int) -> None:
    tried: list[Mapping[str, float]] = []

    def fit(settings: Mapping[str, float]) -> Mapping[str, float]:
        tried.append(settings)
        return settings

    found = climb(LADDERS, fit, hill, start={"x": 0.0, "y": 2.0}, max_trials=limit)

    assert limit == len(tried) == len({tuple(settings.values()) for settings in tried})
    assert max(map(hill, tried)) == found.value


def test_on_a_plain_the_climb_stays_where_it_is() -> None:
    found = climb(LADDERS, dict, lambda settings: 0.0, start={"x": 2.0, "y": 1.0}, max_trials=50)

    assert {"x": 2.0, "y": 1.0} == found.settings


def test_with_nothing_to_set_the_start_is_fitted_once() -> None:
    found = climb({}, lambda settings: "model", lambda model: 0.5, start={}, max_trials=10)

    assert ("model", 0.5) == (found.model, found.value)


def trial() -> Trial:
    split = split_snapshot(random_snapshot(1, users=40, products=30, events=900), share=0.2)
    return Trial(split.train, split.valid, True)


def test_the_judge_gives_the_mean_ndcg_of_the_validation_users() -> None:
    asked = trial()
    table = Table(np.random.default_rng(0).random((40, 30)))

    value = make_judge(asked, k=5, seed=0)(table)

    ranking = rank_users(table, asked, users=asked.targets.users, k=5)
    assert pytest.approx(metric_values(ranking, 5)["ndcg@5"].mean()) == value


def test_fewer_users_judge_where_there_are_many_or_the_catalogue_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = trial()
    everybody = asked.targets.users
    monkeypatch.setattr(module, "_MIN_USERS", 5)
    monkeypatch.setattr(module, "_MAX_USERS", 12)

    few = make_judge(asked, k=5, seed=0).users
    monkeypatch.setattr(module, "_MAX_SCORES", 30)
    fewest = make_judge(asked, k=5, seed=0).users

    assert (12, 5) == (len(few), len(fewest))
    assert set(few) < set(everybody)
    np.testing.assert_array_equal(np.sort(few), few)
    assert list(few) != list(make_judge(asked, k=5, seed=1).users)
