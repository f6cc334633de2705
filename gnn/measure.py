"""Full rankings of users and the metrics on them: what every claim about quality rests on.

Every product of the catalogue is ranked; nothing is sampled, unless a published split prescribes the candidates. Equal
scores share their mean rank. Users without a recommendation count as zero.
"""

import functools
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from threadpoolctl import ThreadpoolController

from gnn.entrant import Recommender
from gnn.metrics import (
    coverage,
    gini,
    hit_rate_at_k,
    map_at_k,
    mean_interval,
    mean_intervals,
    mrr_at_k,
    ndcg_at_k,
    precision_at_k,
    recall_at_k,
)
from gnn.score import top_products, user_history
from gnn.split import Targets, Trial
from kg.progress import Progress, silent

BLOCK_BYTES = 64 * 2**20
"""Scores that are in memory together."""

_FEW = 30


@dataclass(frozen=True, slots=True)
class Ranking:
    """The top k of some users, and where what they did stands in the whole ranking.

    A row is a user; where a published split prescribes candidates it is one pair, and users repeat.
    """

    users: Int[np.ndarray, " user"]
    """User rows."""
    products: Int[np.ndarray, "user k"]
    """Product rows, best first, equal scores in order of their row; below 0 where fewer than k were left."""
    targets: Int[np.ndarray, "user target"]
    """Product rows of the targets, sorted; below 0 in the padding."""
    ranks: Float[np.ndarray, "user target"]
    """Rank of each target from 1, the mean among equal scores; inf in the padding or when it cannot be recommended."""
    num_relevant: Int[np.ndarray, " user"]
    """Targets of each user, those that cannot be recommended included."""
    took_s: float
    """Seconds that scoring and ranking took for all users together."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One metric with its 95% interval over users."""

    mean: float
    low: float
    high: float


