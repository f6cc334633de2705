"""The whole of learning in three stages: tune on validation, measure on test once, fit on everything for serving.

Each stage fits the kernels and the network anew on what it may see. What stays the same from stage to stage is the
decision (`gnn.decision`): the few numbers of the blend, and how long the network is trained. Nothing is written to disk
here but, where the caller names folders, what belongs to a training that is under way (`gnn.train.TrainingFiles`).
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from gnn.baselines import CHEAP_BASELINES, make_baseline
from gnn.checkpoint import fingerprint
from gnn.climb import make_judge
from gnn.config import LearnConfig
from gnn.decision import Decision
from gnn.examples import make_examples
from gnn.fuse import Fused, fuse, settle
from gnn.graph import build_graph
from gnn.kernels import PRIORS, build_kernels, build_priors
from gnn.measure import rank_users
from gnn.model import GraphAttentionNetwork
from gnn.report import WHOLE, WITHOUT_NETWORK, Fitted, Report, describe_blend, make_report
from gnn.score import Blend, Decay, Scorer, scorer_of
from gnn.split import DataSplit, SplitName, Trial, repeat_share, split_snapshot
from gnn.stopwatch import Stopwatch
from gnn.train import NO_FILES, Trained, TrainingFiles, train_network
from gnn.warm import Warm, carry_over, warm_config
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
    trained: Trained | None
    """The network's training; None: there is no network."""


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """How the network of a stage is trained."""

    follows: bool
    """Whether what is predicted comes after the history."""
    epochs: int | None = None
    """Epochs after which to stop, as an earlier training found best; None: the settings say."""
    validate: Callable[[EmbeddingKernel], float] | None = None
    """Gives the value of a kernel after each epoch; None: all epochs are run."""
    warm: Warm | None = None
    """What to go on from, with a schedule of its own; None: it begins anew."""
    files: TrainingFiles = NO_FILES
    """What the training writes while it is under way."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """A tuning: what it decided, and what it decided that on."""

    split: DataSplit
    stage: Stage
    """Fitted on the training part."""
    fused: Mapping[str, Fused]
    """Learned blend of the whole model and of the model without the network, with what they reached."""
    decision: Decision


def tune(
    snapshot: Snapshot,
    vectors: Vectors,
    *,
    config: LearnConfig,
    clock: Stopwatch,
    split: SplitName | None = None,
    files: TrainingFiles = NO_FILES,
    progress: Progress = silent,
) -> Tuned:
    """Fit on the training part and let the validation targets decide everything that is left open.

    Args:
        snapshot: everything.
        vectors: text vectors.
        config: settings.
        clock: counts seconds.
        split: how to split; None: by time where there are times.
        files: what the training of the network writes while it is under way.
        progress: called as work moves.

    Raises:
        TooLittleData: the events do not suffice for a split.
    """
    parts = split_for(snapshot, config=config, split=split)
    exclude_seen = repeat_share(parts.train, parts.valid) < config.repeats_from
    trial = Trial(parts.train, parts.valid, exclude_seen)
    stage, fused = tune_kernels(trial, vectors, config=config, clock=clock, files=files, progress=progress)
    chose: dict[str, Mapping[str, Any]] = {}
    for name in CHEAP_BASELINES:
        with clock.lap(f"baseline {name}"):
            chose[name] = dict(make_baseline(name, k=config.k, seed=config.train.seed).tune(trial))
    decision = Decision(
        exclude_seen=exclude_seen,
        follows=parts.test.follows,
        epochs=network_epochs(stage, fused[WHOLE].blend),
        blends={name: found.blend for name, found in fused.items()},
        baselines=chose,
    )
    return Tuned(parts, stage, fused, decision)


def split_for(snapshot: Snapshot, *, config: LearnConfig, split: SplitName | None = None) -> DataSplit:
    """Return the split that a job with these settings tunes and measures on.

    Raises:
        TooLittleData: the events do not suffice for a split.
    """
    return split_snapshot(snapshot, name=split, share=config.share, seed=config.train.seed)


def tune_kernels(
    trial: Trial,
    vectors: Vectors,
    *,
    config: LearnConfig,
    clock: Stopwatch,
    with_network: bool = True,
    files: TrainingFiles = NO_FILES,
    progress: Progress = silent,
) -> tuple[Stage, dict[str, Fused]]:
    """Fit every kernel on what a trial has seen and learn the blends from its targets.

    Args:
        trial: the validation part.
        vectors: text vectors.
        config: settings.
        clock: counts seconds.
        with_network: whether the network is trained; without it both blends are the same.
        files: what the training of the network writes while it is under way.
        progress: called as work moves.

    Returns:
        What was fitted, and the blend of the whole model and of the model without the network.
    """
    plan = None
    if with_network:
        files = replace(files, judged_by=_judged_by(trial, config))
        plan = NetworkPlan(trial.targets.follows, validate=_network_judge(trial, config), files=files)
    stage = fit_stage(trial.seen, vectors, config=config, clock=clock, network=plan, progress=progress)
    variants: dict[str, tuple[str, ...]] = {WITHOUT_NETWORK: (NETWORK,)}
    if with_network:
        variants[WHOLE] = ()
    with clock.lap("blend"):
        blends = fuse(
            stage.kernels,
            (PRIORS, stage.priors),
            trial=trial,
            config=config.fuse,
            variants=variants,
            progress=progress,
        )
    plain = blends[WITHOUT_NETWORK]
    blends[WHOLE] = settle(blends[WHOLE], plain) if with_network else plain
    return stage, blends


def measure(  # noqa: PLR0913  # what is fitted, by which decision, beside what, and what is told meanwhile
    split: DataSplit,
    decision: Decision,
    vectors: Vectors,
    *,
    config: LearnConfig,
    clock: Stopwatch,
    rivals: Mapping[str, Blend] | None = None,
    files: TrainingFiles = NO_FILES,
    progress: Progress = silent,
) -> tuple[Stage, Report]:
    """Fit again with the validation part and rank the test targets: the only time they are looked at.

    Args:
        split: where the parts come from.
        decision: what was decided on the validation part.
        vectors: text vectors.
        config: settings.
        clock: has the seconds of the tuning, and counts those of the fit.
        rivals: other blends to rank on the same kernels, by name.
        files: what the training of the network writes while it is under way.
        progress: called as work moves.

    Returns:
        The stage, and the report of the whole model, the model without the network, the rivals and every baseline.
    """
    seen, plan = split.train_valid, later_plan(decision, files)
    stage = fit_stage(seen, vectors, config=config, clock=clock, network=plan, progress=progress)
    fitted = []
    trial = Trial(seen, split.test, decision.exclude_seen)
    for name, blend in {**decision.blends, **(rivals or {})}.items():
        scorer = scorer_of(blend, stage.kernels, stage.priors)
        ranking = rank_users(scorer, trial, users=split.test.users, k=config.k, progress=progress)
        fitted.append(Fitted(name, ranking, clock.seconds(_fit_laps(name, stage)), describe_blend(scorer.blend)))
    for name in CHEAP_BASELINES:
        lap, entrant = f"baseline {name}", make_baseline(name, k=config.k, seed=config.train.seed)
        entrant.recall(decision.baselines[name])
        with clock.lap(lap):
            recommender = entrant.fit(seen)
        ranking = rank_users(recommender, trial, users=split.test.users, k=config.k, progress=progress)
        fitted.append(Fitted(name, ranking, clock.seconds([lap]), decision.baselines[name], is_baseline=True))
    return stage, make_report(
        fitted, split=split, snapshot=seen, exclude_seen=decision.exclude_seen, k=config.k, seed=config.train.seed
    )


def finish(  # noqa: PLR0913  # what is fitted, by which decision, from where, and what is told meanwhile
    snapshot: Snapshot,
    vectors: Vectors,
    decision: Decision,
    *,
    config: LearnConfig,
    clock: Stopwatch,
    warm: Warm | None = None,
    files: TrainingFiles = NO_FILES,
    progress: Progress = silent,
) -> tuple[Stage, Scorer]:
    """Fit on every event there is, with the blend that validation chose: the model that is served.

    Args:
        snapshot: everything.
        vectors: text vectors.
        decision: what validation chose.
        config: settings.
        clock: counts seconds.
        warm: an earlier network to go on from; None: it is trained anew.
        files: what the training of the network writes while it is under way.
        progress: called as work moves.
    """
    plan = later_plan(decision, files)
    if plan is not None and warm is not None:
        plan = replace(plan, epochs=None, warm=warm)
    stage = fit_stage(snapshot, vectors, config=config, clock=clock, network=plan, progress=progress)
    return stage, scorer_of(decision.blends[WHOLE], stage.kernels, stage.priors)


def fit_stage(
    snapshot: Snapshot,
    vectors: Vectors,
    *,
    config: LearnConfig,
    clock: Stopwatch,
    network: NetworkPlan | None,
    progress: Progress = silent,
) -> Stage:
    """Fit every kernel, the priors and, where there is a plan for it, the network on one cut of the events."""
    kernels = build_kernels(snapshot, vectors["Product"], config=config.kernels, clock=clock)
    priors = build_priors(snapshot, config=config.kernels)
    if network is None:
        return Stage(tuple(kernels), priors, None)
    with clock.lap(NETWORK):
        data, start, schedule = build_graph(snapshot, vectors), None, config.train
        if network.warm is not None:
            schedule = warm_config(config.train)
            torch.manual_seed(schedule.seed)
            start = carry_over(network.warm, snapshot, GraphAttentionNetwork(data, config.model).state_dict())
        trained = train_network(
            data,
            make_examples(snapshot, follows=network.follows),
            model=config.model,
            config=schedule,
            start=start,
            validate=network.validate,
            stop_after=network.epochs,
            clock=clock,
            files=network.files,
            progress=progress,
        )
    clock.add(NETWORK, trained.before_s)
    return Stage((*kernels, trained.kernel), priors, trained)


def network_epochs(stage: Stage, blend: Blend) -> int | None:
    """Return after how many epochs the network of a stage was best; None where the blend gives it no weight."""
    names = [name for name, row in zip(blend.kernels, blend.weights, strict=True) if row.any()]
    return None if stage.trained is None or NETWORK not in names else stage.trained.best_epoch


def later_plan(decision: Decision, files: TrainingFiles = NO_FILES) -> NetworkPlan | None:
    """Return how a later stage trains the network: anew, as long as was best; None where it has no weight."""
    if decision.epochs is None:
        return None
    return NetworkPlan(decision.follows, epochs=decision.epochs, files=files)


def network_scorer(kernel: EmbeddingKernel, priors: Float[np.ndarray, "prior product"], *, follows: bool) -> Scorer:
    """Return the network as a model of its own: its kernel under one decay, popularity for who has no history."""
    decay = Decay("rank", 3.0) if follows else Decay("rank")
    fallback = np.array([1e-6, 0.0])
    return Scorer((kernel,), priors, Blend((kernel.name,), (decay,), np.ones((1, 1)), PRIORS, fallback))


def _network_judge(trial: Trial, config: LearnConfig) -> Callable[[EmbeddingKernel], float]:
    """NDCG of the network alone on products that are new to the user: what the other kernels know least about."""
    judge = make_judge(replace(trial, exclude_seen=True), k=config.k, seed=config.train.seed)
    priors = build_priors(trial.seen, config=config.kernels)
    return lambda kernel: judge(network_scorer(kernel, priors, follows=trial.targets.follows))


def _judged_by(trial: Trial, config: LearnConfig) -> str:
    """Hash of what the values of that judge follow from."""
    told = {"seen": trial.seen.hash, "now_ms": trial.targets.now_ms, "k": config.k, "kernels": asdict(config.kernels)}
    targets = {name: getattr(trial.targets, name) for name in trial.targets.__slots__}
    return fingerprint(told, {name: rows for name, rows in targets.items() if isinstance(rows, np.ndarray)})


def _fit_laps(name: str, stage: Stage) -> tuple[str, ...]:
    """Laps that the fit of a model consists of."""
    everything = tuple(kernel.name for kernel in stage.kernels)
    if name == WHOLE:
        return (*everything, "blend")
    return (*(kernel for kernel in everything if kernel != NETWORK), "blend")
