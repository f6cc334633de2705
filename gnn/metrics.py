"""Ranking metrics on full rankings, each a pure function of hits by rank.

Users without a relevant product are the caller's to leave out; a user without a recommendation counts as zero.
"""

import numpy as np
from jaxtyping import Bool, Float, Int


def recall_at_k(hits: Bool[np.ndarray, "user k"], num_relevant: Int[np.ndarray, " user"]) -> Float[np.ndarray, " user"]:
    """Return the share of each user's relevant products found in the top k.

    Args:
        hits: whether the product at each rank is relevant, best rank first.
        num_relevant: relevant products of each user in the whole catalogue; at least 1.

    Example:
        >>> recall_at_k(np.array([[True, False], [True, True]]), np.array([2, 2]))
        array([0.5, 1. ])
    """
    return np.asarray(hits.sum(axis=1) / num_relevant)


def precision_at_k(hits: Bool[np.ndarray, "user k"]) -> Float[np.ndarray, " user"]:
    """Return the share of the k places that hold a relevant product."""
    return np.asarray(hits.mean(axis=1))


def hit_rate_at_k(hits: Bool[np.ndarray, "user k"]) -> Float[np.ndarray, " user"]:
    """Return 1 for each user with at least one relevant product in the top k, else 0."""
    return np.asarray(hits.any(axis=1), dtype=np.float64)


def ndcg_at_k(hits: Bool[np.ndarray, "user k"], num_relevant: Int[np.ndarray, " user"]) -> Float[np.ndarray, " user"]:
    """Return the normalised discounted cumulative gain with binary relevance.

    The ideal list holds min(relevant, k) products, not just those that were found.

    Source: Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002.

    Example:
        >>> ndcg_at_k(np.array([[False, True]]), np.array([1])).round(4)
        array([0.6309])
    """
    k = hits.shape[1]
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discount)[np.minimum(num_relevant, k) - 1]
    return np.asarray(hits @ discount / ideal)


def mrr_at_k(hits: Bool[np.ndarray, "user k"]) -> Float[np.ndarray, " user"]:
    """Return one over the rank of the first relevant product, 0 where there is none in the top k."""
    first = hits.argmax(axis=1)
    return np.where(hits.any(axis=1), 1.0 / (first + 1), 0.0)


def map_at_k(hits: Bool[np.ndarray, "user k"], num_relevant: Int[np.ndarray, " user"]) -> Float[np.ndarray, " user"]:
    """Return the average precision up to rank k, divided by min(relevant, k)."""
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return np.asarray((precision * hits).sum(axis=1) / np.minimum(num_relevant, hits.shape[1]))


def coverage(ranking: Int[np.ndarray, "user k"], *, num_products: int) -> float:
    """Return the share of the catalogue that is recommended to anybody.

    Args:
        ranking: product rows; entries below 0 are places nothing was recommended for.
        num_products: size of the catalogue.
    """
    return len(np.unique(ranking[ranking >= 0])) / num_products


def gini(ranking: Int[np.ndarray, "user k"], *, num_products: int) -> float:
    """Return how unevenly recommendations fall on the catalogue: 0 all alike, towards 1 all on one product."""
    counts = np.sort(np.bincount(ranking[ranking >= 0], minlength=num_products)).astype(np.float64)
    if counts.sum() == 0:
        return 0.0
    rank = np.arange(1, num_products + 1)
    return float((2 * rank - num_products - 1) @ counts / (num_products * counts.sum()))


def mean_interval(
    values: Float[np.ndarray, " user"], *, rng: np.random.Generator, resamples: int = 1000
) -> tuple[float, float, float]:
    """Return the mean and its 95% bootstrap interval over users (percentile method).

    Source: Efron, "Bootstrap methods: another look at the jackknife", 1979.
    """
    if len(values) == 0:
        return 0.0, 0.0, 0.0
    means = np.empty(resamples)
    for index in range(resamples):
        means[index] = values[rng.integers(0, len(values), len(values))].mean()
    low, high = np.quantile(means, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)
