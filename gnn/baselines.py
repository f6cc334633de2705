"""The recommenders that every model has to beat, each checked against a public implementation and tuned alike.

All get the same budget: settings are searched by `gnn.climb`, at most ten of them, and where a model speaks through a
history every decay that the events allow is tried, alone and in equal shares with the best one. The validation NDCG of
the same users decides. What is dear to fit gets fewer settings, which its docstring says. Users without any history get
the most popular products from each of them.

This module knows the simple ones; factorisation is `gnn.ials`, propagation `gnn.lightgcn`.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float

from gnn.climb import Settings, make_judge
from gnn.closed_form import fit_ease
from gnn.entrant import Baseline, Recommender
from gnn.history_baseline import Family, HistoryBaseline, Mix
from gnn.ials import IALS
from gnn.lightgcn import LightGcnBaseline
from gnn.score import Blend, Decay, Scorer
from gnn.split import Trial
from kg.kernels import HabitKernel, Kernel, NeighbourKernel
from kg.operators import OperatorConfig, co_purchase, interactions, popularity, strongest
from kg.snapshot import Snapshot

BaselineName = Literal["popularity", "habit", "itemknn", "rp3beta", "ease", "ials", "lightgcn"]
BASELINES: tuple[BaselineName, ...] = ("popularity", "habit", "itemknn", "rp3beta", "ease", "ials", "lightgcn")
CHEAP_BASELINES: tuple[BaselineName, ...] = BASELINES[:5]
"""Those that need neither another package nor learning by gradient: every retraining measures them."""
_FALLBACK = 1e-6
"""Weight of popularity beside a kernel: enough to order what the kernel says nothing about, and no more."""
_BLOCK_ENTRIES = 16_000_000
_EASE_ENTRIES = 24_000_000


def make_baseline(name: BaselineName, *, k: int, seed: int) -> Baseline:
    """Return a baseline, ready to be tuned.

    Args:
        name: which one.
        k: cut-off of the validation NDCG that decides its settings.
        seed: draws the validation users, and start values where a model has them.
    """
    if name == "popularity":
        return PopularityBaseline(k=k, seed=seed)
    if name == "lightgcn":
        return LightGcnBaseline(k=k, seed=seed)
    if name == "ials":
        return HistoryBaseline(name, IALS, k=k, seed=seed)
    return HistoryBaseline(name, KERNEL_FAMILIES[name], k=k, seed=seed)


class PopularityBaseline:
    """The same list for all: products by their number of users, or by their recent events where there is a clock."""

    name = "popularity"

    def __init__(self, *, k: int, seed: int) -> None:
        self._k, self._seed = k, seed
        self._half_life_days: float | None = None

    def tune(self, trial: Trial) -> Mapping[str, Any]:
        """Choose between all time and some half-lives."""
        judge = make_judge(trial, k=self._k, seed=self._seed)
        ways = (None, 90.0, 28.0, 7.0, 2.0) if trial.seen.order == "clock" else (None,)
        values = [judge(popular_scorer(trial.seen, half_life_days=way)) for way in ways]
        self._half_life_days = ways[int(np.argmax(values))]
        return {"half_life_days": self._half_life_days, "value": max(values)}

    def recall(self, chosen: Mapping[str, Any]) -> None:
        """Take over what an earlier tuning chose."""
        self._half_life_days = chosen["half_life_days"]

    def fit(self, seen: Snapshot) -> Recommender:
        """Count."""
        return popular_scorer(seen, half_life_days=self._half_life_days)


def popular_scorer(seen: Snapshot, *, half_life_days: float | None = None) -> Scorer:
    """Return the scorer that gives everybody the share of each product."""
    shares = _shares(popularity(seen, half_life_days=half_life_days))
    return Scorer((), shares, Blend((), (Decay("rank"),), np.zeros((0, 1)), ("popular",), np.ones(1)))


def kernel_scorer(kernel: Kernel, mix: Mix, seen: Snapshot) -> Scorer:
    """Return the scorer of one kernel under decays in equal shares; popularity orders what it leaves open."""
    shares = np.full((1, len(mix)), 1.0 / len(mix))
    blend = Blend((kernel.name,), mix, shares, ("popular",), np.array([_FALLBACK]))
    return Scorer((kernel,), _shares(popularity(seen)), blend)


def fit_itemknn(snapshot: Snapshot, *, neighbours: int = 100, shrink: float = 10.0) -> NeighbourKernel:
    """Return the cosine of products over users, shrunk towards 0 where few users are shared.

    Args:
        snapshot: what may be learned from.
        neighbours: products kept a row.
        shrink: added to the product of the norms; 0 is the plain cosine.

    Source: Sarwar et al., "Item-based collaborative filtering recommendation algorithms", WWW 2001.
    """
    matrix = interactions(snapshot)
    back = sp.csr_array(matrix.T)
    norm = np.sqrt(np.asarray(matrix.sum(axis=0)).ravel())
    size = max(1, _BLOCK_ENTRIES // max(1, len(norm)))
    blocks = []
    for first in range(0, len(norm), size):
        common = sp.csr_array(back[first : first + size] @ matrix)
        row = np.repeat(np.arange(first, first + common.shape[0]), np.diff(common.indptr))
        common.data = (common.data / (norm[row] * norm[common.indices] + shrink)).astype(np.float32)
        blocks.append(strongest(common, top_k=neighbours, first_row=first))
    return NeighbourKernel("itemknn", sp.csr_array(sp.vstack(blocks, format="csr"), dtype=np.float32))


def fit_rp3beta(snapshot: Snapshot, *, neighbours: int, alpha: float, beta: float) -> NeighbourKernel:
    """Return the walk product-user-product, each transition to the power alpha, candidates damped by beta.

    Source: Paudel et al., "Updatable, accurate, diverse, and scalable recommendations", 2017.
    """
    config = OperatorConfig(top_k=neighbours, walk_power=alpha, popularity_power=beta)
    return NeighbourKernel("rp3beta", co_purchase(snapshot, config).matrix)


def fit_ease_baseline(snapshot: Snapshot, *, regularisation: float) -> NeighbourKernel:
    """Return EASE with all entries of a small catalogue and, of a large one, as many a row as memory allows."""
    matrix = interactions(snapshot)
    kept = max(200, _EASE_ENTRIES // max(1, matrix.shape[1]))
    return fit_ease(matrix, regularisation=regularisation, top_k=kept)


def _fit_habit(seen: Snapshot, settings: Settings, seed: int) -> Kernel:
    return HabitKernel(seen.num_nodes("Product"))


def _fit_itemknn(seen: Snapshot, settings: Settings, seed: int) -> Kernel:
    return fit_itemknn(seen, neighbours=int(settings["neighbours"]), shrink=settings["shrink"])


def _fit_rp3beta(seen: Snapshot, settings: Settings, seed: int) -> Kernel:
    neighbours = int(settings["neighbours"])
    return fit_rp3beta(seen, neighbours=neighbours, alpha=settings["alpha"], beta=settings["beta"])


def _fit_ease(seen: Snapshot, settings: Settings, seed: int) -> Kernel:
    return fit_ease_baseline(seen, regularisation=settings["regularisation"])


def _shares(counts: Float[np.ndarray, " product"]) -> Float[np.ndarray, "1 product"]:
    return (counts / max(float(counts.sum()), 1.0)).astype(np.float32)[None]


KERNEL_FAMILIES: Mapping[BaselineName, Family[Kernel]] = {
    "habit": Family({}, {}, 1, _fit_habit, kernel_scorer),
    "itemknn": Family(
        {"neighbours": (20, 50, 100, 200, 500), "shrink": (0.0, 3.0, 10.0, 30.0, 100.0, 300.0)},
        {"neighbours": 100, "shrink": 10.0},
        10,
        _fit_itemknn,
        kernel_scorer,
    ),
    "rp3beta": Family(
        {
            "alpha": (0.2, 0.4, 0.6, 0.8, 1.0, 1.3),
            "beta": (0.0, 0.1, 0.2, 0.3, 0.5, 0.7),
            "neighbours": (50, 100, 200, 500),
        },
        {"alpha": 0.6, "beta": 0.3, "neighbours": 200},
        10,
        _fit_rp3beta,
        kernel_scorer,
    ),
    "ease": Family(
        {"regularisation": (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)},
        {"regularisation": 300.0},
        4,
        _fit_ease,
        kernel_scorer,
    ),
}
"""What the baselines of one kernel try. EASE inverts a matrix for each setting and gets four."""
