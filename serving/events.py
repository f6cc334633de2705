"""The event log: what users did since the last model, durable before anybody is told so, and on its way to the graph.

Events are appended to the operational state (`serving.state`), read from there by recommendations at once, and written
to the graph by `serving.applying`. Both steps know an event by its `event_id`, so doing them again changes nothing.
Which events may be taken at all stands in `serving.event_checks`, sessions in `serving.sessions`.
"""

import contextlib
import logging
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.dialects.sqlite import insert

from kg.errors import GraphBusyError
from serving.answer import SessionEvent
from serving.deletions import Deletions
from serving.privacy_config import SECRET_NAME, SESSIONS_DAYS
from serving.sessions import Sessions
from serving.state import EVENTS, StateFile, open_state, translated

logger = logging.getLogger(__name__)
MAX_EVENTS = 1000
"""Most events of one request, and most of one user that a recommendation reads."""
ID_LIMIT = 200
"""Most characters of an id."""
APPLY_BATCH = 1000
"""Events that one transaction writes to the graph."""
PENDING, APPLIED, REFUSED = 0, 1, 2
_NEWEST = 2**63 - 1
_DONE = ("event_id", "product_id", "type", "at_ms", "quantity", "value")


def new_event_id() -> str:
    """Return an id for an event that came without one."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True, kw_only=True)
class _Happening:
    """What was done with a product, whoever did it."""

    product_id: str
    type: str = "viewed"
    at_ms: int
    """Epoch milliseconds."""
    quantity: float | None = None
    value: float | None = None
    event_id: str = field(default_factory=new_event_id)
    recommendation_id: str | None = None
    """The list that it came from; None: it says nothing of a list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent(_Happening):
    """One event of a user as it was handed in."""

    user_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitorEvent(_Happening):
    """One event of a session as it was handed in; whose the session is, the log knows."""

    session_id: str


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


class EventLog(StateFile):
    """Received events in order of arrival; several processes may use the same file."""

    def __init__(self, path: Path, engine: sa.Engine, secret_file: Path, *, sessions_days: int) -> None:
        """Wrap an open state file; `EventLog.open` is the usual way."""
        super().__init__(path, engine)
        self.deletions = Deletions(path, engine, secret_file)
        """Users of whom nothing may be taken in or read."""
        self.sessions = Sessions(path, engine, self.deletions, keep_days=sessions_days, most=MAX_EVENTS)
        """Visitors who are not logged in."""
        self._lock = FileLock(path.with_name(f"{path.name}.apply.lock"))

    @classmethod
    def open(cls, path: Path, secret_file: Path | None = None, *, sessions_days: int = SESSIONS_DAYS) -> "EventLog":
        """Open the log in a state file, which is created when it is not there.

        Args:
            path: the state file.
            secret_file: where the shop's secret is (`Settings.secret_file`); None: beside the state file.
            sessions_days: how long sessions are kept, in days.

        Raises:
            StateError: the file cannot be opened or has another format version.
        """
        secret = secret_file or path.with_name(SECRET_NAME)
        return cls(path, open_state(path), secret, sessions_days=sessions_days)

    def append(self, events: Sequence[NewEvent | VisitorEvent]) -> Appended:
        """Write events to the log in one transaction; they are on the disk when this returns.

        Args:
            events: checked events (`judge_events`), in order. One whose event_id is known changes nothing, and one of
                a user who is being deleted at this moment is not taken. One of a session whose user is known is the
                user's.

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
            visited = {event.session_id for event in events if isinstance(event, VisitorEvent)}
            owners = self.sessions.owners(connection, visited, now_ms=now) if visited else {}
            whose = [event.user_id if isinstance(event, NewEvent) else owners.get(event.session_id) for event in events]
            gone = self.deletions.among(connection, {user_id for user_id in whose if user_id is not None})
            rows = [
                _logged_row(event, now) | {"user_id": user_id}
                for event, user_id in zip(events, whose, strict=True)
                if user_id is not None and user_id not in gone
            ]
            visits = [
                _logged_row(event, now) | {"session_id": event.session_id}
                for event, user_id in zip(events, whose, strict=True)
                if user_id is None and isinstance(event, VisitorEvent)
            ]
            accepted = connection.execute(statement, rows).rowcount if rows else 0
            accepted += self.sessions.add(connection, visits) if visits else 0
            connection.commit()
        duplicates = len(rows) + len(visits) - accepted
        logger.info("events appended", extra={"accepted": accepted, "duplicates": duplicates})
        return Appended(accepted, duplicates)

    def forgets(self, user_id: str) -> bool:
        """Return whether a user was deleted: nothing that is known of such a one may be read."""
        return self.deletions.has(user_id)

    def every_event_of(self, user_id: str) -> tuple[NewEvent, ...]:
        """Return every event of a user in the log, whatever has become of it, in order of arrival."""
        statement = sa.select(EVENTS).where(EVENTS.c.user_id == user_id).order_by(EVENTS.c.seq)
        with translated(self.path), self._engine.connect() as connection:
            return tuple(_event_of(row) for row in connection.execute(statement))

    def delete_user(self, user_id: str) -> int:
        """Delete the events of a user and return how many that were; `rewrite` takes what may still be read of them.

        Nobody knows any more which sessions were the user's.
        """
        statement = sa.delete(EVENTS).where(EVENTS.c.user_id == user_id)
        with translated(self.path), self._engine.begin() as connection:
            self.sessions.let_go(connection, user_id)
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


def row_of(event: NewEvent) -> dict[str, object]:
    """Return an event as a row of the graph; which list it came from is the log's alone."""
    return {name: getattr(event, name) for name in ("user_id", *_DONE)}


def _logged_row(event: _Happening, now_ms: int) -> dict[str, object]:
    done = {name: getattr(event, name) for name in _DONE}
    return done | {"recommendation_id": event.recommendation_id, "received_at_ms": now_ms}


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
