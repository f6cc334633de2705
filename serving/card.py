"""The model card that travels in a bundle: data, figures with intervals, what carries the score, limits."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gnn.report import WHOLE, Report
from kg.snapshot import Snapshot
from serving.gate.verdict import Verdict, verdict_rows, verdict_to_json
from serving.overview import LENGTH, NEW, TOP, Overview
from serving.reason_quality import ReasonReport, reason_rows, reason_sentence

if TYPE_CHECKING:
    from serving.retrain_config import RetrainConfig


def model_card(report: Report, snapshot: Snapshot, config: "RetrainConfig", *, further: str) -> str:
    """Return the card as Markdown.

    Args:
        report: what was measured.
        snapshot: what was learned from.
        config: what the job was told.
        further: other parts that go before the limits, Markdown.
    """
    lines = [
        "# Model card",
        "",
        *_data(report, snapshot),
        "",
        *_quality(report),
        "",
        *_blend(report),
        "",
        further.rstrip(),
        "",
        *_limits(config),
    ]
    return "\n".join(lines) + "\n"


def overview_card(overview: Overview) -> str:
    """Return the part of the card about what the lists rest on, as Markdown."""
    return "\n".join(_lists(overview)) + "\n"


def reasons_card(reasons: ReasonReport) -> str:
    """Return the part of the card about reasons, as Markdown."""
    rows = [f"| {name} | {figure} | {meaning} |" for name, figure, meaning in reason_rows(reasons)]
    head = ["", "## Reasons", reason_sentence(reasons), "", "| figure | value | meaning |", "|---|---|---|"]
    return "\n".join([*head, *rows]) + "\n"


def gate_card(verdict: Verdict) -> str:
    """Return the part of the card about the gate, as Markdown."""
    rows = [f"| {' | '.join(row)} |" for row in verdict_rows(verdict_to_json(verdict)["lines"])]
    head = ["", "## Gate", verdict.sentence, "", "| part | what | value | limit | passed |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows]) + "\n"


def _data(report: Report, snapshot: Snapshot) -> list[str]:
    events = snapshot.events
    lines = [
        "## Data",
        f"- {snapshot.num_nodes('User'):,} users, {snapshot.num_nodes('Product'):,} products, {len(events):,} events",
        f"- snapshot `{snapshot.hash[:16]}`, cutoff {_time(snapshot.cutoff_ms)}",
    ]
    if snapshot.order == "clock" and len(events):
        lines.append(f"- events from {_time(int(events.time.min()))} to {_time(int(events.time.max()))}")
    lines.append(f"- {report.split} split, {report.num_users:,} users measured, every product ranked")
    return lines


def _quality(report: Report) -> list[str]:
    metrics = [f"{name}@{report.k}" for name in ("ndcg", "recall", "hit", "coverage")]
    lines = ["## Quality", f"| model | {' | '.join(metrics)} | fit s |", f"|---|{'---|' * len(metrics)}---|"]
    for row in report.models:
        cells = [f"{row.metrics[m].mean:.4f} [{row.metrics[m].low:.4f}, {row.metrics[m].high:.4f}]" for m in metrics]
        lines.append(f"| {row.name} | {' | '.join(cells)} | {row.fit_s:.1f} |")
    return [*lines, "", *report.sentences()]


def _blend(report: Report) -> list[str]:
    chosen = report.result(WHOLE).chosen
    lines = ["## What carries the score", "Weights that validation chose; a kernel that is not listed has weight 0."]
    for kernel, decays in chosen["kernels"].items():
        lines.append(f"- {kernel}: " + ", ".join(f"{weight:g} ({decay})" for decay, weight in decays.items()))
    lines += [f"- {prior} (for everybody): {weight:g}" for prior, weight in chosen["priors"].items()]
    return lines


def _lists(overview: Overview) -> list[str]:
    parts = [overview.everybody, *(part for part in overview.segments if part.kind in (LENGTH, NEW))]
    lines = [
        "## What the lists rest on",
        f"Share of the score in the top {TOP} of {overview.num_users:,} users, with 95% intervals over users. "
        "`whycart explain --global` says more.",
        f"| evidence | {' | '.join(part.name for part in parts)} |",
        f"|---|{'---|' * len(parts)}",
    ]
    for group in overview.groups:
        cells = [part.shares[group] for part in parts]
        figures = [f"{cell.mean:.1%} [{cell.low:.1%}, {cell.high:.1%}]" for cell in cells]
        lines.append(f"| {group} | {' | '.join(figures)} |")
    return lines


def _limits(config: "RetrainConfig") -> list[str]:
    return [
        "## Limits",
        "- Measured offline on what users did, not on what they would have done with other recommendations.",
        "- The intervals are over users; they do not cover another season or another shop.",
        f"- Seed {config.learn.train.seed}; on a GPU or with another number format figures differ in the last digits.",
    ]


def _time(epoch_ms: int | None) -> str:
    return "none" if epoch_ms is None else datetime.fromtimestamp(epoch_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
