"""A baseline that speaks through what a user did: settings of its model, and how an event's say fades.

First the decay is chosen for the first settings, then the settings under that decay, then the decay again with pairs of
decays in equal shares. Which models there are is `gnn.baselines`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, cast

from gnn.climb import Judge, Ladders, Model, Settings, climb, make_judge
from gnn.entrant import Recommender
from gnn.fuse import default_decays
from gnn.score import Decay, DecayUnit
from gnn.split import Trial
from kg.snapshot import Snapshot

Mix = tuple[Decay, ...]
"""Decays that count in equal shares."""


@dataclass(frozen=True, slots=True)
class Family(Generic[Model]):
    """A kind of model and what is tried of it."""

    ladders: Ladders
    """Values of each setting in rising order; empty: there is nothing to set."""
    start: Settings
    """Where the search begins, and what holds without any tuning."""
    max_trials: int
    """Settings tried at most."""
    fit: Callable[[Snapshot, Settings, int], Model]
    """Returns the model of a snapshot, some settings and a seed."""
    recommend: Callable[[Model, Mix, Snapshot], Recommender]
    """Returns the recommender of a model under a mix of decays; the snapshot is the one it was fitted on."""


class HistoryBaseline(Generic[Model]):
    """One family, tuned and fitted."""

    def __init__(self, name: str, family: Family[Model], *, k: int, seed: int) -> None:
        self.name = name
        self._family, self._k, self._seed = family, k, seed
        self._settings: Settings = family.start
        self._mix: Mix = (Decay("rank"),)

    def tune(self, trial: Trial) -> Mapping[str, Any]:
        """Choose settings and decays; return them with the validation NDCG they reached."""
        judge, family = make_judge(trial, k=self._k, seed=self._seed), self._family
        first = family.fit(trial.seen, family.start, self._seed)
        mix, _ = self._best(first, trial.seen, singles(trial.seen), judge)

        def fit(settings: Settings) -> Model:
            return first if settings == family.start else family.fit(trial.seen, settings, self._seed)

        def value(model: Model) -> float:
            return judge(family.recommend(model, mix, trial.seen))

        found = climb(family.ladders, fit, value, start=family.start, max_trials=family.max_trials)
        single, before = mix, found.value
        if found.model is not first:
            single, before = self._best(found.model, trial.seen, singles(trial.seen), judge)
        pair, after = self._best(found.model, trial.seen, pairs(single[0], trial.seen), judge)
        self._settings, self._mix = found.settings, pair if after > before else single
        return {**self._settings, "decay": describe(self._mix), "value": max(before, after)}

    def recall(self, chosen: Mapping[str, Any]) -> None:
        """Take over what an earlier tuning chose."""
        self._settings = {name: float(chosen[name]) for name in self._family.start}
        self._mix = mix_of(chosen["decay"])

    def fit(self, seen: Snapshot) -> Recommender:
        """Fit with the chosen settings."""
        return self._family.recommend(self._family.fit(seen, self._settings, self._seed), self._mix, seen)

    def _best(self, model: Model, seen: Snapshot, mixes: Iterator[Mix], judge: Judge) -> tuple[Mix, float]:
        """The first best mix and its value."""
        best: tuple[Mix, float] = (Decay("rank"),), float("-inf")
        for mix in mixes:
            value = judge(self._family.recommend(model, mix, seen))
            if value > best[1]:
                best = mix, value
        return best


def singles(seen: Snapshot) -> Iterator[Mix]:
    """Return every decay alone that the order of a snapshot's events gives a meaning to."""
    return ((decay,) for decay in default_decays(seen))


def pairs(decay: Decay, seen: Snapshot) -> Iterator[Mix]:
    """Return a decay with each of the others."""
    return ((decay, other) for other in default_decays(seen) if other != decay)


def describe(mix: Mix) -> str:
    """Return decays in words.

    Example:
        >>> describe((Decay("rank", 3.0), Decay("age", 30.0)))
        'rank 3 + age 30'
    """
    return " + ".join(decay.unit if decay.unit == "declared" else f"{decay.unit} {decay.scale:g}" for decay in mix)


def mix_of(text: str) -> Mix:
    """Return the decays that `describe` put into words.

    Example:
        >>> describe(mix_of("rank 3 + age 30 + declared"))
        'rank 3 + age 30 + declared'
    """
    decays = []
    for part in text.split(" + "):
        unit, _, scale = part.partition(" ")
        decays.append(Decay("declared") if unit == "declared" else Decay(cast(DecayUnit, unit), float(scale)))
    return tuple(decays)
