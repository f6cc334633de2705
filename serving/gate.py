"""The gate before publishing: a model that is measurably worse than the best simple baseline is never served."""

from dataclasses import dataclass

from gnn.errors import ConfigError
from gnn.report import WHOLE, Report


@dataclass(frozen=True, slots=True, kw_only=True)
class GateConfig:
    """What a model must reach on the test part to be published."""

    min_users: int = 20
    """Users with a test target below which nothing can be said, so nothing is refused for its quality; 1 or more."""
    tolerance: float = 0.0
    """How far the whole interval of the difference to the best baseline may lie below zero; 0 or more."""

    def __post_init__(self) -> None:
        if self.min_users < 1 or self.tolerance < 0:
            raise ConfigError(
                "[gate] min_users must be at least 1 and tolerance 0 or more, "
                f"got min_users={self.min_users}, tolerance={self.tolerance}"
            )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate decided and why."""

    passed: bool
    sentence: str


def judge(report: Report, config: GateConfig) -> Verdict:
    """Return whether a measured model may be published.

    It may not when even the upper end of the 95% interval of its difference to the best baseline lies below zero by
    more than the tolerance.
    """
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
