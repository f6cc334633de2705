"""One page on a model: what the gate decided, line by line, how good the model is beside others, and for whom.

Made from the report in its bundle, so that it can be made again at any time. The page is one file that asks no other
host for anything. The look is `serving/templates/model.html`'s.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from gnn.report import WHOLE
from serving.pages import render
from serving.quality_page import Cell, Plot, Table
from serving.quality_plots import plot_bars, plot_differences, rows_of

_MAIN = ("ndcg", "recall", "hit")


def model_page(version: str, report: Mapping[str, Any]) -> str:
    """Return the page.

    Args:
        version: of the bundle.
        report: of the bundle; what it does not hold is left out.
    """
    gate = report.get("gate")
    return render(
        "model.html",
        version=version,
        gate=gate,
        lines=None if gate is None else _lines(gate),
        plots=list(_plots(report)) if report.get("models") else [],
        measured=_measured(report) if report.get("models") else None,
        alarms=[one["sentence"] for one in report.get("drift", {}).get("watched", ()) if one["alarm"]],
    )


def _lines(gate: Mapping[str, Any]) -> Table:
    """Every line, those that did not pass first."""
    rows = []
    for line in sorted(gate["lines"], key=lambda line: bool(line["passed"])):
        outcome = Cell("yes" if line["passed"] else "NO", best=not line["passed"])
        cells = (outcome, Cell(f"{line['value']:.4g}"), Cell(f"{line['limit']:.4g}"), Cell(line["sentence"]))
        rows.append((f"{line['part']}: {line['name']}", cells))
    return Table(("passed", "value", "limit", "in words"), tuple(rows))


def _plots(report: Mapping[str, Any]) -> Iterator[Plot]:
    models, k = report["models"], report["k"]
    for metric in _MAIN:
        name = f"{metric}@{k}"
        values = {model: entry["metrics"][name] for model, entry in models.items() if name in entry["metrics"]}
        if values:
            yield Plot(name, plot_bars(rows_of(values, strong=WHOLE), name), "with 95% intervals over users")
    main = f"ndcg@{k}"
    pairs = {pair.removeprefix(f"{WHOLE}-"): row[main] for pair, row in report.get("paired", {}).items() if main in row}
    if pairs:
        title = f"{WHOLE} minus others, {main}"
        yield Plot(title, plot_differences(rows_of(pairs, mean="diff"), title), "the same users, paired")
    slices = {f"{name} ({part['num_users']:,})": part["ndcg"] for name, part in report.get("slices", {}).items()}
    if slices:
        title = f"{main} by group"
        yield Plot(title, plot_bars(rows_of(slices), title), "users in brackets")


def _measured(report: Mapping[str, Any]) -> str:
    of = f", of the full run {report['measured_by']}" if report.get("measured_by") else ""
    return (
        f"{report['split']} split, {report['num_users']:,} users, {report['num_products']:,} products, "
        f"{report['num_train_events']:,} events of training, seed {report['seed']}{of}"
    )
