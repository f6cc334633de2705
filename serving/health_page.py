"""One page on the data of a shop: the findings, and how events, buyers and prices are spread.

The page is one file that asks no other host for anything. The look is `serving/templates/health.html`'s.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from kg.health import Finding, Shop, count_verdicts
from kg.health_checks import DAY_MS
from serving.pages import render
from serving.quality_page import Cell, Plot, Table
from serving.quality_plots import ACCENT, BAR, svg_of

_SIZE_IN = (3.5, 2.2)
_DAYS, _BANDS = 400, 24
"""Most days of a plot, and the number of bands of price."""


def health_page(findings: Sequence[Finding], shop: Shop, *, facts: Mapping[str, str]) -> str:
    """Return the page.

    Args:
        findings: as `kg.health.examine` gives them.
        shop: what was examined.
        facts: by name, what was looked at and when.
    """
    plots = [plot for plot in (_events(shop), _tail(shop), _prices(shop)) if plot is not None]
    return render("health.html", facts=facts, counts=count_verdicts(findings), findings=_table(findings), plots=plots)


def _table(findings: Sequence[Finding]) -> Table:
    rows = []
    for one in findings:
        cells = (
            Cell(one.verdict, best=one.verdict != "PASS"),
            Cell(f"{one.count:,}", f"of {one.total:,}"),
            Cell(f"{one.share:.1%}"),
            Cell(", ".join(one.examples)),
            Cell(one.fix),
        )
        rows.append((f"{one.place} {one.name}", cells))
    return Table(("verdict", "how many", "share", "for example", "what to do"), tuple(rows))


def _events(shop: Shop) -> Plot | None:
    if shop.timed.empty:
        return None
    days = (shop.timed["at"] // DAY_MS).value_counts().sort_index()
    every = days.reindex(range(int(days.index[0]), int(days.index[-1]) + 1), fill_value=0)[-_DAYS:]
    figure = Figure(figsize=_SIZE_IN, layout="constrained")
    axes = figure.subplots()
    axes.plot(every.index.to_numpy().astype("datetime64[D]"), every.to_numpy(), color=ACCENT, linewidth=1.0)
    axes.set_ylim(bottom=0)
    axes.tick_params(axis="x", labelrotation=30, labelsize=7)
    says = f"from {int(every.min()):,} to {int(every.max()):,} a day, {every.median():,.0f} in the middle"
    return Plot("events by day", svg_of(figure, "events by day", says), f"the last {len(every):,} days")


def _tail(shop: Shop) -> Plot:
    sold = shop.events[shop.events["type"] == "bought"].groupby("product_id")["user_id"].nunique()
    buyers = sold.reindex(shop.products["product_id"], fill_value=0).to_numpy()
    bands = np.where(buyers > 0, np.floor(np.log2(np.maximum(buyers, 1))) + 1, 0).astype(int)
    counts = np.bincount(bands)
    names = ["0", *(_band(number) for number in range(1, len(counts)))]
    return _bars("products by buyers", names, counts.tolist(), "how long the tail is")


def _band(number: int) -> str:
    low, high = 2 ** (number - 1), 2**number - 1
    return str(low) if low == high else f"{low}-{high}"


def _prices(shop: Shop) -> Plot | None:
    prices = shop.products["price"].dropna().to_numpy(float)
    prices = prices[prices > 0]
    if not len(prices):
        return None
    edges = np.geomspace(prices.min(), max(prices.max(), prices.min() * 1.01), _BANDS + 1)
    counts, _ = np.histogram(prices, edges)
    return _bars("products by price", [f"{edge:.3g}" for edge in edges[:-1]], counts.tolist(), "bands of equal ratio")


def _bars(title: str, names: Sequence[str], counts: Sequence[int], note: str) -> Plot:
    figure = Figure(figsize=_SIZE_IN, layout="constrained")
    axes = figure.subplots()
    axes.bar(range(len(names)), counts, color=BAR, width=0.8)
    step = max(1, len(names) // 8)
    axes.set_xticks(range(0, len(names), step), names[::step])
    axes.tick_params(axis="x", labelrotation=30, labelsize=7)
    says = "; ".join(f"{name}: {count:,}" for name, count in zip(names, counts, strict=True))
    return Plot(title, svg_of(figure, title, says), note)
