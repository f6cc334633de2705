"""Measures of rankings, each a pure function of arrays: where the wanted products stand, and what the lists are like.

Accuracy is measured on the ranks of the targets in a full ranking, so that ties are fair: whoever gives all products
the same score gets what chance would give, not what the order of the catalogue happens to be. Users without a target
are the caller's to leave out; a user without a recommendation counts as zero. This module ranks nothing itself.
"""

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Int

_CHUNK = 100
"""Resamples of a bootstrap that are drawn together."""
_PAIRS_BLOCK = 2048
"""Lists whose vectors are in memory together."""


def recall_at_k(
    ranks: Float[np.ndarray, "user target"], num_relevant: Int[np.ndarray, " user"], *, k: int
) -> Float[np.ndarray, " user"]:
    """Return the share of each user's targets that stand in the top k.

    Args:
        ranks: rank of each target from 1, the mean rank among products of equal score; inf in the padding and for a
            target that cannot be recommended.
        num_relevant: targets of each user; at least 1.
        k: cut-off; at least 1.

    Example:
        >>> recall_at_k(np.array([[1.0, np.inf], [2.0, 1.0]]), np.array([2, 2]), k=2)
        array([0.5, 1. ])
    """
    return np.asarray(_hits(ranks, k).sum(axis=1) / num_relevant)


def precision_at_k(ranks: Float[np.ndarray, "user target"], *, k: int) -> Float[np.ndarray, " user"]:
    """Return the share of the k places that hold a target; places that stay empty count too."""
    return np.asarray(_hits(ranks, k).sum(axis=1) / k)


def hit_rate_at_k(ranks: Float[np.ndarray, "user target"], *, k: int) -> Float[np.ndarray, " user"]:
    """Return 1 for each user with at least one target in the top k, else 0."""
    return np.asarray(_hits(ranks, k).any(axis=1), dtype=np.float64)


def ndcg_at_k(
    ranks: Float[np.ndarray, "user target"], num_relevant: Int[np.ndarray, " user"], *, k: int
) -> Float[np.ndarray, " user"]:
    """Return the normalised discounted cumulative gain with binary relevance.

    The ideal list holds min(targets, k) products, not just those that were found.

    Source: Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002.

    Example:
        >>> ndcg_at_k(np.array([[2.0]]), np.array([1]), k=2).round(4)
        array([0.6309])
    """
    places = _places(ranks)
    gain = np.where(places <= k, 1.0 / np.log2(places + 1.0), 0.0)
    ideal = np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))[np.minimum(num_relevant, k) - 1]
    return np.asarray(gain.sum(axis=1) / ideal)


def mrr_at_k(ranks: Float[np.ndarray, "user target"], *, k: int) -> Float[np.ndarray, " user"]:
    """Return one over the rank of the best target, 0 where it is not in the top k."""
    best = ranks.min(axis=1, initial=np.inf)
    return np.asarray(np.where(best <= k, 1.0 / best, 0.0))


def map_at_k(
    ranks: Float[np.ndarray, "user target"], num_relevant: Int[np.ndarray, " user"], *, k: int
) -> Float[np.ndarray, " user"]:
    """Return the average precision up to rank k, divided by min(targets, k)."""
    places = _places(ranks)
    precision = np.where(places <= k, np.arange(1, places.shape[1] + 1) / places, 0.0)
    return np.asarray(precision.sum(axis=1) / np.minimum(num_relevant, k))


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


def novelty(
    ranking: Int[np.ndarray, "user k"], popularity: Int[np.ndarray, " product"], *, num_users: int
) -> Float[np.ndarray, " user"]:
    """Return the mean self-information of each list in bits: -log2 of the share of users who have the product.

    Args:
        ranking: product rows; entries below 0 are places nothing was recommended for.
        popularity: users of each product; a product of nobody counts as if it had one.
        num_users: users the popularity is counted over; at least 1.

    Returns:
        0 for products that everybody has; 0 for an empty list.

    Source: Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems", 2010.
    """
    return _list_mean(ranking, -np.log2(np.maximum(popularity, 1) / num_users))


def popularity_lift(
    ranking: Int[np.ndarray, "user k"],
    popularity: Int[np.ndarray, " product"],
    *,
    history_popularity: Float[np.ndarray, " user"],
) -> float:
    """Return how many times more popular the recommended products are than those of the same users' histories.

    Args:
        ranking: product rows; entries below 0 are places nothing was recommended for.
        popularity: users of each product.
        history_popularity: mean popularity of the products of each user's history; NaN without a history.

    Returns:
        The mean over users with a history and a list, divided by the mean of their histories; 0 without such users.

    Source: Abdollahpouri et al., "The unfairness of popularity bias in recommendation", 2019.
    """
    both = np.isfinite(history_popularity) & (ranking >= 0).any(axis=1)
    before = history_popularity[both].sum()
    return float(_list_mean(ranking[both], popularity).sum() / before) if before > 0 else 0.0


