"""Which events can be taken: known types, ids of one line, times that can be, users who were not deleted."""

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kg.snapshot import DAY_MS, Snapshot
from serving.deletions import DELETED
from serving.errors import EventsError
from serving.events import ID_LIMIT, MAX_EVENTS, NewEvent, VisitorEvent

FUTURE_MS = DAY_MS
"""How far an event may lie in the future; clocks differ."""
_LIST_ID = re.compile(r"[0-9a-f]{32}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that was not taken."""

    index: int
    """Place in the list that was handed in; 0 is the first."""
    event_id: str
    reason: str


def judge_events(
    events: Sequence[NewEvent | VisitorEvent],
    snapshot: Snapshot,
    *,
    now_ms: int,
    forgets: Callable[[str], bool] | None = None,
) -> tuple[tuple[NewEvent | VisitorEvent, ...], tuple[Rejection, ...]]:
    """Return the events that may be appended, and those that may not with the reason.

    Args:
        events: at most MAX_EVENTS.
        snapshot: knows event types.
        now_ms: the moment that "in the future" is counted from.
        forgets: tells of a user id whether that user was deleted; None: nobody was.

    Raises:
        EventsError: more than MAX_EVENTS.
    """
    if len(events) > MAX_EVENTS:
        raise EventsError(
            f"{len(events)} events in one request, at most {MAX_EVENTS} are allowed; send several requests"
        )
    judged = [(event, reject_reason(event, snapshot, now_ms=now_ms)) for event in events]
    if forgets is not None:
        users = {event.user_id for event in events if isinstance(event, NewEvent)}
        gone = {user_id for user_id in users if forgets(user_id)}
        judged = [
            (event, reason or (DELETED if isinstance(event, NewEvent) and event.user_id in gone else None))
            for event, reason in judged
        ]
    good = tuple(event for event, reason in judged if reason is None)
    bad = tuple(
        Rejection(index, event.event_id, reason) for index, (event, reason) in enumerate(judged) if reason is not None
    )
    return good, bad


def reject_reason(event: NewEvent | VisitorEvent, snapshot: Snapshot, *, now_ms: int) -> str | None:
    """Return why an event cannot be taken, None when it can.

    An event with a product that is not there yet can: it is kept aside, by those who read the log and by the graph,
    and counts when the product has arrived.
    """
    for name in ("event_id", "user_id" if isinstance(event, NewEvent) else "session_id", "product_id"):
        value = getattr(event, name)
        if not 1 <= len(value) <= ID_LIMIT or _CONTROL.search(value):
            return f"{name} must have 1 to {ID_LIMIT} characters without control characters"
    if event.type not in snapshot.schema.events:
        return unknown_type(event.type, snapshot)
    if event.recommendation_id is not None and not _LIST_ID.fullmatch(event.recommendation_id):
        return (
            f"recommendation_id must be 32 hexadecimal digits as the list came with, got "
            f"{event.recommendation_id[:ID_LIMIT]!r}; leave it out of an event that came from no list"
        )
    return reject_time(event.at_ms, now_ms=now_ms)


def reject_time(at_ms: int, *, now_ms: int) -> str | None:
    """Return why something cannot have happened at a time, None when it can."""
    if at_ms > now_ms + FUTURE_MS:
        return "at lies more than one day in the future"
    return "at lies before 1970" if at_ms < 0 else None


def unknown_type(name: str, snapshot: Snapshot) -> str:
    """Return the sentence about an event type that the shop has not declared."""
    known = sorted(snapshot.schema.events)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    return f"no event type is named {name[:ID_LIMIT]!r}; {hint}"
