"""The candidates that compete while a blend is learned: which they are, and what their features say."""

from dataclasses import replace

import numpy as np
import pytest

from gnn import lists as module
from gnn.config import FuseConfig
from gnn.fuse import default_decays
from gnn.lists import Lists, collect_lists
from gnn.score import Blend, Scorer, user_history
from gnn.split import Targets, Trial, split_snapshot
from kg.kernels import EmbeddingKernel, HabitKernel, Kernel
from kg.progress import silent
from tests.support.random_shops import random_snapshot

NUM, FEW = 40, 3
SPLIT = split_snapshot(random_snapshot(5, users=30, products=NUM, events=700), share=0.15)
DECAYS = default_decays(SPLIT.train)
PRIOR = np.random.default_rng(9).random((1, NUM)).astype(np.float32)


def noise(seed: int) -> EmbeddingKernel:
    query, target = np.random.default_rng(seed).normal(size=(2, NUM, 5)).astype(np.float32)
    return EmbeddingKernel(f"noise_{seed}", query, target)


KERNELS: tuple[Kernel, ...] = (noise(0), noise(1), HabitKernel(NUM))
BLANK = Blend(
    tuple(kernel.name for kernel in KERNELS), DECAYS, np.zeros((3, len(DECAYS))), ("popular",), np.zeros(1), 0.0
)


def collected(trial: Trial, *, users: np.ndarray | None = None, kernels: tuple[Kernel, ...] = KERNELS) -> Lists:
    blank = (
        BLANK
        if kernels is KERNELS
        else replace(
            BLANK, kernels=tuple(kernel.name for kernel in kernels), weights=np.zeros((len(kernels), len(DECAYS)))
        )
    )
    return collect_lists(
        kernels,
        PRIOR,
        blank,
        users=users_of(trial) if users is None else users,
        trial=trial,
        config=FuseConfig(candidates=FEW),
        progress=silent,
    )


def trial_of(*, exclude_seen: bool = False) -> Trial:
    return Trial(SPLIT.train, SPLIT.valid, exclude_seen)


def users_of(trial: Trial) -> np.ndarray:
    return trial.targets.users[np.isin(trial.targets.users, trial.seen.events.user)]


def raw(trial: Trial, user: int, *, mass_power: float = 0.0) -> np.ndarray:
    """What each kernel says under each decay, one model at a time, then the prior; [product feature]."""
    history = user_history(trial.seen, user, now_ms=trial.targets.now_ms)
    columns = []
    for kernel in KERNELS:
        for decay in DECAYS:
            blend = Blend((kernel.name,), (decay,), np.ones((1, 1)), (), np.zeros(0), mass_power)
            columns.append(Scorer((kernel,), np.zeros((0, NUM), dtype=np.float32), blend).score(history))
    return np.stack([*columns, PRIOR[0]], axis=1)


def competitors(trial: Trial, user: int) -> list[int]:
    """The best few of each kernel under its first, its endless and its last decay and of the prior, and the targets."""
    table, seen = raw(trial, user), set(user_history(trial.seen, user, now_ms=0).product.tolist())
    allowed = [row for row in range(NUM) if not (trial.exclude_seen and row in seen)]
    telling = (0, [decay.scale for decay in DECAYS].index(float("inf")), len(DECAYS) - 1)
    shown = [number * len(DECAYS) + place for number in range(2) for place in telling]  # habit says nothing of most
    found = set(trial.targets.product[trial.targets.user == user].tolist())
    for column in (*shown, len(KERNELS) * len(DECAYS)):
        found |= set(sorted(allowed, key=lambda row, column=column: -table[row, column])[:FEW])  # type: ignore[misc]
    return sorted(row for row in found if row in allowed)


