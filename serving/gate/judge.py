"""Puts the lines of the gate together: what the new model is, what the live one is, and what follows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gnn.report import Report, report_or_none
from kg.snapshot import Snapshot
from serving.gate.config import GateConfig
from serving.gate.data import data_lines
from serving.gate.lists import list_lines
from serving.gate.quality import quality_lines, since_lines
from serving.gate.reasons import reason_lines
from serving.gate.verdict import Line, Verdict
from serving.incremental import Inherited
from serving.ready import Ready
from serving.reason_quality import ReasonReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What is known of a model that wants to be published."""

    snapshot: Snapshot
    """What it learned from."""
    report: Report
    """How well it ranks."""
    reasons: ReasonReport | None
    """What its reasons are worth; None: that was not measured."""
    ready: Ready
    """The model, as it would be served."""
    inherited: Inherited | None = None
    """What it took over from the live model, so that its own ranking was not measured; None: nothing."""


def judge(candidate: Candidate, live: Ready | None, config: GateConfig) -> Verdict:
    """Return whether a measured model may be published.

    Args:
        candidate: the new model.
        live: the model that is served; None: there is none.
        config: the limits.
    """
    before = live.bundle.report if live is not None else {}
    if candidate.inherited is None:
        quality = quality_lines(candidate.report, report_or_none(before), config)
    else:
        quality = since_lines(candidate.report, candidate.inherited.since, config)
    lines: list[Line] = [
        *quality,
        *data_lines(candidate.snapshot, None if live is None else live.bundle.snapshot, config),
    ]
    if live is not None:
        lines += list_lines(candidate.ready, live, config, n=candidate.report.k)
    if candidate.reasons is not None:
        lines += reason_lines(candidate.reasons, _coverage_of(before), config)
    return Verdict(tuple(lines))


def _coverage_of(before: Mapping[str, Any]) -> float | None:
    coverage = (before.get("reasons") or {}).get("coverage")
    return None if coverage is None else float(coverage["mean"])
