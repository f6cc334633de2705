"""What is wanted and what is new in a shop, read off a snapshot once a bundle."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from kg.operators import event_weights
from kg.snapshot import DAY_MS, Snapshot

NEW_DAYS = 30
"""How long a product that nobody had is new."""


@dataclass(frozen=True, slots=True)
class Demand:
    """How much each product is wanted, and since when it is there."""

    heat: Float[np.ndarray, " product"]
    """What all events with a product weigh at the last moment of the snapshot, each halved after its half-life."""
    came_at_ms: Float[np.ndarray, " product"]
    """When a product came: `created_at`, else its first event; NaN where nothing says so."""
    is_new: Bool[np.ndarray, " product"]
    """What came in the last NEW_DAYS before the newest product and nobody has had to do with."""
    weights: Mapping[str, float]
    """What one event of each type weighs when it is new; 0 for a dislike or a return."""


def build_demand(snapshot: Snapshot) -> Demand:
    """Read the demand off a snapshot; events without a clock do not fade, and of them nothing is new."""
    events, num, names = snapshot.events, snapshot.num_nodes("Product"), snapshot.event_names
    declared = {name: max(snapshot.schema.events[name].weight, 0.0) for name in names}
    used = np.unique(events.kind).tolist() or range(len(names))
    top = max(abs(snapshot.schema.events[names[kind]].weight) for kind in used) or 1.0
    weights = {name: weight / top for name, weight in declared.items()}
    weight, came = np.maximum(event_weights(snapshot), 0.0).astype(np.float64), np.full(num, np.inf)
    if snapshot.order == "clock" and len(events):
        half_life = np.array([snapshot.schema.events[name].half_life_days for name in names])
        weight *= 0.5 ** ((events.time.max() - events.time) / DAY_MS / half_life[events.kind])
        np.minimum.at(came, events.product, events.time.astype(np.float64))
    came[np.isinf(came)] = np.nan
    products = snapshot.nodes["Product"]
    if "created_at" in products.column_names:
        stated = products["created_at"].cast("double").to_numpy()
        came = np.where(np.isnan(stated), came, stated)
    fresh = np.nan_to_num(came, nan=-np.inf) > np.nanmax(came, initial=0.0) - NEW_DAYS * DAY_MS
    is_new = fresh & (np.bincount(events.product, minlength=num) == 0)
    return Demand(np.bincount(events.product, weights=weight, minlength=num), came, is_new, weights)
