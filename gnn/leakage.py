"""The guard of every comparison: what a model is handed holds nothing of what it is asked.

It looks at the parts of a split as they are handed over, whoever made them, and trusts no code that cut them.
"""

import numpy as np
from jaxtyping import Int

from gnn.split import DataSplit, Targets
from kg.errors import LeakageError
from kg.snapshot import Snapshot


def check_split(split: DataSplit, whole: Snapshot) -> None:
    """Refuse a split in which something that is learned from holds an event that is asked for.

    A target that the user had before may be seen, but not as often as it happened in all: the event that made it a
    target has to be missing. Where a part was cut at a time, nothing in it may be at or after that time.

    Args:
        split: what is handed to the models.
        whole: every event there is.

    Raises:
        LeakageError: a target's event, or something at or after the cutoff, is in what is learned from.
    """
    _check_stage(split.train, split.valid, later=split.train_valid, name="validation")
    _check_stage(split.train_valid, split.test, later=whole, name="test")
    if split.name == "temporal":
        _check_time(split.train, split.valid.now_ms, "validation")
        _check_time(split.train_valid, split.test.now_ms, "test")


def _check_stage(seen: Snapshot, targets: Targets, *, later: Snapshot, name: str) -> None:
    width = seen.num_nodes("Product")
    pairs = targets.user.astype(np.int64) * width + targets.product
    before, after = _count(seen, pairs), _count(later, pairs)
    leaked = np.flatnonzero((before > 0) & (before >= after))
    if len(leaked):
        user, product = seen.ids("User")[targets.user[leaked[0]]], seen.ids("Product")[targets.product[leaked[0]]]
        raise LeakageError(
            f"{len(leaked)} of {len(pairs)} {name} targets are in what is learned from, such as user {user!r} and "
            f"product {product!r}; take these events out of the earlier part of the split"
        )


def _count(snapshot: Snapshot, pairs: Int[np.ndarray, " pair"]) -> Int[np.ndarray, " pair"]:
    """How many events of positive weight each pair has."""
    weight = np.array([snapshot.schema.events[name].weight for name in snapshot.event_names])[snapshot.events.kind]
    events, width = snapshot.events, snapshot.num_nodes("Product")
    held = np.sort((events.user.astype(np.int64) * width + events.product)[weight > 0])
    return np.searchsorted(held, pairs, side="right") - np.searchsorted(held, pairs)


def _check_time(seen: Snapshot, cutoff_ms: int, name: str) -> None:
    late = int((seen.events.time >= cutoff_ms).sum())
    late_edges = sum(int((edges.at_ms >= cutoff_ms).sum()) for edges in seen.edges.values() if edges.at_ms is not None)
    if late or late_edges:
        raise LeakageError(
            f"{late} events and {late_edges} edges at or after the {name} cutoff ({cutoff_ms} ms) are in what is "
            "learned from; cut them first"
        )
