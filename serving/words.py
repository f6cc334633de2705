"""Paths and reasons in plain English. Other people are counted, from the anonymity bound up, and never named."""

from datetime import UTC, datetime

from kg.paths import OTHERS, GraphPath
from kg.snapshot import Snapshot
from serving.answer import Reason
from serving.shelf import Shelf

VERBS = {"viewed": "viewed", "carted": "put in your cart", "bought": "bought", "rated": "rated"}
"""What `you ...` did, by event type; a declared type says its own name."""
GENERAL = {
    Reason.COLLABORATIVE: "Chosen by customers whose history is like yours",
    Reason.CONTENT: "Similar to what you looked for",
    Reason.BUY_AGAIN: "You had this before",
    Reason.POPULAR_FALLBACK: "Popular with many customers",
    Reason.TRENDING: "Chosen by many customers of late",
}
"""Words of a reason that has no path."""


def describe_path(path: GraphPath, shelf: Shelf, *, event: str, count: int | None) -> str:
    """Return a path in words.

    Args:
        path: from a product of the history to the recommended one.
        shelf: gives the names.
        event: type of the user's latest event with the first product.
        count: other customers behind the path, None when they are too few to be counted.
    """
    first = path.nodes[0].row or 0
    had = f"you {VERBS.get(event, event)} {shelf.label('Product', first)}"
    relations = [edge.relation for edge in path.edges]
    if len(path.nodes) == 5 and OTHERS in relations:
        return _capital(f"{had}; {_five_hops(path, relations, shelf)}")
    if path.relation == OTHERS:
        who = "customers" if count is None else f"{count} customers"
        return _capital(f"{had}, and {who} who chose it also chose this")
    kind = shelf.snapshot.schema.relation(path.relation)
    if len(path.nodes) == 2:
        return _capital(f"{had}; this is {(kind.reason or kind.name.lower()).format(name='it')}")
    middle = path.nodes[path.top]
    name = shelf.label(middle.label, middle.row or 0)
    words = (kind.reason or f"{kind.name.lower().replace('_', ' ')} {{name}}").format(name=name)
    return _capital(f"{had}, also {words}")


def _five_hops(path: GraphPath, relations: list[str], shelf: Shelf) -> str:
    """The way from the product of the history to this one over a product in between."""
    between = shelf.label("Product", path.nodes[2].row or 0)
    if set(relations) == {OTHERS}:
        return f"customers who chose it also chose {between}, and those who chose that also chose this"
    entity = path.nodes[path.top]
    kind = shelf.snapshot.schema.relation(next(relation for relation in relations if relation != OTHERS))
    name = shelf.label(entity.label, entity.row or 0)
    words = (kind.reason or f"{kind.name.lower().replace('_', ' ')} {{name}}").format(name=name)
    if relations[0] == OTHERS:
        return f"customers who chose it also chose {between}; this is {words} too"
    return f"{between}, also {words}, was chosen by customers who also chose this"


def describe_habit(times: int, last_ms: int | None, *, event: str) -> str:
    """Return how often and when the user had a product."""
    often = "once" if times == 1 else f"{times} times"
    when = "" if last_ms is None else f", last on {datetime.fromtimestamp(last_ms / 1000, UTC):%d %B %Y}"
    return f"You {VERBS.get(event, event)} this {often}{when}"


def event_time(snapshot: Snapshot, time: int) -> int | None:
    """Return the epoch milliseconds of an event, None where the shop's events have no clock."""
    return time if snapshot.order == "clock" else None


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
