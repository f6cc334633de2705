"""Rows of a query as people and notebooks want them: times as times, and columns of one type."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from cypher.catalogue import Query

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DTYPES = {"int": "Int64", "float": "float64", "bool": "boolean", "str": "string"}


def with_times(query: Query, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with epoch milliseconds of `time` columns as datetimes in UTC.

    A time that no datetime can hold (before the year 1 or after 9999) stays a number.
    """
    times = [name for name, kind in query.returns.items() if kind == "time"]
    return [{**row, **{name: _time(row[name]) for name in times}} for row in rows]


def to_frame(query: Query, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the rows as a data frame with the columns of the query's header, also when there is no row.

    Args:
        query: the query that was asked.
        rows: what the graph answered, as `GraphStore.read` gives it.

    Returns:
        Columns of Int64, float64, boolean, string and datetime64[ms, UTC]; lists are objects.
    """
    kept = list(rows)
    columns: dict[str, pd.Series[Any]] = {}
    for name, kind in query.returns.items():
        values = [row[name] for row in kept]
        if kind == "time":
            columns[name] = pd.Series(values, dtype="Int64").astype("datetime64[ms]").dt.tz_localize("UTC")
        else:
            columns[name] = pd.Series(values, dtype=_DTYPES.get(kind, "object"))
    return pd.DataFrame(columns)


def _time(at_ms: Any) -> Any:
    try:
        return None if at_ms is None else _EPOCH + timedelta(milliseconds=at_ms)
    except OverflowError:
        return at_ms
