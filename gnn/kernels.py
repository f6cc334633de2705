"""Every kernel of the additive score that is not learned by gradient, and the priors, built from one snapshot."""

import time

import numpy as np
from jaxtyping import Float

from gnn.closed_form import fit_ease, fit_smooth, nearest_texts
from gnn.config import KernelConfig
from gnn.stopwatch import Stopwatch
from gnn.texts import text_boost
from gnn.words import nearest_words, word_matrix
from kg.kernels import TEXT_KERNELS, HabitKernel, Kernel, NeighbourKernel
from kg.operators import build_operators, chain, interactions, popularity
from kg.snapshot import Snapshot

PRIORS = ("popular", "trending")
"""Scores that do not depend on the user: the share of users, and the share of recent events."""
_SMALL = 5000
"""Catalogues up to this size can afford EASE under several strengths, each row whole."""
_SMOOTH = (("smooth", 64, 0.3, 200_000), ("smooth_fine", 256, 0.4, 20_000))
"""Low-pass kernels: name, singular vectors, how much popularity returns, and up to how many products they are built."""


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
    wanted = set(config.only)
    if wanted and wanted <= TEXT_KERNELS:
        return [kernel for kernel in _text_kernels(snapshot, text_vectors, config, clock) if kernel.name in wanted]
    kernels: list[Kernel] = []
    start = time.perf_counter()
    for operator in build_operators(snapshot, config.operators):
        clock.add(operator.name, time.perf_counter() - start)
        kernels.append(operator)
        start = time.perf_counter()
    with clock.lap("ease"):
        kernels += _ease_kernels(snapshot, text_vectors, config)
    with clock.lap("smooth"):
        num = snapshot.num_nodes("Product")
        affordable = [(name, rank, power) for name, rank, power, limit in _SMOOTH if num <= limit]
        kernels += fit_smooth(interactions(snapshot), affordable)
    kernels += _text_kernels(snapshot, text_vectors, config, clock)
    kernels += _chains(kernels, clock)
    kernels.append(HabitKernel(snapshot.num_nodes("Product")))
    return [kernel for kernel in kernels if kernel.name in wanted] if wanted else kernels


def build_priors(snapshot: Snapshot, *, config: KernelConfig) -> Float[np.ndarray, "prior product"]:
    """Return the scores of PRIORS, a row each, that add up to 1 over the catalogue; float32."""
    rows = [popularity(snapshot), popularity(snapshot, half_life_days=config.trending_half_life_days)]
    shares = np.stack(rows).astype(np.float64)
    total = shares.sum(axis=1, keepdims=True)
    return (shares / np.where(total > 0, total, 1.0)).astype(np.float32)


def _text_kernels(
    snapshot: Snapshot, text_vectors: Float[np.ndarray, "product dim"], config: KernelConfig, clock: Stopwatch
) -> list[NeighbourKernel]:
    """Products that mean the same, and products that say the same words."""
    boost, found = text_boost(snapshot), []
    if np.any(text_vectors):
        with clock.lap("text"):
            found.append(nearest_texts(text_vectors, boost, top_k=config.text_neighbours))
    with clock.lap("words"):
        words = nearest_words(word_matrix(snapshot), boost, top_k=config.text_neighbours)
    return [*found, words] if words.matrix.nnz else found


def _ease_kernels(
    snapshot: Snapshot, text_vectors: Float[np.ndarray, "product dim"], config: KernelConfig
) -> list[NeighbourKernel]:
    matrix, num = interactions(snapshot), snapshot.num_nodes("Product")
    if num > _SMALL:
        return [fit_ease(matrix, regularisation=config.ease_regularisation)]
    found = [
        fit_ease(matrix, regularisation=factor * config.ease_regularisation, top_k=num, name=name)
        for name, factor in (("ease", 1.0), ("ease_loose", 0.25), ("ease_strict", 5.0))
    ]
    if np.any(text_vectors):
        found.append(
            fit_ease(matrix, regularisation=config.ease_regularisation, top_k=num, name="ease_text", also=text_vectors)
        )
    return found


def _chains(kernels: list[Kernel], clock: Stopwatch) -> list[NeighbourKernel]:
    """Two steps one after the other: what comes after what comes next, and what reads like what comes next."""
    known = {kernel.name: kernel.matrix for kernel in kernels if isinstance(kernel, NeighbourKernel)}
    after = known.get("next_purchase", known.get("co_purchase"))
    if after is None:
        return []
    found = []
    for name, second in (("next_twice", after), ("next_words", known.get("words"))):
        if second is not None:
            with clock.lap(name):
                found.append(chain(name, after, second))
    return found
