"""A comparison of models on one data set: the same split, the same users, the same metrics, the test targets once.

For every seed: split, check that nothing leaks, and then for each model tune on validation, fit on all before the test
part and rank the test users. What comes out of all seeds is put together in `gnn.outcome`. Which models there are and
how they are made is the caller's business; nothing is read or written here.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from gnn.beyond import Backdrop, list_values, make_backdrop, total_values
from gnn.entrant import Entrant, Recommender
from gnn.errors import ConfigError
from gnn.leakage import check_split
from gnn.measure import metric_values, rank_users
from gnn.meter import Meter
from gnn.report import WHOLE
from gnn.slices import AMONG_COLD, COLD, Slice, keep_targets, product_groups, slice_ranking
from gnn.split import DataSplit, Trial, repeat_share
from kg.progress import Progress, silent
from kg.snapshot import Snapshot

logger = logging.getLogger(__name__)

SplitOf = Callable[[int], DataSplit]
"""Gives the split of a seed."""
Make = Callable[[Sequence[str], DataSplit, int], Sequence[Entrant]]
"""Gives the models of some names for a split and a seed of training, in the same order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContestConfig:
    """What is compared and how."""

    models: tuple[str, ...]
    """Names in the order of the table; no name twice."""
    ks: tuple[int, ...] = (5, 10, 20)
    """Cut-offs of the metrics, rising."""
    seeds: tuple[int, ...] = (0,)
    """One run each: of the split where it is random, of the training elsewhere."""
    subject: str = WHOLE
    """The model that all others are compared with in pairs."""
    seeded: Collection[str] | None = None
    """Models whose training depends on the seed; where the split does not, others run once. None: all do."""
    repeats_from: float = 0.05
    """Products of the history are recommended again when at least this share of validation targets are such."""
    max_users: int | None = None
    """Test users measured at most, drawn by seed 0; None: all."""

    def __post_init__(self) -> None:
        if not self.models or len(set(self.models)) < len(self.models):
            raise ConfigError(f"a comparison needs models, each named once, got {', '.join(self.models) or 'none'}")
        if not self.ks or self.ks[0] < 1 or list(self.ks) != sorted(set(self.ks)):
            raise ConfigError(f"the cut-offs must be at least 1 and rise, got {', '.join(map(str, self.ks)) or 'none'}")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"a comparison needs at least one seed, each once, got {self.seeds}")
        if self.max_users is not None and self.max_users < 1:
            raise ConfigError(f"the number of users must be at least 1, got {self.max_users}")


@dataclass(frozen=True, slots=True)
class Round:
    """One model with one seed."""

    name: str
    seed: int
    overall: Slice
    """Every per-user metric at every cut-off."""
    lists: Mapping[str, Float[np.ndarray, " user"]]
    """What the lists of the same users are like; NaN where undefined."""
    totals: Mapping[str, float]
    """Figures of all lists together."""
    slices: Mapping[str, Slice]
    """Recall and NDCG of parts of the targets."""
    chosen: Mapping[str, Any]
    """What validation chose."""
    fit_s: float
    """Wall seconds to tune and fit."""
    cpu_s: float
    """CPU seconds to tune and fit."""
    score_ms_per_user: float
    """Wall milliseconds to score and rank, a user."""
    peak_rss_mb: float
    """Most memory the process held from tuning to ranking, in MiB."""


@dataclass(frozen=True, slots=True)
class Field:
    """What all models of one seed share: the targets they are asked for and what their lists are held against."""

    split: DataSplit
    exclude_seen: bool
    users: Int[np.ndarray, " user"]
    """Test users that are measured."""
    backdrop: Backdrop


@dataclass(frozen=True, slots=True)
class Contest:
    """Every round, and the fields they were played on."""

    config: ContestConfig
    fields: tuple[Field, ...]
    """One a seed; the same one again where the split does not depend on the seed."""
    rounds: tuple[Round, ...]

    @property
    def draws_splits(self) -> bool:
        """Whether each seed has test targets of its own."""
        return self.fields[0].split.name == "random"

    def rounds_of(self, name: str) -> tuple[Round, ...]:
        """Return the rounds of a model, by seed."""
        return tuple(entry for entry in self.rounds if entry.name == name)


