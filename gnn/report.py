"""What was measured, as values, JSON and two plain sentences: the same report on the terminal and in the bundle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from gnn.beyond import Backdrop, make_backdrop, total_values
from gnn.measure import Measured, Ranking, intervals, metric_values, paired_difference, summarise
from gnn.score import Blend
from gnn.slices import category_groups, keep_targets, slice_ranking
from gnn.split import DataSplit
from kg.snapshot import Snapshot

_LEAST_USERS = 10
"""A slice with fewer users says nothing."""
WHOLE, WITHOUT_NETWORK = "whycart", "whycart without the network"


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model that was ranked on the test targets."""

    name: str
    ranking: Ranking
    fit_s: float
    """Seconds to fit and tune it."""
    chosen: Mapping[str, Any]
    """What validation chose."""
    is_baseline: bool = False
    """Whether it is one of those that the best one is told of."""


@dataclass(frozen=True, slots=True)
class ModelResult:
    """One row of the table."""

    name: str
    metrics: dict[str, Measured]
    fit_s: float
    score_ms_per_user: float
    chosen: dict[str, Any]
    """Weights and decays that validation chose."""


@dataclass(frozen=True, slots=True)
class SliceResult:
    """The whole model on a part of the targets."""

    num_users: int
    """Users with such a target."""
    ndcg: Measured
    """At the cut-off of the report."""


@dataclass(frozen=True, slots=True)
class Report:
    """The table, the paired differences and what they say."""

    split: str
    k: int
    seed: int
    num_users: int
    """Users with a test target."""
    num_products: int
    num_train_events: int
    exclude_seen: bool
    models: tuple[ModelResult, ...]
    paired: dict[str, dict[str, Measured]]
    """Difference of two models by metric, as `first-second`."""
    best_baseline: str
    slices: dict[str, SliceResult]
    """By kind of product, length of history and large root category; those that too few users have are not there."""

    @property
    def main_metric(self) -> str:
        """The metric that decides."""
        return f"ndcg@{self.k}"

    def result(self, name: str) -> ModelResult:
        """Return the row of a model."""
        return next(model for model in self.models if model.name == name)

    def sentences(self) -> tuple[str, str]:
        """Return whether the model beats the best baseline, and what it loses without the network."""
        metric = self.main_metric
        ours = self.result(WHOLE).metrics[metric].mean
        rival = self.result(self.best_baseline).metrics[metric].mean
        against = self.paired[f"{WHOLE}-{self.best_baseline}"][metric]
        network = self.paired[f"{WHOLE}-{WITHOUT_NETWORK}"][metric]
        gain = f"{ours / rival - 1:+.1%}" if rival else "no ratio, the baseline is at 0"
        first = (
            f"Whycart {_verb(against)} the best baseline ({self.best_baseline}) on {metric}: {ours:.4f} against "
            f"{rival:.4f} ({gain}), difference {_interval(against)}."
        )
        if "network" not in self.result(WHOLE).chosen["kernels"]:
            return first, "On validation the network did not earn a weight here, so it is left out of the score."
        second = f"Without the network {metric} changes by {-network.mean:+.4f}, {_meaning(network)}."
        return first, second


def make_report(
    fitted: Sequence[Fitted], *, split: DataSplit, snapshot: Snapshot, exclude_seen: bool, k: int, seed: int
) -> Report:
    """Return the report of models ranked on the same users.

    Args:
        fitted: the whole model, the model without the network, then others, baselines among them.
        split: where train and test come from.
        snapshot: what was fitted on.
        exclude_seen: whether products of the history were left out.
        k: cut-off.
        seed: of the bootstrap.
    """
    num_products = snapshot.num_nodes("Product")
    values = {model.name: metric_values(model.ranking, k) for model in fitted}
    backdrop = make_backdrop(snapshot)
    rows = tuple(
        ModelResult(
            model.name,
            summarise(model.ranking, k, num_products=num_products, seed=seed) | _lift(model.ranking, backdrop, k),
            model.fit_s,
            1000 * model.ranking.took_s / max(1, len(model.ranking.users)),
            dict(model.chosen),
        )
        for model in fitted
    )
    baselines = {model.name for model in fitted if model.is_baseline}
    best = max((row for row in rows if row.name in baselines), key=lambda row: row.metrics[f"ndcg@{k}"].mean).name
    names = [f"{metric}@{k}" for metric in ("ndcg", "recall", "hit")]
    paired = {
        f"{WHOLE}-{other}": {
            metric: paired_difference(values[WHOLE], values[other], metric=metric, seed=seed) for metric in names
        }
        for other in values
        if other != WHOLE
    }
    return Report(
        split=split.name,
        k=k,
        seed=seed,
        num_users=len(split.test.users),
        num_products=num_products,
        num_train_events=len(snapshot.events),
        exclude_seen=exclude_seen,
        models=rows,
        paired=paired,
        best_baseline=best,
        slices=_slices_of(next(model.ranking for model in fitted if model.name == WHOLE), snapshot, k=k, seed=seed),
    )


