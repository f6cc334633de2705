"""`whycart profile`: what a user likes, as the history shows."""

from typing import Annotated

import typer

from serving.answer import RecommendRequest
from serving.api.people_answers import shape_profile
from serving.api.shape import iso_time
from serving.cli.items import AsJson, open_ready
from serving.cli.output import print_json, print_table, say
from serving.events import EventLog
from serving.history import past_of
from serving.profile import MOST, profile_of
from serving.records import moment_of
from serving.settings import load_settings


def profile(
    user: Annotated[str, typer.Argument(metavar="USER", help="User id.")],
    n: Annotated[int, typer.Option("-n", min=1, max=MOST, help="Brands, categories and others, of each.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Say what a user likes: brands, categories and prices, with the events that say so.

    Example: whycart profile u42 -n 3
    """
    settings = load_settings()
    user = settings.user(user)
    ready = open_ready(settings)
    with EventLog.open(settings.state, settings.secret_file) as log:
        moment = moment_of(log, user)
        past = past_of(ready.bundle, moment, RecommendRequest(user_id=user), now_ms=moment.now_ms)
        found = profile_of(ready, past.read(), n=n)
    if as_json:
        print_json(shape_profile(found, user))
        return
    if not found.events_used:
        say(f"nothing is known of {user!r}: no event of this user is in the model or in the event log")
        return
    rows = [
        (
            kind,
            one.name,
            f"{one.share:.1%}",
            "" if one.lift is None else f"{one.lift:.1f}x",
            one.num_events,
            _day(one.last_at_ms),
        )
        for kind, affinities in found.affinities.items()
        for one in affinities
    ]
    print_table(("kind", "name", "share", "of all customers'", "events", "last"), rows)
    if found.prices is not None:
        prices = found.prices
        say(f"prices: half of what counts lies between {prices.low:g} and {prices.high:g}, middle {prices.median:g}")
    say(f"{found.events_used} events with {found.num_products} products")


def _day(at_ms: int | None) -> str:
    return (iso_time(at_ms) or "")[:10]
