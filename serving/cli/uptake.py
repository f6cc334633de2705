"""`whycart uptake`: click-through and conversion of recorded lists. They stand in `serving.click_through`."""

import math
import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from cypher.errors import InputError
from serving.cli.output import print_json, print_table, say
from serving.cli.times import parse_time, to_ms
from serving.click_through import MAX_DAYS, PARTS, TAKEN_DAYS, ClickLog, ClickThrough, Part, Tally, span_until
from serving.settings import load_settings
from serving.uptake import Share

_COUNTS = ("lists", "impressions", "clicks", "click-through", "conversions", "conversion rate")


def uptake(
    by: Annotated[
        list[str] | None,
        typer.Option("--by", metavar="PART", help=f"What rows differ in: {', '.join(PARTS)}; may be given again."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Lists from here on; not given: of seven days.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Lists before this; not given: now.")
    ] = None,
    days: Annotated[
        float, typer.Option("--days", max=MAX_DAYS, help="Within which an event that names no list may speak for one.")
    ] = TAKEN_DAYS,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell click-through and conversion of recorded lists, by position, placement, surface or model.

    Clicks are by the events that name their list; those of events that name none are a table of their own.

    Example: whycart uptake --by position
    """
    parts = tuple(map(_part, by or ()))
    begin, end = to_ms(parse_time(since, option="--since")), to_ms(parse_time(until, option="--until"))
    span = span_until(
        int(time.time() * 1000) + 1 if end is None else end,
        since_ms=begin,
        days=days,
    )
    with ClickLog.open(load_settings().state) as log:
        found = log.read(span, by=parts)
    if as_json:
        print_json(found.facts())
    else:
        _tell(found)


def _part(name: str) -> Part:
    for part in PARTS:
        if part == name:
            return part
    raise InputError(f"--by must be one of {', '.join(PARTS)}, got {name!r}; give it again for several")


def _tell(found: ClickThrough) -> None:
    begin, end = (_day(at_ms) for at_ms in (found.span.since_ms, found.span.until_ms))
    if not found.rows:
        say(f"no list was recorded from {begin} to {end}; [audit] enabled records lists, --since goes back further")
        return
    columns = [*(part.replace("_", " ") for part in found.by), *_COUNTS]
    tables = {
        "by the events that name their list": [(row.key, row.told) for row in found.rows],
        f"lists of users that no event names, by events within {found.span.days:g} days that name no list": [
            (row.key, row.attributed) for row in found.rows if row.attributed.lists
        ],
    }
    say(f"lists from {begin} to {end}, with 95% intervals")
    for title, rows in tables.items():
        if rows:
            say(f"\n{title}")
            print_table(columns, [(*(value or "none" for value in key), *_cells(tally)) for key, tally in rows])


def _cells(tally: Tally) -> tuple[int | str, ...]:
    clicked, converted = _rate(tally.click_through), _rate(tally.conversion_rate)
    return tally.lists, tally.impressions, tally.clicks, clicked, tally.conversions, converted


def _rate(share: Share) -> str:
    return "" if math.isnan(share.mean) else f"{share.mean:.1%} [{share.low:.1%}, {share.high:.1%}]"


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
