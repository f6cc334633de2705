"""`whycart rules`: what a shop itself says about its lists. What a rule is stands in `serving.rules`."""

import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from cypher.errors import InputError
from serving.api.cards import Cards
from serving.api.rules_answers import shape_preview, shape_rule
from serving.arrangement import check_rule
from serving.cli.items import name_of, open_ready
from serving.cli.output import print_json, print_table, say
from serving.cli.times import parse_time, to_ms
from serving.events import EventLog
from serving.ready import Ready
from serving.rule_log import KeptRule, RuleLog
from serving.rule_preview import Preview, Wanted, preview
from serving.rules import ACTIONS, LISTS, WEEKDAYS, Context, Rule, fitting, in_force
from serving.settings import load_settings
from serving.slots import ListsConfig

app = typer.Typer(no_args_is_help=True, help="Write, list, try and delete business rules: pins, boosts, caps and more.")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="What the rule is called, such as spring-tea.")]


@app.callback()
def _group() -> None:
    """Write, list, try and delete business rules: pins, boosts, caps and more."""


@app.command()
def put(  # one option a field of a rule
    name: Name,
    action: Annotated[str, typer.Argument(metavar="ACTION", help=f"One of {', '.join(ACTIONS)}.")],
    where: Annotated[
        str | None,
        typer.Option("--filter", metavar="WORDS", help="Products it is about, as in 'category = \"Tea\"'."),
    ] = None,
    product: Annotated[
        list[str] | None, typer.Option("--product", metavar="ID", help="A product it is about, once or more.")
    ] = None,
    strength: Annotated[float | None, typer.Option("--strength", help="Of a boost or bury, above 0 to 1.")] = None,
    position: Annotated[list[int] | None, typer.Option("--position", help="Of a pin: a place, once or more.")] = None,
    most: Annotated[int | None, typer.Option("--most", help="Of a cap: how many products.")] = None,
    per: Annotated[
        str | None, typer.Option("--per", help="Of a cap: of each brand, category or declared kind.")
    ] = None,
    within: Annotated[int | None, typer.Option("--within", help="Of a cap: in so many places.")] = None,
    list_: Annotated[
        list[str] | None, typer.Option("--list", help=f"A list it changes, once or more: {', '.join(LISTS)}.")
    ] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="TIME", help="When it begins, ISO 8601.")] = None,
    end: Annotated[str | None, typer.Option("--until", metavar="TIME", help="When it ends, ISO 8601.")] = None,
    device: Annotated[
        list[str] | None, typer.Option("--device", help="A device it holds for, once or more, such as phone.")
    ] = None,
    place: Annotated[
        list[str] | None, typer.Option("--place", help="A place it holds for, once or more, such as de.")
    ] = None,
    hours: Annotated[str | None, typer.Option("--hours", help="Hours of the day it holds in, such as 18-23.")] = None,
    weekday: Annotated[
        list[str] | None, typer.Option("--weekday", help=f"A day it holds on, once or more: {', '.join(WEEKDAYS)}.")
    ] = None,
    note: Annotated[str, typer.Option("--note", help="What it is for.")] = "",
    as_json: AsJson = False,
) -> None:
    """Write a rule in place of the one of its name; running APIs go by it within a second.

    Example: whycart rules put spring-tea boost --filter 'category = "Tea"' --until 2027-04-01
    """
    settings, now_ms = load_settings(), _now_ms()
    rule = Rule(
        name=name,
        action=action,  # type: ignore[arg-type]  # the rule itself says what there is
        where=None if where is None else settings.saved_filters().expand(where),
        product_ids=tuple(dict.fromkeys(product or ())),
        strength=strength,
        positions=tuple(position or ()),
        most=most,
        per=per,
        within=within,
        lists=tuple(dict.fromkeys(list_ or ())),  # type: ignore[arg-type]
        starts_at_ms=to_ms(parse_time(start, option="--from", zone=UTC)),
        ends_at_ms=to_ms(parse_time(end, option="--until", zone=UTC)),
        devices=tuple(dict.fromkeys(device or ())),
        places=tuple(dict.fromkeys(place or ())),
        hours=hours,
        weekdays=tuple(dict.fromkeys(weekday or ())),  # type: ignore[arg-type]
        note=note,
    )
    ready = open_ready(settings)
    number = int(check_rule(ready.shelf, rule).sum())
    with RuleLog.open(settings.state) as log:
        created = log.put(rule, now_ms=now_ms)
    if as_json:
        print_json({"created": created, "rule": shape_rule(KeptRule(rule, now_ms), ready.shelf, now_ms=now_ms)})
        return
    did = "is new" if created else "took the place of the one before"
    say(f"the rule {name} {did}: {rule.action} of {_products(number)}, {rule.state(now_ms)}")


