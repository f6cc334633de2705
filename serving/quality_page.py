"""One page on a comparison: plots, slices, every figure, what was chosen, and how to repeat it.

Made from the JSON of the bench alone, so that it can be made again at any time. The page is one file that asks no other
host for anything. Drawing is `serving.quality_plots`'s, the look `serving/templates/quality.html`'s.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from serving.pages import render
from serving.quality_plots import plot_bars, plot_differences, rows_of
from serving.quality_words import difference_sentences, main_k, main_metric, setting_sentence

MAIN = ("ndcg", "recall", "hit")
"""Metrics that are drawn."""
LISTS = ("coverage", "gini", "novelty", "diversity", "popularity_lift", "calibration")
"""Figures of the lists apart from being right."""
_MEANINGS = {
    "coverage": "share of the catalogue that is recommended to anybody",
    "gini": "how unevenly recommendations fall on products: 0 evenly, 1 all on one",
    "novelty": "mean information of a list in bits: higher, the fewer people have its products",
    "diversity": "mean distance of the texts of two products of a list",
    "popularity_lift": "how many times more popular than the user's own products the recommended ones are",
    "calibration": "how far the categories of a list are from those of the history: 0 alike",
}


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing with its heading."""

    title: str
    svg: str
    """Drawn by this program; nothing in it is anybody else's text unescaped."""
    note: str = ""
    """A line below the heading."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure of a table."""

    text: str
    detail: str = ""
    """What stands behind the figure, such as its interval."""
    best: bool = False
    """Whether no model has a better one."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of figures, one a model."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def quality_page(result: Mapping[str, Any]) -> str:
    """Return the page of a comparison.

    Args:
        result: the JSON of `whycart bench quality`.
    """
    return render(
        "quality.html",
        result=result,
        k=main_k(result),
        setting=setting_sentence(result),
        sentences=difference_sentences(result),
        bars=_bars(result),
        differences=_differences(result),
        slices=_slices(result),
        lists=_lists(result),
        meanings={name.replace("_", " "): text for name, text in _MEANINGS.items()},
        figures=_figures(result),
        costs=_costs(result),
        chosen={name: json.dumps(model["chosen"], indent=2) for name, model in result["models"].items()},
        facts=_facts(result),
    )


def _bars(result: Mapping[str, Any]) -> list[Plot]:
    plots = []
    for metric in (f"{name}@{main_k(result)}" for name in MAIN):
        values = {name: model["metrics"][metric] for name, model in result["models"].items()}
        plots.append(Plot(metric, plot_bars(rows_of(values, strong=_subject(result)), metric)))
    return plots


def _differences(result: Mapping[str, Any]) -> list[Plot]:
    plots = []
    for metric in (f"{name}@{main_k(result)}" for name in MAIN) if result["paired"] else ():
        values = {pair.split("-", 1)[1]: found[metric] for pair, found in result["paired"].items()}
        plots.append(Plot(metric, plot_differences(rows_of(values, "diff"), f"difference on {metric}")))
    return plots


def _slices(result: Mapping[str, Any]) -> list[Plot]:
    metric, models = main_metric(result), result["models"]
    names = dict.fromkeys(part for model in models.values() for part in model["slices"])
    plots = []
    for part in names:
        values = {name: model["slices"][part] for name, model in models.items() if part in model["slices"]}
        rows = rows_of({name: value[metric] for name, value in values.items()}, strong=_subject(result))
        count = max(value["num_users"] for value in values.values())
        plots.append(
            Plot(part, plot_bars(rows, f"{metric} on {part}"), f"{metric}, {count:,} user{'s' * (count != 1)}")
        )
    return plots


def _lists(result: Mapping[str, Any]) -> Table:
    known = {metric for model in result["models"].values() for metric in model["metrics"]}
    names = [name for name in LISTS if f"{name}@{main_k(result)}" in known]
    rows = []
    for model, entry in result["models"].items():
        cells = [_cell(entry["metrics"][f"{name}@{main_k(result)}"], digits=3) for name in names]
        rows.append((model, tuple(cells)))
    return Table(tuple(name.replace("_", " ") for name in names), tuple(rows))


def _figures(result: Mapping[str, Any]) -> Table:
    """Every accuracy metric at every cut-off; the best of a column is marked."""
    models = result["models"]
    metrics = [metric for metric in next(iter(models.values()))["metrics"] if metric.partition("@")[0] not in LISTS]
    best = {metric: max(model["metrics"][metric]["mean"] for model in models.values()) for metric in metrics}
    rows = []
    for name, model in models.items():
        values = {metric: model["metrics"][metric] for metric in metrics}
        cells = [_cell(value, best=value["mean"] == best[metric]) for metric, value in values.items()]
        rows.append((name, tuple(cells)))
    return Table(tuple(metrics), tuple(rows))


def _costs(result: Mapping[str, Any]) -> Table:
    columns = {
        "fit s": ("fit_s", ",.1f"),
        "CPU s": ("cpu_s", ",.1f"),
        "ms a user": ("score_ms_per_user", ",.2f"),
        "most memory, MiB": ("peak_rss_mb", ",.0f"),
    }
    rows = []
    for name, model in result["models"].items():
        rows.append((name, tuple(Cell(format(model[key], style)) for key, style in columns.values())))
    return Table(tuple(columns), tuple(rows))


def _facts(result: Mapping[str, Any]) -> dict[str, str]:
    return {
        "command": result["command"],
        "data": f"{result['data']}, snapshot {result['snapshot'][:16]}",
        "relations between products": ", ".join(result["relations"]) or "none",
        "split": f"{result['split']}, {result['num_train_events']:,} events before the test part",
        "seeds": _joined(result["seeds"]),
        "cut-offs": _joined(result["k"]),
        "commit": result["commit"],
        "made": f"{result['made_at']}, in {result['wall_s']:,.0f} s",
        "versions": ", ".join(f"{name} {version}" for name, version in result["versions"].items()),
    }


def _cell(value: Mapping[str, Any], *, digits: int = 4, best: bool = False) -> Cell:
    detail = "" if value["low"] == value["high"] else f"{value['low']:.{digits}f} to {value['high']:.{digits}f}"
    return Cell(f"{value['mean']:.{digits}f}", detail, best)


def _subject(result: Mapping[str, Any]) -> str | None:
    return next((pair.split("-", 1)[0] for pair in result["paired"]), None)


def _joined(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))
