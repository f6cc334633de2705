"""What a user did, from three places in order: the bundle's snapshot, the event log, the request."""

import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gnn.bundle import Bundle
from gnn.score import History, make_history
from kg.snapshot import DAY_MS, Snapshot
from serving.answer import RecommendRequest, SessionEvent

_LIVE_DAYS = 90
"""A snapshot that ended longer ago is a replayed data set: its clock stands still at its end."""


class EventReader(Protocol):
    """Where events that are younger than the bundle come from."""

    def events_of(self, user_id: str, *, after: int) -> tuple[SessionEvent, ...]:
        """Return a user's events with a log number above `after`, oldest first."""

    def forgets(self, user_id: str) -> bool:
        """Return whether a user was deleted, and the bundle's copy of the user's past is not to be read."""


class NoEvents:
    """An event log without events."""

    def events_of(self, user_id: str, *, after: int) -> tuple[SessionEvent, ...]:
        """Return nothing."""
        return ()

    def forgets(self, user_id: str) -> bool:
        """Return False: nobody was deleted."""
        return False


@dataclass(frozen=True, slots=True)
class Past:
    """What a user did, before it is read as a history, so that more can be put after it."""

    snapshot: Snapshot
    user: int | None
    """Row of the user; None when the snapshot does not know it."""
    later: tuple[SessionEvent, ...]
    """Events after the snapshot, oldest first: those of the log, then those of the request."""
    now_ms: int
    """Epoch milliseconds that ages are counted from."""

    def read(self, *further: SessionEvent) -> History:
        """Return the history, with some further events at its end."""
        return read_history(self.snapshot, self.user, (*self.later, *further), now_ms=self.now_ms)


def past_of(bundle: Bundle, events: EventReader, request: RecommendRequest, *, now_ms: int | None = None) -> Past:
    """Return what the user of a request did, from the bundle, the event log and the request itself.

    Args:
        bundle: holds the snapshot.
        events: gives what the user did after the bundle was made.
        request: says who asks, and what a session holds.
        now_ms: epoch milliseconds that ages are counted from; None: the clock.
    """
    clock = int(time.time() * 1000) if now_ms is None else now_ms
    if request.user_id is None or events.forgets(request.user_id):
        return Past(bundle.snapshot, None, request.session, clock)
    logged = events.events_of(request.user_id, after=bundle.events_applied)
    return Past(bundle.snapshot, bundle.snapshot.row("User", request.user_id), (*logged, *request.session), clock)


def read_history(
    snapshot: Snapshot, user: int | None, later: tuple[SessionEvent, ...], *, now_ms: int | None = None
) -> History:
    """Return everything a user did, oldest first.

    Args:
        snapshot: holds the user's past.
        user: row of the user; None when the snapshot does not know it.
        later: events after the snapshot, oldest first; those of unknown products or types are passed over.
        now_ms: epoch milliseconds; None: the clock.
    """
    clock = int(time.time() * 1000) if now_ms is None else now_ms
    past, place = snapshot.events, slice(0, 0) if user is None else snapshot.user_events(user)
    last = int(past.time[place][-1]) if place.stop > place.start else 0
    rows = [(snapshot.product_of_event(event.product_id), event) for event in later]
    known = [(row, event) for row, event in rows if row is not None and event.type in snapshot.event_names]
    times = [_time_of(snapshot, event, number, last, clock) for number, (_, event) in enumerate(known, start=1)]
    moments = np.concatenate([past.time[place], np.array(times, dtype=np.int64)])
    order = np.argsort(moments, kind="stable")
    products = np.array([row for row, _ in known], dtype=np.int32)
    kinds = np.array([snapshot.event_names.index(event.type) for _, event in known], dtype=np.int8)
    return make_history(
        np.concatenate([past.product[place], products])[order],
        np.concatenate([past.kind[place], kinds])[order],
        moments[order],
        snapshot=snapshot,
        now_ms=max(_end(snapshot, clock), int(moments.max(initial=0))),
    )


def moment_of_ages(snapshot: Snapshot, now_ms: int | None) -> int:
    """Return the moment that ages are counted from, epoch milliseconds; None: by the clock."""
    return _end(snapshot, int(time.time() * 1000) if now_ms is None else now_ms)


def _end(snapshot: Snapshot, clock: int) -> int:
    """The moment that ages are counted from: now, or the end of a data set that was recorded long ago."""
    end = snapshot.last_time
    if snapshot.order != "clock" or end is None:
        return clock
    return clock if end <= clock <= end + _LIVE_DAYS * DAY_MS else end


def _time_of(snapshot: Snapshot, event: SessionEvent, number: int, last: int, clock: int) -> int:
    if snapshot.order == "position":
        return last + number
    if snapshot.order == "none":
        return 0
    at, end = clock if event.at_ms is None else event.at_ms, _end(snapshot, clock)
    # In a data set that was recorded long ago, what happens now follows its last moment, in order.
    return at if at <= end or end == clock else end + number