def _lift(ranking: Ranking, backdrop: Backdrop, k: int) -> dict[str, Measured]:
    """How many times more popular than the users' own products the recommended ones are; not where nobody had any."""
    name = f"popularity_lift@{k}"
    value = total_values(ranking, backdrop, k)[name]
    return {name: Measured(value, value, value)} if np.isfinite(value) else {}


def _slices_of(ranking: Ranking, seen: Snapshot, *, k: int, seed: int) -> dict[str, SliceResult]:
    parts = slice_ranking(ranking, seen, ks=[k])
    parts |= {name: keep_targets(ranking, chosen, ks=[k]) for name, chosen in category_groups(seen).items()}
    return {
        name: SliceResult(len(part.users), intervals(part.values, seed=seed)[f"ndcg@{k}"])
        for name, part in parts.items()
        if len(part.users) >= _LEAST_USERS
    }


def describe_blend(blend: Blend) -> dict[str, Any]:
    """Return the numbers of a blend in words: what each kernel adds under which decay, weights of 0 left out."""
    kernels = {
        kernel: {
            _decay_name(decay.unit, decay.scale): round(float(weight), 6)
            for decay, weight in zip(blend.decays, row, strict=True)
            if weight
        }
        for kernel, row in zip(blend.kernels, blend.weights, strict=True)
    }
    priors = {name: float(weight) for name, weight in zip(blend.priors, blend.prior_weights, strict=True) if weight}
    return {"kernels": {name: row for name, row in kernels.items() if row}, "priors": priors}


def report_to_json(report: Report) -> dict[str, Any]:
    """Return the report as plain values."""
    first, second = report.sentences()
    return {
        "split": report.split,
        "k": report.k,
        "seed": report.seed,
        "num_users": report.num_users,
        "num_products": report.num_products,
        "num_train_events": report.num_train_events,
        "exclude_seen": report.exclude_seen,
        "best_baseline": report.best_baseline,
        "models": {
            row.name: {
                "metrics": {name: _plain(value) for name, value in row.metrics.items()},
                "fit_s": round(row.fit_s, 3),
                "score_ms_per_user": round(row.score_ms_per_user, 3),
                "chosen": row.chosen,
            }
            for row in report.models
        },
        "paired": {
            pair: {metric: {"diff": value.mean, "low": value.low, "high": value.high} for metric, value in row.items()}
            for pair, row in report.paired.items()
        },
        "slices": {
            name: {"num_users": part.num_users, "ndcg": _plain(part.ndcg)} for name, part in report.slices.items()
        },
        "says": [first, second],
    }


def report_from_json(entry: Mapping[str, Any]) -> Report:
    """Return the report that `report_to_json` described, but for digits of seconds.

    Raises:
        KeyError, TypeError: it is none.
    """
    models = tuple(
        ModelResult(
            name,
            {metric: Measured(**value) for metric, value in row["metrics"].items()},
            row["fit_s"],
            row["score_ms_per_user"],
            row["chosen"],
        )
        for name, row in entry["models"].items()
    )
    paired = {
        pair: {metric: Measured(value["diff"], value["low"], value["high"]) for metric, value in row.items()}
        for pair, row in entry["paired"].items()
    }
    slices = {
        name: SliceResult(part["num_users"], Measured(**part["ndcg"])) for name, part in entry.get("slices", {}).items()
    }
    made: dict[str, Any] = {"models": models, "paired": paired, "slices": slices}
    return Report(**made, **{field.name: entry[field.name] for field in fields(Report) if field.name not in made})


def report_or_none(entry: Mapping[str, Any]) -> Report | None:
    """Return the report in a bundle; None in one that holds none, or that an older release wrote."""
    try:
        return report_from_json(entry)
    except (KeyError, TypeError):
        return None


def _plain(value: Measured) -> dict[str, float]:
    return {"mean": value.mean, "low": value.low, "high": value.high}


def _decay_name(unit: str, scale: float) -> str:
    if unit == "declared":
        return "declared half-life"
    if np.isinf(scale):
        return "no decay"
    return f"{scale:g} steps" if unit == "rank" else f"{scale:g} days"


def _interval(value: Measured) -> str:
    return f"{value.mean:+.4f} [{value.low:+.4f}, {value.high:+.4f}] with 95% confidence"


def _verb(value: Measured) -> str:
    if value.low > 0:
        return "beats"
    return "is below" if value.high < 0 else "is level with"


def _meaning(value: Measured) -> str:
    interval = f"95% interval of what it adds [{value.low:+.4f}, {value.high:+.4f}]"
    if value.low > 0:
        return f"so it adds to the ranking ({interval})"
    return f"so it {'harms' if value.high < 0 else 'does not measurably add to'} the ranking here ({interval})"
