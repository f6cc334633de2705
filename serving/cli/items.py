"""Items on a terminal: how they are called and why they are there. Shared by the commands that show some."""

import time
from typing import Annotated

import typer

from gnn.bundle import BundleStore
from serving.answer import Item, Reason
from serving.api.cards import Cards
from serving.api.shape import Stamp
from serving.ready import Ready, prepare
from serving.reason_config import ReasonConfig
from serving.settings import Settings

_WORDS = {
    Reason.PATH: "a path through the graph",
    Reason.COLLABORATIVE: "customers with a similar history",
    Reason.CONTENT: "its text is near to your products",
    Reason.BUY_AGAIN: "you buy it again and again",
    Reason.POPULAR_FALLBACK: "popular with many customers",
    Reason.TRENDING: "chosen by many customers of late",
}
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON as the API does.")]
User = Annotated[str, typer.Argument(help="User id; an unknown user gets popular products.")]


def open_ready(settings: Settings) -> Ready:
    """Return the published bundle of a project, ready to answer.

    Args:
        settings: of the project.

    Raises:
        NoBundleError: none is published.
    """
    return prepare(BundleStore(settings.bundles).current(), settings.section("reasons", ReasonConfig))


def stamp_since(started: float, *, recommendation_id: str | None = None) -> Stamp:
    """Return the stamp of an answer that is printed.

    Args:
        started: what `time.perf_counter` said before.
        recommendation_id: id of the list in the answer; None: the answer is none.
    """
    took_ms = round((time.perf_counter() - started) * 1000, 3)
    return Stamp(request_id="terminal", took_ms=took_ms, degraded=False, recommendation_id=recommendation_id)


def name_of(product_id: str, cards: Cards) -> str:
    """Return title and id of a product."""
    title = cards.card(product_id)["title"]
    return f"{title} ({product_id})" if title else product_id


def why(item: Item) -> str:
    """Return the strongest path in words, else the reasons in words."""
    if item.paths:
        return item.paths[0].text
    return "; ".join(_WORDS.get(reason, reason.value) for reason in item.reasons)
