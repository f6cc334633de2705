"""One page on the runs of a project: what is served, how good it was from run to run, what the gate and the watch said.

Made from the records of the runs and the reports in their bundles, so that it can be made again at any time. The page
is one file that asks no other host for anything. The look is `serving/templates/runs.html`'s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from matplotlib.figure import Figure

from gnn.canary import Ended
from gnn.report import WHOLE
from serving.pages import render
from serving.quality_page import Cell, Plot, Table
from serving.quality_plots import ACCENT, BAD, FAINT, INK, svg_of
from serving.runs import Run, alarms_of

_SIZE_IN = (4.2, 2.5)


@dataclass(frozen=True, slots=True)
class Told:
    """A run with what its bundle says."""

    run: Run
    report: Mapping[str, Any]
    """Of its bundle; empty where there is none any more."""

    @property
    def at(self) -> datetime:
        """When it began, UTC."""
        return datetime.fromtimestamp(self.run.started_at_ms / 1000, UTC)

    @property
    def metric(self) -> str:
        """The metric that decides."""
        return f"ndcg@{self.report.get('k', 10)}"

    def value(self, model: str) -> float | None:
        """What a model reached; None where it was not measured in this run."""
        if self.report.get("measured_by") is not None:
            return None
        found = self.report.get("models", {}).get(model, {}).get("metrics", {}).get(self.metric)
        return None if found is None else float(found["mean"])

    @property
    def since(self) -> float | None:
        """What the model before found of what users did since it was made."""
        found = self.report.get("drift", {}).get("since")
        return None if found is None else float(found["mean"])

    @property
    def faults(self) -> list[str]:
        """Lines of the gate that did not pass, in words."""
        return [line["sentence"] for line in self.report.get("gate", {}).get("lines", ()) if not line["passed"]]

    @property
    def alarms(self) -> list[str]:
        """What the watch raised, in words."""
        return alarms_of(self.report)

    @property
    def movers(self) -> Sequence[Mapping[str, Any]]:
        """Products that users turned to and away from since the model before."""
        found: Sequence[Mapping[str, Any]] = self.report.get("drift", {}).get("movers", ())
        return found


def runs_page(told: Sequence[Told], *, served: str | None, canaries: Sequence[Ended] = ()) -> str:
    """Return the page.

    Args:
        told: the runs, oldest first.
        served: the version that is served; None: there is none.
        canaries: models that some users were shown first, oldest first.
    """
    live = next((one for one in reversed(told) if one.run.version == served), None)
    return render(
        "runs.html",
        facts=_facts(told, live, served),
        plots=[Plot("Quality over time", _plot_quality(told)), Plot("Events learned from", _plot_events(told))],
        table=_table(told),
        refused=[(_when(one), one.faults) for one in told if one.faults],
        alarms=[(_when(one), one.alarms) for one in told if one.alarms],
        canaries=_canaries(canaries) if canaries else None,
        moved=next(((_when(one), _movers(one)) for one in reversed(told) if one.movers), None),
    )


def _canaries(ended: Sequence[Ended]) -> Table:
    rows = []
    for one in reversed(ended):
        hours = (one.ended_ms - one.canary.since_ms) / 3_600_000
        rows.append(
            (
                one.canary.version,
                (Cell(f"{one.canary.share:.1%}"), Cell(f"{hours:.1f}"), Cell(one.ending), Cell(one.why)),
            )
        )
    return Table(("users", "hours", "ended", "why"), tuple(rows))


def _movers(one: Told) -> Table:
    rows = [
        (str(entry["title"]), tuple(map(Cell, (f"{entry['found']:,}", f"{entry['expected']:,.0f}", entry["sentence"]))))
        for entry in one.movers
    ]
    return Table(("events since", "by its share of before", "in words"), tuple(rows))


def _facts(told: Sequence[Told], live: Told | None, served: str | None) -> dict[str, str]:
    outcomes = [one.run.outcome for one in told]
    facts = {"served": served or "nothing yet", "runs": str(len(told))}
    for outcome in ("published", "refused", "failed", "stopped", "lost"):
        if outcome in outcomes:
            facts[outcome] = str(outcomes.count(outcome))
    if live is not None and (value := live.value(WHOLE)) is not None:
        facts[live.metric] = f"{value:.4f}"
    return facts


def _plot_quality(told: Sequence[Told]) -> str:
    figure = Figure(figsize=_SIZE_IN, layout="constrained")
    axes = figure.subplots()
    days = [_when(one) for one in told]
    lines = (
        ("whycart", [one.value(WHOLE) for one in told], ACCENT, "-"),
        ("best baseline", [one.value(str(one.report.get("best_baseline"))) for one in told], FAINT, "-"),
        ("the model before, on what users did since", [one.since for one in told], INK, ":"),
    )
    for name, values, colour, style in lines:
        known = [(day, value) for day, value in zip(days, values, strict=True) if value is not None]
        if known:
            axes.plot(*zip(*known, strict=True), style, color=colour, linewidth=1.4, marker=".", label=name)
    for one in told:
        if one.run.outcome == "refused" and (value := one.value(WHOLE)) is not None:
            axes.plot([_when(one)], [value], "X", color=BAD, label=None)
    axes.set_ylim(bottom=0)
    axes.tick_params(axis="x", labelrotation=30, labelsize=7)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, frameon=False)
    says = "; ".join(f"{_when(one)} {_number(one.value(WHOLE))} {one.run.outcome}" for one in told)
    return svg_of(figure, "quality over time, a cross is a refused model", says)


def _plot_events(told: Sequence[Told]) -> str:
    figure = Figure(figsize=_SIZE_IN, layout="constrained")
    axes = figure.subplots()
    counts = [int(one.report.get("num_train_events", 0)) for one in told]
    axes.bar([_when(one) for one in told], counts, color=[BAD if one.faults else ACCENT for one in told], width=0.6)
    axes.tick_params(axis="x", labelrotation=30, labelsize=7)
    says = "; ".join(f"{_when(one)} {count:,}" for one, count in zip(told, counts, strict=True))
    return svg_of(figure, "events of the measured part, by run", says)


def _table(told: Sequence[Told]) -> Table:
    columns = ("outcome", "seconds", "whycart", "best baseline", "the model before, since", "not passed", "alarms")
    rows = []
    for one in reversed(told):
        best = str(one.report.get("best_baseline", ""))
        cells = (
            Cell(one.run.outcome),
            Cell(f"{one.run.took_s:.0f}"),
            Cell(_number(one.value(WHOLE))),
            Cell(_number(one.value(best)), best),
            Cell(_number(one.since)),
            Cell(str(len(one.faults))),
            Cell(str(len(one.alarms))),
        )
        rows.append((_when(one), cells))
    return Table(columns, tuple(rows))


def _when(one: Told) -> str:
    return one.at.strftime("%m-%d %H:%M:%S")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
