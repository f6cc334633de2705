"""What customers saw of recorded lists, as the shop says it: durable before anybody is told so, gone with the list.

Impressions lie beside the records (`serving.records`) in the operational state. A list that nothing was said of counts
as shown whole; what follows from all this is counted by `serving.click_through`.
"""

import json
import logging
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from serving.audit_config import AuditConfig
from serving.errors import EventsError
from serving.event_checks import reject_time
from serving.state import IMPRESSIONS, RECOMMENDATIONS, translated

logger = logging.getLogger(__name__)
MAX_IMPRESSIONS = 1000
"""Most impressions of one request."""
TOLD = 0
"""The rank that says that a list was told of; the products of a list have ranks from 1 up."""
Ranks = Mapping[str, int]
"""Rank of each product of a list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewImpression:
    """What a customer saw of one list, by its products, its positions or both; of neither: nothing of it."""

    recommendation_id: str
    product_ids: tuple[str, ...] = ()
    positions: tuple[int, ...] = ()
    """Ranks as the list had them; 1 is the best."""
    at_ms: int
    """Epoch milliseconds."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One position of a list that was seen."""

    position: int
    """Rank; TOLD: the list was told of."""
    at_ms: int


@dataclass(frozen=True, slots=True)
class RefusedImpression:
    """An impression that was not taken."""

    index: int
    """Place in what was handed in; 0 is the first."""
    recommendation_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Noted:
    """What became of impressions that were handed in."""

    accepted: int
    """Impressions that say something new."""
    duplicates: int
    """Impressions that say what is known; they changed nothing."""
    refused: tuple[RefusedImpression, ...]


class Impressions:
    """What was seen of the lists of one project; several processes may use the same file."""

    def __init__(self, path: Path, engine: sa.Engine, config: AuditConfig) -> None:
        """Use a state file that is open already; nothing is read yet.

        Args:
            path: of the state file, for error texts.
            engine: of it.
            config: says how long lists are kept.
        """
        self._path, self._engine, self._config = path, engine, config

    def append(self, impressions: Sequence[NewImpression], *, now_ms: int, wait_s: float = 0.0) -> Noted:
        """Write impressions in one transaction; those that can be taken are on the disk when this returns.

        Args:
            impressions: at most MAX_IMPRESSIONS, in order. What is known of a list stays; what is said anew is added.
            now_ms: the moment that expiry and "in the future" are counted from.
            wait_s: how long a list may take that is not recorded yet.

        Raises:
            EventsError: more than MAX_IMPRESSIONS.
            StateError: the file cannot be written; none was taken.
        """
        if len(impressions) > MAX_IMPRESSIONS:
            raise EventsError(
                f"{len(impressions)} impressions in one request, at most {MAX_IMPRESSIONS} are allowed; send several "
                "requests"
            )
        lists = self._lists({one.recommendation_id for one in impressions}, now_ms, wait_s=wait_s)
        return self._write(impressions, lists, now_ms)

    def of(self, list_ids: Iterable[str]) -> dict[str, list[Seen]]:
        """Return what was seen of some lists, best position first; lists that nothing was said of are left out."""
        table = IMPRESSIONS.c
        statement = sa.select(IMPRESSIONS).where(table.recommendation_id.in_(list(list_ids)))
        found: dict[str, list[Seen]] = {}
        with translated(self._path), self._engine.connect() as connection:
            for row in connection.execute(statement.order_by(table.recommendation_id, table.position)):
                found.setdefault(row.recommendation_id, []).append(Seen(row.position, row.at_ms))
        return found

    def delete(self, connection: sa.Connection, list_ids: Sequence[str]) -> None:
        """Delete what was seen of some lists, within a transaction that is under way."""
        connection.execute(sa.delete(IMPRESSIONS).where(IMPRESSIONS.c.recommendation_id.in_(list_ids)))

    def _lists(self, list_ids: set[str], now_ms: int, *, wait_s: float) -> dict[str, Ranks]:
        """The products of the lists that are recorded; one that is not there yet is waited for once."""
        found = self._read(list_ids, now_ms)
        if wait_s and (missing := list_ids - found.keys()):
            time.sleep(wait_s)
            found |= self._read(missing, now_ms)
        return found

    def _read(self, list_ids: set[str], now_ms: int) -> dict[str, Ranks]:
        table = RECOMMENDATIONS.c
        statement = sa.select(table.recommendation_id, table.answer).where(
            table.recommendation_id.in_(list_ids), table.at_ms >= self._config.oldest_ms(now_ms)
        )
        with translated(self._path), self._engine.connect() as connection:
            return {row.recommendation_id: ranks_in(row.answer) for row in connection.execute(statement)}

    def _write(self, impressions: Sequence[NewImpression], lists: Mapping[str, Ranks], now_ms: int) -> Noted:
        statement = insert(IMPRESSIONS).on_conflict_do_nothing(index_elements=["recommendation_id", "position"])
        accepted, refused, known = 0, list[RefusedImpression](), RECOMMENDATIONS.c.recommendation_id
        with translated(self._path), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # no list is deleted between the look and the write
            there = set(connection.execute(sa.select(known).where(known.in_(lists.keys()))).scalars())
            for index, one in enumerate(impressions):
                list_id = one.recommendation_id
                ranks = lists[list_id] if list_id in there else None
                reason = self._config.unknown(list_id) if ranks is None else reject_impression(one, ranks, now_ms)
                if ranks is None or reason is not None:
                    refused.append(RefusedImpression(index, list_id, reason or ""))
                    continue
                accepted += bool(connection.execute(statement, _rows(one, ranks, now_ms)).rowcount)
            connection.commit()
        taken = len(impressions) - len(refused)
        logger.info("impressions appended", extra={"accepted": accepted, "duplicates": taken - accepted})
        return Noted(accepted, taken - accepted, tuple(refused))


def reject_impression(impression: NewImpression, ranks: Ranks, now_ms: int) -> str | None:
    """Return why an impression of a list cannot be taken, None when it can.

    Args:
        impression: what was seen.
        ranks: of the products of the list.
        now_ms: the moment that "in the future" is counted from.
    """
    for product_id in impression.product_ids:
        if product_id not in ranks:
            return f"the list has no product {product_id!r}; name products that it has, or their positions"
    positions = {*ranks.values()}
    for position in impression.positions:
        if position not in positions:
            span = f"ranks {min(positions)} to {max(positions)}" if positions else "no products"
            return f"the list has no position {position}; it has {span}"
    return reject_time(impression.at_ms, now_ms=now_ms)


def ranks_in(answer: bytes) -> Ranks:
    """Return the rank of each product of a list as it was recorded: JSON, compressed."""
    return {item["product_id"]: item["rank"] for item in json.loads(zlib.decompress(answer)).get("items", ())}


def _rows(impression: NewImpression, ranks: Ranks, now_ms: int) -> list[dict[str, object]]:
    positions = {TOLD, *impression.positions, *(ranks[product_id] for product_id in impression.product_ids)}
    same = {"recommendation_id": impression.recommendation_id, "at_ms": impression.at_ms, "received_at_ms": now_ms}
    return [same | {"position": position} for position in sorted(positions)]
