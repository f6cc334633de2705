"""Plots of a comparison as SVG text that stands inside a page: no file, no script, no colour or font of its own.

Colours are names of the page's style sheet (`var(--accent)`), so that one drawing fits light and dark. Each plot is one
narrow panel that is readable on a telephone; the page puts several side by side where there is room.
"""

import html
import io
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from rich.cells import cell_len

INK, FAINT, ACCENT, BAR, LINE, BAD = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
"""Stand-ins that are replaced by names of the style sheet; matplotlib knows no variables."""
_NAMES = {INK: "ink", FAINT: "faint", ACCENT: "accent", BAR: "bar", LINE: "line", BAD: "bad"}
_WIDTH_IN, _ROW_IN, _TOP_IN, _BOTTOM_IN, _RIGHT_IN = 3.5, 0.24, 0.06, 0.30, 0.16
_LETTER_IN = 0.068
"""Width of a letter of a name; wide enough for most fonts."""
SETTINGS: dict[Any, Any] = {"svg.fonttype": "none", "text.parse_math": False, "font.size": 8.5, "axes.linewidth": 0.6}


@dataclass(frozen=True, slots=True)
class Row:
    """One model in a plot."""

    name: str
    mean: float
    low: float
    high: float
    strong: bool = False
    """Drawn in the accent colour: the model that the page is about."""


def plot_bars(rows: Sequence[Row], title: str) -> str:
    """Return bars with their 95% intervals, the first row on top."""
    figure, axes = _panel(rows)
    places = range(len(rows))
    axes.barh(places, [row.mean for row in rows], height=0.62, color=[ACCENT if row.strong else BAR for row in rows])
    for place, row in zip(places, rows, strict=True):
        axes.plot([row.low, row.high], [place, place], color=INK, linewidth=1.0, solid_capstyle="butt")
    axes.set_xlim(left=min(0.0, *(row.low for row in rows)))
    if not any(row.high for row in rows):
        axes.set_xlim(right=1)
    return _finish(figure, title, rows)


def plot_differences(rows: Sequence[Row], title: str) -> str:
    """Return paired differences as points with intervals around a line at zero."""
    figure, axes = _panel(rows)
    axes.axvline(0, color=FAINT, linewidth=0.8, linestyle=(0, (3, 2)))
    for place, row in enumerate(rows):
        colour = ACCENT if row.low > 0 else BAD if row.high < 0 else FAINT
        axes.plot([row.low, row.high], [place, place], color=colour, linewidth=1.6, solid_capstyle="butt")
        axes.plot([row.mean], [place], marker="o", markersize=4, color=colour)
    axes.margins(x=0.12)
    return _finish(figure, title, rows)


def rows_of(values: Mapping[str, Mapping[str, float]], mean: str = "mean", strong: str | None = None) -> list[Row]:
    """Return plot rows from values by name.

    Args:
        values: mean, low and high by name.
        mean: what the mean is called in them.
        strong: the name to stress; None: no name.
    """
    return [Row(name, value[mean], value["low"], value["high"], name == strong) for name, value in values.items()]


def _panel(rows: Sequence[Row]) -> tuple[Figure, Axes]:
    inside = _ROW_IN * len(rows)
    height = _TOP_IN + inside + _BOTTOM_IN
    left = min(0.12 + _LETTER_IN * max(cell_len(row.name) for row in rows), 0.55 * _WIDTH_IN)
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(_WIDTH_IN, height))
        box = (left / _WIDTH_IN, _BOTTOM_IN / height, (_WIDTH_IN - left - _RIGHT_IN) / _WIDTH_IN, inside / height)
        axes = figure.add_axes(box)
        axes.set_yticks(range(len(rows)), [row.name for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0, colors=INK)
        axes.tick_params(axis="x", length=3, width=0.6, colors=FAINT)
        axes.xaxis.set_major_locator(MaxNLocator(3))
        axes.grid(axis="x", color=LINE, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color(LINE)
    return figure, axes


def _finish(figure: Figure, title: str, rows: Sequence[Row]) -> str:
    says = "; ".join(f"{row.name} {row.mean:.4f} [{row.low:.4f}, {row.high:.4f}]" for row in rows)
    return svg_of(figure, title, says)


def svg_of(figure: Figure, title: str, says: str) -> str:
    """Return a drawing as SVG text in the colours of the page.

    Args:
        figure: drawn with the stand-ins of this module.
        title: what it is; two plots of a page need two titles.
        says: the same in words, for those who do not see it.
    """
    out = io.StringIO()
    # The salt makes the names of clips and marks differ between the plots of a page.
    with matplotlib.rc_context({**SETTINGS, "svg.hashsalt": title}), warnings.catch_warnings():
        # Text stays text, so a letter that this machine has no font for is the reader's browser's to draw.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    text = out.getvalue()
    body = text[text.index("<svg") + len("<svg") :]
    body = re.sub(r"<(metadata|style)\b.*?</\1>", "", body, flags=re.DOTALL)
    body = re.sub(r' xmlns(:\w+)?="[^"]*"', "", body)
    body = re.sub(r' id="(figure|axes|matplotlib|patch|text|line2d|xtick|ytick)[^"]*"', "", body)
    body = re.sub(r"font-family: [^;\"]+", "font-family: var(--font)", body)
    for colour, name in _NAMES.items():
        body = body.replace(colour, f"var(--{name})")
    return f'<svg role="img" aria-label="{html.escape(f"{title}: {says}")}"{body}'