@app.command("list")
def list_rules(as_json: AsJson = False) -> None:
    """List the rules, those included that wait or are over.

    Example: whycart rules list
    """
    settings, now_ms = load_settings(), _now_ms()
    with RuleLog.open(settings.state) as log:
        kept = log.all()
    if as_json:
        print_json({"rules": [shape_rule(one, None, now_ms=now_ms) for one in kept]})
        return
    if not kept:
        say("there are no rules; write one with 'whycart rules put NAME ACTION'")
        return
    rows = [
        (
            one.rule.name,
            one.rule.action,
            _about(one.rule),
            " ".join(one.rule.lists) or "all lists",
            _context(one.rule),
            _day(one.rule.starts_at_ms),
            _day(one.rule.ends_at_ms),
            one.rule.state(now_ms),
            one.rule.note,
        )
        for one in kept
    ]
    print_table(("name", "action", "about", "lists", "for", "from", "until", "state", "note"), rows)


@app.command()
def delete(name: Name) -> None:
    """Delete a rule; running APIs no longer go by it a second later.

    Example: whycart rules delete spring-tea
    """
    with RuleLog.open(load_settings().state) as log:
        rule = log.delete(name)
    say(f"the rule {rule.name} ({rule.action}) is deleted")


@app.command("preview")
def preview_rule(
    name: Name,
    user: Annotated[str | None, typer.Option("--user", help="Whose list; not given: nobody's in particular.")] = None,
    list_: Annotated[str, typer.Option("--list", help=f"Which list: {', '.join(LISTS)}.")] = "recommend",
    product: Annotated[str | None, typer.Option("--product", help="Of similar and bought_together.")] = None,
    query: Annotated[str | None, typer.Option("--query", metavar="WORDS", help="Of search.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, max=100, help="Products of the list.")] = 10,
    device: Annotated[str | None, typer.Option("--device", help="On what it is shown, such as phone.")] = None,
    place: Annotated[str | None, typer.Option("--place", help="Where it is asked from, such as de.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show a list without a rule and with it, whether the rule holds now or not.

    Example: whycart rules preview spring-tea --user u42
    """
    settings = load_settings()
    if list_ not in LISTS:
        raise InputError(f"--list must be one of {', '.join(LISTS)}, got {list_[:40]!r}")
    with RuleLog.open(settings.state) as log:
        rule, others = log.find(name).rule, in_force((kept.rule for kept in log.all()), now_ms=_now_ms())
    ready, user = open_ready(settings), None if user is None else settings.user(user)
    context = Context(device=device, place=place)
    others = fitting(others, context, settings.section("lists", ListsConfig).clock())
    wanted = Wanted(list=list_, user_id=user, product_id=product, query=query, n=n, context=context)
    with EventLog.open(settings.state, settings.secret_file) as events:
        found = preview(ready, events, (), rule, others, wanted)
    if as_json:
        print_json(shape_preview(found, Cards(ready.bundle.snapshot)))
        return
    _tell(found, ready, rule)


def _tell(found: Preview, ready: Ready, rule: Rule) -> None:
    cards = Cards(ready.bundle.snapshot)
    if not found.changes_list:
        say(f"the rule {rule.name} does not change this list; it changes {', '.join(rule.lists)}")
    rows = []
    for item in found.after:
        before = found.rank_before(item.product_id)
        by = ", ".join(mark.name for mark in item.rules)
        rows.append((item.rank, "" if before is None else before, name_of(item.product_id, cards), by))
    print_table(("rank", "before", "product", "moved by"), rows)
    if found.left:
        say("no longer in it: " + ", ".join(name_of(key, cards) for key in found.left))
    say(f"the rule {rule.name} is about {_products(found.num_products)}")


def _about(rule: Rule) -> str:
    if rule.where is not None:
        return rule.where
    return ", ".join(rule.product_ids[:5]) + (" ..." if len(rule.product_ids) > 5 else "") or "all products"


def _context(rule: Rule) -> str:
    """For whom and when it holds, of a day; empty: always."""
    parts = (" ".join(rule.devices), " ".join(rule.places), rule.hours or "", " ".join(rule.weekdays))
    return ", ".join(part for part in parts if part)


def _products(number: int) -> str:
    return "1 product" if number == 1 else f"{number:,} products"


def _day(at_ms: int | None) -> str:
    return "" if at_ms is None else f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d}"


def _now_ms() -> int:
    return int(time.time() * 1000)
