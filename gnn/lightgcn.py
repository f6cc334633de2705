"""LightGCN: vectors of users and products, averaged over a few steps of propagation on the graph of who had what.

The network is the published one (test: the same embeddings as PyTorch Geometric's). The loss is not: instead of one
drawn negative a pair (BPR), each user's products are set against the whole catalogue in a softmax, so that no step is
spent on drawing negatives. The ridge is on the propagated vectors. Propagation is linear and symmetric, so its gradient
is propagation again and nothing is recorded. How it compares with the published loss is for `bench/peers` to measure.

Steps are bounded and stopped early on validation; where the graph is large fewer settings are tried.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gnn.climb import Judge, Settings, climb, make_judge
from gnn.entrant import Recommender
from gnn.errors import NonFiniteLoss
from gnn.score import History
from gnn.split import Trial
from kg.operators import interactions, popularity
from kg.snapshot import Snapshot

LADDERS = {
    "dim": (64, 128, 256),
    "layers": (1, 2, 3, 4),
    "l2": (0.01, 0.03, 0.1, 0.3),
    "learning_rate": (0.01, 0.03, 0.1),
}
START = {"dim": 64, "layers": 3, "l2": 0.1, "learning_rate": 0.03}
_MAX_STEPS = 200
_EVERY = 10
"""Steps between two looks at the validation targets."""
_PATIENCE = 3
"""Looks without a better value before training stops."""
_MAX_TRIALS = 8
_MAX_TRIAL_PAIRS = 1_600_000
"""Pairs of all trials together: a large graph gets fewer of them, three at least."""
_BATCH_SCORES = 8_000_000
"""Scores of one step: as many users as that allows."""


@dataclass(frozen=True, slots=True)
class Propagated:
    """Trained vectors."""

    users: Float[np.ndarray, "user dim"]
    """After propagation; float32."""
    products: Float[np.ndarray, "product dim"]
    """After propagation; float32."""
    is_known: Bool[np.ndarray, " user"]
    """Whether a user was there to train on; the others get what is popular."""
    popular: Float[np.ndarray, " product"]
    """Users of each product."""

    def score_users(
        self, users: Int[np.ndarray, " user"], histories: Sequence[History]
    ) -> Float[np.ndarray, "user product"]:
        """Return the score of every product; the histories are already in the users' vectors."""
        scores = np.asarray(self.users[users] @ self.products.T, dtype=np.float64)
        scores[~self.is_known[users]] = self.popular
        return scores


@dataclass(frozen=True, slots=True)
class Stopped:
    """Where training stopped."""

    steps: int
    """Steps of the best look."""
    value: float
    """What the judge said then."""


