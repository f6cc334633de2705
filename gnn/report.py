"""What was measured, as values, JSON and two plain sentences: the same report on the terminal and in the bundle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gnn.measure import Measured, Ranking, metric_values, paired_difference, summarise
from gnn.score import Blend
from gnn.split import DataSplit
from kg.snapshot import Snapshot

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
        fitted: the whole model, the model without the network, then baselines.
        split: where train and test come from.
        snapshot: what was fitted on.
        exclude_seen: whether products of the history were left out.
        k: cut-off.
        seed: of the bootstrap.
    """
    num_products = snapshot.num_nodes("Product")
    values = {model.name: metric_values(model.ranking, k) for model in fitted}
    rows = tuple(
        ModelResult(
            model.name,
            summarise(model.ranking, k, num_products=num_products, seed=seed),
            model.fit_s,
            1000 * model.ranking.took_s / max(1, len(model.ranking.users)),
            dict(model.chosen),
        )
        for model in fitted
    )
    rivals = [row for row in rows if row.name not in (WHOLE, WITHOUT_NETWORK)]
    best = max(rivals, key=lambda row: row.metrics[f"ndcg@{k}"].mean).name
    names = [f"{metric}@{k}" for metric in ("ndcg", "recall", "hit")]
    paired = {
        f"{WHOLE}-{other}": {
            metric: paired_difference(values[WHOLE], values[other], metric=metric, seed=seed) for metric in names
        }
        for other in values
        if other != WHOLE
    }
    return Report(
        split.name, k, seed, len(split.test.users), num_products, len(snapshot.events), exclude_seen, rows, paired, best
    )


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
        "says": [first, second],
    }


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
