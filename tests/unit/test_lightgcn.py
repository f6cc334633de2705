"""LightGCN against PyTorch Geometric's own model, and its gradient against automatic differentiation."""

import itertools

import numpy as np
import pytest
import torch
from torch_geometric.nn.models import LightGCN

from gnn import lightgcn as module
from gnn.baselines import make_baseline, popular_scorer
from gnn.climb import make_judge
from gnn.errors import NonFiniteLoss
from gnn.lightgcn import START, descend, loss_slope, normalised_graph, propagate, stop_early
from kg.operators import interactions
from tests.support.random_shops import random_snapshot
from tests.support.tastes import taste_trial

SHOP = random_snapshot(0, users=9, products=14, events=60)
SETTINGS = {"dim": 8, "layers": 2, "l2": 0.1, "learning_rate": 0.05}


def edges() -> torch.Tensor:
    """Both directions of every pair, users first."""
    pairs = interactions(SHOP).tocoo()
    ends = np.stack([pairs.row, pairs.col + 9]).astype(np.int64)
    return torch.from_numpy(np.hstack([ends, ends[::-1]]))


@pytest.mark.parametrize("layers", [1, 3])
def test_the_embeddings_are_those_of_pytorch_geometric(layers: int) -> None:
    public = LightGCN(num_nodes=23, embedding_dim=6, num_layers=layers)
    start = public.embedding.weight.detach()

    found = propagate(normalised_graph(interactions(SHOP)), start, layers=layers)

    expected = public.get_embedding(edges()).detach()
    np.testing.assert_allclose(expected.numpy(), found.numpy(), atol=1e-6)


def test_the_slope_is_that_of_automatic_differentiation() -> None:
    matrix = interactions(SHOP)
    final = torch.randn(23, 6, generator=torch.Generator().manual_seed(1)).requires_grad_(True)
    users = np.array([2, 5, 7])
    total, pairs = torch.zeros(()), 0
    for user in users:
        odds = torch.log_softmax(final[user] @ final[9:].T, dim=0)
        for product in np.flatnonzero(matrix[[user]].toarray()[0]):
            total, pairs = total - odds[product], pairs + 1
    ridge = 0.15 * (final[:9].pow(2).sum() / 9 + final[9:].pow(2).sum() / 14)
    (total / pairs + ridge).backward()  # type: ignore[no-untyped-call]  # torch

    found = loss_slope(final.detach(), matrix, users, l2=0.3)

    assert final.grad is not None
    np.testing.assert_allclose(final.grad.numpy(), found.numpy(), atol=1e-6)


def test_a_step_goes_down_the_slope_through_the_propagation() -> None:
    """Adam's first step moves each entry by the step size against the sign of its gradient."""
    matrix = interactions(SHOP)
    before, after = itertools.islice(descend(matrix, SETTINGS, seed=0), 2)
    start = (torch.randn(23, 8, generator=torch.Generator().manual_seed(0)) * 0.1).requires_grad_(True)
    graph = torch.from_numpy(normalised_graph(matrix).toarray())
    final = (start + graph @ start + graph @ (graph @ start)) / 3
    slope = loss_slope(final.detach(), matrix, np.flatnonzero(np.diff(matrix.indptr)), l2=0.1)
    final.backward(slope)  # type: ignore[no-untyped-call]  # torch
    assert start.grad is not None
    moved = start.detach() - 0.05 * start.grad / (start.grad.abs() + 1e-8)

    np.testing.assert_allclose(final.detach().numpy(), before.numpy(), atol=1e-6)
    np.testing.assert_allclose(propagate(normalised_graph(matrix), moved, layers=2).numpy(), after.numpy(), atol=1e-3)


def test_every_user_with_a_product_is_in_each_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BATCH_SCORES", 2 * 14)
    users = np.flatnonzero(np.diff(interactions(SHOP).indptr))

    batches = list(itertools.islice(module._batches(interactions(SHOP), np.random.default_rng(0)), 10))

    num = -(-len(users) // 2)
    assert users.tolist() == sorted(np.concatenate(batches[:num]).tolist())
    assert users.tolist() == sorted(np.concatenate(batches[num : 2 * num]).tolist())


def test_training_stops_when_the_judge_finds_nothing_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EVERY", 2)
    monkeypatch.setattr(module, "_PATIENCE", 2)
    values = iter([0.1, 0.3, 0.2, 0.2, 0.9])

    stopped = stop_early(SHOP, SETTINGS, lambda recommender: next(values), seed=0)  # type: ignore[arg-type]

    assert (4, 0.3) == (stopped.steps, stopped.value)


def test_training_stops_after_the_most_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_STEPS", 20)
    values = itertools.count()

    stopped = stop_early(SHOP, SETTINGS, lambda recommender: next(values), seed=0)  # type: ignore[arg-type]

    assert 20 == stopped.steps


def test_it_learns_more_than_what_is_popular() -> None:
    trial = taste_trial()
    judge = make_judge(trial, k=10, seed=0)

    found = judge(make_baseline("lightgcn", k=10, seed=0).fit(trial.seen))

    assert found > 2 * judge(popular_scorer(trial.seen))


def test_numbers_that_are_none_end_training_at_once() -> None:
    steps = descend(interactions(SHOP), {**START, "learning_rate": 1e30}, seed=0)

    with pytest.raises(NonFiniteLoss, match="smaller step size"):
        list(itertools.islice(steps, 20))
