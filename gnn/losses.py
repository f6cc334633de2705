"""What the weights of a blend are learned from: two likelihoods of the targets, and a smooth NDCG of the lists.

All take the lists of `gnn.lists` and give weights that are 0 or more. The likelihoods ask every target to be likely;
the smooth NDCG asks only for what a list of k shows and forgets targets that nothing speaks for. Dense products go
through torch, whose threads are quick where a matrix is long and thin.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import minimize

from gnn.lists import Lists
from gnn.metrics import ndcg_at_k

Link = Literal["softmax", "share"]
"""How a score becomes a probability: a softmax of it, or its own share among the candidates (right for counts)."""
Weights = Float[np.ndarray, " feature"]
Kept = Bool[np.ndarray, " feature"]

_START = 0.05
"""Weight of every standardised feature before anything is learned."""
_LIKELY_STEPS, _TOP_STEPS = 60, 20
"""Steps of the two fits at most; with more, validation no longer gains."""
_TOP_SHARPNESS = 2.0
"""What a likelihood's weights are multiplied by to start from: sharper scores make the smooth ranks truer."""
_TOP_LEAST = 1e-3
"""Least weight to start from, so that what a likelihood left out may come back."""
_TOP_TARGETS = 10
"""Targets of one list that the smooth NDCG looks at, drawn by seed."""
_TOP_CELLS = 4_000_000
"""Pairs of target and candidate in memory at once."""


def weigh(
    features: Float[np.ndarray, "user candidate feature"], weights: Weights
) -> Float[np.ndarray, "user candidate"]:
    """Return the weighted sum of the features; float32."""
    table = torch.from_numpy(features.reshape(-1, features.shape[2]))
    return (table @ torch.from_numpy(weights.astype(np.float32))).numpy().reshape(features.shape[:2])


def ndcg_of(lists: Lists, score: Float[np.ndarray, "user candidate"], k: int) -> Float[np.ndarray, " user"]:
    """Return the NDCG of each list under a score of its candidates."""
    ranked = torch.from_numpy(np.where(lists.present, score, -np.inf).astype(np.float32))
    k = min(k, ranked.shape[1])
    best = torch.topk(ranked, k, dim=1).indices.numpy()
    hits = np.take_along_axis(lists.target, best, axis=1)
    ranks = np.where(hits, np.arange(1.0, k + 1), np.inf)
    return ndcg_at_k(ranks, lists.num_targets, k=k)


def fit_likely(lists: Lists, link: Link, ridge: float, *, kept: Kept) -> Weights:
    """Return the weights that make the targets most likely among their candidates; every user counts the same.

    Args:
        lists: to learn from.
        link: which likelihood; the softmax is convex in the weights.
        ridge: L2 on the weights.
        kept: features that may have a weight.
    """
    known = lists.target.any(axis=1)
    if not known.any():
        return _START * kept
    # What is not known is few: copies of the features would be larger than they are worth.
    features = lists.features if known.all() else lists.features[known]
    present = lists.present[known]
    share = lists.target[known] / lists.target[known].sum(axis=1, keepdims=True)
    loss = softmax_loss if link == "softmax" else share_loss

    def value(weights: Weights) -> tuple[float, Weights]:
        found, slope = loss(weigh(features, weights).astype(np.float64), share, present)
        return found / len(features), _pull(features, slope) / len(features)

    return _descend(value, _START * kept, ridge, kept, steps=_LIKELY_STEPS)


def fit_top(lists: Lists, start: Weights, ridge: float, *, kept: Kept, k: int, seed: int) -> Weights:
    """Return the weights that raise a smooth NDCG at k, from those of a likelihood.

    The rank of a target is 1 plus the sum over its rivals of a sigmoid of the difference of the scores; a user's other
    targets are no rivals.

    Args:
        lists: to learn from.
        start: where to begin; not convex, so it matters.
        ridge: L2 on the weights.
        kept: features that may have a weight.
        k: cut-off of the ideal that each user is measured by.
        seed: draws the targets of users with many.

    Source: Qin, Liu and Li, "A general approximation framework for direct optimization of information retrieval
    measures", 2010 (ApproxNDCG).
    """
    user, place = _some_targets(lists, seed)
    if not len(user):
        return start
    count = np.bincount(user, minlength=len(lists.features))
    ideal = np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))[np.minimum(count, k) - 1]
    gain = torch.from_numpy((1.0 / (ideal[user] * len(np.unique(user)))).astype(np.float32))

    def value(weights: Weights) -> tuple[float, Weights]:
        found, slope = smooth_ndcg(weigh(lists.features, weights), lists, user, place, gain)
        return -found, _pull(lists.features, -slope)

    first = _TOP_SHARPNESS * np.where(kept, np.maximum(start, _TOP_LEAST), 0.0)
    return _descend(value, first, 0.1 * ridge, kept, steps=_TOP_STEPS)