def run_contest(
    snapshot: Snapshot,
    split_of: SplitOf,
    make: Make,
    *,
    config: ContestConfig,
    vectors: Float[np.ndarray, "product dim"] | None = None,
    progress: Progress = silent,
) -> Contest:
    """Compare models on one data set.

    Args:
        snapshot: every event there is; only the guard against leaks looks at it.
        split_of: the split of a seed.
        make: the models.
        config: what is compared.
        vectors: text vector of each product, for the variety of lists; None: that is not measured.
        progress: called after each model, and by the models' rankings.

    Raises:
        LeakageError: something that is learned from holds what is asked for.
        TooLittleData: the events do not suffice for a split.
    """
    fields: list[Field] = []
    rounds: list[Round] = []
    for place, seed in enumerate(config.seeds):
        again = bool(fields) and fields[0].split.name != "random"
        fields.append(fields[0] if again else _make_field(snapshot, split_of(seed), config, vectors))
        names = [name for name in config.models if not again or config.seeded is None or name in config.seeded]
        for done, entrant in enumerate(make(names, fields[-1].split, seed), start=1):
            found = _play(entrant, fields[-1], seed, config.ks, progress)
            rounds.append(found)
            progress(f"models, seed {place + 1} of {len(config.seeds)}", done, len(names))
            logger.info("model measured", extra={"model": found.name, "seed": seed, "fit_s": round(found.fit_s, 2)})
    return Contest(config, tuple(fields), tuple(rounds))


def _make_field(
    snapshot: Snapshot, split: DataSplit, config: ContestConfig, vectors: Float[np.ndarray, "product dim"] | None
) -> Field:
    check_split(split, snapshot)
    users = split.test.users
    if config.max_users is not None and config.max_users < len(users):
        users = np.sort(np.random.default_rng(0).choice(users, config.max_users, replace=False))
    exclude_seen = repeat_share(split.train, split.valid) < config.repeats_from
    return Field(split, exclude_seen, users, make_backdrop(split.train_valid, vectors))


def _play(entrant: Entrant, field: Field, seed: int, ks: Sequence[int], progress: Progress) -> Round:
    """Tune, fit, rank once."""
    split = field.split
    trial = Trial(split.train_valid, split.test, field.exclude_seen)
    with Meter() as fitting:
        chosen = entrant.tune(Trial(split.train, split.valid, field.exclude_seen))
        recommender = entrant.fit(split.train_valid)
    with Meter() as scoring:
        ranking = rank_users(recommender, trial, users=field.users, k=max(ks), progress=progress)
    values: dict[str, Float[np.ndarray, " user"]] = {}
    lists: dict[str, Float[np.ndarray, " user"]] = {}
    totals: dict[str, float] = {}
    for k in ks:
        values |= metric_values(ranking, k)
        lists |= list_values(ranking, field.backdrop, k)
        totals |= total_values(ranking, field.backdrop, k)
    return Round(
        name=entrant.name,
        seed=seed,
        overall=Slice(ranking.users, values),
        lists=lists,
        totals=totals,
        slices=slice_ranking(ranking, split.train_valid, ks=ks) | _among_cold(recommender, trial, field.users, ks),
        chosen=chosen,
        fit_s=fitting.wall_s,
        cpu_s=fitting.cpu_s,
        score_ms_per_user=1000 * ranking.took_s / max(1, len(ranking.users)),
        peak_rss_mb=max(fitting.peak_rss_mb, scoring.peak_rss_mb),
    )


def _among_cold(
    recommender: Recommender, trial: Trial, users: Int[np.ndarray, " user"], ks: Sequence[int]
) -> dict[str, Slice]:
    """Rank nothing but products without any event, for the users that have one among their targets."""
    cold = product_groups(trial.seen)[COLD]
    asked = np.intersect1d(users, trial.targets.user[cold[trial.targets.product]])
    if not len(asked):
        return {}
    ranking = rank_users(recommender, trial, users=asked, k=max(ks), among=cold)
    return {AMONG_COLD: keep_targets(ranking, cold, ks=ks)}
