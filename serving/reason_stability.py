"""How stable reasons are: whether another model, or the same one after new events, explains the same items alike."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from kg.progress import Progress, silent
from serving.answer import Item, Path, RecommendRequest
from serving.history import EventReader, NoEvents
from serving.ready import Ready
from serving.reason_quality import PATHS
from serving.recommend import recommend

Way = tuple[str | None, ...]
"""What makes a reason the reason it is: its meta-path, and the nodes on it that have a name."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two models agree; means over users who have a list from both."""

    num_users: int
    products: float
    """Items of the first list that are in the second."""
    first: float
    """Of those that both explain, items with the same first reason."""
    jaccard: float
    """Of those, the reasons that both give in parts of the reasons that either gives."""


def agreement(
    ready: Ready,
    other: Ready,
    *,
    users: int = 200,
    n: int = 10,
    seed: int = 0,
    events: EventReader | None = None,
    progress: Progress = silent,
) -> Agreement:
    """Return how far the reasons of two models agree for a sample of users that both know.

    Args:
        ready: one model.
        other: the other one; the same with `events` says what new events change.
        users: how many users at most.
        n: items of each list.
        seed: of the sample.
        events: what the users did since, for the other model only; None: nothing.
        progress: called after each user.
    """
    snapshot, rng = ready.bundle.snapshot, np.random.default_rng(seed)
    active = [snapshot.ids("User")[row] for row in np.unique(snapshot.events.user).tolist()]
    known = [user for user in active if other.bundle.snapshot.row("User", user) is not None]
    chosen = [known[place] for place in rng.permutation(len(known))[:users].tolist()]
    rows = []
    for number, user in enumerate(chosen, start=1):
        request = RecommendRequest(user_id=user, n=n, paths=PATHS)
        before = {item.product_id: item for item in recommend(ready, NoEvents(), request).items}
        after = {item.product_id: item for item in recommend(other, events or NoEvents(), request).items}
        rows.append(_compare(before, after))
        progress("agreement", number, len(chosen))
    columns = np.array(rows, dtype=np.float64).reshape(-1, 3).T
    return Agreement(len(rows), *(float(np.nanmean(part)) if np.isfinite(part).any() else 0.0 for part in columns))


def _compare(before: dict[str, Item], after: dict[str, Item]) -> tuple[float, float, float]:
    both = [key for key in before if key in after and before[key].paths and after[key].paths]
    same = len(before.keys() & after.keys()) / max(1, len(before))
    if not both:
        return same, np.nan, np.nan
    first = [_way(before[key].paths[0]) == _way(after[key].paths[0]) for key in both]
    jaccard = [_jaccard(before[key].paths, after[key].paths) for key in both]
    return same, float(np.mean(first)), float(np.mean(jaccard))


def _jaccard(first: Iterable[Path], second: Iterable[Path]) -> float:
    ours, theirs = {_way(path) for path in first}, {_way(path) for path in second}
    return len(ours & theirs) / len(ours | theirs)


def _way(path: Path) -> Way:
    return (path.pattern, *(node.id for node in path.nodes[1:]))
