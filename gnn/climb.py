"""A small search over ordered settings, and the judge that decides it: validation NDCG of at most a thousand users.

Every baseline is tuned by the same search with about the same number of trials. It climbs along one setting at a time,
so a ladder of values can be long while only those near the best are tried. It is not meant for many settings at once.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import Int

from gnn.entrant import Recommender
from gnn.measure import rank_users
from gnn.metrics import ndcg_at_k
from gnn.split import Trial

Ladders = Mapping[str, tuple[float, ...]]
"""Values of each setting in rising order."""
Settings = Mapping[str, float]
"""One value of each setting."""
Model = TypeVar("Model")
_MAX_USERS = 1000
_MIN_USERS = 300
_MAX_SCORES = 20_000_000
"""Scores of one trial: where the catalogue is large, fewer users decide."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Says how well a recommender ranks the validation targets."""

    trial: Trial
    """Histories and targets."""
    users: Int[np.ndarray, " user"]
    """The validation users that decide, sorted."""
    k: int
    """Cut-off of the NDCG."""

    def __call__(self, recommender: Recommender) -> float:
        """Return the mean NDCG of the users."""
        ranking = rank_users(recommender, self.trial, users=self.users, k=1)
        return float(ndcg_at_k(ranking.ranks, ranking.num_relevant, k=self.k).mean())


@dataclass(frozen=True, slots=True)
class Climbed(Generic[Model]):
    """The best settings that a climb has met."""

    settings: Settings
    value: float
    """What the judge says of them."""
    model: Model
    """The model fitted with them."""


def make_judge(trial: Trial, *, k: int, seed: int) -> Judge:
    """Return the judge of a trial, its users drawn by seed where there are more than it takes."""
    users = trial.targets.users
    limit = max(_MIN_USERS, min(_MAX_USERS, _MAX_SCORES // trial.seen.num_nodes("Product")))
    if len(users) > limit:
        users = np.sort(np.random.default_rng(seed).choice(users, limit, replace=False))
    return Judge(trial, users, k)


def climb(
    ladders: Ladders,
    fit: Callable[[Settings], Model],
    value: Callable[[Model], float],
    *,
    start: Settings,
    max_trials: int,
) -> Climbed[Model]:
    """Move one rung at a time on one ladder, up or down, as long as the value grows; larger is better.

    Args:
        ladders: values of each setting.
        fit: returns the model of some settings.
        value: says how good a model is.
        start: where to begin; each value stands on its ladder.
        max_trials: settings tried at most, the start included.

    Returns:
        The first best of the settings tried. Only its model and the one at hand are ever in memory.
    """
    model = fit(start)
    best = Climbed(start, value(model), model)
    tried = {tuple(start.values())}
    moved = True
    while moved:
        moved = False
        for settings in _neighbours(ladders, best.settings):
            if tuple(settings.values()) in tried or len(tried) >= max_trials:
                continue
            tried.add(tuple(settings.values()))
            model = fit(settings)
            found = value(model)
            if found > best.value:
                best, moved = Climbed(settings, found, model), True
                break
    return best


def _neighbours(ladders: Ladders, settings: Settings) -> Iterator[Settings]:
    """Settings that differ in one rung: up before down, in the order of the ladders."""
    for name, ladder in ladders.items():
        rung = ladder.index(settings[name])
        for place in (rung + 1, rung - 1):
            if 0 <= place < len(ladder):
                yield {**settings, name: ladder[place]}
