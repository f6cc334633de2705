"""The product log: what was said of products through the API, durable before anybody is told so.

A row says what is new of one product; what it leaves out stays as it was. Rows reach the served list at once
(`serving.arrivals`) and the graph by `apply_products`; both may be done again without changing anything.
"""

import json
import logging
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cypher.errors import QueryError
from kg.additions import check_products
from kg.errors import TableError
from kg.ingest import write_additions
from kg.snapshot import Snapshot
from kg.store import GraphStore
from serving.events import APPLIED, APPLY_BATCH, PENDING, REFUSED
from serving.state import PRODUCTS, StateFile, open_state, translated

logger = logging.getLogger(__name__)
MAX_PRODUCTS = 1000
"""Most products of one request."""
Fields = Mapping[str, Any]
"""What is said of one product, as it was given: `title`, `price`, `brand`, `categories`, ..."""


@dataclass(frozen=True, slots=True)
class ProductRow:
    """One row of the log."""

    seq: int
    product_id: str
    fields: Fields


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of rows that were handed in."""

    accepted: int
    """Rows that say something new."""
    unchanged: int
    """Rows that say what the log said last; they changed nothing."""


class ProductLog(StateFile):
    """What was said of products, in order of arrival; several processes may use the same file."""

    @classmethod
    def open(cls, path: Path) -> "ProductLog":
        """Open the log in a state file, which is created when it is not there.

        Raises:
            StateError: the file cannot be opened or was written by a newer release.
        """
        return cls(path, open_state(path))

    def append(self, rows: Sequence[tuple[str, Fields]], *, known: Collection[str]) -> Taken:
        """Write checked rows in one transaction; they are on the disk when this returns.

        A product that is neither known nor in the log yet came now, unless its row says when (`created_at`).

        Args:
            rows: product id and what is said of it, in order.
            known: products that the shop had before.

        Raises:
            StateError: the file cannot be written; none of the rows was taken.
        """
        now, accepted = int(time.time() * 1000), 0
        with translated(self.path), self._engine.begin() as connection:
            for product_id, fields in rows:
                earlier = connection.execute(_ROWS_OF, {"product_id": product_id}).scalars().all()
                before = merged(json.loads(text) for text in earlier)
                said = dict(fields)
                if not earlier and product_id not in known:
                    said.setdefault("created_at", now)
                if before | said == before:
                    continue
                row = {"product_id": product_id, "fields": json.dumps(said, ensure_ascii=False), "received_at_ms": now}
                connection.execute(sa.insert(PRODUCTS), [row])
                accepted += 1
        logger.info("products appended", extra={"accepted": accepted, "unchanged": len(rows) - accepted})
        return Taken(accepted, len(rows) - accepted)

    def rows(self, *, after: int, until: int | None = None) -> tuple[ProductRow, ...]:
        """Return the rows with a number above `after`, oldest first, up to and with `until`."""
        statement = sa.select(PRODUCTS).where(PRODUCTS.c.seq > after).order_by(PRODUCTS.c.seq)
        return self._rows(statement if until is None else statement.where(PRODUCTS.c.seq <= until))

    def waiting(self, state: int = PENDING, *, after: int = 0, limit: int = APPLY_BATCH) -> tuple[ProductRow, ...]:
        """Return the oldest rows of a state with a number above `after`: PENDING or REFUSED."""
        statement = sa.select(PRODUCTS).where(PRODUCTS.c.state == state, PRODUCTS.c.seq > after)
        return self._rows(statement.order_by(PRODUCTS.c.seq).limit(limit))

    def last_seq(self) -> int:
        """Return the number of the newest row; 0 when there is none."""
        with translated(self.path), self._engine.connect() as connection:
            return int(connection.execute(_LAST_SEQ).scalar_one())

    def mark(self, seqs: Sequence[int], state: int, *, note: str | None = None) -> None:
        """Put rows into a state, with the reason of a refusal."""
        statement = sa.update(PRODUCTS).where(PRODUCTS.c.seq == sa.bindparam("wanted")).values(state=state, note=note)
        if seqs:
            with translated(self.path), self._engine.begin() as connection:
                connection.execute(statement, [{"wanted": seq} for seq in seqs])

    def _rows(self, statement: sa.Select[Any]) -> tuple[ProductRow, ...]:
        with translated(self.path), self._engine.connect() as connection:
            found = connection.execute(statement).all()
        return tuple(ProductRow(row.seq, row.product_id, json.loads(row.fields)) for row in found)


def merged(rows: Iterable[Fields]) -> dict[str, Any]:
    """Return what several rows say of one product, the oldest first: the last word on each field counts."""
    found: dict[str, Any] = {}
    for fields in rows:
        found |= fields
    return found


def by_product(rows: Iterable[ProductRow]) -> list[dict[str, Any]]:
    """Return what rows say, one dictionary a product with its `product_id`, in order of first appearance."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        found.setdefault(row.product_id, {"product_id": row.product_id}).update(row.fields)
    return list(found.values())


def apply_products(log: ProductLog, store: GraphStore, snapshot: Snapshot) -> int:
    """Write the waiting rows to the graph, in order; return how many are there now.

    A row is marked only after the graph has it. One that the graph refuses is set aside with the reason. The caller
    keeps others from doing the same meanwhile (`EventLog.applying`).

    Args:
        log: where the rows wait.
        store: an open graph whose schema has been created.
        snapshot: knows the shop's properties, brands and categories.

    Raises:
        GraphConnectionError: the server does not answer; the rows keep waiting.
        StateError: the log cannot be read or written.
    """
    written = 0
    while batch := log.waiting():
        written += _apply(log, store, snapshot, batch=batch)
    return written


def _apply(log: ProductLog, store: GraphStore, snapshot: Snapshot, *, batch: Sequence[ProductRow]) -> int:
    try:
        additions, bad = check_products(by_product(batch), snapshot)
        if bad:
            raise TableError(bad[0].reason)
        write_additions(store, snapshot.schema, additions)
    except (TableError, QueryError) as err:
        if len(batch) == 1:
            log.mark([batch[0].seq], REFUSED, note=str(err))
            logger.warning("the graph refused a product; it is set aside", extra={"seq": batch[0].seq})
            return 0
        half = len(batch) // 2
        return sum(_apply(log, store, snapshot, batch=part) for part in (batch[:half], batch[half:]))
    log.mark([row.seq for row in batch], APPLIED)
    return len(batch)


_ROWS_OF = (
    sa.select(PRODUCTS.c.fields).where(PRODUCTS.c.product_id == sa.bindparam("product_id")).order_by(PRODUCTS.c.seq)
)
_LAST_SEQ = sa.select(sa.func.coalesce(sa.func.max(PRODUCTS.c.seq), 0))
