"""The whole of learning in three stages: tune on validation, measure on test once, fit on everything for serving.

Each stage fits the kernels anew on what it may see; the network of a later stage continues from the one before. What
stays the same from stage to stage are the few numbers of the blend. Nothing is written to disk here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from gnn.baselines import BASELINES, KERNEL_OF, BaselineName, fit_itemknn, tune_baseline
from gnn.config import LearnConfig
from gnn.fuse import Fused, fuse, settle
from gnn.graph import build_graph
from gnn.kernels import PRIORS, build_kernels, build_priors
from gnn.measure import rank_users
from gnn.metrics import ndcg_at_k
from gnn.report import WHOLE, WITHOUT_NETWORK, Fitted, Report, make_report
from gnn.score import Blend, Decay, Scorer, scorer_of
from gnn.split import DataSplit, SplitName, Trial, repeat_share, split_snapshot
from gnn.stopwatch import Stopwatch
from gnn.train import Trained, train_network
from kg.kernels import EmbeddingKernel, Kernel
from kg.progress import Progress, silent
from kg.snapshot import Snapshot

Vectors = Mapping[str, Float[np.ndarray, "node dim"]]
"""Text vector of each node by label."""
NETWORK = "network"


@dataclass(frozen=True, slots=True)
class Stage:
    """What was fitted on one cut of the events."""

    kernels: tuple[Kernel, ...]
    """All kernels, the network's included."""
    priors: Float[np.ndarray, "prior product"]
    """Scores that do not depend on the user."""
    trained: Trained
    """The network's training."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """What validation decided; it holds for every later fit."""

    split: DataSplit
    exclude_seen: bool
    """Whether products of the history are left out of rankings."""
    stage: Stage
    """Fitted on the training part."""
    blends: Mapping[str, Fused]
    """Learned blend of the whole model and of the model without the network."""
    baselines: Mapping[BaselineName, Blend]
    """Chosen decay of each baseline."""


def tune(
    snapshot: Snapshot,
    vectors: Vectors,
    *,
    config: LearnConfig,
    clock: Stopwatch,
    split: SplitName | None = None,
    progress: Progress = silent,
) -> Tuned:
    """Fit on the training part and let the validation targets decide everything that is left open.

    Raises:
        TooLittleData: the events do not suffice for a split.
    """
    parts = split_snapshot(snapshot, name=split, share=config.share, seed=config.train.seed)
    exclude_seen = repeat_share(parts.train, parts.valid) < config.repeats_from
    trial = Trial(parts.train, parts.valid, exclude_seen)
    judge = _network_judge(trial, config.k)
    stage = fit_stage(parts.train, vectors, config=config, clock=clock, validate=judge, progress=progress)
    with clock.lap("blend"):
        blends = fuse(
            stage.kernels,
            (PRIORS, stage.priors),
            trial=trial,
            config=config.fuse,
            variants={WHOLE: (), WITHOUT_NETWORK: (NETWORK,)},
            progress=progress,
        )
    blends[WHOLE] = settle(blends[WHOLE], blends[WITHOUT_NETWORK])
    baselines: dict[BaselineName, Blend] = {}
    itemknn = _fit_itemknn(parts.train, clock)
    for name in BASELINES:
        with clock.lap(name):
            baselines[name] = tune_baseline(name, (*stage.kernels, itemknn), stage.priors, trial=trial, k=config.k)
    return Tuned(parts, exclude_seen, stage, blends, baselines)


def measure(
    tuned: Tuned, vectors: Vectors, *, config: LearnConfig, clock: Stopwatch, progress: Progress = silent
) -> tuple[Stage, Report]:
    """Fit again with the validation part and rank the test targets: the only time they are looked at.

    Returns:
        The stage, and the report of the whole model, the model without the network and every baseline.
    """
    split, seen = tuned.split, tuned.split.train_valid
    stage = fit_stage(seen, vectors, config=config, clock=clock, start=tuned.stage.trained, progress=progress)
    kernels = (*stage.kernels, _fit_itemknn(seen, clock))
    scorers = {name: scorer_of(fused.blend, stage.kernels, stage.priors) for name, fused in tuned.blends.items()}
    scorers |= {name: scorer_of(blend, kernels, stage.priors) for name, blend in tuned.baselines.items()}
    fitted = []
    trial = Trial(seen, split.test, tuned.exclude_seen)
    for name, scorer in scorers.items():
        ranking = rank_users(scorer, trial, users=split.test.users, k=config.k, progress=progress)
        fitted.append(Fitted(name, ranking, clock.seconds(_fit_laps(name, stage)), scorer.blend))
    return stage, make_report(
        fitted, split=split, snapshot=seen, exclude_seen=tuned.exclude_seen, k=config.k, seed=config.train.seed
    )


def finish(
    snapshot: Snapshot,
    vectors: Vectors,
    tuned: Tuned,
    measured: Stage,
    *,
    config: LearnConfig,
    clock: Stopwatch,
    progress: Progress = silent,
) -> tuple[Stage, Scorer]:
    """Fit on every event there is, with the blend that validation chose: the model that is served."""
    stage = fit_stage(snapshot, vectors, config=config, clock=clock, start=measured.trained, progress=progress)
    return stage, scorer_of(tuned.blends[WHOLE].blend, stage.kernels, stage.priors)


def fit_stage(
    snapshot: Snapshot,
    vectors: Vectors,
    *,
    config: LearnConfig,
    clock: Stopwatch,
    validate: Callable[[EmbeddingKernel], float] | None = None,
    start: Trained | None = None,
    progress: Progress = silent,
) -> Stage:
    """Fit every kernel, the priors and the network on one cut of the events."""
    kernels = build_kernels(snapshot, vectors["Product"], config=config.kernels, clock=clock)
    priors = build_priors(snapshot, config=config.kernels)
    with clock.lap(NETWORK):
        data = build_graph(snapshot, vectors, kernels)
        trained = train_network(
            data,
            snapshot,
            model=config.model,
            config=config.train if start is None else replace(config.train, epochs=1),
            validate=validate,
            start=None if start is None else start.weights,
            progress=progress,
        )
    return Stage((*kernels, trained.kernel), priors, trained)


def _network_judge(trial: Trial, k: int) -> Callable[[EmbeddingKernel], float]:
    """NDCG of the network alone on products that are new to the user: what the other kernels know least about."""
    new_only = replace(trial, exclude_seen=True)
    users = trial.targets.users[:300]

    def judge(kernel: EmbeddingKernel) -> float:
        blend = Blend((kernel.name,), (Decay("rank", 3.0),), np.ones((1, 1)), (), np.zeros(0))
        scorer = Scorer((kernel,), np.zeros((0, len(kernel.target)), dtype=np.float32), blend)
        ranking = rank_users(scorer, new_only, users=users, k=k)
        return float(ndcg_at_k(ranking.hits, ranking.num_relevant).mean())

    return judge


def _fit_itemknn(snapshot: Snapshot, clock: Stopwatch) -> Kernel:
    with clock.lap("itemknn"):
        return fit_itemknn(snapshot)


def _fit_laps(name: str, stage: Stage) -> tuple[str, ...]:
    """Laps that the fit of a model consists of."""
    everything = tuple(kernel.name for kernel in stage.kernels)
    if name == WHOLE:
        return (*everything, "blend")
    if name == WITHOUT_NETWORK:
        return (*(kernel for kernel in everything if kernel != NETWORK), "blend")
    return tuple({name, KERNEL_OF.get(name, name)})  # type: ignore[call-overload]  # any name may be asked for
