"""The network goes on from an earlier one: what a node or a word had learned it keeps, whatever row it has now.

Between two snapshots of one shop products, brands and words come and go and rows move; ids and words are what stays.
What is new begins as it would in a training of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from gnn.config import TrainConfig
from gnn.words import WordModel
from kg.snapshot import Snapshot

_RATE, _EPOCHS, _SMALL_EPOCHS = 0.25, 1, 2
"""Part of the highest step size, and epochs, of a training that goes on from another one."""


@dataclass(frozen=True, slots=True)
class Warm:
    """A trained network and what it was trained on."""

    weights: Mapping[str, np.ndarray]
    """Parameters by name."""
    snapshot: Snapshot


def warm_config(config: TrainConfig) -> TrainConfig:
    """Return the settings of a training that goes on from another one: short, and with small steps."""
    rate = config.learning_rate * _RATE
    return replace(config, epochs=_EPOCHS, small_epochs=_SMALL_EPOCHS, learning_rate=rate)


def carry_over(warm: Warm, snapshot: Snapshot, fresh: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the parameters to begin with on a later snapshot.

    Args:
        warm: the earlier network.
        snapshot: what is trained on now.
        fresh: the parameters of a new network on it, which give the shapes and what is not known yet.
    """
    nodes = _matched(_nodes(warm.snapshot), _nodes(snapshot))
    products = _matched(warm.snapshot.ids("Product"), snapshot.ids("Product"))
    words = _matched(_words(warm.snapshot), _words(snapshot))
    rows = {"own.weight": nodes, "own_target.weight": products, "bias": products, "word.weight": words}
    return {name: _placed(warm.weights.get(name), tensor, rows.get(name)) for name, tensor in fresh.items()}


def _placed(before: np.ndarray | None, fresh: Tensor, rows: tuple[np.ndarray, np.ndarray] | None) -> Tensor:
    """One parameter: row by row where its rows are nodes or words, else whole where the shape is the same."""
    if before is None or before.shape[1:] != tuple(fresh.shape[1:]):
        return fresh
    if rows is None:
        return torch.from_numpy(np.array(before)) if before.shape == tuple(fresh.shape) else fresh
    old, new = rows
    found = fresh.clone()
    found[torch.from_numpy(new)] = torch.from_numpy(np.array(before[old])).to(fresh.dtype)
    return found


def _nodes(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Label and id of the nodes of the network, in its order (gnn.graph)."""
    labels = [label for label in sorted(snapshot.nodes) if label != "User" and snapshot.num_nodes(label)]
    return [(label, key) for label in labels for key in snapshot.ids(label)]


def _words(snapshot: Snapshot) -> list[str]:
    found = WordModel.fit(snapshot)
    return [] if found is None else [str(word) for word in found.vectoriser.get_feature_names_out()]


def _matched(before: Sequence[object], after: Sequence[object]) -> tuple[np.ndarray, np.ndarray]:
    """Rows, before and after, of what is in both."""
    place = {key: row for row, key in enumerate(before)}
    pairs = [(place[key], row) for row, key in enumerate(after) if key in place]
    found = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]
