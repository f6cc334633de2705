"""What the columns of a whole event table say together, for a table whose rows are checked a block at a time.

A table that is there at once is asked in `kg.event_rows`; the answers are the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from kg.node_rows import check_columns
from kg.raw import RawTable
from kg.tables import EVENT_COLUMNS
from kg.values import epoch_counts, has_values, property_type

ORDERS = ("at", "position")
"""Columns that order events: every event has a value there or none."""


@dataclass(frozen=True, slots=True)
class EventColumns:
    """What is known of the columns before their rows are checked."""

    orders: frozenset[str]
    """Those of ORDERS in which there is any value."""
    seconds: bool
    """Whether numbers in the column `at` are epoch seconds, not milliseconds."""
    types: Mapping[str, pa.DataType]
    """Type of each property that is not one of EVENT_COLUMNS, the narrowest that fits all its values; a column without
    any value has none."""

    @property
    def schema(self) -> pa.Schema:
        """Columns of events, properties included."""
        return pa.schema([*EVENT_COLUMNS, *(pa.field(name, self.types[name]) for name in sorted(self.types))])


def read_columns(blocks: Iterable[RawTable]) -> EventColumns:
    """Look at every block of an event table.

    Raises:
        TableError: a column is missing, badly named or of a type that no property can have.
    """
    orders: set[str] = set()
    types: dict[str, pa.DataType] = {}
    num_epochs = num_seconds = 0
    for raw in blocks:
        if raw.table.num_rows or not raw.broken:
            check_columns(raw, ("user_id", "product_id"))
        orders |= {name for name in ORDERS if has_values(raw, name)}
        epochs, seconds = epoch_counts(raw, "at")
        num_epochs, num_seconds = num_epochs + epochs, num_seconds + seconds
        for name in set(raw.table.column_names) - set(EVENT_COLUMNS.names):
            kind = property_type(raw, name)
            if kind is not None:
                types[name] = _either(types.get(name, kind), kind)
    return EventColumns(frozenset(orders), 2 * num_seconds > num_epochs, types)


def _either(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    if one == other:
        return one
    return pa.float64() if {one, other} == {pa.int64(), pa.float64()} else pa.string()
