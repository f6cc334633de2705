"""A published bundle of the tiny shop with weights set by hand: nothing is trained, so it is there in milliseconds."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from gnn.bundle import BundleContent, write_bundle
from gnn.bundles import BundleStore
from gnn.kernels import KernelConfig, build_kernels, build_priors
from gnn.score import Blend, Decay, Scorer
from gnn.stopwatch import Stopwatch
from kg.snapshot import Snapshot, build_snapshot
from tests.worlds import tiny_shop

MADE_AT = datetime(2024, 2, 1, tzinfo=UTC)


def publish_tiny_bundle(
    folder: Path,
    *,
    snapshot: Snapshot | None = None,
    now: datetime = MADE_AT,
    decay: float = 10.0,
    deletions: int = 0,
) -> BundleStore:
    """Write a bundle below `folder`, publish it, and return the store.

    Args:
        folder: home of the bundles.
        snapshot: what it is made from; None: the tiny shop.
        now: when it is said to be made; two bundles need two moments.
        decay: steps after which an event counts 1/e; another value makes another bundle.
        deletions: number up to which deleted users are gone from the snapshot.
    """
    shop = snapshot or build_snapshot(tiny_shop())
    vectors = np.random.default_rng(0).normal(size=(shop.num_nodes("Product"), 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    config = KernelConfig(ease_regularisation=1.0)
    kernels = tuple(build_kernels(shop, vectors, config=config, clock=Stopwatch()))
    priors = build_priors(shop, config=config)
    names = tuple(f"prior_{place}" for place in range(len(priors)))
    blend = Blend(
        tuple(kernel.name for kernel in kernels),
        (Decay("rank", decay),),
        np.ones((len(kernels), 1)),
        names,
        np.full(len(names), 0.01),
    )
    content = BundleContent(
        snapshot=shop,
        scorer=Scorer(kernels, priors, blend),
        exclude_seen=False,
        text_vectors=vectors,
        network={},
        report={},
        config={},
        packages={},
        card="# Tiny\n",
        encoder=None,
        events_applied=0,
        deletions_applied=deletions,
    )
    store = BundleStore(folder)
    store.publish(write_bundle(content, folder, now=now).name)
    return store
