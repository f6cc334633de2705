"""`whycart search`: what a customer's words would find, and what is read off them."""

import time
from typing import Annotated

import typer

from serving.answer import Filter, RecommendRequest
from serving.api.cards import Cards
from serving.api.shape import shape_search
from serving.cli.items import AsJson, Lang, open_ready, stamp_since, tell_items
from serving.cli.output import print_json, say
from serving.events import EventLog
from serving.history import past_of
from serving.records import moment_of
from serving.rule_log import rules_now
from serving.search import search as search_products
from serving.settings import load_settings
from serving.slots import ListsConfig


def search(
    words: Annotated[list[str], typer.Argument(metavar="WORDS...", help="What is searched for.")],
    n: Annotated[int, typer.Option("-n", min=1, max=500, help="How many products.")] = 10,
    user: Annotated[
        str | None,
        typer.Option("--user", metavar="USER", help="Of equally fitting products those first that USER likes."),
    ] = None,
    where: Annotated[
        str | None, typer.Option("--filter", metavar="WORDS", help="Only such products, as in 'price < 20'.")
    ] = None,
    lang: Lang = None,
    as_json: AsJson = False,
) -> None:
    """Search for products as a customer would, and say how the search was understood.

    Example: whycart search acme coffe under 8
    """
    settings, started = load_settings(), time.perf_counter()
    ready, taste = open_ready(settings), None
    if user is not None:
        user = settings.user(user)
        with EventLog.open(settings.state, settings.secret_file) as log:
            moment = moment_of(log, user)
            past = past_of(ready.bundle, moment, RecommendRequest(user_id=user), now_ms=moment.now_ms)
            taste = ready.bundle.scorer.score(past.read())
    where = None if where is None else settings.saved_filters().expand(where)
    rules = rules_now(settings.state, "search", settings.section("lists", ListsConfig).clock())
    bounds, told = Filter(where=where, rules=rules), ready.words(lang)
    found = search_products(ready, " ".join(words), n=n, filter=bounds, taste=taste, words=told)
    cards = Cards(ready.bundle.snapshot)
    if as_json:
        print_json(shape_search(found, cards, stamp=stamp_since(started), debug=True))
        return
    tell_items(found.answer.items, cards, last="mostly by", said=lambda item: item.source)
    for word, meant in found.corrected.items():
        say(f"{word!r} is in no product; taken for {meant!r}")
    if found.filters:
        say(f"filtered by {' and '.join(found.filters)}")
    if not found.answer.items:
        say("nothing was found; fewer or other words may find something")
