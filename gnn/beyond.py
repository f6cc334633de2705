"""What lists are like apart from being right: how new, how varied, how popular, how like the history.

It brings the measures of `gnn.metrics` together with what was fitted on. Text vectors and categories are taken where
there are some; without them the measures that need them are left out.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int

from gnn.measure import Ranking
from gnn.metrics import calibration, coverage, diversity, gini, novelty, popularity_lift
from gnn.slices import product_users
from kg.operators import interactions
from kg.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Backdrop:
    """What lists are held against, taken from what was fitted on."""

    popularity: Int[np.ndarray, " product"]
    """Users of each product."""
    num_users: int
    """Users with an event; at least 1."""
    had: sp.csr_array
    """Which products each user had, [user product]."""
    history_popularity: Float[np.ndarray, " user"]
    """Mean popularity of the products of each history; NaN without one."""
    categories: sp.csr_array | None
    """Which categories each product is in directly, [product category]; None: no product is in one."""
    vectors: Float[np.ndarray, "product dim"] | None
    """What the distance of two products is measured on; None: it is not measured."""


def make_backdrop(seen: Snapshot, vectors: Float[np.ndarray, "product dim"] | None = None) -> Backdrop:
    """Return what the lists of a model fitted on `seen` are held against.

    Args:
        seen: what was fitted on.
        vectors: text vector of each product; None where there are none.
    """
    popularity, had = product_users(seen), interactions(seen)
    length = np.asarray(had.sum(axis=1)).ravel()
    mean = np.where(length > 0, (had @ popularity) / np.maximum(length, 1), np.nan)
    num_users = max(1, len(np.unique(seen.events.user)))
    edges = seen.edges.get("IN_CATEGORY")
    categories = None
    if edges is not None and len(edges):
        shape = (seen.num_nodes("Product"), seen.num_nodes("Category"))
        categories = sp.csr_array((np.ones(len(edges)), (edges.source, edges.target)), shape=shape)
    return Backdrop(popularity, num_users, had, mean, categories, vectors)


def list_values(ranking: Ranking, backdrop: Backdrop, k: int) -> dict[str, Float[np.ndarray, " user"]]:
    """Return novelty, and where they can be had diversity and calibration, of each list; NaN where undefined."""
    top = ranking.products[:, :k]
    found = {f"novelty@{k}": novelty(top, backdrop.popularity, num_users=backdrop.num_users)}
    if backdrop.vectors is not None:
        found[f"diversity@{k}"] = diversity(top, backdrop.vectors)
    if backdrop.categories is not None:
        had = sp.csr_array(backdrop.had[ranking.users])
        found[f"calibration@{k}"] = calibration(top, backdrop.categories, history=had)
    return found


def total_values(ranking: Ranking, backdrop: Backdrop, k: int) -> dict[str, float]:
    """Return coverage, Gini and popularity lift: figures of all lists together."""
    top, num_products = ranking.products[:, :k], len(backdrop.popularity)
    before = backdrop.history_popularity[ranking.users]
    return {
        f"coverage@{k}": coverage(top, num_products=num_products),
        f"gini@{k}": gini(top, num_products=num_products),
        f"popularity_lift@{k}": popularity_lift(top, backdrop.popularity, history_popularity=before),
    }
