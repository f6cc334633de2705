"""One page on what carries the score of a whole model: plots, tables, rules of thumb, and how to repeat it.

The page is one file that asks no other host for anything. Bars are `serving.quality_plots`'s, the look is that of
`serving.quality_page`. Offline only: the API does not import this module.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gnn.measure import Measured
from serving.overview import EVERYBODY, LEAST_USERS, NEW, TOP, Overview
from serving.pages import render
from serving.quality_page import Cell, Plot, Table
from serving.quality_plots import ACCENT, FAINT, INK, LINE, SETTINGS, Row, plot_bars, svg_of
from serving.surrogate import LEAST_USERS as LEAST_FOR_TREE
from serving.surrogate import Node, Surrogate, believed

_COLUMN_IN, _ROW_IN, _LETTERS = 2.25, 0.44, 27


@dataclass(frozen=True, slots=True)
class TreePlot:
    """A drawn tree with its rules in words."""

    title: str
    note: str
    svg: str
    """Drawn by this program; nothing in it is anybody else's text unescaped."""
    text: str


def overview_page(found: Overview, trees: Sequence[Surrogate], *, facts: Mapping[str, str]) -> str:
    """Return the page of an overview.

    Args:
        found: what carries the lists.
        trees: rules of thumb, may be none.
        facts: where the figures come from, by name; `model` and `command` among them.
    """
    return render(
        "overview.html",
        version=facts["model"],
        lead=f"Model {facts['model']}, the top {TOP} of {found.num_users:,} users, {found.num_items:,} items.",
        sentences=overview_sentences(found),
        everybody=_everybody(found),
        by_group=_by_group(found),
        segments=_segments(found),
        kernels=_kernels(found),
        trees=[TreePlot(tree.name, believed(tree), plot_tree(tree.root, tree.name), tree.rules) for tree in trees],
        least_users=LEAST_FOR_TREE,
        facts=facts,
    )


def overview_sentences(found: Overview) -> list[str]:
    """Return what an overview says first: who carries most, for whom it is different, and what was left out."""
    if not found.num_users:
        return ["No list has a score above 0, so there is nothing to share out."]
    first, *others = found.groups
    shares = found.everybody.shares
    lines = [f"Most of the score is {first}: {_interval(shares[first])}."]
    if others:
        lines[0] = lines[0][:-1] + f"; then {others[0]}: {_interval(shares[others[0]])}."
    for part in found.segments:
        if part.kind == NEW:
            lead = max(part.shares, key=lambda name: part.shares[name].mean)
            lines.append(f"With nothing known but the latest event it is {lead}: {_interval(part.shares[lead])}.")
    if found.too_few:
        lines.append(f"Not shown, with fewer than {LEAST_USERS} users: {', '.join(found.too_few)}.")
    if found.left_out:
        lines.append(f"Left out: {found.left_out:,} users whose list has no score above 0.")
    return lines


def plot_tree(root: Node, title: str) -> str:
    """Return a tree as SVG: the first question on the left, a row for each leaf."""
    height = _ROW_IN * _num_leaves(root) + 0.1
    width = _COLUMN_IN * (_depth(root) + 1)
    with matplotlib.rc_context(SETTINGS):
        figure = Figure(figsize=(width, height))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
        axes.set_axis_off()
        _draw(axes, root, depth=0, top=0)
    return svg_of(figure, f"rules of thumb for {title}", _said(root))


def _draw(axes: Axes, node: Node, *, depth: int, top: int, answer: str = "") -> float:
    """Draw a node and all below it from row `top` on; return the height it stands at."""
    left = 0.1 + _COLUMN_IN * depth
    if node.yes is None or node.no is None:
        height = _ROW_IN * (top + 0.5) + 0.05
        words, colour = f"{node.group}\n{node.share:.0%} of {node.num_items:,} items", ACCENT
    else:
        upper = _draw(axes, node.yes, depth=depth + 1, top=top, answer="yes")
        lower = _draw(axes, node.no, depth=depth + 1, top=top + _num_leaves(node.yes), answer="no")
        height = (upper + lower) / 2
        words, colour = textwrap.fill(f"{node.question}?", _LETTERS), INK
        for below in (upper, lower):
            bend = left + _COLUMN_IN - 0.36
            axes.plot([bend - 0.08, bend, bend, bend + 0.08], [height, height, below, below], color=LINE, linewidth=1)
    axes.text(left, height, words, color=colour, va="center", ha="left", linespacing=1.25)
    if answer:
        axes.text(left - 0.05, height - 0.13, answer, color=FAINT, va="center", ha="right", fontsize=7)
    return height


def _num_leaves(node: Node) -> int:
    return 1 if node.yes is None or node.no is None else _num_leaves(node.yes) + _num_leaves(node.no)


def _depth(node: Node) -> int:
    return 0 if node.yes is None or node.no is None else 1 + max(_depth(node.yes), _depth(node.no))


def _said(node: Node) -> str:
    if node.yes is None or node.no is None:
        return f"{node.group} ({node.share:.0%})"
    return f"{node.question}: if yes, {_said(node.yes)}; if no, {_said(node.no)}"


def _everybody(found: Overview) -> list[Plot]:
    part, first = found.everybody, found.groups[0]
    kernels = [_row(name, value) for name, (_, value) in found.kernels.items()]
    shares = [_row(name, part.shares[name], name == first) for name in found.groups]
    leads = [_row(name, part.leads[name], name == first) for name in found.groups]
    return [
        Plot("share of the score", plot_bars(shares, "share of the score")),
        Plot("carries most of an item", plot_bars(leads, "carries most of an item"), "share of items"),
        Plot("kernel by kernel", plot_bars(kernels, "share of the score by kernel"), "share of the score"),
    ]


def _by_group(found: Overview) -> list[Plot]:
    plots = []
    for group in found.groups:
        rows = [_row(part.name, part.shares[group], part.kind == EVERYBODY) for part in found.segments]
        plots.append(Plot(group, plot_bars(rows, f"share of {group}"), "share of the score"))
    return plots


def _row(name: str, value: Measured, strong: bool = False) -> Row:
    return Row(name, value.mean, value.low, value.high, strong)


def _segments(found: Overview) -> Table:
    rows = []
    for part in found.segments:
        cells = (_cell(part.shares[name]) for name in found.groups)
        rows.append((part.name, (Cell(f"{part.num_users:,}", part.kind), *cells)))
    return Table(("users", *found.groups), tuple(rows))


def _kernels(found: Overview) -> Table:
    rows = [(name, (Cell(group), _cell(value))) for name, (group, value) in found.kernels.items()]
    return Table(("evidence", "share of the score"), tuple(rows))


def _cell(value: Measured) -> Cell:
    return Cell(f"{value.mean:.1%}", f"{value.low:.1%} to {value.high:.1%}")


def _interval(value: Measured) -> str:
    return f"{value.mean:.1%} [{value.low:.1%}, {value.high:.1%}]"
