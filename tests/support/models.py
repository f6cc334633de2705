"""Models over random shops whose numbers are drawn, not learned: every kernel carries weight, nothing takes time."""

from pathlib import Path

import numpy as np

from gnn.bundle import Bundle, BundleContent, load_bundle, write_bundle
from gnn.config import KernelConfig
from gnn.fuse import default_decays
from gnn.kernels import PRIORS, build_kernels, build_priors
from gnn.score import Blend, Scorer
from gnn.stopwatch import Stopwatch
from kg.kernels import EmbeddingKernel
from kg.snapshot import Snapshot


def random_scorer(snapshot: Snapshot, seed: int = 0) -> Scorer:
    """Return a scorer with every kernel and random weights."""
    rng, num = np.random.default_rng(seed), snapshot.num_nodes("Product")
    query, target = rng.random(size=(2, num, 4)).astype(np.float32)
    config = KernelConfig(ease_regularisation=2.0)
    kernels = (
        *build_kernels(snapshot, random_vectors(num, seed), config=config, clock=Stopwatch()),
        EmbeddingKernel("network", query, target),
    )
    decays = default_decays(snapshot)
    names = tuple(kernel.name for kernel in kernels)
    blend = Blend(names, decays, rng.random((len(kernels), len(decays))), PRIORS, np.array([0.2, 0.1]))
    return Scorer(kernels, build_priors(snapshot, config=config), blend)


def random_vectors(num: int, seed: int = 0) -> np.ndarray:
    """Return vectors of length 1."""
    vectors = np.random.default_rng(seed).normal(size=(num, 6)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def content_of(snapshot: Snapshot, seed: int = 0, *, exclude_seen: bool = False) -> BundleContent:
    """Return what a bundle of a random scorer holds."""
    return BundleContent(
        snapshot=snapshot,
        scorer=random_scorer(snapshot, seed),
        exclude_seen=exclude_seen,
        text_vectors=random_vectors(snapshot.num_nodes("Product"), seed),
        network={"weight": np.ones((2, 2), dtype=np.float32)},
        report={"says": ["nothing was measured"]},
        config={"seed": seed},
        packages={"numpy": np.__version__},
        card="# Card\n",
        encoder=None,
        events_applied=7,
    )


def random_bundle(snapshot: Snapshot, room: Path, *, seed: int = 0, exclude_seen: bool = False) -> Bundle:
    """Write a bundle of a random scorer below `room` and read it."""
    return load_bundle(write_bundle(content_of(snapshot, seed, exclude_seen=exclude_seen), room))