class LightGcnBaseline:
    """LightGCN, tuned and fitted."""

    name = "lightgcn"

    def __init__(self, *, k: int, seed: int) -> None:
        self._k, self._seed = k, seed
        self._settings: Settings = START
        self._steps = 100

    def tune(self, trial: Trial) -> Mapping[str, Any]:
        """Choose layers, ridge, step size and number of steps; return them with the validation NDCG they reached."""
        judge = make_judge(trial, k=self._k, seed=self._seed)
        trials = min(_MAX_TRIALS, max(3, _MAX_TRIAL_PAIRS // max(1, interactions(trial.seen).nnz)))

        def fit(settings: Settings) -> Stopped:
            return stop_early(trial.seen, settings, judge, seed=self._seed)

        found = climb(LADDERS, fit, lambda stopped: stopped.value, start=START, max_trials=trials)
        self._settings, self._steps = found.settings, found.model.steps
        return {**self._settings, "steps": self._steps, "value": found.value}

    def recall(self, chosen: Mapping[str, Any]) -> None:
        """Take over what an earlier tuning chose."""
        self._settings, self._steps = {name: float(chosen[name]) for name in START}, int(chosen["steps"])

    def fit(self, seen: Snapshot) -> Recommender:
        """Train anew with the chosen settings and number of steps."""
        steps = descend(interactions(seen), self._settings, seed=self._seed)
        final = next(final for step, final in enumerate(steps) if step == self._steps)
        return recommender_of(final, seen)


def stop_early(seen: Snapshot, settings: Settings, judge: Judge, *, seed: int) -> Stopped:
    """Train until the judge finds nothing better any more."""
    best = Stopped(0, float("-inf"))
    for step, final in enumerate(descend(interactions(seen), settings, seed=seed)):
        if step and step % _EVERY == 0:
            value = judge(recommender_of(final, seen))
            if value > best.value:
                best = Stopped(step, value)
        if step >= min(_MAX_STEPS, best.steps + _PATIENCE * _EVERY):
            break
    return best


def descend(matrix: sp.csr_array, settings: Settings, *, seed: int) -> Iterator[Float[Tensor, "node dim"]]:
    """Yield the propagated vectors before the first step and after each one, without end; users come first.

    Args:
        matrix: who had what, 0 or 1; [user product].
        settings: `dim`, `layers`, `l2` and `learning_rate`.
        seed: start values and the order of users.

    Raises:
        NonFiniteLoss: a step leads to numbers that are none.

    Source: He et al., "LightGCN: simplifying and powering graph convolution network for recommendation", SIGIR 2020.
    """
    layers, num_nodes = int(settings["layers"]), sum(matrix.shape)
    generator = torch.Generator().manual_seed(seed)
    own = torch.nn.Parameter(torch.randn(num_nodes, int(settings["dim"]), generator=generator) * 0.1)
    optimiser = torch.optim.Adam([own], lr=settings["learning_rate"])
    graph, batches = normalised_graph(matrix), _batches(matrix, np.random.default_rng(seed))
    while True:
        final = propagate(graph, own.detach(), layers=layers)
        yield final
        slope = loss_slope(final, matrix, next(batches), l2=settings["l2"])
        if not bool(torch.isfinite(slope).all()):
            raise NonFiniteLoss(f"training LightGCN with {dict(settings)} left the numbers; try a smaller step size")
        own.grad = propagate(graph, slope, layers=layers)
        optimiser.step()


def normalised_graph(matrix: sp.csr_array) -> sp.csr_array:
    """Return the symmetric graph of users and products, each edge divided by the root of both degrees."""
    graph = sp.csr_array(sp.block_array([[None, matrix], [matrix.T, None]], format="csr"), dtype=np.float32)
    degree = np.asarray(graph.sum(axis=1)).ravel()
    scale = sp.diags_array(np.where(degree > 0, 1.0 / np.sqrt(np.maximum(degree, 1.0)), 0.0))
    return sp.csr_array(scale @ graph @ scale, dtype=np.float32)


def propagate(graph: sp.csr_array, vectors: Float[Tensor, "node dim"], *, layers: int) -> Float[Tensor, "node dim"]:
    """Return the mean of the vectors after 0, 1, ... `layers` steps over the graph."""
    total, current = vectors.numpy().copy(), vectors.numpy()
    for _ in range(layers):
        current = graph @ current
        total += current
    return torch.from_numpy(total / np.float32(layers + 1))


def loss_slope(
    final: Float[Tensor, "node dim"], matrix: sp.csr_array, users: Int[np.ndarray, " batch"], *, l2: float
) -> Float[Tensor, "node dim"]:
    """Return the gradient of the loss by the propagated vectors.

    The loss is the cross-entropy of a softmax over the catalogue, a mean over the pairs of the users, and half of `l2`
    times the mean squared norm of all users and of all products.
    """
    num_users, num_products = matrix.shape
    rows, products = torch.from_numpy(users), final[num_users:]
    wanted = torch.from_numpy(matrix[users].toarray())
    num = wanted.sum(dim=1, keepdim=True)
    error = torch.softmax(final[rows] @ products.T, dim=1).mul_(num).sub_(wanted).div_(num.sum().clamp_min(1.0))
    slope = torch.empty_like(final)
    slope[:num_users] = final[:num_users] * (l2 / num_users)
    slope[num_users:] = products * (l2 / num_products) + error.T @ final[rows]
    slope[rows] += error @ products
    return slope


def recommender_of(final: Float[Tensor, "node dim"], seen: Snapshot) -> Propagated:
    """Return the recommender of propagated vectors that were trained on a snapshot."""
    matrix, vectors = interactions(seen), final.numpy()
    num_users = matrix.shape[0]
    return Propagated(vectors[:num_users], vectors[num_users:], np.diff(matrix.indptr) > 0, popularity(seen))


def _batches(matrix: sp.csr_array, rng: np.random.Generator) -> Iterator[Int[np.ndarray, " batch"]]:
    """Users that have anything, shuffled anew in each round, without end."""
    users = np.flatnonzero(np.diff(matrix.indptr))
    size = max(1, _BATCH_SCORES // max(1, matrix.shape[1]))
    while True:
        order = rng.permutation(users)
        for first in range(0, max(1, len(order)), size):
            yield order[first : first + size]
