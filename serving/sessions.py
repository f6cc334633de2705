"""Sessions of visitors who are not logged in: what they did, and whose each became at a login.

Events of a session that is nobody's lie apart from those of users, so that no graph, no count and no training knows of
them; lists for the session are made with them. A login moves them to the end of the event log, as events of the user
from now on, and whatever comes late for the session follows them there (`serving.events`).
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from kg.snapshot import DAY_MS
from serving.answer import SessionEvent
from serving.deletions import DELETED, Deletions
from serving.errors import EventsError, SessionTaken
from serving.state import EVENTS, SESSION_EVENTS, SESSIONS, translated

OTHERS_SESSION = "the session is another user's; begin a new session id when somebody logs out"
"""What is said to whoever takes a session for somebody else's."""
_EVENT = SESSION_EVENTS.c
_MOVED = ("event_id", "product_id", "type", "at_ms", "quantity", "value", "recommendation_id")


@dataclass(frozen=True, slots=True)
class Visit:
    """What is known of a session."""

    user_id: str | None
    """Whose it became; None: nobody's."""
    events: tuple[SessionEvent, ...]
    """Of a session that is nobody's, oldest first."""


class Sessions:
    """The sessions of one project; several processes may use the same file."""

    def __init__(self, path: Path, engine: sa.Engine, deletions: Deletions, *, keep_days: int, most: int) -> None:
        """Use a state file that is open already; nothing is read yet.

        Args:
            path: of the state file, for error texts.
            engine: of it.
            deletions: users to whom no session can be given.
            keep_days: how long an event, and a login, is known.
            most: events of a session that a list is made with, the latest.
        """
        self._path, self._engine, self._deletions = path, engine, deletions
        self._keep_days, self._most = keep_days, most

    def read(self, session_id: str, *, now_ms: int | None = None) -> Visit:
        """Return whose a session is, or what was done in it.

        Args:
            session_id: a session that nobody has heard of has no events.
            now_ms: epoch milliseconds that days are counted back from; None: the clock.

        Raises:
            StateError: the file cannot be read.
        """
        now = _clock_ms() if now_ms is None else now_ms
        statement = (
            sa.select(_EVENT.at_ms, _EVENT.seq, _EVENT.product_id, _EVENT.type)
            .where(self._is_kept(session_id, now))
            .order_by(_EVENT.seq.desc())
            .limit(self._most)
        )
        with translated(self._path), self._engine.connect() as connection:
            owner = self.owners(connection, [session_id], now_ms=now).get(session_id)
            rows = [] if owner is not None else connection.execute(statement).all()
        found = sorted((row.at_ms, row.seq, row.product_id, row.type) for row in rows)
        return Visit(owner, tuple(SessionEvent(product_id, kind, at_ms) for at_ms, _, product_id, kind in found))

    def login(self, session_id: str, user_id: str, *, now_ms: int | None = None) -> int:
        """Give a session to a user and return how many events went over; all is on the disk when this returns.

        Done again it moves what is there, nothing, and the session is known as the user's for `keep_days` from now.

        Args:
            session_id: a session that nobody has heard of may be given too; its events may come later.
            user_id: whose it is from now on.
            now_ms: epoch milliseconds of the login; None: the clock.

        Raises:
            SessionTaken: it is another user's.
            EventsError: the user was deleted.
            StateError: the file cannot be written; nothing was moved.
        """
        now = _clock_ms() if now_ms is None else now_ms
        row = {"session_id": session_id, "user_id": user_id, "at_ms": now}
        given = insert(SESSIONS).on_conflict_do_update(index_elements=["session_id"], set_=row)
        with translated(self._path), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # no event comes between the look and the write
            if self._deletions.among(connection, [user_id]):
                raise EventsError(DELETED)
            if self.owners(connection, [session_id], now_ms=now).get(session_id, user_id) != user_id:
                raise SessionTaken(OTHERS_SESSION)
            connection.execute(given, [row])
            moved = self._move(connection, session_id, user_id, now_ms=now)
            connection.commit()
        return moved

    def _move(self, connection: sa.Connection, session_id: str, user_id: str, *, now_ms: int) -> int:
        """Put the events at the end of the log, where those are that no model knows yet."""
        taken = sa.delete(SESSION_EVENTS).where(self._is_kept(session_id, now_ms)).returning(SESSION_EVENTS)
        found = sorted(connection.execute(taken).all(), key=lambda row: row.seq)
        more = {"user_id": user_id, "received_at_ms": now_ms}
        rows = [{name: getattr(row, name) for name in _MOVED} | more for row in found]
        statement = insert(EVENTS).on_conflict_do_nothing(index_elements=["event_id"])
        return int(connection.execute(statement, rows).rowcount) if rows else 0

    def owners(self, connection: sa.Connection, session_ids: Iterable[str], *, now_ms: int) -> Mapping[str, str]:
        """Return whose some sessions are, as a transaction sees it; those that are nobody's are not in it."""
        statement = sa.select(SESSIONS.c.session_id, SESSIONS.c.user_id).where(
            SESSIONS.c.session_id.in_(list(session_ids)), SESSIONS.c.at_ms >= self._oldest_ms(now_ms)
        )
        return {row.session_id: row.user_id for row in connection.execute(statement)}

    def add(self, connection: sa.Connection, rows: Sequence[Mapping[str, object]]) -> int:
        """Write events of sessions that are nobody's and return how many are new, by their `event_id`."""
        ids = [row["event_id"] for row in rows]
        known = set(connection.execute(sa.select(EVENTS.c.event_id).where(EVENTS.c.event_id.in_(ids))).scalars())
        new = [dict(row) for row in rows if row["event_id"] not in known]
        statement = insert(SESSION_EVENTS).on_conflict_do_nothing(index_elements=["event_id"])
        return int(connection.execute(statement, new).rowcount) if new else 0

    def of_user(self, user_id: str) -> tuple[str, ...]:
        """Return the sessions that became a user's."""
        statement = sa.select(SESSIONS.c.session_id).where(SESSIONS.c.user_id == user_id)
        with translated(self._path), self._engine.connect() as connection:
            return tuple(connection.execute(statement.order_by(SESSIONS.c.session_id)).scalars())

    def let_go(self, connection: sa.Connection, user_id: str) -> None:
        """Forget which sessions were a user's."""
        connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.user_id == user_id))

    def expire(self, *, now_ms: int | None = None) -> int:
        """Delete what is older than it may be, and return how many events that were.

        Args:
            now_ms: epoch milliseconds that days are counted back from; None: the clock.

        Raises:
            StateError: the file cannot be written.
        """
        oldest_ms = self._oldest_ms(_clock_ms() if now_ms is None else now_ms)
        with translated(self._path), self._engine.begin() as connection:
            connection.execute(sa.delete(SESSIONS).where(SESSIONS.c.at_ms < oldest_ms))
            return int(connection.execute(sa.delete(SESSION_EVENTS).where(_EVENT.received_at_ms < oldest_ms)).rowcount)

    def _is_kept(self, session_id: str, now_ms: int) -> sa.ColumnElement[bool]:
        return sa.and_(_EVENT.session_id == session_id, _EVENT.received_at_ms >= self._oldest_ms(now_ms))

    def _oldest_ms(self, now_ms: int) -> int:
        return now_ms - self._keep_days * DAY_MS


def _clock_ms() -> int:
    return int(time.time() * 1000)