def smooth_ndcg(
    score: Float[np.ndarray, "user candidate"],
    lists: Lists,
    user: Int[np.ndarray, " pair"],
    place: Int[np.ndarray, " pair"],
    gain: Float[torch.Tensor, " pair"],
) -> tuple[float, Float[np.ndarray, "user candidate"]]:
    """Return the sum of gain / log2(1 + smooth rank) over some targets, and its slope by the scores.

    Args:
        score: of every candidate.
        lists: whose candidates.
        user: list of each target; not falling.
        place: column of each target in its list.
        gain: what a target is worth at rank 1.
    """
    table, total = torch.from_numpy(score), 0.0
    slope = torch.zeros_like(table)
    rival = torch.from_numpy(lists.present & ~lists.target)
    size = max(1, _TOP_CELLS // score.shape[1])
    for begin in range(0, len(user), size):
        row, own = torch.from_numpy(user[begin : begin + size]), torch.from_numpy(place[begin : begin + size])
        worth = gain[begin : begin + size]
        beaten = torch.sigmoid(table[row] - table[row, own][:, None]).mul_(rival[row])
        rank = 1.0 + beaten.sum(dim=1)
        log = torch.log2(1.0 + rank)
        total += float((worth / log).sum())
        by_rank = -worth / (np.log(2.0) * (1.0 + rank) * log.square())
        by_score = beaten * (1.0 - beaten) * by_rank[:, None]
        slope.index_add_(0, row, by_score)
        slope.index_put_((row, own), -by_score.sum(dim=1), accumulate=True)
    return total, slope.numpy()


def softmax_loss(
    score: Float[np.ndarray, "user candidate"],
    share: Float[np.ndarray, "user candidate"],
    present: Bool[np.ndarray, "user candidate"],
) -> tuple[float, Float[np.ndarray, "user candidate"]]:
    """Cross-entropy of a softmax over the candidates, and its slope by the scores. Convex in the weights."""
    score = np.where(present, score, -np.inf)
    top = score.max(axis=1, keepdims=True)
    odds = np.exp(score - top)
    total = odds.sum(axis=1, keepdims=True)
    wanted = float((share * np.where(present, score, 0.0)).sum())
    return float((np.log(total) + top).sum()) - wanted, odds / total - share


def share_loss(
    score: Float[np.ndarray, "user candidate"],
    share: Float[np.ndarray, "user candidate"],
    present: Bool[np.ndarray, "user candidate"],
) -> tuple[float, Float[np.ndarray, "user candidate"]]:
    """Cross-entropy of the scores' shares among the candidates, and its slope by the scores.

    A candidate below the floor counts as the floor, so that no single target that nothing speaks for rules the sum.
    """
    floor = 1e-3 * np.maximum(np.where(present, score, 0.0).max(axis=1, keepdims=True), 1e-12)
    above = present & (score > floor)
    kept = np.where(above, score, np.where(present, floor, 0.0))
    total = kept.sum(axis=1, keepdims=True)
    value = float(np.log(total).sum()) - float((share * np.log(np.where(present, kept, 1.0))).sum())
    return value, np.where(above, 1.0 / total - share / np.where(above, kept, 1.0), 0.0)


def _descend(
    value: Callable[[Weights], tuple[float, Weights]], start: Weights, ridge: float, kept: Kept, *, steps: int
) -> Weights:
    """Minimise a value plus the ridge with weights of 0 or more."""

    def penalised(weights: Weights) -> tuple[float, Weights]:
        found, slope = value(weights)
        return found + ridge * float(weights @ weights), slope + 2 * ridge * weights

    bounds = [(0, None if flag else 0) for flag in kept]
    found = minimize(penalised, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": steps})
    return np.asarray(found.x)


def _pull(features: Float[np.ndarray, "user candidate feature"], slope: Float[np.ndarray, "user candidate"]) -> Weights:
    """Slope by the weights from the slope by the scores; float64."""
    table = torch.from_numpy(features.reshape(-1, features.shape[2]))
    return (torch.from_numpy(slope.astype(np.float32).ravel()) @ table).numpy().astype(np.float64)


def _some_targets(lists: Lists, seed: int) -> tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]:
    """List and column of the targets, of users with many only some."""
    user, place = np.nonzero(lists.target & lists.present)
    order = np.lexsort((np.random.default_rng(seed).random(len(user)), user))
    user, place = user[order], place[order]
    few = np.arange(len(user)) - np.searchsorted(user, user) < _TOP_TARGETS
    return user[few], place[few]
