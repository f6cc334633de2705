"""Lines about how well the new model ranks, on the test targets that nothing was fitted on.

Against baselines and against the live model's settings the difference is paired, user by user. The live model itself
has seen most of today's test targets, so it cannot be asked again: what it was measured at in its time is the mark.
"""

from collections.abc import Iterator, Mapping

from gnn.measure import Measured
from gnn.report import WHOLE, WITHOUT_NETWORK, Report
from serving.gate.config import GateConfig
from serving.gate.verdict import Line, at_least, at_most

LIVE_SETTINGS = "live settings"
"""The blend of the live model on kernels fitted anew, as a row of the report."""
_LOOK = "look at 'whycart evaluate', or at the data of the last days"


def quality_lines(report: Report, live: Report | None, config: GateConfig) -> Iterator[Line]:
    """Return the lines about a report.

    Args:
        report: of the new model.
        live: of the live model, in its time; None: there is none, or it says too little.
        config: the limits.
    """
    if report.num_users < config.min_users:
        return
    yield from _against_rivals(report, config)
    if live is None or live.main_metric != report.main_metric or live.num_users < config.min_users:
        return
    now, then = _of_whole(report)[report.main_metric], _of_whole(live)[report.main_metric]
    if then.mean > 0:
        yield _not_worse(report.main_metric, now, then, config.min_of_live)
        most = config.max_of_live
        what = (
            f"{report.main_metric} is {now.mean:.4f}, at least {now.low / then.mean:.2f} times the live model's "
            f"{then.mean:.4f}; above {most:g} times something that is asked for has leaked into what is learned from"
        )
        advice = "look for events with wrong times, and for relations that come after the fact"
        yield at_most("quality", f"{report.main_metric} too good", now.low / then.mean, most, what, advice)
    yield from _slices(report, live, config)
    yield from _beyond(report, live, config)


def since_lines(report: Report, since: Measured | None, config: GateConfig) -> Iterator[Line]:
    """Return the line about a model that took over what the live one decided: whether that still holds.

    Args:
        report: what the last full run measured.
        since: what the live model found of what users did since it was made; None: too few did.
        config: the limits.
    """
    then = _of_whole(report)[report.main_metric]
    if since is not None and then.mean > 0:
        name = f"{report.main_metric} of what users did since"
        yield _not_worse(name, since, then, config.min_slice_of_live)


def _against_rivals(report: Report, config: GateConfig) -> Iterator[Line]:
    """The best baseline first, then the others and the live settings."""
    metric, rivals = report.main_metric, [row.name for row in report.models if row.name not in (WHOLE, WITHOUT_NETWORK)]
    lowest = 0.0 - config.tolerance
    for name in sorted(rivals, key=lambda name: name != report.best_baseline):
        difference = report.paired[f"{WHOLE}-{name}"][metric]
        what = (
            f"against {name} {difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}] on {metric}, "
            f"the upper end must reach {lowest:.4f}"
        )
        yield at_least("quality", f"against {name}", difference.high, lowest, what, _LOOK)


def _not_worse(name: str, now: Measured, then: Measured, least: float) -> Line:
    what = (
        f"{name} is {now.mean:.4f} [{now.low:.4f}, {now.high:.4f}] and was {then.mean:.4f} for the live model; the "
        f"upper end must reach {least:.0%} of that"
    )
    return at_least("quality", name, now.high / then.mean, least, what, _LOOK)


def _slices(report: Report, live: Report, config: GateConfig) -> Iterator[Line]:
    for name, then in live.slices.items():
        now = report.slices.get(name)
        if now is None or min(now.num_users, then.num_users) < config.min_users or then.ndcg.mean <= 0:
            continue
        yield _not_worse(f"{report.main_metric} of {name}", now.ndcg, then.ndcg, config.min_slice_of_live)


def _beyond(report: Report, live: Report, config: GateConfig) -> Iterator[Line]:
    k = report.k
    now, then = _of_whole(report), _of_whole(live)
    cover, lift = f"coverage@{k}", f"popularity_lift@{k}"
    if cover in then and then[cover].mean > 0:
        part = now[cover].mean / then[cover].mean
        what = (
            f"{now[cover].mean:.1%} of the catalogue are recommended to anybody, {part:.0%} of what the live model "
            f"does; at least {config.min_coverage_of_live:.0%} are wanted"
        )
        yield at_least("quality", cover, part, config.min_coverage_of_live, what)
    if lift in then and lift in now and then[lift].mean > 0:
        times = now[lift].mean / then[lift].mean
        what = (
            f"recommended products are {now[lift].mean:.2f} times as popular as the users' own, {times:.2f} times the "
            f"live model's lift; at most {config.max_popularity_of_live:g} times are wanted"
        )
        yield at_most("quality", lift, times, config.max_popularity_of_live, what)


def _of_whole(report: Report) -> Mapping[str, Measured]:
    return report.result(WHOLE).metrics