def diversity(
    ranking: Int[np.ndarray, "user k"], vectors: Float[np.ndarray, "product dim"]
) -> Float[np.ndarray, " user"]:
    """Return the mean distance (1 - cosine) of the pairs of products inside each list.

    Args:
        ranking: product rows; entries below 0 are places nothing was recommended for.
        vectors: one a product, of any length; a vector of zeros is at distance 1 from all.

    Returns:
        A value in [0, 2] a user; 0 for a list of fewer than two products.

    Source: Ziegler et al., "Improving recommendation lists through topic diversification", WWW 2005.
    """
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = (vectors / np.where(length > 0, length, 1.0)).astype(np.float64)
    own = (length[:, 0] > 0).astype(np.float64)
    found = np.empty(len(ranking))
    for start in range(0, len(ranking), _PAIRS_BLOCK):
        part = ranking[start : start + _PAIRS_BLOCK]
        there = part >= 0
        total = np.einsum("ukd,uk->ud", unit[part], there.astype(np.float64))
        # The squared length of the sum is the sum of the cosines of all pairs, those with itself included.
        cosines = (total**2).sum(axis=1) - np.where(there, own[part], 0.0).sum(axis=1)
        count = there.sum(axis=1)
        pairs = count * (count - 1)
        found[start : start + _PAIRS_BLOCK] = np.where(pairs > 0, 1.0 - cosines / np.maximum(pairs, 1), 0.0)
    return found


def calibration(
    ranking: Int[np.ndarray, "user k"], categories: sp.csr_array, *, history: sp.csr_array, smoothing: float = 0.01
) -> Float[np.ndarray, " user"]:
    """Return how far the categories of each list are from those of the user's history: KL(history, list) in nats.

    Args:
        ranking: product rows; entries below 0 are places nothing was recommended for.
        categories: what each product is in, [product category]; each row is spread evenly over its categories.
        history: what each user had, [user product].
        smoothing: part of the history's own distribution that is mixed into the list's, so that it stays finite.

    Returns:
        0 where the two are alike, at most -log(smoothing); NaN where the history is in no category.

    Source: Steck, "Calibrated recommendations", RecSys 2018.
    """
    members = _row_share(categories)
    rows = np.repeat(np.arange(len(ranking)), (ranking >= 0).sum(axis=1))
    shape = (len(ranking), categories.shape[0])
    lists = sp.csr_array((np.ones(len(rows)), (rows, ranking[ranking >= 0])), shape=shape)
    wanted, given = _row_share(history @ members), _row_share(lists @ members)
    coo = wanted.tocoo()
    mixed = (1 - smoothing) * np.asarray(given[coo.row, coo.col]).ravel() + smoothing * coo.data
    apart = np.bincount(coo.row, weights=coo.data * np.log(coo.data / mixed), minlength=len(ranking))
    return np.where(np.diff(wanted.indptr) > 0, apart, np.nan)


def mean_interval(
    values: Float[np.ndarray, " user"], *, rng: np.random.Generator, resamples: int = 1000
) -> tuple[float, float, float]:
    """Return the mean and its 95% bootstrap interval over users (percentile method).

    Source: Efron, "Bootstrap methods: another look at the jackknife", 1979.
    """
    mean, low, high = mean_intervals(values[:, None], rng=rng, resamples=resamples)[:, 0]
    return float(mean), float(low), float(high)


def mean_intervals(
    values: Float[np.ndarray, "user metric"], *, rng: np.random.Generator, resamples: int = 1000
) -> Float[np.ndarray, "3 metric"]:
    """Return mean, low and high end of the 95% bootstrap interval of several metrics from the same draws of users."""
    count, num = values.shape
    if count == 0:
        return np.zeros((3, num))
    mean = values.mean(axis=0)
    spread = values - mean
    moved = np.empty((resamples, num))
    for start in range(0, resamples, _CHUNK):
        size = min(_CHUNK, resamples - start)
        drawn = np.stack([np.bincount(rng.integers(0, count, count), minlength=count) for _ in range(size)])
        moved[start : start + size] = drawn.astype(np.float64) @ spread / count
    return np.vstack([mean, mean + np.quantile(moved, [0.025, 0.975], axis=0)])


def _places(ranks: Float[np.ndarray, "user target"]) -> Float[np.ndarray, "user target"]:
    """Ranks in order. Targets that tie with each other take their places in turn: the j-th stands at j at best.

    Without this, three targets that share the mean rank 2 would all be in the top 2.
    """
    return np.asarray(np.maximum(np.sort(ranks, axis=1), np.arange(1, ranks.shape[1] + 1)))


def _hits(ranks: Float[np.ndarray, "user target"], k: int) -> Bool[np.ndarray, "user target"]:
    return np.asarray(_places(ranks) <= k)


def _list_mean(
    ranking: Int[np.ndarray, "user k"], values: Float[np.ndarray, " product"] | Int[np.ndarray, " product"]
) -> Float[np.ndarray, " user"]:
    """Mean of a property of the products of each list; 0 for an empty list."""
    there = ranking >= 0
    total = np.where(there, values[ranking], 0.0).sum(axis=1)
    return np.asarray(total / np.maximum(there.sum(axis=1), 1))


def _row_share(matrix: sp.csr_array) -> sp.csr_array:
    """Rows divided by their sum, without stored zeros; empty rows stay empty."""
    total = np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()
    scale = sp.diags_array(1.0 / np.where(total > 0, total, 1.0))
    shared = sp.csr_array(scale @ matrix)
    shared.eliminate_zeros()
    return shared
