"""What the network is trained on: for each step of each user, the history before it and what the step holds."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int

from kg.operators import event_weights
from kg.snapshot import Snapshot

_MAX_PART = 64
"""Products that are predicted together at most where no order is known."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Positions in the events of a snapshot; `gnn.batches` cuts batches from it."""

    product: Int[np.ndarray, " event"]
    """Product of each event of positive weight."""
    step: Int[np.ndarray, " event"]
    """Step of each event within its user."""
    first: Int[np.ndarray, " example"]
    """First event of the example's user."""
    start: Int[np.ndarray, " example"]
    """First event of the step that is to be predicted."""
    stop: Int[np.ndarray, " example"]
    """One after the last event of that step."""
    ordered: bool
    """Whether only earlier events are history; else all other events of the user are."""

    def __len__(self) -> int:
        return len(self.start)


def make_examples(snapshot: Snapshot, *, follows: bool = True) -> Examples:
    """Return every step of a snapshot's users that has something to be predicted from.

    Args:
        snapshot: whose events.
        follows: whether only earlier events are history; else all others are, as where no order is known.
    """
    ordered = follows and snapshot.order != "none"
    events = snapshot.events
    keep = event_weights(snapshot) > 0
    user, product, step = events.user[keep], events.product[keep], events.step[keep]
    if not len(user):
        none = np.zeros(0, dtype=np.int64)
        return Examples(none, none, none, none, none, ordered)
    new_user = np.r_[True, user[1:] != user[:-1]]
    first = np.flatnonzero(new_user)[np.cumsum(new_user) - 1]
    if not ordered:
        return _unordered(product, np.flatnonzero(new_user), len(user))
    start = np.flatnonzero(new_user | np.r_[True, step[1:] != step[:-1]])
    stop = np.r_[start[1:], len(user)]
    later = start > first[start]
    return Examples(product, step, first[start[later]], start[later], stop[later], True)


def _unordered(product: Int[np.ndarray, " event"], begin: Int[np.ndarray, " user"], num_events: int) -> Examples:
    """Cut each user's events into equal parts; each part is predicted from all the others once a pass."""
    size = np.diff(np.r_[begin, num_events])
    part = np.clip(size // 4, 1, _MAX_PART)
    num_parts = np.where(size > 1, -(-size // part), 0)
    user = np.repeat(np.arange(len(begin)), num_parts)
    number = np.arange(len(user)) - (np.cumsum(num_parts) - num_parts)[user]
    start = begin[user] + number * part[user]
    stop = np.minimum(start + part[user], begin[user] + size[user])
    return Examples(product, np.zeros(num_events, dtype=np.int64), begin[user], start, stop, False)


def shuffle_events(examples: Examples, rng: np.random.Generator) -> Examples:
    """Return the examples with each user's events in a new order; only where no order is known."""
    begin, place = np.unique(examples.first, return_inverse=True)
    end = np.zeros(len(begin), dtype=np.int64)
    np.maximum.at(end, place, examples.stop)
    # What lies between the end of one user and the beginning of the next is of users without an example.
    owner = np.searchsorted(np.unique(np.concatenate([begin, end])), np.arange(len(examples.product)), side="right")
    order = np.lexsort((rng.random(len(owner)), owner))
    return replace(examples, product=examples.product[order])
