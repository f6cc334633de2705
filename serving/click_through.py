"""Click-through and conversion of recorded lists, broken down by where they stood and what made them.

Read from what is there anyway: lists (`serving.records`), what was seen of them (`serving.impressions`) and events.
Nothing is written. Lists are read page by page, so memory grows with the rows of the report and not with what is read.
"""

import json
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

import sqlalchemy as sa

from cypher.errors import InputError
from kg.snapshot import DAY_MS
from serving.impressions import Ranks, ranks_in
from serving.state import EVENTS, IMPRESSIONS, RECOMMENDATIONS, SESSION_EVENTS, StateFile, open_state, translated
from serving.uptake import Share, wilson

Part = Literal["surface", "placement", "position", "model_version"]
PARTS: tuple[Part, ...] = get_args(Part)
CONVERSION = "bought"
"""Type of the events that are conversions."""
LATEST_DAYS = 7.0
"""Days of lists that are told of where nobody says since when."""
TAKEN_DAYS = 7.0
"""Days after a list within which an event that names no list may speak for it, where nobody says how many."""
MIN_DAYS, MAX_DAYS = 0.01, 365.0
_LISTS = 200
_POSITIONS = (*(str(rank) for rank in range(1, 11)), "11-20", "21+")
_COUNTS = ("lists", "impressions", "clicks", "conversions")
Key = tuple[str | None, ...]
"""Value of each part of a breakdown, in its order; None: a list without a placement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Which lists and which events count."""

    since_ms: int
    """Epoch milliseconds of the first list."""
    until_ms: int
    """Epoch milliseconds before which the last list was answered."""
    days: float = TAKEN_DAYS
    """Within which after a list an event that names no list may speak for it."""

    def __post_init__(self) -> None:
        if self.since_ms >= self.until_ms:
            raise InputError("since must lie before until; give two times of which the first is the earlier one")
        if not MIN_DAYS <= self.days <= MAX_DAYS:
            raise InputError(f"days must be from {MIN_DAYS:g} to {MAX_DAYS:g}, got {self.days:g}")


@dataclass(frozen=True, slots=True)
class Tally:
    """How often lists were seen and what came of it."""

    lists: int
    """Lists of which anything was seen."""
    impressions: int
    """Products of lists that were seen."""
    clicks: int
    """Impressions whose product something was done with."""
    conversions: int
    """Clicks whose product was bought."""

    @property
    def click_through(self) -> Share:
        """Clicks by impressions, with Wilson's interval."""
        return wilson(self.clicks, self.impressions)

    @property
    def conversion_rate(self) -> Share:
        """Conversions by clicks, with Wilson's interval."""
        return wilson(self.conversions, self.clicks)

    def facts(self) -> dict[str, Any]:
        """Return everything as plain values; a rate of nothing is None."""
        rates = {"click_through": self.click_through, "conversion_rate": self.conversion_rate}
        plain = {name: None if math.isnan(rate.mean) else asdict(rate) for name, rate in rates.items()}
        return asdict(self) | plain


@dataclass(frozen=True, slots=True)
class Row:
    """What came of the lists that have the same values of the parts asked for."""

    key: Key
    told: Tally
    """All lists, with the clicks of events that name their list."""
    attributed: Tally
    """Lists of users that no event names, with the clicks of events that name no list."""


@dataclass(frozen=True, slots=True)
class ClickThrough:
    """What came of the lists of some days."""

    span: Span
    by: tuple[Part, ...]
    rows: tuple[Row, ...]

    def facts(self) -> dict[str, Any]:
        """Return everything as plain values; each row has all parts, and those not asked for are None."""
        empty: dict[str, Any] = dict.fromkeys(PARTS)
        rows = [
            empty | dict(zip(self.by, row.key, strict=True)) | row.told.facts() | {"attributed": row.attributed.facts()}
            for row in self.rows
        ]
        times = {"since": _iso(self.span.since_ms), "until": _iso(self.span.until_ms)}
        return {"by": list(self.by), **times, "days": self.span.days, "rows": rows}


def span_until(until_ms: int, *, since_ms: int | None = None, days: float = TAKEN_DAYS) -> Span:
    """Return a span; without a beginning the last LATEST_DAYS.

    Raises:
        InputError: it ends before it begins, or `days` is out of range.
    """
    begin = until_ms - int(LATEST_DAYS * DAY_MS) if since_ms is None else since_ms
    return Span(since_ms=begin, until_ms=until_ms, days=days)


def position_of(rank: int) -> str:
    """Return the position that a rank is told under: `1` to `10`, `11-20` or `21+`."""
    return str(rank) if rank <= 10 else "11-20" if rank <= 20 else "21+"


@dataclass(slots=True)
class _List:
    """A recorded list and what came of it."""

    list_id: str
    user_id: str | None
    at_ms: int
    parts: dict[Part, str | None]
    ranks: Ranks
    seen: set[int] | None = None
    """Ranks that were seen; None: nothing was said of it, so all were."""
    is_named: bool = False
    """Whether any event names it."""
    bought: dict[str, bool] = field(default_factory=dict)
    """Products that something was done with, and whether they were bought."""

    def take(self, product_id: str, kind: str) -> None:
        if product_id in self.ranks:
            self.bought[product_id] = self.bought.get(product_id, False) or kind == CONVERSION

    def is_seen(self, product_id: str, rank: int) -> bool:
        """What an event of the list was about was seen, whatever was said."""
        return self.seen is None or rank in self.seen or (self.is_named and product_id in self.bought)


