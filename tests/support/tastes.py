"""A shop of a few tastes, for tests that ask whether a model learned anything at all."""

import functools

import numpy as np

from gnn.split import Trial, split_snapshot
from kg.schema import GraphSchema
from kg.snapshot import build_snapshot
from tests.worlds import make_tables


@functools.cache
def taste_trial(*, users: int = 80, products: int = 60, tastes: int = 4, each: int = 12, seed: int = 0) -> Trial:
    """Return the validation question of a shop in which nine of ten products a user has are of the user's taste.

    Within a taste and without, products are drawn alike, so that popularity says next to nothing.
    """
    rng = np.random.default_rng(seed)
    events = []
    for user in range(users):
        own = np.arange(products) % tastes == user % tastes
        odds = np.where(own, 0.9 / own.sum(), 0.1 / (~own).sum())
        for product in rng.choice(products, each, replace=False, p=odds):
            number = f"e{len(events):04d}"
            events.append(
                {"event_id": number, "user_id": f"u{user:02d}", "product_id": f"p{product:02d}", "type": "bought"}
            )
    nodes = {
        "User": [{"user_id": f"u{row:02d}"} for row in range(users)],
        "Product": [{"product_id": f"p{row:02d}"} for row in range(products)],
    }
    snapshot = build_snapshot(make_tables(GraphSchema(), nodes, edges={}, events=events))
    split = split_snapshot(snapshot, share=0.2, seed=seed)
    return Trial(split.train, split.valid, True)
