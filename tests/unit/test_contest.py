"""A comparison hands out the past only, asks every model the same, and adds up seeds and users as it says."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from gnn.contest import Contest, ContestConfig, SplitOf, run_contest
from gnn.errors import ConfigError
from gnn.measure import metric_values, rank_users
from gnn.metrics import mean_interval
from gnn.outcome import outcome_to_json, sum_up
from gnn.split import DataSplit, SplitName, Trial, split_snapshot
from kg.errors import LeakageError
from tests.support.entrants import Noisy, Popular, make_simple
from tests.support.random_shops import random_snapshot

SHOP = random_snapshot(0, users=30, products=40, events=900)
MODELS = ("popularity", "noise", "luck")


def split_of(name: SplitName) -> SplitOf:
    return lambda seed: split_snapshot(SHOP, name=name, share=0.15, seed=seed)


def contest(name: SplitName = "temporal", **changes: object) -> Contest:
    config = ContestConfig(**{"models": MODELS, "ks": (3, 5), "subject": "noise", **changes})  # type: ignore[arg-type]
    return run_contest(SHOP, split_of(name), make_simple, config=config)


def test_models_are_handed_the_parts_of_the_split_and_nothing_else() -> None:
    made: list[Popular] = []

    def make(names: Sequence[str], split: DataSplit, seed: int) -> list[Popular]:
        made.append(Popular())
        return made[-1:]

    found = run_contest(SHOP, split_of("temporal"), make, config=ContestConfig(models=("popularity",)))

    split = found.fields[0].split
    assert [split.train, split.train_valid] == made[0].handed


def test_a_planted_leak_stops_the_comparison_before_a_model_is_made() -> None:
    def leaky(seed: int) -> DataSplit:
        return replace(split_snapshot(SHOP, name="temporal", share=0.15), train_valid=SHOP)

    def never(names: Sequence[str], split: DataSplit, seed: int) -> list[Popular]:
        raise AssertionError("a model was made")

    with pytest.raises(LeakageError, match="test targets are in what is learned from"):
        run_contest(SHOP, leaky, never, config=ContestConfig(models=("popularity",)))


def test_the_values_are_those_of_a_ranking_of_the_test_users() -> None:
    found = contest()
    field = found.fields[0]
    trial = Trial(field.split.train_valid, field.split.test, field.exclude_seen)
    ranking = rank_users(Popular().fit(field.split.train_valid), trial, users=field.split.test.users, k=5)

    overall = found.rounds_of("popularity")[0].overall

    expected = metric_values(ranking, 3) | metric_values(ranking, 5)
    assert {name: values.tolist() for name, values in expected.items()} == {
        name: values.tolist() for name, values in overall.values.items()
    }


def test_seeds_of_one_split_are_averaged_for_each_user() -> None:
    found = contest(seeds=(0, 1, 2), seeded=("noise", "luck"))

    assert ([1, 3, 3], 1) == ([len(found.rounds_of(name)) for name in MODELS], len(set(map(id, found.fields))))
    rounds = found.rounds_of("noise")
    by_user = np.mean([entry.overall.values["ndcg@5"] for entry in rounds], axis=0)
    result = sum_up(found).results[1]
    assert pytest.approx(mean_interval(by_user, rng=np.random.default_rng(0))) == (
        result.metrics["ndcg@5"].mean,
        result.metrics["ndcg@5"].low,
        result.metrics["ndcg@5"].high,
    )
    assert pytest.approx([entry.overall.values["ndcg@5"].mean() for entry in rounds]) == result.per_seed["ndcg@5"]


def test_each_seed_of_a_random_split_brings_its_own_users() -> None:
    found = contest("random", seeds=(0, 1), seeded=("noise",))

    rounds = found.rounds_of("popularity")
    result = sum_up(found).results[0]
    assert 2 == len(rounds)
    assert set(zip(*_pairs(found.fields[0].split), strict=True)) != set(
        zip(*_pairs(found.fields[1].split), strict=True)
    )
    together = np.concatenate([entry.overall.values["recall@5"] for entry in rounds])
    assert pytest.approx(together.mean()) == result.metrics["recall@5"].mean


def test_the_difference_is_that_of_the_same_users() -> None:
    found = contest()
    outcome = sum_up(found)

    assert {"noise-popularity", "noise-luck"} == set(outcome.paired)
    ours, rival = (found.rounds_of(name)[0].overall.values["map@3"] for name in ("noise", "luck"))
    expected = mean_interval(ours - rival, rng=np.random.default_rng(0))
    value = outcome.paired["noise-luck"]["map@3"]
    assert pytest.approx(expected) == (value.mean, value.low, value.high)
    assert set(outcome.paired_slices["noise-luck"]) == set(found.rounds_of("noise")[0].slices)


def test_without_the_subject_nothing_is_compared_in_pairs() -> None:
    outcome = sum_up(contest(subject="whycart"))

    assert ({}, {}) == (outcome.paired, outcome.paired_slices)


def test_only_some_users_are_measured_when_asked() -> None:
    found = contest(max_users=7, seeds=(0, 1))

    assert {7} == {len(entry.overall.users) for entry in found.rounds}


def test_the_json_has_the_agreed_form() -> None:
    plain = json.loads(json.dumps(outcome_to_json(sum_up(contest(seeds=(0, 1), seeded=("noise",))), {"data": "shop"})))

    assert ("shop", "temporal", 40, [3, 5]) == (plain["data"], plain["split"], plain["num_products"], plain["k"])
    assert set(MODELS) == set(plain["models"])
    for model in plain["models"].values():
        assert {"metrics", "slices", "fit_s", "cpu_s", "score_ms_per_user", "peak_rss_mb", "chosen"} <= set(model)
        names = ("recall", "ndcg", "hit", "precision", "mrr", "map", "novelty", "calibration", "coverage", "gini")
        assert {f"{name}@{k}" for name in (*names, "popularity_lift") for k in (3, 5)} == set(model["metrics"])
        for value in model["metrics"].values():
            assert value["low"] <= value["mean"] <= value["high"]
            assert 2 == len(value["per_seed"])
        for part in model["slices"].values():
            assert {"num_users", "ndcg@3", "ndcg@5", "recall@3", "recall@5"} == set(part)
    assert {"diff", "low", "high"} == set(plain["paired"]["noise-popularity"]["ndcg@5"])
    assert [{"seed": 5}, {"seed": 6}] == plain["models"]["noise"]["chosen_per_seed"]


def test_products_nobody_had_before_are_ranked_among_each_other() -> None:
    """Product 39 appears in the last days only, so it is the only cold one, and any model finds it there."""
    events = SHOP.events
    last = events.time >= np.quantile(events.time, 0.9)
    whole = replace(SHOP, events=events.select(last | (events.product != 39)))

    found = run_contest(
        whole, lambda seed: split_snapshot(whole, name="temporal", share=0.1), make_simple,
        config=ContestConfig(models=("noise",), ks=(3,)),
    )  # fmt: skip

    part = found.rounds[0].slices["among cold products"]
    assert {1.0} == set(part.values["recall@3"].tolist())
    assert part.users.tolist() == found.rounds[0].slices["cold products"].users.tolist()


@pytest.mark.parametrize(
    "changes",
    [{"models": ()}, {"models": ("a", "a")}, {"ks": (5, 3)}, {"ks": (0,)}, {"ks": ()}, {"seeds": ()}, {"max_users": 0}],
    ids=str,
)
def test_a_comparison_of_nothing_is_refused(changes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(ConfigError):
        ContestConfig(**{"models": ("popularity",), **changes})  # type: ignore[arg-type]


def _pairs(split: DataSplit) -> tuple[list[int], list[int]]:
    return split.test.user.tolist(), split.test.product.tolist()


def test_a_seed_changes_what_a_seeded_model_does() -> None:
    found = contest(seeds=(0, 1))

    first, second = found.rounds_of("noise")
    assert [Noisy(5).tune(None), Noisy(6).tune(None)] == [first.chosen, second.chosen]  # type: ignore[arg-type]
    assert first.overall.values["ndcg@5"].tolist() != second.overall.values["ndcg@5"].tolist()
