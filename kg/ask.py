"""Asking what somebody typed: read only, and never for long, for many rows or for much memory."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from neo4j.graph import Node, Path, Relationship
from neo4j.spatial import Point
from neo4j.time import Date, DateTime, Duration, Time

from cypher.adhoc import PROCEDURES, reading_query
from cypher.catalogue import Query
from cypher.errors import QueryError
from kg.plan import Plan
from kg.store import GraphConfig, GraphStore

ROWS, BYTES, SECONDS = 1000, 5_000_000, 30.0
"""What an answer may hold and take, unless the caller allows less."""
_FAR = frozenset({"LoadCSV"})
"""Operators of a plan that leave the graph."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The answer to a statement."""

    columns: tuple[str, ...]
    rows: list[dict[str, Any]]
    """Values that JSON knows; nodes and relationships are maps with their labels or type, and their properties."""
    cut: str
    """Why rows are missing; empty when none is."""


def open_reading(config: GraphConfig, *, seconds: float = SECONDS) -> GraphStore:
    """Open the graph for statements of others: with the account that can only read, and a short time for each.

    Args:
        config: where the graph is.
        seconds: how long one statement may take.

    Raises:
        GraphConnectionError: the server does not answer, or refuses the reading account.
        LocalServerError: the local server could not be started or has no reading account yet.
    """
    return GraphStore.open(replace(config, timeout_s=min(seconds, config.timeout_s)), reading=True)


def ask(
    store: GraphStore, text: str, params: Mapping[str, Any] | None = None, *, rows: int = ROWS, size: int = BYTES
) -> Asked:
    """Answer a Cypher statement that somebody typed.

    Args:
        store: as `open_reading` gives it.
        text: one statement that only reads.
        params: values of its parameters.
        rows: most rows of the answer, at least 1.
        size: most bytes of the answer as JSON, roughly.

    Raises:
        QueryError: the statement would do more than read, a parameter is missing, or the server refuses it.
        GraphConnectionError: the server does not answer, or the statement took too long.
    """
    query = reading_query(text, params)
    _check_plan(store.explain(query, params))
    return collect(query, store.stream(query, params), rows=rows, size=size)


def collect(query: Query, found: Iterator[dict[str, Any]], *, rows: int = ROWS, size: int = BYTES) -> Asked:
    """Take rows until there are no more, or enough of them.

    Args:
        query: what was asked; its header names the columns where it has one.
        found: the rows, as `GraphStore.stream` gives them; closed at the end.
        rows: most rows, at least 1.
        size: most bytes of the answer as JSON, roughly.
    """
    kept: list[dict[str, Any]] = []
    columns, taken, cut = tuple(query.returns), 0, ""
    with closing(found):  # type: ignore[type-var]  # a generator, whose connection is held until it is closed
        for row in found:
            if len(kept) == rows:
                cut = f"there are more than {rows:,} rows; ask for less with LIMIT, or page with SKIP"
                break
            plain = {name: plain_value(value) for name, value in row.items()}
            taken += len(json.dumps(plain, ensure_ascii=False))
            if taken > size:
                cut = f"the answer is larger than {size:,} bytes; return less of it"
                break
            columns = columns or tuple(row)
            kept.append(plain)
    return Asked(columns, kept, cut)


def plain_value(value: Any) -> Any:
    """Return a value of the graph as JSON knows it."""
    if isinstance(value, float) and value != value:
        return None
    if value is None or isinstance(value, str | int | float | bool):
        return value if value not in (float("inf"), float("-inf")) else None
    if isinstance(value, Node):
        return {"labels": sorted(value.labels), "properties": plain_value(dict(value))}
    if isinstance(value, Relationship):
        return {"type": value.type, "properties": plain_value(dict(value))}
    if isinstance(value, Path):
        return {"nodes": plain_value(list(value.nodes)), "relationships": plain_value(list(value.relationships))}
    if isinstance(value, Mapping):
        return {str(name): plain_value(item) for name, item in value.items()}
    return _plain_rest(value)


def _plain_rest(value: Any) -> Any:
    if isinstance(value, Date | DateTime | Time | Duration):
        return value.iso_format()
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Point):
        return list(value)
    if isinstance(value, bytes | bytearray):
        return bytes(value).hex()
    if isinstance(value, list | tuple | set | frozenset):
        return [plain_value(item) for item in value]
    return str(value)


def _check_plan(plan: Plan) -> None:
    """Refuse what the server itself calls more than reading; the words were judged before."""
    if plan.kind not in ("", "r"):
        raise QueryError("the graph server says that this statement would change the graph; only reading ones are run")
    for part in plan.walk():
        if part.operator in _FAR:
            raise QueryError(f"the statement would leave the graph ({part.operator}); only reading ones are run")
        if part.operator == "ProcedureCall" and not any(name in part.details.lower() for name in PROCEDURES):
            raise QueryError(f"the statement would call {part.details!r}; allowed are {', '.join(sorted(PROCEDURES))}")
