"""Whom and what a model serves well: the same ranking looked at by kind of product and by length of history.

A slice of products keeps only the targets among them, at the ranks they have in the whole list; a user without one
drops out. Nothing is ranked anew, but for one slice that is: what is left when only cold products may be recommended.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Int

from gnn.measure import Ranking
from gnn.metrics import ndcg_at_k, recall_at_k
from kg.operators import category_levels
from kg.snapshot import Snapshot

COLD, NEW = "cold products", "new products"
AMONG_COLD = "among cold products"
"""Name of the slice in which nothing but cold products was ranked."""
_NEW_USERS = 5
_LARGE_CATEGORY, _MOST_CATEGORIES = 0.02, 30
"""Part of the events from which on a root category is looked at by itself, and how many are."""
_HEAD, _TAIL = 0.5, 0.8
_LENGTHS = (("history 0", 0, 0), ("history 1-4", 1, 4), ("history 5-19", 5, 19), ("history 20+", 20, None))


@dataclass(frozen=True, slots=True)
class Slice:
    """The per-user values of a part of the targets."""

    users: Int[np.ndarray, " user"]
    """User rows; repeated where each pair is a question of its own."""
    values: Mapping[str, Float[np.ndarray, " user"]]
    """By name of the metric (`ndcg@20`)."""


def product_groups(seen: Snapshot) -> dict[str, Bool[np.ndarray, " product"]]:
    """Return which products are in which group, by how often they occur in what was fitted on.

    Cold: no event. New: one to five users. Head: the most popular products that together have half of the events;
    tail: the least popular ones that hold the last fifth; middle: between them. Cold products are in none of the three.
    """
    events, num = seen.events, seen.num_nodes("Product")
    count, users = np.bincount(events.product, minlength=num), product_users(seen)
    order = np.lexsort((np.arange(num), -count))
    before = np.empty(num)
    before[order] = np.r_[0, np.cumsum(count[order])[:-1]] / max(1, len(events))
    sold = count > 0
    return {
        COLD: ~sold,
        NEW: (users >= 1) & (users <= _NEW_USERS),
        "head products": sold & (before < _HEAD),
        "middle products": sold & (before >= _HEAD) & (before < _TAIL),
        "tail products": sold & (before >= _TAIL),
    }


def category_groups(seen: Snapshot) -> dict[str, Bool[np.ndarray, " product"]]:
    """Return which products are in or below each large root category, as `category ID`: the largest ones of many."""
    large = large_categories(seen)
    if not large:
        return {}
    member, found = sp.csc_array(category_levels(seen)[0]), {}
    for row, key in enumerate(seen.ids("Category")):
        if key in large:
            found[key] = np.zeros(member.shape[0], dtype=bool)
            found[key][member.indices[member.indptr[row] : member.indptr[row + 1]]] = True
    return {f"category {key}": found[key] for key in large}


def large_categories(seen: Snapshot) -> dict[str, float]:
    """Return the events of the products in or below each large root category, by its id, the largest first."""
    counts = category_events(seen)
    large = [key for key, count in counts.items() if count >= _LARGE_CATEGORY * len(seen.events)]
    return {key: counts[key] for key in sorted(large, key=lambda key: -counts[key])[:_MOST_CATEGORIES]}


def category_events(seen: Snapshot) -> dict[str, float]:
    """Return the events of the products in or below each root category that has any, by its id."""
    levels = category_levels(seen)
    if not levels:
        return {}
    events = levels[0].T @ np.bincount(seen.events.product, minlength=levels[0].shape[0]).astype(np.float64)
    ids = seen.ids("Category")
    return {ids[row]: float(events[row]) for row in np.flatnonzero(events)}


def user_groups(seen: Snapshot) -> dict[str, Bool[np.ndarray, " user"]]:
    """Return which users are in which group, by the number of distinct products in their history."""
    width = seen.num_nodes("Product")
    pairs = np.unique(seen.events.user.astype(np.int64) * width + seen.events.product)
    length = np.bincount(pairs // width, minlength=seen.num_nodes("User"))
    return {name: (length >= low) & (length <= (length if high is None else high)) for name, low, high in _LENGTHS}


def product_users(seen: Snapshot) -> Int[np.ndarray, " product"]:
    """Return how many different users each product has."""
    width = seen.num_nodes("Product")
    pairs = np.unique(seen.events.user.astype(np.int64) * width + seen.events.product)
    return np.bincount(pairs % width, minlength=width)


def slice_ranking(ranking: Ranking, seen: Snapshot, *, ks: Sequence[int]) -> dict[str, Slice]:
    """Return the values of every group of products and users that has a target, by its name.

    Args:
        ranking: of test users.
        seen: what the model was fitted on.
        ks: cut-offs.
    """
    found = {name: keep_targets(ranking, chosen, ks=ks) for name, chosen in product_groups(seen).items()}
    everything = np.ones(seen.num_nodes("Product"), dtype=bool)
    for name, chosen in user_groups(seen).items():
        found[name] = keep_targets(ranking, everything, ks=ks, users=chosen)
    return {name: part for name, part in found.items() if len(part.users)}


def keep_targets(
    ranking: Ranking,
    products: Bool[np.ndarray, " product"],
    *,
    ks: Sequence[int],
    users: Bool[np.ndarray, " user"] | None = None,
) -> Slice:
    """Return recall and NDCG when only some products count as targets, for users who have one.

    Args:
        ranking: where the targets stand; their ranks stay what they are.
        products: the targets that count.
        ks: cut-offs.
        users: leave out all others; None: all stay.
    """
    kept = (ranking.targets >= 0) & products[ranking.targets]
    asked = kept.any(axis=1) if users is None else kept.any(axis=1) & users[ranking.users]
    ranks = np.where(kept, ranking.ranks, np.inf)[asked]
    relevant = kept.sum(axis=1)[asked]
    values = {f"ndcg@{k}": ndcg_at_k(ranks, relevant, k=k) for k in ks}
    values |= {f"recall@{k}": recall_at_k(ranks, relevant, k=k) for k in ks}
    return Slice(ranking.users[asked], values)
