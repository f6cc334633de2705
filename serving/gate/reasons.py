"""Lines about the reasons of the new model: true, silent about people, there, and the cause of what they explain."""

from collections.abc import Iterator

from serving.gate.config import GateConfig
from serving.gate.verdict import Line, at_least, at_most
from serving.reason_quality import ReasonReport

_LOOK = "look at 'whycart evaluate --reasons'"


def reason_lines(reasons: ReasonReport, live_coverage: float | None, config: GateConfig) -> Iterator[Line]:
    """Return the lines about reasons.

    Args:
        reasons: what was measured of the new model.
        live_coverage: part of the live model's items that have a path; None: it is not known.
        config: the limits.
    """
    what = f"{1 - reasons.validity:.2%} of the {reasons.num_paths:,} paths shown are not in the graph"
    yield at_least("reasons", "paths in the graph", reasons.validity, 1.0, what, _LOOK)
    yield at_most("reasons", "users named", reasons.leaked, 0, f"its reasons name {reasons.leaked} other users", _LOOK)
    least = max(config.min_reason_coverage, config.min_coverage_of_live * (live_coverage or 0.0))
    what = f"{reasons.coverage.mean:.1%} of the recommended items have a path, at least {least:.1%} are wanted"
    yield at_least("reasons", "items with a path", reasons.coverage.mean, least, what, _LOOK)
    what = (
        f"without the event of its first reason an item falls {reasons.drop_first.mean:.1f} ranks, without a random "
        f"one {reasons.drop_random.mean:.1f}"
    )
    random = reasons.drop_random.low
    yield at_least("reasons", "fall without the reason", reasons.drop_first.high, random, what, _LOOK)
