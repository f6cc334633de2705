"""The event log: what users did since the last model, durable before anybody is told so, and on its way to the graph.

Events are appended to the operational state (`serving.state`), read from there by recommendations at once, and written
to the graph by `serving.applying`. Both steps know an event by its `event_id`, so doing them again changes nothing.
Checks of single events live here too; HTTP does not.
"""

import contextlib
import difflib
import logging
import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.dialects.sqlite import insert

from kg.errors import GraphBusyError
from kg.snapshot import DAY_MS, Snapshot
from serving.answer import SessionEvent
from serving.deletions import Deletions
from serving.errors import EventsError
from serving.privacy_config import SECRET_NAME
from serving.state import EVENTS, StateFile, open_state, translated

logger = logging.getLogger(__name__)
MAX_EVENTS = 1000
"""Most events of one request, and most of one user that a recommendation reads."""
ID_LIMIT = 200
"""Most characters of an id."""
FUTURE_MS = DAY_MS
"""How far an event may lie in the future; clocks differ."""
APPLY_BATCH = 1000
"""Events that one transaction writes to the graph."""
PENDING, APPLIED, REFUSED = 0, 1, 2
_NEWEST = 2**63 - 1
_DELETED = "the user was deleted; 'whycart users allow' lets one come back"
_LIST_ID = re.compile(r"[0-9a-f]{32}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def new_event_id() -> str:
    """Return an id for an event that came without one."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """One event as it was handed in."""

    user_id: str
    product_id: str
    type: str = "viewed"
    at_ms: int
    """Epoch milliseconds."""
    quantity: float | None = None
    value: float | None = None
    event_id: str = field(default_factory=new_event_id)
    recommendation_id: str | None = None
    """The list that it came from; None: it says nothing of a list."""


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event of the log."""

    seq: int
    event: NewEvent


@dataclass(frozen=True, slots=True)
class EventCount:
    """How often something was done with a product."""

    product_id: str
    type: str
    count: int


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of appended events."""

    accepted: int
    """Events that are new in the log."""
    duplicates: int
    """Events whose event_id was there already; they changed nothing."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that was not taken."""

    index: int
    """Place in the list that was handed in; 0 is the first."""
    event_id: str
    reason: str


class EventLog(StateFile):
    """Received events in order of arrival; several processes may use the same file."""

    def __init__(self, path: Path, engine: sa.Engine, secret_file: Path) -> None:
        """Wrap an open state file; `EventLog.open` is the usual way."""
        super().__init__(path, engine)
        self.deletions = Deletions(path, engine, secret_file)
        """Users of whom nothing may be taken in or read."""
        self._lock = FileLock(path.with_name(f"{path.name}.apply.lock"))

    @classmethod
    def open(cls, path: Path, secret_file: Path | None = None) -> "EventLog":
        """Open the log in a state file, which is created when it is not there.

        Args:
            path: the state file.
            secret_file: where the shop's secret is (`Settings.secret_file`); None: beside the state file.

        Raises:
            StateError: the file cannot be opened or has another format version.
        """
        return cls(path, open_state(path), secret_file or path.with_name(SECRET_NAME))

    def append(self, events: Sequence[NewEvent]) -> Appended:
        """Write events to the log in one transaction; they are on the disk when this returns.

        Args:
            events: checked events (`judge_events`), in order. One whose event_id is known changes nothing, and one of
                a user who is being deleted at this moment is not taken.

        Raises:
            StateError: the file cannot be written; none of the events was taken.
            PrivacyError: users were deleted, and the secret that says who is not there.
        """
        if not events:
            return Appended(0, 0)
        now = int(time.time() * 1000)
        statement = insert(EVENTS).on_conflict_do_nothing(index_elements=["event_id"])
        with translated(self.path), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # nobody is deleted between the look and the write
            gone = self.deletions.among(connection, {event.user_id for event in events})
            rows = [_logged_row(event, now) for event in events if event.user_id not in gone]
            accepted = connection.execute(statement, rows).rowcount if rows else 0
            connection.commit()
        logger.info("events appended", extra={"accepted": accepted, "duplicates": len(rows) - accepted})
        return Appended(accepted, len(rows) - accepted)

    def forgets(self, user_id: str) -> bool:
        """Return whether a user was deleted: nothing that is known of such a one may be read."""
        return self.deletions.has(user_id)

    def every_event_of(self, user_id: str) -> tuple[NewEvent, ...]:
        """Return every event of a user in the log, whatever has become of it, in order of arrival."""
        statement = sa.select(EVENTS).where(EVENTS.c.user_id == user_id).order_by(EVENTS.c.seq)
        with translated(self.path), self._engine.connect() as connection:
            return tuple(_event_of(row) for row in connection.execute(statement))

    def delete_user(self, user_id: str) -> int:
        """Delete the events of a user and return how many that were; `rewrite` takes what may still be read of them."""
        statement = sa.delete(EVENTS).where(EVENTS.c.user_id == user_id)
        with translated(self.path), self._engine.begin() as connection:
            return int(connection.execute(statement).rowcount)

    def events_of(self, user_id: str, *, after: int = 0, until: int | None = None) -> tuple[SessionEvent, ...]:
        """Return a user's events with a sequence number above `after`, oldest first; the latest MAX_EVENTS of them.

        Args:
            user_id: the user.
            after: sequence number above which events count.
            until: last sequence number that counts; None: the newest.

        Raises:
            StateError: the file cannot be read.
        """
        if until is not None and until <= after:
            return ()
        values = {"user_id": user_id, "after": after, "until": _NEWEST if until is None else until}
        with translated(self.path), self._engine.connect() as connection:
            rows = connection.execute(_EVENTS_OF, values).all()
        found = sorted((row.at_ms, row.seq, row.product_id, row.type) for row in rows)
        return tuple(SessionEvent(product_id, kind, at_ms) for at_ms, _, product_id, kind in found)

    def counts(self, *, after: int) -> tuple[EventCount, ...]:
        """Return how often each thing was done with each product, by events with a sequence number above `after`.

        Raises:
            StateError: the file cannot be read.
        """
        number, keys = sa.func.count().label("number"), (EVENTS.c.product_id, EVENTS.c.type)
        statement = sa.select(*keys, number).where(EVENTS.c.seq > after).group_by(*keys)
        with translated(self.path), self._engine.connect() as connection:
            return tuple(EventCount(row.product_id, row.type, row.number) for row in connection.execute(statement))

    def users(self, *, after: int, limit: int) -> tuple[str, ...]:
        """Return the users with events with a sequence number above `after`, the latest first, at most `limit`.

        Raises:
            StateError: the file cannot be read.
        """
        last = sa.func.max(EVENTS.c.seq)
        statement = sa.select(EVENTS.c.user_id).where(EVENTS.c.seq > after).group_by(EVENTS.c.user_id)
        with translated(self.path), self._engine.connect() as connection:
            return tuple(connection.execute(statement.order_by(last.desc()).limit(limit)).scalars())

    def waiting_since_ms(self) -> int | None:
        """Return when the oldest event that is not yet in the graph came, epoch milliseconds; None: none waits."""
        statement = sa.select(sa.func.min(EVENTS.c.received_at_ms)).where(EVENTS.c.state == PENDING)
        with translated(self.path), self._engine.connect() as connection:
            found = connection.execute(statement).scalar_one()
        return None if found is None else int(found)

    def last_seq(self) -> int:
        """Return the sequence number of the newest event; 0 when there is none."""
        return self._number(_LAST_SEQ)

    def applied_seq(self) -> int:
        """Return the sequence number up to which no event waits to be written to the graph; 0 when there is none.

        Hold `applying` while a snapshot is read from the graph, and this number says what the snapshot holds.
        """
        first = sa.select(sa.func.min(EVENTS.c.seq)).where(EVENTS.c.state == PENDING).scalar_subquery()
        last = sa.select(sa.func.coalesce(sa.func.max(EVENTS.c.seq), 0)).scalar_subquery()
        return self._number(sa.select(sa.func.coalesce(first - 1, last)))

    def count(self, state: int) -> int:
        """Return how many events are in a state: PENDING, APPLIED or REFUSED."""
        return self._number(sa.select(sa.func.count()).where(EVENTS.c.state == state))

    def read(self, state: int, *, after: int = 0, limit: int = APPLY_BATCH) -> tuple[LoggedEvent, ...]:
        """Return the oldest events of a state with a sequence number above `after`, in order."""
        statement = sa.select(EVENTS).where(EVENTS.c.state == state, EVENTS.c.seq > after)
        with translated(self.path), self._engine.connect() as connection:
            rows = connection.execute(statement.order_by(EVENTS.c.seq).limit(limit)).all()
        return tuple(LoggedEvent(row.seq, _event_of(row)) for row in rows)

    def mark(self, seqs: Sequence[int], state: int, *, note: str | None = None) -> None:
        """Put events into a state.

        Args:
            seqs: their sequence numbers.
            state: PENDING, APPLIED or REFUSED.
            note: why they were refused.
        """
        statement = sa.update(EVENTS).where(EVENTS.c.seq == sa.bindparam("wanted")).values(state=state, note=note)
        if seqs:
            with translated(self.path), self._engine.begin() as connection:
                connection.execute(statement, [{"wanted": seq} for seq in seqs])

    @contextlib.contextmanager
    def applying(self, *, wait_s: float = 60.0) -> Iterator[None]:
        """Keep other processes from writing events of this log to the graph meanwhile.

        Raises:
            GraphBusyError: another process does so and did not end within `wait_s`.
        """
        try:
            self._lock.acquire(timeout=wait_s)
        except Timeout as err:
            raise GraphBusyError(f"another process is writing the events of {self.path} to the graph; wait") from err
        try:
            yield
        finally:
            self._lock.release()

    def _number(self, statement: sa.Select[Any]) -> int:
        with translated(self.path), self._engine.connect() as connection:
            return int(connection.execute(statement).scalar_one())


def judge_events(
    events: Sequence[NewEvent], snapshot: Snapshot, *, now_ms: int, forgets: Callable[[str], bool] | None = None
) -> tuple[tuple[NewEvent, ...], tuple[Rejection, ...]]:
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
        gone = {user_id for user_id in {event.user_id for event in events} if forgets(user_id)}
        judged = [(event, reason or (_DELETED if event.user_id in gone else None)) for event, reason in judged]
    good = tuple(event for event, reason in judged if reason is None)
    bad = tuple(
        Rejection(index, event.event_id, reason) for index, (event, reason) in enumerate(judged) if reason is not None
    )
    return good, bad


def reject_reason(event: NewEvent, snapshot: Snapshot, *, now_ms: int) -> str | None:
    """Return why an event cannot be taken, None when it can.

    An event with a product that is not there yet can: it is kept aside, by those who read the log and by the graph,
    and counts when the product has arrived.
    """
    for name in ("event_id", "user_id", "product_id"):
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


def row_of(event: NewEvent) -> dict[str, object]:
    """Return an event as a row of the graph; which list it came from is the log's alone."""
    names = ("event_id", "user_id", "product_id", "type", "at_ms", "quantity", "value")
    return {name: getattr(event, name) for name in names}


def _logged_row(event: NewEvent, now_ms: int) -> dict[str, object]:
    return row_of(event) | {"recommendation_id": event.recommendation_id, "received_at_ms": now_ms}


def _event_of(row: sa.Row[Any]) -> NewEvent:
    return NewEvent(
        event_id=row.event_id,
        user_id=row.user_id,
        product_id=row.product_id,
        type=row.type,
        at_ms=row.at_ms,
        quantity=row.quantity,
        value=row.value,
        recommendation_id=row.recommendation_id,
    )


_LAST_SEQ = sa.select(sa.func.coalesce(sa.func.max(EVENTS.c.seq), 0))
_EVENTS_OF = (
    sa.select(EVENTS.c.seq, EVENTS.c.at_ms, EVENTS.c.product_id, EVENTS.c.type)
    .where(
        EVENTS.c.user_id == sa.bindparam("user_id"),
        EVENTS.c.seq > sa.bindparam("after"),
        EVENTS.c.seq <= sa.bindparam("until"),
    )
    .order_by(EVENTS.c.seq.desc())
    .limit(MAX_EVENTS)
)