def rank_users(
    recommender: Recommender,
    trial: Trial,
    *,
    users: Int[np.ndarray, " user"],
    k: int,
    among: Bool[np.ndarray, " product"] | None = None,
    progress: Progress = silent,
) -> Ranking:
    """Rank the whole catalogue for each user and note where what they did stands.

    Args:
        recommender: fitted on what the trial has seen, or on less. A score that is not finite says that the product
            cannot be recommended.
        trial: histories and targets. With candidates, each pair is ranked among its own, whatever the history holds.
        users: whom to rank for, sorted.
        k: how many places of each list to keep.
        among: rank only these products; None: all.
        progress: called after each block of users.
    """
    start = time.perf_counter()
    asked, wanted, candidates = _questions(trial.targets, users)
    found = np.full((len(asked), k), -1, dtype=np.int64)
    ranks = np.full(wanted.shape, np.inf)
    size = max(1, BLOCK_BYTES // (8 * trial.seen.num_nodes("Product")))
    with _thread_pools().limit(limits=1, user_api="blas"):  # the products are small: threads cost more than they save
        for first in range(0, len(asked), size):
            part = slice(first, first + size)
            scores = _score(recommender, trial, asked[part])
            if among is not None:
                scores[:, ~among] = -np.inf
            if candidates is not None:
                _keep_candidates(scores, candidates[part], wanted[part])
            elif trial.exclude_seen:
                _leave_out_seen(scores, trial, asked[part])
            for row, values in enumerate(scores, start=first):
                best = top_products(values, np.isfinite(values), k=k)
                found[row, : len(best)] = best
                ranks[row] = _mean_ranks(values, wanted[row])
            progress("rank", min(first + size, len(asked)), len(asked))
    return Ranking(asked, found, wanted, ranks, (wanted >= 0).sum(axis=1), time.perf_counter() - start)


@functools.cache
def _thread_pools() -> ThreadpoolController:
    """Finding the libraries takes longer than a small ranking, so they are looked for once."""
    return ThreadpoolController()


def metric_values(ranking: Ranking, k: int) -> dict[str, Float[np.ndarray, " user"]]:
    """Return every per-user metric at a cut-off by name (`ndcg@20`)."""
    ranks, relevant = ranking.ranks, ranking.num_relevant
    return {
        f"recall@{k}": recall_at_k(ranks, relevant, k=k),
        f"ndcg@{k}": ndcg_at_k(ranks, relevant, k=k),
        f"hit@{k}": hit_rate_at_k(ranks, k=k),
        f"precision@{k}": precision_at_k(ranks, k=k),
        f"mrr@{k}": mrr_at_k(ranks, k=k),
        f"map@{k}": map_at_k(ranks, relevant, k=k),
    }


def summarise(ranking: Ranking, k: int, *, num_products: int, seed: int = 0) -> dict[str, Measured]:
    """Return every metric at k with its interval; coverage and Gini have none and repeat their value."""
    result = intervals(metric_values(ranking, k), seed=seed)
    top = ranking.products[:, :k]
    for name, value in (
        (f"coverage@{k}", coverage(top, num_products=num_products)),
        (f"gini@{k}", gini(top, num_products=num_products)),
    ):
        result[name] = Measured(value, value, value)
    return result


def intervals(values: Mapping[str, Float[np.ndarray, " user"]], *, seed: int = 0) -> dict[str, Measured]:
    """Return the mean and 95% interval of each metric from the same bootstrap draws of users."""
    if not values:
        return {}
    found = mean_intervals(np.column_stack(list(values.values())), rng=np.random.default_rng(seed))
    return {name: Measured(*map(float, found[:, place])) for place, name in enumerate(values)}


def paired_difference(
    first: Mapping[str, Float[np.ndarray, " user"]],
    second: Mapping[str, Float[np.ndarray, " user"]],
    *,
    metric: str,
    seed: int = 0,
) -> Measured:
    """Return how much better `first` is than `second` for the same users, with a paired bootstrap interval."""
    return Measured(*mean_interval(first[metric] - second[metric], rng=np.random.default_rng(seed)))


def _questions(
    targets: Targets, users: Int[np.ndarray, " user"]
) -> tuple[Int[np.ndarray, " row"], Int[np.ndarray, "row target"], Int[np.ndarray, "row candidate"] | None]:
    """The user, the targets and the prescribed candidates of each row of a ranking."""
    if targets.candidates is not None:
        asked = np.isin(targets.user, users)
        return targets.user[asked], targets.product[asked, None], targets.candidates[asked]
    first, last = np.searchsorted(targets.user, users), np.searchsorted(targets.user, users, side="right")
    place = first[:, None] + np.arange((last - first).max(initial=0))
    inside = place < last[:, None]
    return users, np.where(inside, targets.product[np.where(inside, place, 0)], -1), None


def _score(recommender: Recommender, trial: Trial, asked: Int[np.ndarray, " row"]) -> Float[np.ndarray, "row product"]:
    """Scores of each row's user, an array of its own; -inf for what cannot be recommended."""
    users, place = np.unique(asked, return_inverse=True)
    moments = trial.targets.moments(users).tolist()
    histories = [user_history(trial.seen, user, now_ms=now) for user, now in zip(users.tolist(), moments, strict=True)]
    scores = np.array(recommender.score_users(users, histories), dtype=np.float64)[place]
    scores[~np.isfinite(scores)] = -np.inf
    return scores


def _leave_out_seen(scores: Float[np.ndarray, "row product"], trial: Trial, asked: Int[np.ndarray, " row"]) -> None:
    for row, user in enumerate(asked):
        scores[row, trial.seen.events.product[trial.seen.user_events(int(user))]] = -np.inf


def _keep_candidates(
    scores: Float[np.ndarray, "row product"],
    candidates: Int[np.ndarray, "row candidate"],
    wanted: Int[np.ndarray, "row target"],
) -> None:
    """Leave out all but the prescribed products and the target, each once however often it is named."""
    asked = np.hstack([candidates, wanted])
    row, column = np.nonzero(asked >= 0)
    allowed = np.zeros(scores.shape, dtype=bool)
    allowed[row, asked[row, column]] = True
    scores[~allowed] = -np.inf


def _mean_ranks(
    scores: Float[np.ndarray, " product"], wanted: Int[np.ndarray, " target"]
) -> Float[np.ndarray, " target"]:
    """Rank of each target from 1, the mean among equal scores; inf for what is not finite and in the padding."""
    ranks = np.full(len(wanted), np.inf)
    asked = np.flatnonzero(wanted >= 0)
    own = scores[wanted[asked]]
    if len(asked) <= _FEW:  # looking the catalogue through for each is quicker than sorting it
        ahead = np.array([np.count_nonzero(scores > value) for value in own])
        equal = np.array([np.count_nonzero(scores == value) for value in own])
    else:
        ordered = np.sort(scores)
        upto = np.searchsorted(ordered, own, side="right")
        ahead, equal = len(scores) - upto, upto - np.searchsorted(ordered, own)
    ranks[asked] = np.where(np.isfinite(own), 1 + ahead + (equal - 1) / 2, np.inf)
    return ranks
