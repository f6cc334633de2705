"""The simple recommenders that every model has to beat, each with its decay chosen on validation.

A baseline is a scorer with one kernel and one decay, so it is scored by the same code as the whole model. Users
without any history get the most popular products from each of them.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float

from gnn.fuse import default_decays
from gnn.kernels import PRIORS
from gnn.measure import rank_users
from gnn.metrics import ndcg_at_k
from gnn.score import Blend, Decay, scorer_of
from gnn.split import Trial
from kg.kernels import Kernel, NeighbourKernel
from kg.operators import interactions, top_k_product
from kg.snapshot import Snapshot

BaselineName = Literal["popularity", "habit", "itemknn", "rp3beta", "ease"]
BASELINES: tuple[BaselineName, ...] = ("popularity", "habit", "itemknn", "rp3beta", "ease")
KERNEL_OF: Mapping[BaselineName, str] = {
    "habit": "habit",
    "itemknn": "itemknn",
    "rp3beta": "co_purchase",
    "ease": "ease",
}
"""The kernel a baseline stands on; popularity has none."""
_FALLBACK = 1e-6


def fit_itemknn(snapshot: Snapshot, *, neighbours: int = 200, shrink: float = 10.0) -> NeighbourKernel:
    """Return the cosine of products over users, shrunk towards 0 where few users are shared.

    Source: Sarwar et al., "Item-based collaborative filtering recommendation algorithms", WWW 2001.
    """
    matrix = interactions(snapshot)
    norm = np.sqrt(np.asarray(matrix.sum(axis=0)).ravel())
    common = top_k_product(sp.csr_array(matrix.T), matrix, top_k=neighbours * 5).tocoo()
    cosine = common.data / (norm[common.row] * norm[common.col] + shrink)
    shape = (len(norm), len(norm))
    full = sp.csr_array((cosine.astype(np.float32), (common.row, common.col)), shape=shape)
    identity = sp.csr_array(sp.eye_array(len(norm), dtype=np.float32))
    return NeighbourKernel("itemknn", top_k_product(identity, full, top_k=neighbours))


def tune_baseline(
    name: BaselineName,
    kernels: Sequence[Kernel],
    priors: Float[np.ndarray, "prior product"],
    *,
    trial: Trial,
    k: int = 20,
    max_users: int = 500,
) -> Blend:
    """Return the blend of a baseline whose decay ranks the validation targets best.

    Args:
        name: which baseline.
        kernels: must hold the baseline's kernel, fitted on what the trial has seen.
        priors: rows of gnn.kernels.PRIORS.
        trial: the validation part.
        k: cut-off of the NDCG that decides.
        max_users: first validation users looked at.
    """
    trials = baseline_blends(name, default_decays(trial.seen))
    users = trial.targets.users[:max_users]
    values = []
    for blend in trials:
        ranked = rank_users(scorer_of(blend, kernels, priors), trial, users=users, k=k)
        values.append(float(ndcg_at_k(ranked.hits, ranked.num_relevant).mean()))
    return trials[int(np.argmax(values))]


def baseline_blends(name: BaselineName, decays: Sequence[Decay]) -> list[Blend]:
    """Return the blends among which a baseline may choose."""
    if name == "popularity":
        ways = np.eye(len(PRIORS))
        return [Blend((), (Decay("rank"),), np.zeros((0, 1)), PRIORS, way) for way in ways]
    fallback = np.array([_FALLBACK, 0.0])
    return [Blend((KERNEL_OF[name],), (decay,), np.ones((1, 1)), PRIORS, fallback) for decay in decays]
