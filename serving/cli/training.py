"""What `whycart train` writes and tells: files of the training, what validation chose, and where the time went."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from gnn.learn import Tuned
from gnn.report import WHOLE, describe_blend
from gnn.stopwatch import Stopwatch
from gnn.train import STAGES, TrainingFiles
from serving.cli.output import print_table, say
from serving.settings import Settings
from serving.tracking import curves_folder
from serving.tracking_config import TrackingConfig


def training_files(settings: Settings, command: str) -> Callable[[str], TrainingFiles]:
    """Return what gives the files of a step of this command: of the state of its training, and of its curves.

    Raises:
        ConfigError: curves are asked for and what writes them is not installed.
    """
    run = f"{command}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    curves = curves_folder(settings.section("tracking", TrackingConfig), run)
    return lambda step: TrainingFiles(settings.training / step, None if curves is None else curves / step)


def tuned_facts(tuned: Tuned, clock: Stopwatch) -> dict[str, Any]:
    """Return what validation chose and how long it took, for JSON."""
    trained = tuned.stage.trained
    network = (
        {}
        if trained is None
        else {"losses": trained.losses, "values": trained.values, "best_epoch": trained.best_epoch}
    )
    return {
        "split": tuned.split.name,
        "num_train_events": len(tuned.split.train.events),
        "num_validation_users": len(tuned.split.valid.users),
        "exclude_seen": tuned.decision.exclude_seen,
        "blends": {name: describe_blend(fused.blend) | {"value": fused.value} for name, fused in tuned.fused.items()},
        "network": network,
        "baselines": {name: dict(chose) for name, chose in tuned.decision.baselines.items()},
        "seconds": clock.laps,
    }


def tell_tuned(tuned: Tuned, clock: Stopwatch) -> None:
    """Print what validation chose."""
    chosen = describe_blend(tuned.decision.blends[WHOLE])
    rows = list(_weight_rows(chosen, [kernel.name for kernel in tuned.stage.kernels]))
    print_table(("evidence", "weight and decay that validation chose", "fit s"), _timed(rows, clock))
    trained = tuned.stage.trained
    if trained is not None:
        before = f", {trained.before_s:.1f} s of them before it was interrupted" if trained.before_s else ""
        took = f"{len(trained.losses)} epochs in {trained.took_s:.1f} s{before}"
        say(f"network: {took}; the best was epoch {trained.best_epoch}")
    for name, fused in tuned.fused.items():
        say(f"{name}: value {fused.value:.4f} on {len(tuned.split.valid.users):,} validation users")
    say("measure it with 'whycart evaluate', publish with 'whycart retrain'")


def tell_profile(clock: Stopwatch) -> None:
    """Print where the time went, the largest part first; the stages of the network apart, for they are parts of it."""
    parts = {name: seconds for name, seconds in clock.laps.items() if name not in STAGES}
    whole = sum(parts.values())
    rows = sorted(parts.items(), key=lambda part: -part[1])
    print_table(("part", "seconds", "share"), [(name, f"{took:.2f}", f"{took / whole:.1%}") for name, took in rows])
    stages = {name: clock.seconds([name]) for name in STAGES}
    network = max(sum(stages.values()), 1e-9)
    print_table(
        ("stage of the network", "seconds", "share"),
        [(name, f"{took:.2f}", f"{took / network:.1%}") for name, took in stages.items()],
    )


def _weight_rows(chosen: dict[str, Any], kernels: list[str]) -> Iterator[tuple[str, str]]:
    for kernel in kernels:
        weights = chosen["kernels"].get(kernel, {})
        yield kernel, ", ".join(f"{weight:.3g} ({decay})" for decay, weight in weights.items()) or "0"
    for prior, weight in chosen["priors"].items():
        yield f"{prior} (for everybody)", f"{weight:.3g}"


def _timed(rows: list[tuple[str, str]], clock: Stopwatch) -> list[tuple[str, str, str]]:
    laps = clock.laps
    return [(name, weights, f"{laps[name]:.1f}" if name in laps else "") for name, weights in rows]
