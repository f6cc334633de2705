"""The search over the few dials that matter: budgeted, resumable, and decided by validation alone.

Every trial is a whole tuning of the model (`gnn.learn.tune_kernels`); its value is the NDCG of the validation users.
The test part is never looked at. Trials are kept in a file, so a search that was stopped goes on where it was.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna

from gnn.config import LearnConfig
from gnn.learn import Vectors, tune_kernels
from gnn.report import WHOLE
from gnn.split import Trial
from gnn.stopwatch import Stopwatch
from kg.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has found so far."""

    config: LearnConfig
    """The best settings."""
    value: float
    """Their validation NDCG."""
    default_value: float
    """The validation NDCG of the settings that the search began with."""
    dials: dict[str, Any]
    """The dials of the best trial, by `section.key`."""
    num_trials: int
    """Trials that ended, of all runs together."""


def search(
    trial: Trial,
    vectors: Vectors,
    *,
    start: LearnConfig,
    journal: Path,
    trials: int,
    progress: Progress = silent,
) -> Found:
    """Search for better settings.

    Args:
        trial: the training part and the validation targets.
        vectors: text vectors of all nodes.
        start: settings to begin with; they are the first trial.
        journal: SQLite file that keeps the trials; those of an earlier run on the same data that began with the same
            settings are gone on with.
        trials: trials that this run adds at most.
        progress: told after each trial.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    journal.parent.mkdir(parents=True, exist_ok=True)
    # Values that were measured under other settings cannot be compared, and their ladders may differ.
    settings = hashlib.sha256(repr(start).encode()).hexdigest()[:16]
    study = optuna.create_study(
        study_name=f"{trial.seen.hash} {settings}",
        storage=f"sqlite:///{journal}",
        direction="maximize",
        load_if_exists=True,
    )
    # A run that goes on must not draw again what the one before drew.
    study.sampler = optuna.samplers.TPESampler(seed=start.train.seed + 1 + len(study.trials))
    if all(one.value is None for one in study.trials):
        study.enqueue_trial({name: dial.of(start) for name, dial in DIALS.items()})
    for done in range(trials):
        study.optimize(lambda one: _value(_asked(one, start), trial, vectors), n_trials=1)
        progress("tune", done + 1, trials)
    best = study.best_trial
    ended = [one for one in study.trials if one.value is not None]
    config = start
    for name, value in best.params.items():
        config = DIALS[name].put(config, value)
    return Found(config, float(best.value or 0.0), float(ended[0].value or 0.0), dict(best.params), len(ended))


@dataclass(frozen=True, slots=True)
class Dial:
    """A setting that is searched over."""

    choices: tuple[Any, ...]
    """Its values, a ladder around the default."""
    of: Callable[[LearnConfig], Any]
    """Reads it."""
    put: Callable[[LearnConfig, Any], LearnConfig]
    """Returns the settings with another value of it."""


def _kernel_dial(key: str, choices: tuple[Any, ...]) -> Dial:
    return Dial(
        choices,
        lambda config: getattr(config.kernels, key),
        lambda config, value: replace(config, kernels=replace(config.kernels, **{key: value})),
    )


def _model_dial(key: str, choices: tuple[Any, ...]) -> Dial:
    return Dial(
        choices,
        lambda config: getattr(config.model, key),
        lambda config, value: replace(config, model=replace(config.model, **{key: value})),
    )


def _train_dial(key: str, choices: tuple[Any, ...]) -> Dial:
    return Dial(
        choices,
        lambda config: getattr(config.train, key),
        lambda config, value: replace(config, train=replace(config.train, **{key: value})),
    )


DIALS = {
    "kernels.ease_regularisation": _kernel_dial("ease_regularisation", (50.0, 100.0, 200.0, 400.0, 800.0)),
    "model.dim": _model_dial("dim", (48, 64, 96, 128)),
    "model.layers": _model_dial("layers", (0, 1, 2)),
    "model.id_dropout": _model_dial("id_dropout", (0.0, 0.05, 0.1, 0.2)),
    "train.epochs": _train_dial("epochs", (2, 3, 4, 6)),
    "train.learning_rate": _train_dial("learning_rate", (1e-3, 2e-3, 4e-3, 8e-3)),
    "train.weight_decay": _train_dial("weight_decay", (0.01, 0.05, 0.2, 0.5)),
}
"""What is searched over, by `section.key` of whycart.toml; a default that is not on the ladder joins it."""


def _asked(one: optuna.Trial, start: LearnConfig) -> LearnConfig:
    config = start
    for name, dial in DIALS.items():
        choices = sorted({*dial.choices, dial.of(start)})
        config = dial.put(config, one.suggest_categorical(name, choices))
    return config


def _value(config: LearnConfig, trial: Trial, vectors: Vectors) -> float:
    _, blends = tune_kernels(trial, vectors, config=config, clock=Stopwatch())
    return blends[WHOLE].value


def as_toml(dials: dict[str, Any]) -> str:
    """Return dials as the sections of a whycart.toml."""
    sections: dict[str, list[str]] = {}
    for name, value in sorted(dials.items()):
        section, key = name.split(".")
        sections.setdefault(section, []).append(f"{key} = {value!r}")
    return "\n".join(f"[{section}]\n" + "\n".join(lines) + "\n" for section, lines in sections.items())
