"""Everything that can take part in a comparison, by name: baselines, the parts of Whycart, and the whole.

The whole model, the model of paths alone and the network alone share their fits. The whole plays first and pays for
them, so that its seconds are those of a training from nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gnn.baselines import BASELINES, BaselineName, make_baseline
from gnn.config import LearnConfig
from gnn.entrant import Entrant, Recommender
from gnn.errors import ConfigError
from gnn.fuse import Fused
from gnn.learn import NetworkPlan, Stage, Vectors, fit_stage, network_scorer, tune_kernels
from gnn.report import WHOLE, WITHOUT_NETWORK, describe_blend
from gnn.score import scorer_of
from gnn.split import DataSplit, Trial
from gnn.stopwatch import Stopwatch
from kg.progress import Progress, silent
from kg.snapshot import Snapshot

PATHS, NETWORK = "paths", "network"
LEARNED = (WHOLE, PATHS, NETWORK)
"""The whole model, all of it but the network, and the network alone."""
ENTRANTS: tuple[str, ...] = (*BASELINES, PATHS, NETWORK, WHOLE)
"""Every name, in the order of tables."""
SEEDED: Collection[str] = ("ials", "lightgcn", NETWORK, WHOLE)
"""Those whose training depends on the seed."""


def make_entrants(
    names: Sequence[str],
    split: DataSplit,
    *,
    seed: int,
    vectors: Vectors,
    config: LearnConfig,
    progress: Progress = silent,
) -> Sequence[Entrant]:
    """Return the models of some names, ready to be tuned; the whole model comes first of those that share its fits.

    Args:
        names: of ENTRANTS.
        split: what they are going to be tuned and fitted on.
        seed: of everything that is drawn.
        vectors: text vectors of all nodes.
        config: settings of the learned ones; its `k` decides the baselines too.
        progress: called as work moves.

    Raises:
        ConfigError: a name is unknown.
    """
    learner = Learner(vectors, with_seed(config, seed), follows=split.test.follows, progress=progress)
    learner.needs_network = WHOLE in names or NETWORK in names
    made: list[Entrant] = []
    for name in sorted(names, key=lambda name: name != WHOLE):
        if name in LEARNED:
            made.append(LearnedEntrant(name, learner))
        elif name in BASELINES:
            baseline: BaselineName = name
            made.append(make_baseline(baseline, k=config.k, seed=seed))
        else:
            raise ConfigError(f"no model is named {name!r}; there are {', '.join(ENTRANTS)}")
    return made


def with_seed(config: LearnConfig, seed: int) -> LearnConfig:
    """Return the same settings with one seed for everything that is drawn."""
    return replace(config, train=replace(config.train, seed=seed), fuse=replace(config.fuse, seed=seed))


class Learner:
    """The fits that the whole model and its parts share; each is made when it is first asked for."""

    needs_network: bool = True
    """Whether anybody is going to ask for the network."""

    def __init__(self, vectors: Vectors, config: LearnConfig, *, follows: bool, progress: Progress) -> None:
        self._vectors, self._config, self._follows, self._progress = vectors, config, follows, progress
        self.clock = Stopwatch()
        self._tuned: tuple[Stage, dict[str, Fused]] | None = None
        self._fitted: dict[str, Stage] = {}

    def tuned(self, trial: Trial) -> tuple[Stage, dict[str, Fused]]:
        """Return what was fitted on the training part and the blends that validation chose."""
        if self._tuned is None:
            self._tuned = tune_kernels(
                trial,
                self._vectors,
                config=self._config,
                clock=self.clock,
                with_network=self.needs_network,
                progress=self._progress,
            )
        return self._tuned

    def fitted(self, seen: Snapshot) -> Stage:
        """Return what was fitted on everything that may be seen."""
        if seen.hash not in self._fitted:
            self._fitted[seen.hash] = fit_stage(
                seen,
                self._vectors,
                config=self._config,
                clock=self.clock,
                network=self._plan(),
                progress=self._progress,
            )
        return self._fitted[seen.hash]

    def _plan(self) -> NetworkPlan | None:
        """How the network is fitted on everything that may be seen: as long as validation found best."""
        trained = None if self._tuned is None else self._tuned[0].trained
        return None if trained is None else NetworkPlan(self._follows, epochs=trained.best_epoch)

    def scorer(self, name: str, seen: Snapshot) -> Recommender:
        """Return one of LEARNED, fitted."""
        stage = self.fitted(seen)
        if name == NETWORK and stage.trained is not None:
            return network_scorer(stage.trained.kernel, stage.priors, follows=self._follows)
        blends = self._tuned[1] if self._tuned else {}
        return scorer_of(blends[_VARIANT[name]].blend, stage.kernels, stage.priors)


_VARIANT = {WHOLE: WHOLE, PATHS: WITHOUT_NETWORK}


class LearnedEntrant:
    """The whole model or a part of it."""

    def __init__(self, name: str, learner: Learner) -> None:
        self.name, self._learner = name, learner

    def tune(self, trial: Trial) -> Mapping[str, Any]:
        """Learn from the validation targets; what they chose, with the seconds of each part so far."""
        stage, blends = self._learner.tuned(trial)
        seconds = {lap: round(value, 2) for lap, value in self._learner.clock.laps.items()}
        if self.name == NETWORK:
            trained = stage.trained
            return {} if trained is None else {"best_epoch": trained.best_epoch, "values": list(trained.values)}
        fused = blends[_VARIANT[self.name]]
        return describe_blend(fused.blend) | {"way": str(fused.way), "value": fused.value, "seconds": seconds}

    def fit(self, seen: Snapshot) -> Recommender:
        """Fit everything on what may be seen; the blend stays."""
        return self._learner.scorer(self.name, seen)
