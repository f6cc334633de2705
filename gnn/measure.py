"""Full rankings of users and the metrics on them: what every claim about quality rests on.

Every product of the catalogue is ranked; nothing is sampled. Users without a recommendation count as zero.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from threadpoolctl import threadpool_limits

from gnn.metrics import (
    coverage,
    gini,
    hit_rate_at_k,
    map_at_k,
    mean_interval,
    mrr_at_k,
    ndcg_at_k,
    precision_at_k,
    recall_at_k,
)
from gnn.score import Scorer, top_products, user_history
from gnn.split import Trial
from kg.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class Ranking:
    """The top k of some users, and what of it they did."""

    users: Int[np.ndarray, " user"]
    """User rows."""
    products: Int[np.ndarray, "user k"]
    """Product rows, best first; below 0 where fewer than k products were left to recommend."""
    hits: Bool[np.ndarray, "user k"]
    """Whether the product at each rank is a target of the user."""
    num_relevant: Int[np.ndarray, " user"]
    """Targets of each user in the whole catalogue."""
    took_s: float
    """Seconds that scoring and ranking took for all users together."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One metric with its 95% interval over users."""

    mean: float
    low: float
    high: float


def rank_users(
    scorer: Scorer,
    trial: Trial,
    *,
    users: Int[np.ndarray, " user"],
    k: int,
    progress: Progress = silent,
) -> Ranking:
    """Rank the whole catalogue for each user and note what they did of it.

    Args:
        scorer: fitted on what the trial has seen, or on less.
        trial: histories and targets.
        users: whom to rank for.
        k: how many places.
        progress: called once a user.
    """
    start = time.perf_counter()
    snapshot, targets = trial.seen, trial.targets
    num_products = snapshot.num_nodes("Product")
    found = np.full((len(users), k), -1, dtype=np.int64)
    hits = np.zeros((len(users), k), dtype=bool)
    num_relevant = np.empty(len(users), dtype=np.int64)
    with threadpool_limits(limits=1, user_api="blas"):  # the products are small: threads cost more than they save
        for index, user in enumerate(users):
            history = user_history(snapshot, int(user), now_ms=targets.now_ms)
            allowed = np.ones(num_products, dtype=bool)
            if trial.exclude_seen:
                allowed[history.product] = False
            best = top_products(scorer.score(history), allowed, k=k)
            wanted = targets.product[slice(*np.searchsorted(targets.user, (user, user + 1)))]
            found[index, : len(best)] = best
            hits[index, : len(best)] = np.isin(best, wanted)
            num_relevant[index] = len(wanted)
            progress("rank", index + 1, len(users))
    return Ranking(users, found, hits, num_relevant, time.perf_counter() - start)


def metric_values(ranking: Ranking, k: int) -> dict[str, Float[np.ndarray, " user"]]:
    """Return every per-user metric at a cut-off no deeper than the ranking, by name (`ndcg@20`)."""
    hits, relevant = ranking.hits[:, :k], ranking.num_relevant
    return {
        f"recall@{k}": recall_at_k(hits, relevant),
        f"ndcg@{k}": ndcg_at_k(hits, relevant),
        f"hit@{k}": hit_rate_at_k(hits),
        f"precision@{k}": precision_at_k(hits),
        f"mrr@{k}": mrr_at_k(hits),
        f"map@{k}": map_at_k(hits, relevant),
    }


def summarise(ranking: Ranking, k: int, *, num_products: int, seed: int = 0) -> dict[str, Measured]:
    """Return every metric at k with its interval; coverage and Gini have none and repeat their value."""
    result = {
        name: Measured(*mean_interval(values, rng=np.random.default_rng(seed)))
        for name, values in metric_values(ranking, k).items()
    }
    top = ranking.products[:, :k]
    for name, value in (
        (f"coverage@{k}", coverage(top, num_products=num_products)),
        (f"gini@{k}", gini(top, num_products=num_products)),
    ):
        result[name] = Measured(value, value, value)
    return result


def paired_difference(
    first: Mapping[str, Float[np.ndarray, " user"]],
    second: Mapping[str, Float[np.ndarray, " user"]],
    *,
    metric: str,
    seed: int = 0,
) -> Measured:
    """Return how much better `first` is than `second` for the same users, with a paired bootstrap interval."""
    return Measured(*mean_interval(first[metric] - second[metric], rng=np.random.default_rng(seed)))
