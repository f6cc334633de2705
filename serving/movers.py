"""Which products users turned to and away from since the live model was made, and what else can be said of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from gnn.slices import category_groups
from kg.snapshot import DAY_MS, Snapshot

WINDOW_DAYS = 28
"""Days before the live model's end that say what is usual."""
MOST = 5
"""Products each way."""
_LEAST_EVENTS = 5
_LEAST_Z = 3.0
"""Standard deviations of a Poisson number below which a difference may be chance."""


@dataclass(frozen=True, slots=True)
class Mover:
    """A product with more or fewer events than its share of before would have brought."""

    product_id: str
    title: str
    found: int
    """Events since the live model."""
    expected: float
    """Events that its share of the window before would have brought."""
    z: float
    """(found - expected) / sqrt(expected + 1)."""
    sentence: str


def movers(snapshot: Snapshot, new: Bool[np.ndarray, " event"]) -> tuple[Mover, ...]:
    """Return the products that moved most, those that rose first.

    The total does not count: a flood of everything moves nothing.

    Args:
        snapshot: with a clock.
        new: which events came since the live model; neither none nor all.
    """
    events, num = snapshot.events, snapshot.num_nodes("Product")
    since = int(events.time[~new].max())
    usual = ~new & (events.time > since - WINDOW_DAYS * DAY_MS)
    found, before = (np.bincount(events.product[side], minlength=num) for side in (new, usual))
    expected = before * (found.sum() / before.sum())
    z = (found - expected) / np.sqrt(expected + 1.0)
    z[np.maximum(found, expected) < _LEAST_EVENTS] = 0.0
    order = np.argsort(-z, kind="stable")
    rows = [*order[:MOST][z[order[:MOST]] >= _LEAST_Z], *order[::-1][:MOST][z[order[::-1][:MOST]] <= -_LEAST_Z]]
    return tuple(_described(snapshot, rows, new=new, found=found, expected=expected, z=z))


def _described(
    snapshot: Snapshot,
    rows: list[np.int64],
    *,
    new: Bool[np.ndarray, " event"],
    found: Int[np.ndarray, " product"],
    expected: Float[np.ndarray, " product"],
    z: Float[np.ndarray, " product"],
) -> Iterator[Mover]:
    ids, titles, groups = snapshot.ids("Product"), _titles(snapshot), category_groups(snapshot)
    known = np.bincount(snapshot.events.product[~new], minlength=len(ids)) > 0
    for row in map(int, rows):
        parts = [f"{int(found[row]):,} events, {expected[row]:,.0f} by its share of before"]
        if not known[row]:
            parts.append("the first it has")
        kind = _kind_sentence(snapshot, new & (snapshot.events.product == row))
        parts += [kind] if kind else []
        for name, members in groups.items():
            if members[row] and expected[members].sum() > 0:
                parts.append(f"{name}: {found[members].sum() / expected[members].sum():.1f} times")
                break
        yield Mover(ids[row], titles[row], int(found[row]), float(expected[row]), float(z[row]), "; ".join(parts))


def _kind_sentence(snapshot: Snapshot, its: Bool[np.ndarray, " event"]) -> str:
    """What was done most with it."""
    if not its.any():
        return ""
    counts = np.bincount(snapshot.events.kind[its])
    return f"{counts.max() / counts.sum():.0%} {snapshot.event_names[int(counts.argmax())]}"


def _titles(snapshot: Snapshot) -> list[str]:
    table = snapshot.nodes["Product"]
    shown = table["title"].to_pylist() if "title" in table.column_names else [None] * snapshot.num_nodes("Product")
    return [title or key for title, key in zip(shown, snapshot.ids("Product"), strict=True)]
