"""Whycart's metrics for ranked lists that came from somewhere else.

A list holds the best products of a user, best first. A target that is not in it has no rank: it counts as not found,
which is exact for every cut-off up to the length of the lists.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from gnn.measure import Ranking, intervals, metric_values
from gnn.split import Targets

METRICS = ("ndcg", "recall", "hit")
"""Metrics that go into the report, at each cut-off."""


def read_lists(path: Path) -> tuple[Int[np.ndarray, " user"], Int[np.ndarray, "user k"]]:
    """Return the users and lists that a driver wrote; below 0 where a list is shorter."""
    with np.load(path) as lists:
        return lists["users"], lists["products"]


def rank_lists(targets: Targets, users: Int[np.ndarray, " listed"], products: Int[np.ndarray, "listed k"]) -> Ranking:
    """Return where the targets of each user stand in the user's list; a user without a list has found nothing.

    Raises:
        ValueError: a user has two lists, a list names a product twice, or the split prescribes candidates.
    """
    if targets.candidates is not None:
        raise ValueError("this split prescribes candidates for each target; peers rank the whole catalogue only")
    if len(np.unique(users)) < len(users):
        raise ValueError("a user has two lists; the driver must write one a user")
    asked, count = np.unique(targets.user, return_counts=True)
    lists = np.full((len(asked), products.shape[1]), -1, dtype=np.int64)
    known = np.isin(users, asked)
    lists[np.searchsorted(asked, users[known])] = products[known]
    ordered = np.sort(lists, axis=1)
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        raise ValueError("a list names a product twice")
    wanted = np.full((len(asked), int(count.max(initial=0))), -1, dtype=np.int64)
    row = np.repeat(np.arange(len(asked)), count)
    wanted[row, np.arange(len(row)) - (np.cumsum(count) - count)[row]] = targets.product
    return Ranking(asked, lists, wanted, ranks_in_lists(lists, wanted), count, took_s=0.0)


def ranks_in_lists(
    lists: Int[np.ndarray, "user k"], wanted: Int[np.ndarray, "user target"]
) -> Float[np.ndarray, "user target"]:
    """Return the place of each target in its user's list from 1; inf in the padding and for what is not listed."""
    ranks = np.full(wanted.shape, np.inf)
    for place in range(lists.shape[1] - 1, -1, -1):
        ranks[(wanted == lists[:, place, None]) & (wanted >= 0)] = place + 1
    return ranks


def score_lists(ranking: Ranking, cutoffs: Sequence[int]) -> dict[str, Any]:
    """Return metrics with their 95% intervals over users, and NDCG of each user, in the order of `ranking.users`.

    Raises:
        ValueError: a cut-off is beyond the lists.
    """
    if max(cutoffs) > ranking.products.shape[1]:
        raise ValueError(f"lists hold {ranking.products.shape[1]} products, too few for k={max(cutoffs)}")
    values: Mapping[str, Float[np.ndarray, " user"]] = {
        name: value
        for k in cutoffs
        for name, value in metric_values(ranking, k).items()
        if name.partition("@")[0] in METRICS
    }
    measured = intervals(values)
    return {
        "metrics": {name: {"mean": at.mean, "low": at.low, "high": at.high} for name, at in measured.items()},
        "per_user": {name: value.round(6).tolist() for name, value in values.items() if name.startswith("ndcg")},
    }
