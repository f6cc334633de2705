"""Lines about what is learned from: whether it is all there, and whether it can be.

The live model's snapshot says what there was. What a shop loses in one day is little; half of it missing means that a
feed broke, and a model of half a shop looks fine when it is measured on that half.
"""

import time
from collections.abc import Iterator

from gnn.slices import category_events, large_categories
from kg.snapshot import Snapshot
from serving.gate.config import GateConfig
from serving.gate.verdict import Line, at_least, at_most

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
    now = category_events(snapshot)
    for key, before in large_categories(live).items():
        part = now.get(key, 0.0) / before
        what = (
            f"category {key} has {part:.0%} of its {before:,.0f} events of the live model, at least "
            f"{config.min_category:.0%} are wanted"
        )
        yield at_least("data", f"events of category {key}", part, config.min_category, what, _CHECK)
