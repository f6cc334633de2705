"""The gate before publishing: a model worse than the best simple baseline, or with false reasons, is never served."""

from dataclasses import dataclass

from gnn.errors import ConfigError
from gnn.report import WHOLE, Report
from serving.reason_quality import ReasonReport


@dataclass(frozen=True, slots=True, kw_only=True)
class GateConfig:
    """What a model must reach on the test part to be published."""

    min_users: int = 20
    """Users with a test target below which nothing can be said, so nothing is refused for its quality; 1 or more."""
    tolerance: float = 0.0
    """How far the whole interval of the difference to the best baseline may lie below zero; 0 or more."""
    reason_users: int = 100
    """Users whose lists are looked at for their reasons; 0 leaves the reasons out of the gate and of the report."""
    min_reason_coverage: float = 0.0
    """Part of the recommended items that must have a path; 0 to 1. What a shop's graph can give differs widely."""

    def __post_init__(self) -> None:
        if self.min_users < 1 or self.tolerance < 0:
            raise ConfigError(
                "[gate] min_users must be at least 1 and tolerance 0 or more, "
                f"got min_users={self.min_users}, tolerance={self.tolerance}"
            )
        if self.reason_users < 0 or not 0 <= self.min_reason_coverage <= 1:
            raise ConfigError(
                "[gate] reason_users must be 0 or more and min_reason_coverage between 0 and 1, "
                f"got reason_users={self.reason_users}, min_reason_coverage={self.min_reason_coverage}"
            )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate decided and why."""

    passed: bool
    sentence: str


def judge(report: Report, config: GateConfig, reasons: ReasonReport | None = None) -> Verdict:
    """Return whether a measured model may be published.

    It may not when even the upper end of the 95% interval of its difference to the best baseline lies below zero by
    more than the tolerance; nor when its reasons are false, name people, are too few, or move items measurably less
    than random events do.
    """
    fault = None if reasons is None else _fault_of(reasons, config)
    if fault is not None:
        return Verdict(False, f"Refused: {fault}. Look at 'whycart evaluate --reasons'.")
    metric = report.main_metric
    difference = report.paired[f"{WHOLE}-{report.best_baseline}"][metric]
    interval = f"{difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}] on {metric}"
    if report.num_users < config.min_users:
        return Verdict(True, f"Passed: only {report.num_users} test users, too few to judge ({interval}).")
    if difference.high < -config.tolerance:
        return Verdict(
            False,
            f"Refused: the model is worse than {report.best_baseline}: {interval}; at least "
            f"{-config.tolerance:.4f} is needed. Look at 'whycart evaluate', or at the data of the last days.",
        )
    return Verdict(True, f"Passed: against {report.best_baseline} {interval}.")


def _fault_of(reasons: ReasonReport, config: GateConfig) -> str | None:
    """What is wrong with the reasons of a model; None where nothing is."""
    if reasons.validity < 1:
        return f"{1 - reasons.validity:.2%} of the {reasons.num_paths:,} paths shown are not in the graph"
    if reasons.leaked:
        return f"its reasons name {reasons.leaked} other users"
    if reasons.coverage.mean < config.min_reason_coverage:
        return (
            f"only {reasons.coverage.mean:.1%} of the recommended items have a path, at least "
            f"{config.min_reason_coverage:.1%} are wanted ([gate] min_reason_coverage)"
        )
    if reasons.drop_first.high < reasons.drop_random.low:
        return (
            f"without the event of its first reason an item falls {reasons.drop_first.mean:.1f} ranks, without a "
            f"random one {reasons.drop_random.mean:.1f}: the reasons do not carry the score"
        )
    return None