class ClickLog(StateFile):
    """Reads recorded lists, impressions and events of one project together."""

    @classmethod
    def open(cls, path: Path) -> "ClickLog":
        """Open a state file.

        Raises:
            StateError: the file cannot be opened or was written by a newer release.
        """
        return cls(path, open_state(path))

    def read(self, span: Span, *, by: Iterable[Part] = ()) -> ClickThrough:
        """Return what came of the lists of some days.

        Args:
            span: which lists and events count.
            by: parts that rows differ in; of none there is one row. Without lists there is none.

        Raises:
            StateError: the file cannot be read.
        """
        parts = tuple(dict.fromkeys(by))
        sums: dict[Key, tuple[Counter[str], Counter[str]]] = {}
        for page in self._pages(span):
            self._join(page, span.days)
            for one in page:
                _count(one, parts, sums)
        rows = [Row(key, *map(_tally, sums[key])) for key in sorted(sums, key=lambda key: _order(key, parts))]
        return ClickThrough(span, parts, tuple(rows))

    def _pages(self, span: Span) -> Iterator[list[_List]]:
        """The lists in order, some at a time, so that nobody waits for a long reader."""
        table, after = RECOMMENDATIONS.c, (span.since_ms, 0)
        names = ("seq", "recommendation_id", "user_id", "at_ms", "kind", "model_version", "request", "answer")
        while True:
            statement = (
                sa.select(*(table[name] for name in names))
                .where(sa.tuple_(table.at_ms, table.seq) > after, table.at_ms < span.until_ms)
                .order_by(table.at_ms, table.seq)
                .limit(_LISTS)
            )
            with translated(self.path), self._engine.connect() as connection:
                rows = connection.execute(statement).all()
            if not rows:
                return
            yield [_list_of(row) for row in rows]
            after = (rows[-1].at_ms, rows[-1].seq)

    def _join(self, page: Sequence[_List], days: float) -> None:
        """Add to lists what was seen of them and done with their products."""
        by_id = {one.list_id: one for one in page}
        seen = sa.select(IMPRESSIONS).where(IMPRESSIONS.c.recommendation_id.in_(by_id))
        with translated(self.path), self._engine.connect() as connection:
            for row in connection.execute(seen):
                one = by_id[row.recommendation_id]
                one.seen = (one.seen or set()) | {row.position}
            for table in (EVENTS.c, SESSION_EVENTS.c):
                named = sa.select(table.recommendation_id, table.product_id, table.type)
                for row in connection.execute(named.where(table.recommendation_id.in_(by_id))):
                    by_id[row.recommendation_id].is_named = True
                    by_id[row.recommendation_id].take(row.product_id, row.type)
            _attribute([one for one in page if not one.is_named], connection, int(days * DAY_MS))


def _attribute(lists: Sequence[_List], connection: sa.Connection, within_ms: int) -> None:
    """Add to lists what their users did with their products soon after, by events that name no list."""
    showing: dict[tuple[str, str], list[_List]] = {}
    for one in lists:
        if one.user_id is not None:
            for product_id in one.ranks:
                showing.setdefault((one.user_id, product_id), []).append(one)
    if not showing:
        return
    table, times = EVENTS.c, [one.at_ms for one in lists]
    statement = sa.select(table.user_id, table.product_id, table.type, table.at_ms).where(
        table.user_id.in_({user_id for user_id, _ in showing}),
        table.recommendation_id.is_(None),
        table.at_ms.between(min(times), max(times) + within_ms),
    )
    for row in connection.execute(statement):
        for one in showing.get((row.user_id, row.product_id), ()):
            if 0 <= row.at_ms - one.at_ms <= within_ms:
                one.take(row.product_id, row.type)


def _list_of(row: sa.Row[Any]) -> _List:
    placement = json.loads(zlib.decompress(row.request)).get("placement")
    parts: dict[Part, str | None] = {
        "surface": row.kind,
        "placement": placement,
        "model_version": row.model_version,
    }
    return _List(row.recommendation_id, row.user_id, row.at_ms, parts, ranks_in(row.answer))


def _count(one: _List, by: Sequence[Part], sums: dict[Key, tuple[Counter[str], Counter[str]]]) -> None:
    """Add one list to the sums of the rows that it belongs to."""
    met: set[Key] = set()
    for product_id, rank in one.ranks.items():
        if not one.is_seen(product_id, rank):
            continue
        parts = one.parts | {"position": position_of(rank)}
        key = tuple(parts[part] for part in by)
        told, attributed = sums.setdefault(key, (Counter(), Counter()))
        is_anybodys = one.is_named or one.user_id is None
        for counter in (told,) if is_anybodys else (told, attributed):
            counter["lists"] += key not in met
            counter["impressions"] += 1
        met.add(key)
        if product_id in one.bought:
            counter = told if one.is_named else attributed
            counter["clicks"] += 1
            counter["conversions"] += one.bought[product_id]


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _tally(counter: Counter[str]) -> Tally:
    return Tally(*(counter[name] for name in _COUNTS))


def _order(key: Key, by: Sequence[Part]) -> list[tuple[bool, int, str]]:
    """Positions from the first on, all else by its name, without a placement last."""
    return [
        (value is None, _POSITIONS.index(value) if part == "position" and value is not None else 0, value or "")
        for part, value in zip(by, key, strict=True)
    ]
