"""The same users asked of two models: whom, and what both show them."""

import time
from dataclasses import dataclass

import numpy as np

from serving.answer import RecommendRequest
from serving.history import NoEvents
from serving.ready import Ready
from serving.recommend import recommend

_ROUNDS = 3
"""Times that each list is made; the quickest counts."""


@dataclass(frozen=True, slots=True)
class Shared:
    """The lists of one user from two models."""

    overlap: float
    """Part of the products of the first list that are in the second too; 1 where the first is empty."""
    same: bool
    """Whether both hold the same products in the same order."""
    took: tuple[float, float]
    """Seconds that each list takes; the models are asked in turn."""


def canaries(before: Ready, after: Ready, *, number: int, seed: int = 0) -> list[str]:
    """Return users that both models know an event of, drawn by seed, sorted."""
    known = []
    for one in (before, after):
        snapshot = one.bundle.snapshot
        ids = snapshot.ids("User")
        known.append({ids[row] for row in np.unique(snapshot.events.user)})
    both = sorted(known[0] & known[1])
    return [both[place] for place in np.sort(np.random.default_rng(seed).permutation(len(both))[:number])]


def shared_products(before: Ready, after: Ready, user_id: str, *, n: int) -> Shared:
    """Return how alike the lists of a user are; each model answers as of the last event it knows.

    Args:
        before: one model.
        after: the other.
        user_id: whom to recommend to.
        n: items of a list.
    """
    request, took, shown = RecommendRequest(user_id=user_id, n=n), [float("inf")] * 2, [list[str]()] * 2
    for _ in range(_ROUNDS):
        for place, one in enumerate((before, after)):
            started = time.perf_counter()
            answer = recommend(one, NoEvents(), request, now_ms=one.bundle.snapshot.last_time)
            took[place] = min(took[place], time.perf_counter() - started)
            shown[place] = [item.product_id for item in answer.items]
    overlap = len({*shown[0]} & {*shown[1]}) / len(shown[0]) if shown[0] else 1.0
    return Shared(overlap, shown[0] == shown[1], (took[0], took[1]))
