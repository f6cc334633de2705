"""Settings that learn in a second, and text vectors that mean nothing, for tests of what is built around learning."""

import numpy as np

from gnn.config import FuseConfig, LearnConfig, ModelConfig, TrainConfig
from kg.snapshot import Snapshot

QUICK = LearnConfig(
    fuse=FuseConfig(max_users=50, candidates=10, mass_powers=(1.0,), k=5),
    model=ModelConfig(dim=8, heads=2, layers=1),
    train=TrainConfig(epochs=1, min_steps=1, device="cpu"),
    k=5,
    share=0.15,
)


def drawn_vectors(snapshot: Snapshot) -> dict[str, np.ndarray]:
    """Return a vector of length 1 for every node of a snapshot, by label."""
    rng = np.random.default_rng(0)
    vectors = {label: rng.normal(size=(table.num_rows, 4)) for label, table in snapshot.nodes.items()}
    return {
        label: (table / np.linalg.norm(table, axis=1, keepdims=True)).astype(np.float32)
        for label, table in vectors.items()
    }
