"""Lines about what is learned from: whether it is all there, and whether it can be.

The live model's snapshot says what there was. What a shop loses in one day is little; half of it missing means that a
feed broke, and a model of half a shop looks fine when it is measured on that half.
"""

import time
from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float

from kg.operators import category_levels
from kg.snapshot import Snapshot
from serving.gate.config import GateConfig
from serving.gate.verdict import Line, at_least, at_most

_LARGE = 0.02
"""Part of the live model's events from which on a category is large."""
_MOST = 30
_CHECK = "look at the feeds of the last days: whycart validate"


def data_lines(snapshot: Snapshot, live: Snapshot | None, config: GateConfig) -> Iterator[Line]:
    """Return the lines about a snapshot.

    Args:
        snapshot: what the new model learned from.
        live: what the live model learned from; None: there is none.
        config: the limits.
    """
    if snapshot.order == "clock":
        now_ms = int(time.time() * 1000)
        share = float((snapshot.events.time > now_ms).mean()) if len(snapshot.events) else 0.0
        what = f"{share:.2%} of the events lie in the future, at most {config.max_future_share:.2%} may"
        yield at_most("data", "events in the future", share, config.max_future_share, what, "check the time zones")
    if live is None:
        return
    for name, now, before in _counts(snapshot, live):
        what = (
            f"{now:,} {name}, {now / before:.0%} of the {before:,} of the live model; at least {config.min_data:.0%} "
            "are wanted"
        )
        yield at_least("data", name, now / before, config.min_data, what, _CHECK)
    yield from _categories(snapshot, live, config)


def _counts(snapshot: Snapshot, live: Snapshot) -> Iterator[tuple[str, int, int]]:
    """Name, number now and number then of everything that is counted and was there."""
    yield from _if_there("events", len(snapshot.events), len(live.events))
    for label in ("User", "Product"):
        yield from _if_there(f"{label.lower()}s", snapshot.num_nodes(label), live.num_nodes(label))
    for relation, edges in live.edges.items():
        now = snapshot.edges.get(relation)
        yield from _if_there(f"edges {relation}", 0 if now is None else len(now), len(edges))


def _if_there(name: str, now: int, before: int) -> Iterator[tuple[str, int, int]]:
    if before:
        yield name, now, before


def _categories(snapshot: Snapshot, live: Snapshot, config: GateConfig) -> Iterator[Line]:
    """One line for each root category that had many of the live model's events."""
    before, now = _events_by_category(live), _events_by_category(snapshot)
    total = max(1.0, float(len(live.events)))
    large = sorted((key for key, count in before.items() if count >= _LARGE * total), key=lambda key: -before[key])
    for key in large[:_MOST]:
        part = now.get(key, 0.0) / before[key]
        what = (
            f"category {key} has {part:.0%} of its {before[key]:,.0f} events of the live model, at least "
            f"{config.min_category:.0%} are wanted"
        )
        yield at_least("data", f"events of category {key}", part, config.min_category, what, _CHECK)


def _events_by_category(snapshot: Snapshot) -> dict[str, float]:
    """Events of the products in and below each root category, by its id."""
    levels = category_levels(snapshot)
    if not levels:
        return {}
    counts = np.bincount(snapshot.events.product, minlength=snapshot.num_nodes("Product")).astype(np.float64)
    by_category: Float[np.ndarray, " category"] = sp.csr_array(levels[0]).T @ counts
    ids = snapshot.ids("Category")
    return {ids[row]: float(by_category[row]) for row in np.flatnonzero(by_category)}
