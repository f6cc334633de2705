"""What the network is trained on: for each step of each user, the history before it and what the step holds."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from kg.operators import event_weights
from kg.snapshot import Snapshot

_MAX_PART = 64
"""Products that are predicted together at most where no order is known."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Positions in the events of a snapshot; batches are cut from it without a loop over users."""

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


@dataclass(frozen=True, slots=True)
class Batch:
    """Some examples, padded."""

    history: Int[np.ndarray, "example event"]
    """Product rows, latest first; 0 in the padding."""
    rank: Float[np.ndarray, "example event"]
    """Steps between each event and the target; 0 in the padding."""
    present: Float[np.ndarray, "example event"]
    """1 for an event, 0 in the padding."""
    target: Int[np.ndarray, "example target"]
    """Product rows to be predicted; 0 in the padding."""
    share: Float[np.ndarray, "example target"]
    """Weight of each target; adds up to 1 an example, 0 in the padding."""


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


def cut_batch(
    examples: Examples,
    chosen: Int[np.ndarray, " example"],
    *,
    length: int,
    max_targets: int,
    repeat_weight: float,
    rng: np.random.Generator,
) -> Batch:
    """Return a batch.

    Args:
        examples: where to cut from.
        chosen: which examples.
        length: events of history kept, the latest ones; without an order, any.
        max_targets: targets of one step kept, drawn at random.
        repeat_weight: weight of a target that is in the history already, against 1 for a new one.
        rng: draws.
    """
    first, start, stop = examples.first[chosen, None], examples.start[chosen, None], examples.stop[chosen, None]
    if examples.ordered:
        place = start - 1 - np.arange(length)
        inside = place >= first
    else:
        place, inside = _around(examples, chosen, length)
    place = np.where(inside, place, 0)
    history = np.where(inside, examples.product[place], 0)
    rank = np.where(inside, examples.step[start] - examples.step[place] - examples.ordered, 0)
    width = int(min((stop - start).max(), max_targets))
    offset = np.floor(rng.random((len(chosen), 1)) * np.maximum(stop - start - width + 1, 1)).astype(np.int64)
    spot = start + offset + np.arange(width)
    known = spot < stop
    target = np.where(known, examples.product[np.where(known, spot, 0)], 0)
    weight = known.astype(np.float32)
    if repeat_weight != 1.0:
        seen = _is_in(target, np.where(inside, history, -1))
        weight = np.where(seen, weight * repeat_weight, weight)
    total = weight.sum(axis=1, keepdims=True)
    share = weight / np.where(total > 0, total, 1.0)
    return Batch(
        history.astype(np.int64),
        rank.astype(np.float32),
        inside.astype(np.float32),
        target.astype(np.int64),
        share.astype(np.float32),
    )


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


def _around(
    examples: Examples, chosen: Int[np.ndarray, " example"], length: int
) -> tuple[Int[np.ndarray, "example event"], Bool[np.ndarray, "example event"]]:
    """The events of the same user that follow the predicted part, then those before it."""
    first, start, stop = examples.first[chosen, None], examples.start[chosen, None], examples.stop[chosen, None]
    end = np.searchsorted(examples.first, first, side="right")
    end = examples.stop[np.minimum(end, len(examples.stop)) - 1]
    size, gap = end - first, stop - start
    width = int(min((size - gap).max(), length))
    offset = np.arange(width)
    place = first + (stop - first + offset) % size
    return place, offset < size - gap


def _is_in(
    target: Int[np.ndarray, "example target"], history: Int[np.ndarray, "example event"]
) -> Bool[np.ndarray, "example target"]:
    return np.asarray((target[:, :, None] == history[:, None, :]).any(axis=2))
