"""What is learned from, what is tuned on, what is measured on: one split of a snapshot's events.

By time wherever there is a clock; leave-one-out where only the order is known; at random where nothing is.
The split never copies a later event into an earlier part.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int

from gnn.errors import TooLittleData
from kg.snapshot import Snapshot, select_events

SplitName = Literal["temporal", "leave-one-out", "random"]


@dataclass(frozen=True, slots=True)
class Targets:
    """What users did after a cutoff, as pairs without repetition."""

    user: Int[np.ndarray, " pair"]
    """User row; sorted."""
    product: Int[np.ndarray, " pair"]
    """Product row."""
    now_ms: int
    """The moment at which one would have recommended; 0 where events have no clock."""

    @property
    def users(self) -> Int[np.ndarray, " user"]:
        """The users that have a target, sorted."""
        return np.unique(self.user)


@dataclass(frozen=True, slots=True)
class Trial:
    """One question put to a recommender: given what was seen, what comes next?"""

    seen: Snapshot
    """Where histories come from; nothing of the targets is in it."""
    targets: Targets
    """What users did afterwards."""
    exclude_seen: bool
    """Whether products of the history are left out of rankings."""


@dataclass(frozen=True, slots=True)
class DataSplit:
    """Two stages: fit on `train` and tune on `valid`; then fit on `train_valid` and measure on `test` once."""

    name: SplitName
    train: Snapshot
    valid: Targets
    train_valid: Snapshot
    test: Targets


def split_snapshot(
    snapshot: Snapshot, *, name: SplitName | None = None, share: float = 0.1, seed: int = 0
) -> DataSplit:
    """Split a snapshot's events.

    Args:
        snapshot: everything.
        name: which split; None takes the one that the events' order calls for.
        share: part of the events that validation and test take each (temporal and random).
        seed: for the random split.

    Raises:
        TooLittleData: a part would be empty.
    """
    chosen = name or natural_split(snapshot)
    if chosen == "temporal" and snapshot.order != "clock":
        raise TooLittleData("a temporal split needs event times; use leave-one-out or random")
    if chosen == "leave-one-out" and snapshot.order == "none":
        raise TooLittleData("leave-one-out needs the order of events; use random")
    part, cutoffs = _parts(snapshot, chosen, share, np.random.default_rng(seed))
    now = cutoffs or (None, None)
    split = DataSplit(
        chosen,
        select_events(snapshot, part == 0, cutoff_ms=now[0]),
        _targets(snapshot, part == 1, now[0]),
        select_events(snapshot, part <= 1, cutoff_ms=now[1]),
        _targets(snapshot, part == 2, now[1]),
    )
    if not len(split.train.events) or not len(split.valid.user) or not len(split.test.user):
        raise TooLittleData(
            f"the {chosen} split of {len(snapshot.events)} events leaves a part empty "
            f"(train {len(split.train.events)}, valid {len(split.valid.user)}, test {len(split.test.user)}); "
            "add events or take a larger share"
        )
    return split


def natural_split(snapshot: Snapshot) -> SplitName:
    """Return the split that fits what is known of the order of events."""
    names: dict[str, SplitName] = {"clock": "temporal", "position": "leave-one-out", "none": "random"}
    return names[snapshot.order]


def repeat_share(train: Snapshot, targets: Targets) -> float:
    """Return the share of target pairs that the user already had to do with; 0 without targets."""
    width = train.num_nodes("Product")
    seen = np.unique(train.events.user.astype(np.int64) * width + train.events.product)
    pairs = targets.user.astype(np.int64) * width + targets.product
    return float(np.isin(pairs, seen).mean()) if len(pairs) else 0.0


def _parts(
    snapshot: Snapshot, name: SplitName, share: float, rng: np.random.Generator
) -> tuple[Int[np.ndarray, " event"], tuple[int, int] | None]:
    events = snapshot.events
    if name == "temporal":
        times = np.sort(events.time)
        cuts = tuple(int(times[min(int(len(times) * (1 - part * share)), len(times) - 1)]) for part in (2, 1))
        return np.searchsorted(np.array(cuts), events.time, side="right"), (cuts[0], cuts[1])
    num_users = snapshot.num_nodes("User")
    count = np.bincount(events.user, minlength=num_users)
    last = np.cumsum(count) - 1
    if name == "leave-one-out":
        left = last[events.user] - np.arange(len(events))
        part = np.where(left == 0, 2, np.where(left == 1, 1, 0))
        return np.where(count[events.user] >= 3, part, 0), None
    order = np.lexsort((rng.random(len(events)), events.user))
    place = np.empty(len(events), dtype=np.int64)
    place[order] = np.arange(len(events)) - (last - count + 1)[events.user[order]]
    held = np.floor(count * share + 0.5).astype(np.int64)[events.user]
    return np.where(place < held, 2, np.where(place < 2 * held, 1, 0)), None


def _targets(snapshot: Snapshot, chosen: Bool[np.ndarray, " event"], cutoff_ms: int | None) -> Targets:
    """Pairs of positive events; a return or a dislike is nothing one wants to predict."""
    weight = np.array([snapshot.schema.events[name].weight for name in snapshot.event_names])[snapshot.events.kind]
    keep = chosen & (weight > 0)
    width = snapshot.num_nodes("Product")
    pairs = np.unique(snapshot.events.user[keep].astype(np.int64) * width + snapshot.events.product[keep])
    return Targets(pairs // width, pairs % width, cutoff_ms or 0)
