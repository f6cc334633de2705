"""What every baseline does from its settings to its scores, and how they share one budget."""

import json

import numpy as np
import pytest

from gnn.baselines import BASELINES, CHEAP_BASELINES, BaselineName, make_baseline
from gnn.entrant import Recommender
from gnn.score import user_history
from gnn.split import Trial, split_snapshot
from kg.snapshot import Snapshot
from kg.tables import Order
from tests.support.random_shops import ORDERS, random_snapshot


def trial_of(snapshot: Snapshot) -> Trial:
    split = split_snapshot(snapshot, share=0.15)
    return Trial(split.train, split.valid, False)


def scores_of(recommender: Recommender, snapshot: Snapshot) -> np.ndarray:
    users = np.arange(snapshot.num_nodes("User"))
    return recommender.score_users(users, [user_history(snapshot, int(user), now_ms=0) for user in users])


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("order", ORDERS)
def test_tuning_says_what_it_chose_and_what_that_was_worth(name: BaselineName, order: Order) -> None:
    trial = trial_of(random_snapshot(4, events=120, order=order))
    entrant = make_baseline(name, k=5, seed=0)

    chosen = entrant.tune(trial)

    assert name == entrant.name
    assert 0 <= chosen["value"] <= 1
    assert dict(chosen) == json.loads(json.dumps(dict(chosen)))


@pytest.mark.parametrize("name", BASELINES)
def test_the_same_seed_chooses_and_scores_the_same(name: BaselineName) -> None:
    trial = trial_of(random_snapshot(5, events=120))
    first, second = (make_baseline(name, k=5, seed=3) for _ in range(2))

    assert first.tune(trial) == second.tune(trial)
    np.testing.assert_array_equal(*(scores_of(entrant.fit(trial.seen), trial.seen) for entrant in (first, second)))


@pytest.mark.parametrize("name", BASELINES)
def test_tuning_changes_what_is_fitted_only_through_what_it_returns(name: BaselineName) -> None:
    """An entrant that was tuned twice, the second time on the trial in question, is as if tuned once."""
    other, trial = trial_of(random_snapshot(6, events=120)), trial_of(random_snapshot(7, events=120))
    twice, once = make_baseline(name, k=5, seed=0), make_baseline(name, k=5, seed=0)
    twice.tune(other)

    assert once.tune(trial) == twice.tune(trial)
    np.testing.assert_array_equal(*(scores_of(entrant.fit(trial.seen), trial.seen) for entrant in (once, twice)))


def test_the_cheap_baselines_are_those_that_need_no_other_package_and_no_gradient() -> None:
    assert {"ials", "lightgcn"} == set(BASELINES) - set(CHEAP_BASELINES)
