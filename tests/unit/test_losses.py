"""What weights are learned from: slopes by finite differences, smooth against true NDCG, what was planted is found."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from gnn.lists import Lists
from gnn.losses import fit_likely, fit_top, ndcg_of, share_loss, smooth_ndcg, softmax_loss, weigh


def lists_of(seed: int, *, users: int = 40, width: int = 12, features: int = 4, targets: float = 0.2) -> Lists:
    """Lists whose first feature speaks for the targets; the others are noise."""
    rng = np.random.default_rng(seed)
    present = rng.random((users, width)) < 0.8
    present[:, :2] = True
    target = present & (rng.random((users, width)) < targets)
    target[:, 0] = True
    table = rng.random((users, width, features)).astype(np.float32)
    table[:, :, 0] += 0.7 * target
    table[~present] = 0.0
    num = target.sum(axis=1)
    return Lists(table, target, present, num, np.ones(features), np.ones((users, features)))


ALL = np.ones(4, dtype=bool)


@pytest.mark.parametrize("loss", [softmax_loss, share_loss])
@pytest.mark.parametrize("seed", range(4))
def test_the_slope_of_a_loss_is_its_finite_difference(loss: Callable[..., tuple[float, np.ndarray]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    present = rng.random((4, 7)) < 0.8
    present[:, 0] = True
    target = present & (rng.random((4, 7)) < 0.4)
    target[:, 0] = True
    share = target / target.sum(axis=1, keepdims=True)
    score = rng.random((4, 7)) + 0.2
    score[~present] = 0.0
    _, slope = loss(score, share, present)

    for place in zip(*np.nonzero(present), strict=True):
        if loss is share_loss and score[place] == score[place[0]].max():
            continue  # the floor follows the best candidate, which the slope leaves out on purpose
        step = np.zeros_like(score)
        step[place] = 1e-5
        change = (loss(score + step, share, present)[0] - loss(score - step, share, present)[0]) / 2e-5
        assert pytest.approx(change, abs=1e-5) == slope[place]
    assert [0.0] * int((~present).sum()) == slope[~present].tolist()


def smooth(lists: Lists, score: np.ndarray) -> tuple[float, np.ndarray]:
    user, place = np.nonzero(lists.target)
    return smooth_ndcg(score, lists, user, place, torch.ones(len(user), dtype=torch.float64))


@pytest.mark.parametrize("cells", [1, 30, 4_000_000])
def test_the_slope_of_the_smooth_ndcg_is_its_finite_difference(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gnn.losses._TOP_CELLS", cells)
    lists = lists_of(1, users=5, width=7)
    score = np.random.default_rng(2).normal(size=lists.present.shape)
    _, slope = smooth(lists, score)

    for place in zip(*np.nonzero(lists.present), strict=True):
        step = np.zeros_like(score)
        step[place] = 1e-6
        change = (smooth(lists, score + step)[0] - smooth(lists, score - step)[0]) / 2e-6
        assert pytest.approx(change, abs=1e-6) == slope[place]
    assert not slope[~lists.present].any()


@pytest.mark.parametrize("seed", range(3))
def test_with_sharp_scores_the_smooth_ndcg_is_the_true_one(seed: int) -> None:
    """One target a list, so that nothing else stands between a rank and its gain."""
    lists = lists_of(seed, targets=0.0)
    score = np.random.default_rng(seed).permutation(lists.target.size).reshape(lists.target.shape).astype(np.float64)

    found, _ = smooth(lists, 50.0 * score)

    assert pytest.approx(float(ndcg_of(lists, score, 12).sum())) == found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("aim", ["softmax", "share", "top"])
def test_what_speaks_for_the_targets_gets_the_weight_and_what_may_have_none_gets_none(seed: int, aim: str) -> None:
    lists, kept = lists_of(seed, users=400), np.array([True, True, False, True])

    weights = fit_likely(lists, "share" if aim == "share" else "softmax", 1e-3, kept=kept)
    if aim == "top":
        weights = fit_top(lists, weights, 1e-3, kept=kept, k=5, seed=0)

    assert weights.argmax() == 0
    assert weights[0] > 4 * weights[1:].max()
    assert weights[2] == 0
    assert weights.min() >= 0


@pytest.mark.parametrize("seed", range(3))
def test_the_top_is_never_worse_on_what_it_learned_from(seed: int) -> None:
    lists = lists_of(seed, users=200)
    likely = fit_likely(lists, "softmax", 1e-3, kept=ALL)

    top = fit_top(lists, likely, 1e-3, kept=ALL, k=5, seed=0)

    values = [ndcg_of(lists, weigh(lists.features, weights), 5).mean() for weights in (likely, top)]
    assert values[1] > values[0] - 0.01


def test_of_a_user_with_many_targets_only_some_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gnn.losses._TOP_TARGETS", 1)
    lists = lists_of(0, users=300, targets=0.5)

    weights = fit_top(lists, np.full(4, 0.05), 1e-3, kept=ALL, k=5, seed=0)
    again = fit_top(lists, np.full(4, 0.05), 1e-3, kept=ALL, k=5, seed=0)

    assert weights.argmax() == 0
    np.testing.assert_array_equal(weights, again)


def test_lists_without_a_target_teach_nothing() -> None:
    lists = lists_of(0)
    lists.target[:] = False

    start = fit_likely(lists, "softmax", 1e-3, kept=ALL)

    np.testing.assert_array_equal(np.full(4, 0.05), start)
    np.testing.assert_array_equal(start, fit_top(lists, start, 1e-3, kept=ALL, k=5, seed=0))