@pytest.mark.parametrize("block_cells", [64_000_000, 1], ids=["together", "one by one"])
@pytest.mark.parametrize("exclude_seen", [False, True])
def test_the_best_of_every_kernel_and_the_targets_compete(
    exclude_seen: bool, block_cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BLOCK_CELLS", block_cells)
    trial = trial_of(exclude_seen=exclude_seen)

    lists = collected(trial, kernels=KERNELS[:2])

    features = lists.features * lists.scale
    for place, user in enumerate(users_of(trial).tolist()):
        chosen, wanted = competitors(trial, user), trial.targets.product[trial.targets.user == user]
        table = raw(trial, user)[chosen][:, [*range(2 * len(DECAYS)), -1]]
        assert len(chosen) == lists.present[place].sum()
        np.testing.assert_allclose(features[place, : len(chosen)], table, rtol=1e-4, atol=1e-5)
        assert [row in wanted for row in chosen] == lists.target[place, : len(chosen)].tolist()
        assert len(wanted) == lists.num_targets[place]
        assert not lists.target[place, len(chosen) :].any()


def test_features_have_a_spread_of_one_and_nothing_in_the_padding() -> None:
    lists = collected(trial_of())

    known = lists.features[lists.present].astype(np.float64)
    assert 0.0 == np.abs(lists.features[~lists.present]).max()
    np.testing.assert_allclose(known.std(axis=0)[known.any(axis=0)], 1.0, rtol=1e-3)


@pytest.mark.parametrize("mass_power", [0.5, 1.0])
def test_divided_lists_hold_what_the_score_says_under_that_power(mass_power: float) -> None:
    trial = trial_of()
    lists = collected(trial).divided(mass_power)

    features = lists.features * lists.scale
    for place, user in enumerate(users_of(trial).tolist()):
        table = raw(trial, user, mass_power=mass_power)
        shown = features[place, lists.present[place]]
        nearest = [np.abs(table - row).max(axis=1).min() for row in shown]
        assert max(nearest) < 1e-4
    assert mass_power == lists.mass_power


@pytest.mark.parametrize("mass_power", [0.5, 1.0])
def test_lists_divided_there_and_back_are_as_they_were(mass_power: float) -> None:
    untouched = collected(trial_of())

    back = collected(trial_of()).divided(mass_power).divided(0.0)

    assert 0.0 == back.mass_power
    np.testing.assert_allclose(untouched.scale, back.scale, rtol=1e-4)
    np.testing.assert_allclose(untouched.features, back.features, rtol=1e-3, atol=1e-5)


def test_lists_under_the_power_they_have_are_left_alone() -> None:
    lists = collected(trial_of())

    assert lists is lists.divided(0.0)


def test_prescribed_candidates_are_the_competitors_and_each_target_is_a_list_of_its_own() -> None:
    user = int(users_of(trial_of())[0])
    candidates = np.array([[3, 9, 3, -1], [5, 7, 8, 11]])
    targets = Targets(np.array([user, user]), np.array([4, 7]), SPLIT.valid.now_ms, candidates)
    trial = Trial(SPLIT.train, targets, exclude_seen=True)

    lists = collected(trial, users=np.array([user]))

    table = raw(trial, user)
    for place, chosen in enumerate(([3, 4, 9], [5, 7, 8, 11])):
        np.testing.assert_allclose(
            (lists.features * lists.scale)[place, : len(chosen)], table[chosen], rtol=1e-4, atol=1e-5
        )
    assert [[False, True, False, False], [False, True, False, False]] == lists.target.tolist()
    assert [1, 1] == lists.num_targets.tolist()


def test_each_user_is_asked_at_a_moment_of_its_own() -> None:
    """Under a decay by age the same history weighs less the later it is asked."""
    split = split_snapshot(random_snapshot(5, users=30, products=NUM, events=700), name="leave-one-out")
    trial = Trial(split.train, split.valid, exclude_seen=False)
    users = users_of(trial)
    moments = dict(zip(users.tolist(), split.valid.moments(users).tolist(), strict=True))

    lists = collected(trial)

    for place, user in enumerate(users.tolist()):
        history = user_history(split.train, user, now_ms=moments[user])
        faded = np.stack([decay(history) for decay in DECAYS]) * np.abs(history.weight)
        expected = faded @ KERNELS[0].mass[history.product]
        np.testing.assert_allclose(expected, lists.mass[place, : len(DECAYS)], rtol=1e-4)
