"""What of a table is not in the graph yet: rows with a new key, and rows whose values differ.

Plain arrow arithmetic on two tables; knows neither files nor servers.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

_SEPARATOR = "\x1f"


def new_rows(wanted: pa.Table, there: pa.Table, *, key: Sequence[str]) -> pa.Table:
    """Return the rows of `wanted` whose key is not in `there`, in their order."""
    return wanted.filter(pc.is_null(_places(wanted, there, key)))


def changed_rows(wanted: pa.Table, there: pa.Table, *, key: Sequence[str]) -> pa.Table:
    """Return the rows of `wanted` whose key is in `there` with another value in any column of `wanted`.

    A column that `there` lacks counts as null in all its rows; further columns of `there` do not count.
    """
    places = _places(wanted, there, key)
    known = wanted.filter(pc.is_valid(places))
    match = there.take(pc.drop_null(places))
    differs = pa.array([False] * known.num_rows, pa.bool_())
    for name in wanted.column_names:
        differs = pc.or_(differs, _differs(known[name], match[name] if name in match.column_names else None))
    return known.filter(differs)


def _places(wanted: pa.Table, there: pa.Table, key: Sequence[str]) -> pa.ChunkedArray:
    return pc.index_in(_joined(wanted, key), value_set=_joined(there, key))


def _joined(table: pa.Table, key: Sequence[str]) -> pa.ChunkedArray:
    columns = [table[name] for name in key]
    return columns[0] if len(columns) == 1 else pc.binary_join_element_wise(*columns, _SEPARATOR)


def _differs(wanted: pa.ChunkedArray, there: pa.ChunkedArray | None) -> pa.ChunkedArray:
    if there is None:
        return pc.is_valid(wanted)
    if wanted.type != there.type:
        return pc.or_(pc.is_valid(wanted), pc.is_valid(there))
    one_is_null = pc.xor(pc.is_null(wanted), pc.is_null(there))
    return pc.or_(one_is_null, pc.fill_null(pc.not_equal(wanted, there), False))
