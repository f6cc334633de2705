"""Records of the lists that were answered: what was asked, what it was answered from, and the answer as it was sent.

They lie in the operational state (`serving.state`), are found by their recommendation_id, and are deleted, with what
was seen of them (`serving.impressions`), when they expire or when a user is to be forgotten. How the API writes them
without waiting is `serving.api.recorder`'s; computing a list again is `serving.replay`'s.
"""

import json
import time
import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.dialects.sqlite import insert

from gnn.bundle import Bundle
from serving.answer import Answer, Filter, RecommendRequest, SessionEvent
from serving.audit_config import AuditConfig
from serving.cursor import mark_of
from serving.errors import StateError, UnknownRecommendation
from serving.events import EventLog
from serving.impressions import Impressions
from serving.showings import Showings, pack
from serving.state import RECOMMENDATIONS, StateFile, open_state, translated

Kind = Literal["recommend", "similar"]
DELETE_BATCH = 500
"""Records that one transaction deletes, so that others wait for moments only."""
_LEVEL = 1
"""Of zlib: a third of the time of the usual level, and little more room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarRequest:
    """One wish for products like one product."""

    product_id: str
    n: int = 10
    """How many."""
    offset: int = 0
    """How many of the best to skip."""
    filter: Filter = field(default_factory=Filter)
    placement: str | None = None
    """Where in the shop the list stands, as the shop calls it; it changes nothing in the list."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Where the event log stood and what the clock said when a list was made; reads the log up to there."""

    log: EventLog
    now_ms: int
    """Epoch milliseconds that ages are counted from."""
    until: int | None
    """Last sequence number of the event log that counts; None: no event of the log does."""

    def events_of(self, user_id: str, *, after: int) -> tuple[SessionEvent, ...]:
        """Return a user's events with a log number above `after` up to this moment, oldest first."""
        return () if self.until is None else self.log.events_of(user_id, after=after, until=self.until)

    def forgets(self, user_id: str) -> bool:
        """Return whether a user was deleted."""
        return self.log.forgets(user_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One list that was answered."""

    recommendation_id: str
    at_ms: int
    """Epoch milliseconds of the answer, which ages were counted from."""
    wish: RecommendRequest | SimilarRequest
    model_version: str
    """Bundle the list came from."""
    graph_version: str
    """Hash of the snapshot that the bundle was made from."""
    events_after: int
    """Last number of the event log whose event was in the bundle."""
    events_until: int | None
    """Last number of the event log that counted; None: the log was not read."""
    answer: bytes
    """The answer as it was sent, JSON."""
    shown: bytes | None = None
    """What the user was shown by marks (`serving.showings`); None: nothing, or the record was read back."""

    @property
    def kind(self) -> Kind:
        """What was asked for."""
        return "recommend" if isinstance(self.wish, RecommendRequest) else "similar"

    @property
    def user_id(self) -> str | None:
        """Who asked; None for sessions and for products alike."""
        return self.wish.user_id if isinstance(self.wish, RecommendRequest) else None

    def body(self) -> dict[str, Any]:
        """Return the answer as it was sent."""
        body: dict[str, Any] = json.loads(self.answer)
        return body

    def logged(self, log: EventLog) -> tuple[SessionEvent, ...]:
        """Return the events of the log that counted, oldest first; those of the bundle are not among them."""
        if self.user_id is None or self.events_until is None:
            return ()
        return log.events_of(self.user_id, after=self.events_after, until=self.events_until)


class RecordLog(StateFile):
    """The records of one project; several processes may use the same file."""

    def __init__(self, path: Path, engine: sa.Engine, config: AuditConfig) -> None:
        """Wrap an open state file; `RecordLog.open` is the usual way."""
        super().__init__(path, engine)
        self.config = config
        self.impressions = Impressions(path, engine, config)
        """What was seen of the lists."""
        self.showings = Showings(path, engine)
        """What users were shown."""

    @classmethod
    def open(cls, path: Path, config: AuditConfig) -> "RecordLog":
        """Open the records in a state file, which is created when it is not there.

        Raises:
            StateError: the file cannot be opened or was written by a newer release.
        """
        return cls(path, open_state(path), config)

    def add(self, records: Sequence[Record]) -> None:
        """Write records in one transaction; one that is there already stays as it is.

        Raises:
            StateError: the file cannot be written; none was.
        """
        rows = [_row_of(record) for record in records]
        if rows:
            statement = insert(RECOMMENDATIONS).on_conflict_do_nothing(index_elements=["recommendation_id"])
            with translated(self.path), self._engine.begin() as connection:
                connection.execute(statement, rows)

    def find(self, recommendation_id: str, *, now_ms: int | None = None) -> Record:
        """Return one record.

        Args:
            recommendation_id: id that came with the answer.
            now_ms: epoch milliseconds that expiry is counted from; None: the clock.

        Raises:
            UnknownRecommendation: no such record, or it has expired.
            StateError: the file cannot be read.
        """
        statement = sa.select(RECOMMENDATIONS).where(
            RECOMMENDATIONS.c.recommendation_id == recommendation_id,
            RECOMMENDATIONS.c.at_ms >= self.config.oldest_ms(clock_ms() if now_ms is None else now_ms),
        )
        with translated(self.path), self._engine.connect() as connection:
            row = connection.execute(statement).one_or_none()
        if row is None:
            raise UnknownRecommendation(self.config.unknown(recommendation_id))
        return _record_of(row)

    def expire(self, *, now_ms: int | None = None) -> int:
        """Delete the records that have expired and return how many that were.

        Args:
            now_ms: epoch milliseconds that expiry is counted from; None: the clock.

        Raises:
            StateError: the file cannot be written; the rest stays for another time.
        """
        oldest_ms = self.config.oldest_ms(clock_ms() if now_ms is None else now_ms)
        return self._delete(RECOMMENDATIONS.c.at_ms < oldest_ms)

    def count_of(self, user_id: str) -> int:
        """Return how many records a user has."""
        statement = sa.select(sa.func.count()).where(RECOMMENDATIONS.c.user_id == user_id)
        with translated(self.path), self._engine.connect() as connection:
            return int(connection.execute(statement).scalar_one())

    def delete_user(self, user_id: str) -> int:
        """Delete the records of a user so that nothing of them stays in the file, and return how many that were.

        The whole file is written anew, as an index keeps copies of what it once held; nobody else writes meanwhile.

        Raises:
            StateError: the file cannot be written, or another process reads it without a pause.
        """
        deleted = self.delete_of(user_id)
        self.rewrite()
        return deleted

    def delete_of(self, user_id: str) -> int:
        """Delete the records of a user, whose bytes stay in the file until `rewrite`; return how many that were."""
        return self._delete(RECOMMENDATIONS.c.user_id == user_id)

    def of_user(self, user_id: str) -> tuple[Record, ...]:
        """Return every record of a user, oldest first.

        Raises:
            StateError: the file cannot be read.
        """
        statement = sa.select(RECOMMENDATIONS).where(RECOMMENDATIONS.c.user_id == user_id)
        with translated(self.path), self._engine.connect() as connection:
            rows = connection.execute(statement.order_by(RECOMMENDATIONS.c.seq)).all()
        return tuple(_record_of(row) for row in rows)

    def _delete(self, which: sa.ColumnElement[bool]) -> int:
        """Delete records with what was seen of them, some at a time."""
        total, ids = 0, RECOMMENDATIONS.c.recommendation_id
        while True:
            with translated(self.path), self._engine.begin() as connection:
                found = list(connection.execute(sa.select(ids).where(which).limit(DELETE_BATCH)).scalars())
                self.impressions.delete(connection, found)
                connection.execute(sa.delete(RECOMMENDATIONS).where(ids.in_(found)))
            total += len(found)
            if len(found) < DELETE_BATCH:
                return total


def new_recommendation_id() -> str:
    """Return an id for a list."""
    return uuid.uuid4().hex


def clock_ms() -> int:
    """Return the time as epoch milliseconds."""
    return int(time.time() * 1000)


def moment_of(log: EventLog, user_id: str | None) -> Moment:
    """Return this moment of an event log.

    Args:
        log: the log.
        user_id: whose events will be read; None: nobody's, and the log is not asked.

    Raises:
        StateError: the log cannot be read.
    """
    return Moment(log, clock_ms(), None if user_id is None else log.last_seq())


def record_of(
    wish: RecommendRequest | SimilarRequest,
    answer: Answer,
    sent: bytes,
    *,
    list_id: str,
    bundle: Bundle,
    moment: Moment,
) -> Record:
    """Return the record of an answer.

    Args:
        wish: what was asked for.
        answer: what was found.
        sent: the answer as it was sent, JSON.
        list_id: its recommendation_id.
        bundle: the bundle it came from.
        moment: when, and where the event log stood.
    """
    return Record(
        recommendation_id=list_id,
        at_ms=moment.now_ms,
        wish=wish,
        model_version=answer.model_version,
        graph_version=answer.graph_version,
        events_after=bundle.events_applied,
        events_until=moment.until,
        answer=sent,
        shown=_shown(wish, answer),
    )


def _shown(wish: RecommendRequest | SimilarRequest, answer: Answer) -> bytes | None:
    """What is kept of a list that is for a user's eyes; what an application had put in order may be for nobody's."""
    if not isinstance(wish, RecommendRequest) or wish.user_id is None or wish.filter.only_ids is not None:
        return None
    return pack(wish.offset + len(wish.shown) + 1, [mark_of(item.product_id) for item in answer.items])


_WISHES: Mapping[Kind, TypeAdapter[Any]] = {
    "recommend": TypeAdapter(RecommendRequest),
    "similar": TypeAdapter(SimilarRequest),
}


def wish_fields(wish: RecommendRequest | SimilarRequest) -> dict[str, Any]:
    """Return what was asked for as plain values."""
    kind: Kind = "recommend" if isinstance(wish, RecommendRequest) else "similar"
    fields: dict[str, Any] = _WISHES[kind].dump_python(wish, mode="json")
    return fields


def _row_of(record: Record) -> dict[str, object]:
    return {
        "recommendation_id": record.recommendation_id,
        "at_ms": record.at_ms,
        "kind": record.kind,
        "user_id": record.user_id,
        "request": zlib.compress(_WISHES[record.kind].dump_json(record.wish), _LEVEL),
        "model_version": record.model_version,
        "graph_version": record.graph_version,
        "events_after": record.events_after,
        "events_until": record.events_until,
        "answer": zlib.compress(record.answer, _LEVEL),
        "shown": record.shown,
    }


def _record_of(row: sa.Row[Any]) -> Record:
    try:
        wish = _WISHES[row.kind].validate_json(zlib.decompress(row.request))
        answer = zlib.decompress(row.answer)
    except (KeyError, ValidationError, zlib.error) as err:
        raise StateError(f"the record of {row.recommendation_id} cannot be read by this release: {err}") from err
    return Record(
        recommendation_id=row.recommendation_id,
        at_ms=row.at_ms,
        wish=wish,
        model_version=row.model_version,
        graph_version=row.graph_version,
        events_after=row.events_after,
        events_until=row.events_until,
        answer=answer,
    )
