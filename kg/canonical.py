"""The one canonical form of tables: a shop read from files and the same shop read from a graph are equal values.

Everybody who makes `Tables` passes each table through here last. This module changes form only (types, order of
columns and rows, chunks); it does not check ids and does not read files.
"""

from collections.abc import Mapping
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from kg.errors import TableError
from kg.schema import NodeKind, RelationKind
from kg.tables import EDGE_COLUMNS, EVENT_COLUMNS, PRODUCT_TYPES


def canonical_nodes(kind: NodeKind, table: pa.Table) -> pa.Table:
    """Return a node table with its key first, the other columns in alphabetical order, and rows sorted by key.

    Columns that are entirely null are dropped. Integers become int64, other numbers float64, times epoch
    milliseconds, strings `pa.string()`; the built-in product properties get the types of `PRODUCT_TYPES`.

    Args:
        kind: the kind of node; `kind.key` must be a column.
        table: any column types and order; keys are unique (not checked here).

    Raises:
        TableError: a column has a type that a graph property cannot hold.
    """
    types = PRODUCT_TYPES if kind.label == "Product" else {}
    key = pa.field(kind.key, pa.string(), nullable=False)
    columns = {kind.key: _typed(table[kind.key], pa.string(), where=f"{kind.table}.{kind.key}")}
    columns |= _properties(table, {kind.key}, types=types, where=kind.table)
    fields = [key, *(pa.field(name, columns[name].type) for name in list(columns)[1:])]
    return _sorted(columns, pa.schema(fields), by=(kind.key,))


def canonical_edges(kind: RelationKind, table: pa.Table) -> pa.Table:
    """Return an edge table with the columns of `EDGE_COLUMNS`, sorted by (from_id, to_id), without duplicates.

    An edge of a symmetric relation starts at the smaller id. Of several rows for the same pair the one without a
    time is kept, else the earliest, and among equal times the one with the largest weight.

    Args:
        kind: the kind of relation.
        table: at least from_id and to_id; other columns than those of `EDGE_COLUMNS` are left out.

    Raises:
        TableError: a column cannot be cast to its type.
    """
    columns = _fixed(table, EDGE_COLUMNS, where=kind.name)
    if kind.symmetric:
        swap = pc.greater(columns["from_id"], columns["to_id"])
        first = pc.if_else(swap, columns["to_id"], columns["from_id"])
        columns["to_id"] = pc.if_else(swap, columns["from_id"], columns["to_id"])
        columns["from_id"] = first
    edges = _build(columns, EDGE_COLUMNS)
    order = pc.sort_indices(
        edges,
        sort_keys=[
            ("from_id", "ascending", "at_start"),
            ("to_id", "ascending", "at_start"),
            ("at", "ascending", "at_start"),
            ("weight", "descending", "at_end"),
        ],
    )
    edges = edges.take(order).combine_chunks()
    if edges.num_rows < 2:
        return edges
    repeated = pc.and_(
        pc.equal(edges["from_id"][1:], edges["from_id"][:-1]), pc.equal(edges["to_id"][1:], edges["to_id"][:-1])
    )
    keep = pa.chunked_array([pa.array([True]), *pc.invert(repeated).chunks])
    return edges.filter(keep).combine_chunks()


def canonical_events(table: pa.Table) -> pa.Table:
    """Return events with the columns of `EVENT_COLUMNS`, then further properties by name, rows sorted by event_id.

    Columns of `EVENT_COLUMNS` that are not there are added as null; further ones that are entirely null are dropped.

    Raises:
        TableError: a column has a type that a graph property cannot hold.
    """
    columns = _fixed(table, EVENT_COLUMNS, where="events")
    extra = _properties(table, set(EVENT_COLUMNS.names), types={}, where="events")
    schema = pa.schema([*EVENT_COLUMNS, *(pa.field(name, column.type) for name, column in extra.items())])
    return _sorted(columns | extra, schema, by=("event_id",))


def _properties(
    table: pa.Table, without: set[str], *, types: Mapping[str, pa.DataType], where: str
) -> dict[str, pa.ChunkedArray]:
    columns = {}
    for name in sorted(set(table.column_names) - without):
        column = _typed(table[name], types.get(name), where=f"{where}.{name}")
        if column.null_count < len(column):
            columns[name] = column
    return columns


def _fixed(table: pa.Table, schema: pa.Schema, *, where: str) -> dict[str, pa.ChunkedArray]:
    missing = partial(pa.nulls, table.num_rows)
    present = set(table.column_names)
    return {
        field.name: _typed(table[field.name], field.type, where=f"{where}.{field.name}")
        if field.name in present
        else pa.chunked_array([missing(field.type)])
        for field in schema
    }


def _typed(column: pa.ChunkedArray, wanted: pa.DataType | None, *, where: str) -> pa.ChunkedArray:
    """Cast a column to the wanted type, or to the graph type nearest to its own; NaN becomes null."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_temporal(column.type) and not pa.types.is_int64(wanted or pa.int64()):
        raise TableError(f"column {where} holds times ({column.type}), allowed is {wanted}")
    try:
        if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
            column = column.cast(pa.timestamp("ms", getattr(column.type, "tz", None)), safe=False).cast(pa.int64())
        column = column.cast(wanted or _graph_type(column.type, where))
    except pa.ArrowInvalid as err:
        raise TableError(f"column {where} is {column.type} and cannot become {wanted}: {err}") from err
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    return column


def _graph_type(given: pa.DataType, where: str) -> pa.DataType:
    kinds = pa.types
    if kinds.is_null(given) or kinds.is_string(given) or kinds.is_large_string(given) or kinds.is_string_view(given):
        return pa.string()
    if kinds.is_boolean(given):
        return pa.bool_()
    if kinds.is_integer(given):
        return pa.int64()
    if kinds.is_floating(given) or kinds.is_decimal(given):
        return pa.float64()
    raise TableError(f"column {where} is {given}; a property is a string, a number, a time or true/false")


def _sorted(columns: Mapping[str, pa.ChunkedArray], schema: pa.Schema, *, by: tuple[str, ...]) -> pa.Table:
    table = _build(columns, schema)
    order = pc.sort_indices(table, sort_keys=[(name, "ascending", "at_end") for name in by])
    return table.take(order).combine_chunks()


def _build(columns: Mapping[str, pa.ChunkedArray], schema: pa.Schema) -> pa.Table:
    return pa.table([columns[name] for name in schema.names], schema=schema)
