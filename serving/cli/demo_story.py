"""The demo's conversation with its own API: one user, what is recommended and why, an event, and what it changed.

Everything shown comes from the answers of the API; the snapshot only says who is asked for and which event is sent.
"""

from datetime import UTC, datetime
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from kg.operators import popularity
from kg.snapshot import Snapshot
from serving.api.cards import Cards
from serving.cli.demo_process import Api
from serving.cli.output import print_table, say
from serving.language import REFERENCE, Languages
from serving.words import name_event

NUM_SHOWN = 5
_LOOK = 100
"""How many of a list are looked through for the event."""
_NO_EFFECT = f"none of the first {_LOOK} rests on this one event: the long history before it weighs more"


def tell_story(api: Api, snapshot: Snapshot, *, person: str) -> tuple[str, str]:
    """Show recommendations for one user, send an event, and show what it changed.

    Args:
        api: serves a model made from the snapshot.
        snapshot: says who the users are.
        person: what the data set calls a user, such as `household`.

    Returns:
        The user, and the first product that is new to it, for commands to try.
    """
    cards = Cards(snapshot)
    user = typical_user(snapshot)
    user_id = snapshot.ids("User")[user]
    say(f"\n{person.capitalize()} {user_id}: the one in the middle when all are ordered by their number of visits")
    _tell_history(snapshot, user, cards)
    usual = api.get(f"/v1/recommend/{user_id}", n=NUM_SHOWN, explain="paths")
    say(f"\nRecommended (GET /v1/recommend/{user_id}?n={NUM_SHOWN}&explain=paths, {usual['took_ms']:.0f} ms)")
    for item in usual["items"]:
        _tell_item(item)
    before = _new_products(api, user_id)
    say('\nRecommended among products that are new to it (POST /v1/recommend with "exclude_seen": true)')
    for item in before["items"][:NUM_SHOWN]:
        _tell_item(item)
        for path in item["paths"][:1]:
            say(f"     {draw_path(path)}")
    product_id = snapshot.ids("Product")[surprising_product(snapshot, user)]
    _tell_change(api, user_id, product_id, cards=cards, before=before)
    return user_id, before["items"][0]["product_id"]


