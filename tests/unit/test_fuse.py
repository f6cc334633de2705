"""Learning the blend: noise gets no weight, what was planted gets it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gnn.config import FuseConfig
from gnn.errors import TooLittleData
from gnn.fuse import AIMS, Fused, Way, default_decays, fuse
from gnn.lists import Lists, collect_lists
from gnn.losses import Link
from gnn.measure import metric_values, rank_users
from gnn.score import Blend, Decay, Scorer
from gnn.split import DataSplit, Targets, Trial, split_snapshot
from kg.kernels import EmbeddingKernel, HabitKernel, Kernel
from kg.tables import Order
from tests.support.random_shops import random_snapshot

NUM = 40
NO_PRIORS = (("popular",), np.zeros((1, NUM), dtype=np.float32))
CONFIG = FuseConfig(max_users=200, candidates=20, k=10)


def split_of(order: Order = "clock") -> DataSplit:
    return split_snapshot(random_snapshot(5, users=60, products=NUM, events=1500, order=order), share=0.15)


def planted(split: DataSplit, *, power: float = 1.0) -> EmbeddingKernel:
    """A kernel that knows what comes next: each product of a user's history points to that user's targets."""
    query, target = np.zeros((NUM, NUM), dtype=np.float32), np.eye(NUM, dtype=np.float32)
    for user, product in zip(split.valid.user, split.valid.product, strict=True):
        for other in set(split.train.events.product[split.train.user_events(int(user))].tolist()):
            query[other, product] += power
    np.fill_diagonal(query, 0.0)
    return EmbeddingKernel("planted", query, target)


def noise(seed: int) -> EmbeddingKernel:
    query, target = np.random.default_rng(seed).random((2, NUM, NUM)).astype(np.float32)
    return EmbeddingKernel(f"noise_{seed}", query, target)


def learn(
    split: DataSplit,
    kernels: tuple[Kernel, ...],
    *,
    variants: dict[str, tuple[str, ...]] | None = None,
    config: FuseConfig = CONFIG,
    exclude_seen: bool = False,
) -> dict[str, Fused]:
    priors = (("popular",), np.full((1, NUM), 1 / NUM, dtype=np.float32))
    trial = trial_of(split, exclude_seen=exclude_seen)
    return fuse(kernels, priors, trial=trial, config=config, variants=variants)


def trial_of(split: DataSplit, *, exclude_seen: bool = False) -> Trial:
    return Trial(split.train, split.valid, exclude_seen)


@pytest.mark.parametrize("order", ["clock", "position", "none"])
def test_noise_gets_nearly_no_weight_and_what_was_planted_gets_it(order: Order) -> None:
    split = split_of(order)
    kernels = (planted(split), noise(0), noise(1), HabitKernel(NUM))

    blend = learn(split, kernels)["whole"].blend

    ranked = {name: _ndcg(split, kernels, blend, only=name) for name in (None, "planted")}
    weights = dict(zip(blend.kernels, blend.weights.sum(axis=1).tolist(), strict=True))
    assert weights["planted"] > 0
    # What counts is what the weights do: without the noise the ranking is as good.
    assert ranked["planted"] > 0.9 * ranked[None]


def _ndcg(split: DataSplit, kernels: tuple[Kernel, ...], blend: Blend, *, only: str | None) -> float:
    weights = blend.weights.copy()
    for row, name in enumerate(blend.kernels):
        if only is not None and name.startswith("noise"):
            weights[row] = 0.0
    scorer = Scorer(kernels, np.full((1, NUM), 1 / NUM, dtype=np.float32), replace(blend, weights=weights))
    ranked = rank_users(scorer, trial_of(split), users=split.valid.users, k=10)
    return float(metric_values(ranked, 10)["ndcg@10"].mean())


def test_weights_are_never_negative() -> None:
    split = split_of()
    against = EmbeddingKernel("against", -planted(split).query, planted(split).target)

    blend = learn(split, (against, noise(0), HabitKernel(NUM)))["whole"].blend

    assert blend.weights.min() >= 0
    assert blend.prior_weights.min() >= 0
    assert 0.0 == blend.weights[0].sum()


def test_a_variant_does_without_its_kernels_and_the_whole_is_at_least_as_good() -> None:
    split = split_of()

    found = learn(split, (planted(split), noise(0)), variants={"whole": (), "without": ("planted",)})

    assert 0.0 == found["without"].blend.weights[0].sum()
    assert found["whole"].blend.weights[0].sum() > 0
    assert found["whole"].value > found["without"].value
    assert ("planted", "noise_0") == found["without"].blend.kernels


def test_the_same_data_gives_the_same_blend() -> None:
    split = split_of()
    first, second = (learn(split, (planted(split), noise(0)))["whole"] for _ in range(2))

    np.testing.assert_array_equal(first.blend.weights, second.blend.weights)
    assert (first.value, first.way) == (second.value, second.way)


@pytest.mark.parametrize(
    ("order", "units"), [("clock", {"rank", "age", "declared"}), ("position", {"rank"}), ("none", {"rank"})]
)
def test_only_decays_that_mean_something_are_tried(order: Order, units: set[str]) -> None:
    assert units == {decay.unit for decay in default_decays(random_snapshot(0, order=order))}


@pytest.mark.parametrize("order", ["clock", "position", "none"])
def test_where_targets_do_not_follow_the_history_no_event_fades(order: Order) -> None:
    assert (Decay("rank"),) == default_decays(random_snapshot(0, order=order), follows=False)


def test_a_blend_of_targets_that_do_not_follow_has_no_decay() -> None:
    split = split_snapshot(random_snapshot(5, users=60, products=NUM, events=1500), name="random", share=0.15)

    assert (Decay("rank"),) == learn(split, (planted(split), noise(0)))["whole"].blend.decays


@pytest.mark.parametrize(("exclude_seen", "links"), [(True, {"softmax"}), (False, {"softmax", "share"})])
def test_shares_are_tried_only_where_products_of_the_history_may_be_recommended_again(
    exclude_seen: bool, links: set[Link], caplog: pytest.LogCaptureFixture
) -> None:
    split = split_of()

    with caplog.at_level("INFO", logger="gnn.fuse"):
        learn(split, (planted(split), noise(0)), exclude_seen=exclude_seen)

    tried = {vars(record)["way"] for record in caplog.records if record.message == "blend tried"}
    assert {str(Way(link, aim)) for link in links for aim in AIMS} == tried


def test_the_candidates_are_collected_once_whatever_is_tried_on_them(monkeypatch: pytest.MonkeyPatch) -> None:
    split, calls = split_of(), []

    def counted(*args: Any, **kwargs: Any) -> Lists:
        calls.append(1)
        return collect_lists(*args, **kwargs)

    monkeypatch.setattr("gnn.fuse.collect_lists", counted)
    config = replace(CONFIG, mass_powers=(1.0, 0.5, 0.0))
    learn(split, (planted(split), noise(0)), variants={"whole": (), "without": ("planted",)}, config=config)

    assert [1] == calls


def test_each_variant_is_what_it_would_be_alone_whatever_power_the_other_chose() -> None:
    split = split_of()
    kernels, config = (planted(split), noise(0), HabitKernel(NUM)), replace(CONFIG, mass_powers=(1.0, 0.0))
    variants: dict[str, tuple[str, ...]] = {"whole": (), "without": ("planted",), "habit": ("planted", "noise_0")}

    together = learn(split, kernels, variants=variants, config=config)

    for name, without in variants.items():
        alone = learn(split, kernels, variants={name: without}, config=config)[name]
        found = together[name]
        assert (alone.way, alone.blend.mass_power) == (found.way, found.blend.mass_power)
        assert pytest.approx(alone.value, abs=1e-3) == found.value


@pytest.mark.parametrize(("max_cells", "users"), [(1e9, 60), (NUM * 2 * 8 * 20.0, 20), (1.0, 7)])
def test_of_a_large_catalogue_fewer_users_are_learned_from(
    max_cells: float, users: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cells are products times kernels times decays a user; so many users are taken at least."""
    monkeypatch.setattr("gnn.fuse._LEAST_USERS", 7)
    split = split_of()
    known = len(np.intersect1d(split.valid.users, split.train.events.user))

    found = learn(split, (planted(split), noise(0)), config=replace(CONFIG, max_cells=max_cells))["whole"]

    assert min(users, known) == len(found.values)


def test_without_any_kernel_the_priors_are_learned_alone() -> None:
    blend = learn(split_of(), ())["whole"].blend

    assert ((0, 8), True) == (blend.weights.shape, bool((blend.prior_weights > 0).all()))


def test_validation_users_without_a_history_cannot_teach() -> None:
    split = split_of()
    stranger = Targets(np.array([10**6]), np.array([0]), 0)

    with pytest.raises(TooLittleData, match="no user with events before"):
        fuse((HabitKernel(NUM),), NO_PRIORS, trial=Trial(split.train, stranger, exclude_seen=False), config=CONFIG)


def test_targets_that_are_all_left_out_teach_nothing_and_break_nothing() -> None:
    """Every target was seen and seen products are left out: there is nothing to learn from."""
    split = split_of()
    user = int(split.train.events.user[0])
    seen = np.unique(split.train.events.product[split.train.user_events(user)])[:1].astype(np.int64)
    trial = Trial(split.train, Targets(np.array([user]), seen, split.valid.now_ms), exclude_seen=True)

    blend = fuse((HabitKernel(NUM),), NO_PRIORS, trial=trial, config=CONFIG)["whole"].blend

    assert np.isfinite(blend.weights).all()
