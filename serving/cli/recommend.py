"""`whycart recommend`: lists on a terminal for one user, in a file for all.

Lists and reasons come from `serving.recommend`; here they are told.
"""

import json
import os
import time
from pathlib import Path
from typing import Annotated

import typer

from cypher.errors import InputError
from serving.answer import Filter, Item, RecommendRequest
from serving.api.cards import Cards
from serving.api.shape import shape_answer
from serving.cli.batch import write_lists
from serving.cli.items import AsJson, Lang, name_of, open_ready, stamp_since, tell_items
from serving.cli.output import print_json, say
from serving.cli.recorded import record_list
from serving.events import EventLog
from serving.recommend import recommend as recommend_products
from serving.records import moment_of, new_recommendation_id, record_of
from serving.rule_log import rules_now
from serving.settings import load_settings
from serving.slots import ListsConfig


def recommend(
    user: Annotated[str | None, typer.Argument(help="User id; an unknown user gets popular products.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, max=500, help="How many products.")] = 10,
    paths: Annotated[bool, typer.Option("--paths", help="Show the graph paths behind each product.")] = False,
    where: Annotated[
        str | None,
        typer.Option("--filter", metavar="WORDS", help="Only such products, as in 'price < 20 and brand = \"Acme\"'."),
    ] = None,
    lang: Lang = None,
    as_json: AsJson = False,
    everyone: Annotated[bool, typer.Option("--all", help="Lists for every user, written to --out.")] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="With --all: Parquet file.")] = None,
    users: Annotated[
        Path | None, typer.Option("--users", metavar="FILE", help="With --all: only these ids, one a line.")
    ] = None,
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="With --all: processes.")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="With --all: begin anew, not where it stopped.")] = False,
) -> None:
    """Recommend products to a user, with reasons, or to every user at once.

    With --all, one row an item goes to a Parquet file. Stopped at any moment and run again, it goes on where it was.

    Example: whycart recommend u42 -n 5 --paths
    """
    settings = load_settings()
    lists = settings.section("lists", ListsConfig)
    new_every = lists.new_every
    where = None if where is None else settings.saved_filters().expand(where)
    bounds = Filter(where=where, rules=rules_now(settings.state, "recommend", lists.clock()))
    if everyone:
        if user is not None or out is None or as_json:
            raise InputError("--all writes the lists of every user to a file: give --out FILE, and no USER or --json")
        wish = RecommendRequest(n=n, paths=3 if paths else 0, language=lang, filter=bounds, new_every=new_every)
        write_lists(settings, wish, out=out, only=users, workers=workers or os.cpu_count() or 1, restart=restart)
        return
    if user is None or out is not None or users is not None or workers is not None or restart:
        raise InputError("give USER, or --all --out FILE (--users, --workers and --restart go with --all)")
    started, user = time.perf_counter(), settings.user(user)
    ready, list_id = open_ready(settings), new_recommendation_id()
    cards = Cards(ready.bundle.snapshot)
    with EventLog.open(settings.state, settings.secret_file) as log:
        shown_paths = 3 if paths or not as_json else 0
        wish = RecommendRequest(user_id=user, n=n, paths=shown_paths, language=lang, filter=bounds, new_every=new_every)
        moment = moment_of(log, user)
        answer = recommend_products(ready, moment, wish, now_ms=moment.now_ms)
    shown = shape_answer(answer, cards, stamp=stamp_since(started, recommendation_id=list_id))
    sent = json.dumps(shown, ensure_ascii=False).encode()
    recorded = record_list(settings, record_of(wish, answer, sent, list_id=list_id, bundle=ready.bundle, moment=moment))
    if as_json:
        print_json(shown)
        return
    tell_items(answer.items, cards, last="why", said=lambda item: item.text)
    if paths:
        for item in answer.items:
            _tell_paths(item, cards)
    if not answer.items:
        say("nothing is left to recommend; every product was removed: " + _counts(answer.removed))
    if recorded:
        say(f"recommendation {list_id}: look it up with 'whycart explain --id {list_id}'")


def _tell_paths(item: Item, cards: Cards) -> None:
    say(f"{item.rank}. {name_of(item.product_id, cards)}")
    for path in item.paths:
        say(f"   {path.contribution:+.4f}  {path.text}")
    if not item.paths:
        say(f"   {item.text}")


def _counts(removed: dict[str, int]) -> str:
    return ", ".join(f"{cause} {number}" for cause, number in removed.items()) or "none"