def typical_user(snapshot: Snapshot) -> int:
    """Return the row of the user in the middle when those with events are ordered by number of visits, then id."""
    events = snapshot.events
    visits = np.zeros(snapshot.num_nodes("User"), dtype=np.int64)
    np.maximum.at(visits, events.user, events.step.astype(np.int64) + 1)
    active = np.flatnonzero(visits)
    order = active[np.argsort(visits[active], kind="stable")]
    return int(order[len(order) // 2])


def surprising_product(snapshot: Snapshot, user: int) -> int:
    """Return the row of a product of a category that is new to a user: the one its buyers come back for most often.

    Only products that at least a fiftieth of the users chose, five at least, are looked at; if no category is new or
    none of its products is chosen that often, any product the user never had.
    """
    links, events = snapshot.edges["IN_CATEGORY"], snapshot.events
    num_products = snapshot.num_nodes("Product")
    seen = np.unique(events.product[snapshot.user_events(user)])
    known = np.unique(links.target[np.isin(links.source, seen)])
    allowed = _linked(links.source, np.ones(len(links), dtype=bool), num_products)
    allowed &= ~_linked(links.source, np.isin(links.target, known), num_products)
    buyers = popularity(snapshot)
    allowed &= buyers >= max(5.0, snapshot.num_nodes("User") / 50)
    if not allowed.any():
        allowed = ~np.isin(np.arange(num_products), seen)
    times = np.bincount(events.product, minlength=num_products) / np.maximum(buyers, 1.0)
    return int(np.argmax(np.where(allowed, times, -1.0)))


def draw_path(path: dict[str, Any]) -> str:
    """Return a path of an answer as one line of text, each edge as it stands in the graph.

    Example:
        >>> nodes = [{"label": "you"}, {"label": "Tea"}, {"label": "Acme"}]
        >>> edges = [{"type": "BOUGHT", "from": 0, "to": 1}, {"type": "MADE_BY", "from": 1, "to": 2}]
        >>> draw_path({"nodes": nodes, "edges": edges})
        'you -BOUGHT-> Tea -MADE_BY-> Acme'
    """
    labels = [str(node["label"]) for node in path["nodes"]]
    text = labels[0]
    for place, edge in enumerate(path["edges"]):
        forward = edge["from"] == place
        arrow = f"-{edge['type']}->" if forward else f"<-{edge['type']}-"
        text += f" {arrow} {labels[place + 1]}"
    return text


def _new_products(api: Api, user_id: str) -> dict[str, Any]:
    wish = {"user_id": user_id, "n": _LOOK, "exclude_seen": True, "explain": {"paths": 10}}
    return api.post("/v1/recommend", wish)


def _tell_history(snapshot: Snapshot, user: int, cards: Cards) -> None:
    events, place = snapshot.events, snapshot.user_events(user)
    ids = snapshot.ids("Product")
    language = Languages({}).find(REFERENCE)
    rows = []
    for row in range(max(place.start, place.stop - 8), place.stop):
        card = cards.card(ids[events.product[row]])
        verb = name_event(language, snapshot.event_names[events.kind[row]])
        rows.append((_day(snapshot, int(events.time[row])), verb, card["title"], card["brand"]))
    print_table(("when", "what", "product", "brand"), rows, title=f"Latest of {place.stop - place.start:,} events")


def _day(snapshot: Snapshot, time: int) -> str:
    return f"{datetime.fromtimestamp(time / 1000, UTC):%Y-%m-%d}" if snapshot.order == "clock" else ""


def _tell_item(item: dict[str, Any]) -> None:
    say(f"  {item['rank']}. {_name(item)}")
    say(f"     {item['text']}")


def _name(item: dict[str, Any]) -> str:
    brand = item["metadata"]["brand"]
    return f"{item['metadata']['title']}" + (f" ({brand})" if brand else "")


def _tell_change(api: Api, user_id: str, product_id: str, *, cards: Cards, before: dict[str, Any]) -> None:
    card = cards.card(product_id)
    kind = card["categories"][0] if card["categories"] else "its kind"
    say(f"\nNow it buys something of a category that is new to it: {card['title']}, {kind} (POST /v1/events)")
    event = {"user_id": user_id, "product_id": product_id, "type": "bought"}
    api.post("/v1/events", {"events": [event]})
    after = _new_products(api, user_id)
    old = {item["product_id"]: item["rank"] for item in before["items"]}
    because = [item for item in after["items"] if _event_path(item, product_id) is not None]
    top = after["items"][: 2 * NUM_SHOWN]
    fresh = [item for item in top if old.get(item["product_id"], _LOOK + 1) > 2 * NUM_SHOWN]
    say(
        f"Asked again at once, without retraining: {len(fresh)} of the first {2 * NUM_SHOWN} products came in anew, and"
    )
    say(f"{len(because)} of the first {_LOOK} rest on this event too, the best of them:" if because else _NO_EFFECT)
    for item in (because or fresh)[:NUM_SHOWN]:
        path = _event_path(item, product_id)
        say(f"  {item['rank']}. {_name(item)} (before: {old.get(item['product_id'], f'not in the first {_LOOK}')})")
        say(f"     {(path or item)['text']}")


def _event_path(item: dict[str, Any], product_id: str) -> dict[str, Any] | None:
    """Path of an item that starts from a product of the history."""
    return next((path for path in item["paths"] if path["nodes"][1]["id"] == product_id), None)


def _linked(
    source: Int[np.ndarray, " edge"], chosen: Bool[np.ndarray, " edge"], num_products: int
) -> Bool[np.ndarray, " product"]:
    """Which products have one of the chosen edges."""
    flags = np.zeros(num_products, dtype=bool)
    flags[source[chosen]] = True
    return flags
