"""Batches of the network's training, cut on the device that trains: no loop over users, no copy within an epoch."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from gnn.examples import Examples


@dataclass(frozen=True, slots=True)
class Placed:
    """Examples (`gnn.examples`) on a device."""

    product: Int[Tensor, " event"]
    """Product of each event of positive weight."""
    step: Int[Tensor, " event"]
    """Step of each event within its user."""
    first: Int[Tensor, " example"]
    """First event of the example's user."""
    end: Int[Tensor, " example"]
    """One after the last event of the user's examples."""
    start: Int[Tensor, " example"]
    """First event of the step that is to be predicted."""
    stop: Int[Tensor, " example"]
    """One after the last event of that step."""
    ordered: bool
    """Whether only earlier events are history; else all other events of the user are."""
    num_targets: int
    """Events of the longest step that is to be predicted."""

    def __len__(self) -> int:
        return len(self.start)


@dataclass(frozen=True, slots=True)
class Batch:
    """Some examples, padded."""

    history: Int[Tensor, "example event"]
    """Product rows, latest first; 0 in the padding."""
    rank: Float[Tensor, "example event"]
    """Steps between each event and the target; 0 in the padding."""
    present: Float[Tensor, "example event"]
    """1 for an event, 0 in the padding."""
    target: Int[Tensor, "example target"]
    """Product rows to be predicted; 0 in the padding."""
    share: Float[Tensor, "example target"]
    """Weight of each target; adds up to 1 an example, 0 in the padding."""


def place(examples: Examples, device: torch.device) -> Placed:
    """Return examples on a device."""
    begin, owner = np.unique(examples.first, return_inverse=True)
    end = np.zeros(len(begin), dtype=np.int64)
    np.maximum.at(end, owner, examples.stop)

    def there(values: Int[np.ndarray, " value"]) -> Int[Tensor, " value"]:
        return torch.from_numpy(values.astype(np.int64)).to(device)

    return Placed(
        there(examples.product),
        there(examples.step),
        there(examples.first),
        there(end[owner]),
        there(examples.start),
        there(examples.stop),
        examples.ordered,
        int((examples.stop - examples.start).max(initial=1)),
    )


def cut_batch(
    placed: Placed,
    chosen: Int[Tensor, " example"],
    *,
    length: int,
    max_targets: int,
    repeat_weight: float,
    generator: torch.Generator,
) -> Batch:
    """Return a batch.

    Args:
        placed: where to cut from.
        chosen: which examples.
        length: events of history kept, the latest ones; without an order, any.
        max_targets: targets of one step kept, drawn at random.
        repeat_weight: weight of a target that is in the history already, against 1 for a new one.
        generator: draws; on the device of the examples.
    """
    start, stop = placed.start[chosen, None], placed.stop[chosen, None]
    spot, inside = _before(placed, chosen, length) if placed.ordered else _around(placed, chosen, length)
    spot = torch.where(inside, spot, 0)
    history = torch.where(inside, placed.product[spot], 0)
    rank = torch.where(inside, placed.step[start] - placed.step[spot] - int(placed.ordered), 0)
    width = min(placed.num_targets, max_targets)
    drawn = torch.rand((len(chosen), 1), generator=generator, device=generator.device)
    offset = (drawn * (stop - start - width + 1).clamp_min(1)).floor().long()
    goal = start + offset + torch.arange(width, device=start.device)
    known = goal < stop
    target = torch.where(known, placed.product[torch.where(known, goal, 0)], 0)
    weight = known.float()
    if repeat_weight != 1.0:
        seen = (target[:, :, None] == torch.where(inside, history, -1)[:, None, :]).any(dim=2)
        weight = torch.where(seen, weight * repeat_weight, weight)
    total = weight.sum(dim=1, keepdim=True)
    share = weight / torch.where(total > 0, total, 1.0)
    return Batch(history, rank.float(), inside.float(), target, share)


def _before(
    placed: Placed, chosen: Int[Tensor, " example"], length: int
) -> tuple[Int[Tensor, "example event"], Bool[Tensor, "example event"]]:
    """The events before the predicted step, latest first."""
    spot = placed.start[chosen, None] - 1 - torch.arange(length, device=placed.start.device)
    return spot, spot >= placed.first[chosen, None]


def _around(
    placed: Placed, chosen: Int[Tensor, " example"], length: int
) -> tuple[Int[Tensor, "example event"], Bool[Tensor, "example event"]]:
    """The events of the same user that follow the predicted part, then those before it."""
    first, start, stop = placed.first[chosen, None], placed.start[chosen, None], placed.stop[chosen, None]
    size, gap = placed.end[chosen, None] - first, stop - start
    offset = torch.arange(length, device=first.device)
    return first + (stop - first + offset) % size, offset < size - gap
