"""`whycart explain`: why a product is, or is not, recommended to a user, and what carries the lists of all."""

import time
from pathlib import Path
from typing import Annotated

import typer

from cypher.errors import InputError
from gnn.bundle import Bundle
from serving.answer import Filter, RecommendRequest
from serving.api.cards import Cards
from serving.api.shape import shape_explanation
from serving.cli.items import AsJson, Lang, name_of, open_ready, stamp_since
from serving.cli.output import print_json, print_table, say
from serving.cli.recorded import explain_list
from serving.cli.shapley import tell_shapley
from serving.cli.why_not import tell_place
from serving.events import EventLog
from serving.explain import Explanation
from serving.explain import explain as explain_product
from serving.overview import USERS
from serving.rule_log import rules_now
from serving.settings import load_settings
from serving.slots import ListsConfig


def explain(
    user: Annotated[str | None, typer.Argument(help="User id; not with --id or --global.")] = None,
    product: Annotated[str | None, typer.Argument(help="Product id; not with --id or --global.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, max=500, help="Length of the list it is, or is not, in.")] = 10,
    why_not: Annotated[
        bool, typer.Option("--why-not", help="Also look for the smallest change that turns the answer over.")
    ] = False,
    list_id: Annotated[str | None, typer.Option("--id", help="Show a list again by its recommendation_id.")] = None,
    replay: Annotated[bool, typer.Option("--replay", help="With --id: compute the list again and compare.")] = False,
    lang: Lang = None,
    as_json: AsJson = False,
    whole: Annotated[
        bool, typer.Option("--global", help="What carries the top lists of many users instead of one product.")
    ] = False,
    page: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="With --global: write a page with plots.")
    ] = None,
    users: Annotated[int, typer.Option("--users", help="With --global: users of the sample.")] = USERS,
    seed: Annotated[int, typer.Option("--seed", min=0, help="With --global: of the sample and its intervals.")] = 0,
    shapley: Annotated[
        bool, typer.Option("--shapley", help="Exact Shapley values of the products of the history.")
    ] = False,
) -> None:
    """Say why a product is, or is not, recommended to a user.

    With --id, say what a list that was answered before was made from.
    With --global, say what carries the top lists of many users, for whom and by how much.

    Example: whycart explain u42 p17 --why-not
    """
    settings = load_settings()
    if whole:
        if user is not None or list_id is not None or replay or shapley or why_not:
            raise InputError("--global is about all users: give no USER, PRODUCT, --id, --shapley or --why-not with it")
        # Trees and plots take seconds to import, which an explanation of one product must not wait for.
        from serving.cli.overview import tell_overview

        tell_overview(settings, users=users, seed=seed, as_json=as_json, page=page)
        return
    if page is not None:
        raise InputError("--html draws the whole model; give it with --global and nothing else")
    if list_id is not None and user is None and not shapley:
        explain_list(settings, list_id, replayed=replay, as_json=as_json)
        return
    if user is None or product is None or list_id is not None or replay:
        raise InputError(
            "give USER and PRODUCT, or --id RECOMMENDATION_ID (with --replay if wanted), not both; or --global alone"
        )
    if shapley:
        if why_not:
            raise InputError("--shapley and --why-not are two answers; ask for one at a time")
        tell_shapley(settings, user, product, as_json=as_json)
        return
    started, user = time.perf_counter(), settings.user(user)
    ready = open_ready(settings)
    bundle, cards = ready.bundle, Cards(ready.bundle.snapshot)
    with EventLog.open(settings.state, settings.secret_file) as log:
        bounds = Filter(rules=rules_now(settings.state, "recommend", settings.section("lists", ListsConfig).clock()))
        wish = RecommendRequest(user_id=user, n=n, paths=3, language=lang, filter=bounds)
        found = explain_product(ready, log, product, request=wish, what_if=why_not)
    if as_json:
        versions = {"model_version": bundle.version, "graph_version": bundle.snapshot.hash}
        print_json(shape_explanation(found, cards, stamp=stamp_since(started), **versions))
        return
    _tell_explanation(found, bundle, cards)


def _tell_explanation(found: Explanation, bundle: Bundle, cards: Cards) -> None:
    item = found.item
    say(
        f"{name_of(item.product_id, cards)}: rank {found.rank_of_all:,} of {found.num_products:,}, "
        f"score {item.score:.4g}"
    )
    rows = [
        (part.kernel, None if part.product_id is None else name_of(part.product_id, cards), part.value)
        for part in item.contributions
    ]
    print_table(("evidence", "because of", "adds"), rows)
    for path in item.paths:
        say(f"{path.contribution:+.4f}  {path.text}")
    if not item.paths:
        say(item.text)
    if item.although is not None:
        say(f"{item.although.value:+.4f}  {item.although.text}")
    tell_place(found, cards)
    say(f"model {bundle.version}")
