"""Every kernel of the additive score that is not learned by gradient, and the priors, built from one snapshot."""

import time

import numpy as np
from jaxtyping import Float

from gnn.closed_form import fit_ease, nearest_texts
from gnn.config import KernelConfig
from gnn.stopwatch import Stopwatch
from kg.kernels import HabitKernel, Kernel
from kg.operators import build_operators, interactions, popularity
from kg.snapshot import Snapshot

PRIORS = ("popular", "trending")
"""Scores that do not depend on the user: the share of users, and the share of recent events."""


def build_kernels(
    snapshot: Snapshot, text_vectors: Float[np.ndarray, "product dim"], *, config: KernelConfig, clock: Stopwatch
) -> list[Kernel]:
    """Return typed path operators, EASE, nearest texts and own habit, in a fixed order.

    Args:
        snapshot: what may be learned from; nothing after its cutoff is in it.
        text_vectors: L2-normalised vector of each product's text; zero where there is none.
        config: settings.
        clock: counts the seconds of each kernel under its name.
    """
    kernels: list[Kernel] = []
    start = time.perf_counter()
    for operator in build_operators(snapshot, config.operators):
        clock.add(operator.name, time.perf_counter() - start)
        kernels.append(operator)
        start = time.perf_counter()
    with clock.lap("ease"):
        kernels.append(fit_ease(interactions(snapshot), regularisation=config.ease_regularisation))
    if np.any(text_vectors):
        boost = np.log(2.0 + popularity(snapshot)) ** 0.3
        with clock.lap("text"):
            kernels.append(nearest_texts(text_vectors, boost, top_k=config.text_neighbours))
    kernels.append(HabitKernel(snapshot.num_nodes("Product")))
    return kernels


def build_priors(snapshot: Snapshot, *, config: KernelConfig) -> Float[np.ndarray, "prior product"]:
    """Return the scores of PRIORS, a row each, that add up to 1 over the catalogue; float32."""
    rows = [popularity(snapshot), popularity(snapshot, half_life_days=config.trending_half_life_days)]
    shares = np.stack(rows).astype(np.float64)
    total = shares.sum(axis=1, keepdims=True)
    return (shares / np.where(total > 0, total, 1.0)).astype(np.float32)
