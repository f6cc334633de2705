"""Which products a user was shown so often, and never chose, that others should have their places for a while.

What was shown is read from the records of lists (`serving.records`): each holds the marks of its products in a column
that an index covers, so that one look gives all lists of a user. Of a list that impressions were sent of
(`serving.impressions`) only the positions count that were seen. A product that the user did something with since
begins anew. What follows for a list is `serving.recommend`'s.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from jaxtyping import Int, UInt32

from kg.snapshot import DAY_MS, Snapshot
from serving.cursor import mark_of
from serving.state import EVENTS, IMPRESSIONS, RECOMMENDATIONS, translated

MOST_LISTS = 1000
"""Lists of a user that are looked at, the latest."""
_LIST, _SEEN, _EVENT = RECOMMENDATIONS.c, IMPRESSIONS.c, EVENTS.c
_POSITIONS = (
    sa.select(sa.func.group_concat(_SEEN.position))
    .where(_SEEN.recommendation_id == _LIST.recommendation_id)
    .scalar_subquery()
)
_LISTS = (
    sa.select(_LIST.at_ms, _LIST.shown, _POSITIONS.label("seen"))
    .where(_LIST.user_id == sa.bindparam("user"), _LIST.at_ms > sa.bindparam("since"), _LIST.shown.is_not(None))
    .order_by(_LIST.at_ms.desc())
    .limit(MOST_LISTS)
)
_CHOSEN = (
    sa.select(_EVENT.product_id, sa.func.max(_EVENT.received_at_ms).label("at_ms"))
    .where(_EVENT.user_id == sa.bindparam("user"), _EVENT.received_at_ms > sa.bindparam("since"))
    .where(_EVENT.type.in_(sa.bindparam("types", expanding=True)))
    .group_by(_EVENT.product_id)
)


class Showings:
    """What was shown to the users of one project; several processes may use the same file."""

    def __init__(self, path: Path, engine: sa.Engine) -> None:
        """Use a state file that is open already; nothing is read yet.

        Args:
            path: of the state file, for error texts.
            engine: of it.
        """
        self._path, self._engine = path, engine

    def often(self, user_id: str, snapshot: Snapshot, *, most: int, days: int, now_ms: int) -> tuple[int, ...]:
        """Return the marks of products that a user was shown so often and did nothing with since, in order.

        Args:
            user_id: who.
            snapshot: knows the types of events, and what the user did before them.
            most: how often is so often; at least 1.
            days: how long a showing counts.
            now_ms: epoch milliseconds that the days are counted back from.

        Raises:
            StateError: the file cannot be read.
        """
        since_ms = now_ms - days * DAY_MS
        asked = {"user": user_id, "since": since_ms}
        with translated(self._path), self._engine.connect() as connection:
            lists = connection.execute(_LISTS, asked).all()
            if len(lists) < most:  # a list holds a product once
                return ()
            marks, times = _laid_out(lists)
            if not len(_often(marks, most)):  # so it is for most users, and their events are not read
                return ()
            types = [name for name, kind in snapshot.schema.events.items() if kind.weight > 0]
            chosen = connection.execute(_CHOSEN, {**asked, "types": types}).all()
        latest = _by_mark(snapshot, [*chosen, *_in_snapshot(snapshot, user_id, since_ms)])
        if latest:
            since = np.array([latest.get(mark, 0) for mark in marks.tolist()])
            marks = marks[times > since]
        return tuple(_often(marks, most).tolist())


def pack(first_rank: int, marks: Sequence[int]) -> bytes:
    """Return what a record keeps of its products: the rank of the first, and the marks of all in order."""
    return np.array([first_rank, *marks], dtype="<u4").tobytes()


def _laid_out(
    lists: Sequence[tuple[int, bytes, str | None]],
) -> tuple[UInt32[np.ndarray, " showing"], Int[np.ndarray, " showing"]]:
    """The mark and the time of every showing."""
    held = [packed[4:] if seen is None else _seen_of(packed, seen) for _, packed, seen in lists]
    times = np.array([at_ms for at_ms, _, _ in lists], dtype=np.int64)
    lengths = [len(marks) // 4 for marks in held]
    return np.frombuffer(b"".join(held), dtype="<u4"), np.repeat(times, lengths)


def _seen_of(packed: bytes, positions: str) -> bytes:
    """Marks of the products of a list that were seen."""
    held = np.frombuffer(packed, dtype="<u4")
    places = np.array(positions.split(","), dtype=np.int64) - int(held[0])
    return held[1:][places[(places >= 0) & (places < len(held) - 1)]].tobytes()


def _often(marks: UInt32[np.ndarray, " showing"], most: int) -> UInt32[np.ndarray, " product"]:
    """Marks that are there so often."""
    found, often = np.unique(marks, return_counts=True)
    return found[often >= most]


def _by_mark(snapshot: Snapshot, chosen: Iterable[tuple[str, int]]) -> dict[int, int]:
    """The latest time of each product that was chosen; one may be called by an id that was merged away."""
    latest: dict[int, int] = {}
    for product_id, at_ms in chosen:
        row = snapshot.product_of_event(product_id)
        mark = mark_of(product_id if row is None else snapshot.ids("Product")[row])
        latest[mark] = max(at_ms, latest.get(mark, 0))
    return latest


def _in_snapshot(snapshot: Snapshot, user_id: str, since_ms: int) -> Iterable[tuple[str, int]]:
    """Products that the model's snapshot knows the user to have chosen since, each with the latest time."""
    user = snapshot.row("User", user_id)
    if user is None or snapshot.order != "clock":
        return ()
    past, place = snapshot.events, snapshot.user_events(user)
    weights = np.array([snapshot.schema.events[name].weight for name in snapshot.event_names])
    late = (past.time[place] > since_ms) & (weights[past.kind[place]] > 0)
    ids = snapshot.ids("Product")
    pairs = zip(past.product[place][late].tolist(), past.time[place][late].tolist(), strict=True)
    return {ids[row]: at_ms for row, at_ms in pairs}.items()
