"""Items on a terminal: the model they come from and how they are called. Shared by the commands that show some."""

import time
from collections.abc import Callable, Iterable
from typing import Annotated

import typer

from serving.answer import Item
from serving.api.cards import Cards
from serving.api.shape import Stamp
from serving.arrivals import ready_with_arrivals
from serving.cli.output import print_table
from serving.model_store import open_models
from serving.ready import Ready
from serving.reason_config import read_reasons
from serving.settings import Settings

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON as the API does.")]
Lang = Annotated[str | None, typer.Option("--lang", help="Language of the reasons, such as en or zh-CN.")]


def open_ready(settings: Settings, version: str | None = None, graph_version: str | None = None) -> Ready:
    """Return a bundle of a project, ready to answer.

    Args:
        settings: of the project.
        version: which one; None: the published one.
        graph_version: of an answer that is computed again; None: with all that is known of products by now.

    Raises:
        BundleError: none is published, or there is no such version.
        ConfigError: a setting of reasons cannot be used.
    """
    store = open_models(settings)
    bundle = store.current() if version is None else store.load(version)
    return ready_with_arrivals(bundle, settings.state, read_reasons(settings), graph_version=graph_version)


def stamp_since(started: float, *, recommendation_id: str | None = None) -> Stamp:
    """Return the stamp of an answer that is printed.

    Args:
        started: what `time.perf_counter` said before.
        recommendation_id: id of the list in the answer; None: the answer is none.
    """
    took_ms = round((time.perf_counter() - started) * 1000, 3)
    return Stamp(request_id="terminal", took_ms=took_ms, degraded=False, recommendation_id=recommendation_id)


def tell_items(items: Iterable[Item], cards: Cards, *, last: str, said: Callable[[Item], str]) -> None:
    """Print a list as a table; where rules moved items, with the rules.

    Args:
        items: best first.
        cards: what products are called.
        last: head of the column that says something of each item.
        said: what it says.
    """
    shown = tuple(items)
    columns, rows = ["rank", "product", "score", last], []
    if any(item.rules for item in shown):
        columns.append("moved by")
    for item in shown:
        moved = ", ".join(mark.name for mark in item.rules)
        rows.append((item.rank, name_of(item.product_id, cards), item.score, said(item), moved)[: len(columns)])
    print_table(columns, rows)


def name_of(product_id: str, cards: Cards) -> str:
    """Return title and id of a product."""
    title = cards.card(product_id)["title"]
    return f"{title} ({product_id})" if title else product_id
