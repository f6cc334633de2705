"""Checks of the rows of one node table: keys, types and repeats.

Whether a row refers to something that exists is asked where the tables come together, in `kg.validate`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kg.categories import check_paths
from kg.errors import TableError
from kg.problems import RowChecks
from kg.raw import RawTable
from kg.schema import NodeKind
from kg.tables import PRODUCT_TYPES
from kg.values import (
    ID_LIMIT,
    check_flags,
    check_ids,
    check_numbers,
    check_property,
    check_times,
    mask_of,
    text_values,
    unescape,
)

_COLUMN = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True, eq=False)
class NodeRows:
    """A node table after its own checks."""

    kind: NodeKind
    checks: RowChecks
    table: pa.Table
    """All rows with typed columns, bad and repeated ones included."""
    repeated: np.ndarray
    """Whether a row says again, word for word, what an earlier one said."""

    def good(self) -> pa.Table:
        """Return the rows that passed every check so far, each once."""
        keep = self.checks.good & ~self.repeated
        return self.table if keep.all() else self.table.filter(pa.array(keep))

    def good_ids(self) -> pa.Array:
        """Return the keys of the good rows."""
        return self.good()[self.kind.key].combine_chunks()

    def bad_ids(self) -> pa.Array:
        """Return the keys of the bad rows, as far as they have one."""
        return self.table.filter(pa.array(~self.checks.good))[self.kind.key].combine_chunks().drop_null()


def check_columns(raw: RawTable, required: Iterable[str]) -> None:
    """Refuse a table that lacks a column or has one whose name no property can have.

    Raises:
        TableError: names the column, the columns that are there and what to do.
    """
    names = raw.table.column_names
    for name in required:
        if name not in names:
            there = ", ".join(names) or "none"
            raise TableError(f"{raw.file}: column {name!r} is missing (columns there: {there}); add it or rename one")
    for name in names:
        if not _COLUMN.fullmatch(name):
            better = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
            hint = f", for example to {better!r}" if _COLUMN.fullmatch(better) else ""
            raise TableError(
                f"{raw.file}: column {name!r} is not snake_case (a-z, 0-9, _; a letter first); rename it{hint}"
            )


def check_nodes(raw: RawTable, kind: NodeKind) -> NodeRows:
    """Return a node table with typed columns and its bad rows found.

    Raises:
        TableError: a column is missing, badly named or of a type that no property can have.
    """
    if raw.table.num_rows or not raw.broken:
        check_columns(raw, (kind.key,))
    checks = RowChecks(raw)
    columns = {kind.key: check_ids(checks, kind.key)}
    for name in raw.table.column_names:
        if name != kind.key:
            columns[name] = _column(checks, kind, name=name)
    for name in _references(kind):
        columns.setdefault(name, pa.nulls(raw.table.num_rows, pa.string()))
    table = pa.table(columns)
    return NodeRows(kind, checks, table, find_repeats(checks, table, key=kind.key))


def find_repeats(checks: RowChecks, table: pa.Table, *, key: str) -> np.ndarray:
    """Find rows with a key that an earlier good row has: equal ones are marked, different ones refused.

    Returns:
        True for each good row that says the same as the first row with its key.
    """
    repeated = np.zeros(table.num_rows, dtype=bool)
    rows = np.flatnonzero(checks.good)
    keys = table[key].combine_chunks().take(pa.array(rows)).dictionary_encode()
    if len(keys.dictionary) == len(rows):
        return repeated
    codes = keys.indices.to_numpy()
    _, first = np.unique(codes, return_index=True)
    origin = rows[first[codes]]
    again, origin = rows[origin != rows], origin[origin != rows]
    same = np.ones(len(again), dtype=bool)
    for name in table.column_names:
        same &= _same(table[name].take(pa.array(again)), table[name].take(pa.array(origin)))
    repeated[again[same]] = True
    different = np.zeros(table.num_rows, dtype=bool)
    different[again[~same]] = True
    lines = dict(zip(keys.dictionary.to_pylist(), checks.raw.lines[rows[first]].tolist(), strict=True))
    unit = checks.raw.unit

    def reason(value: str) -> str:
        line = lines.get(value.strip())
        return f"was already given in {unit} {line} with other content; keep one of the two rows"

    checks.refuse(different, column=key, reason=reason)
    return repeated


def _same(one: pa.ChunkedArray, other: pa.ChunkedArray) -> np.ndarray:
    both_null = pc.and_(one.is_null(), other.is_null())
    return mask_of(pc.or_(pc.equal(one, other).fill_null(False), both_null))


def _references(kind: NodeKind) -> tuple[str, ...]:
    return {"Product": ("brand", "brand_id", "categories"), "Category": ("name", "parent_id")}.get(kind.label, ())


def _column(checks: RowChecks, kind: NodeKind, *, name: str) -> pa.Array:
    if name in _references(kind) and name != "name":
        return _reference(checks, name)
    given = PRODUCT_TYPES.get(name) if kind.label == "Product" else None
    if name == "price" and given is not None:
        return check_numbers(checks, name, minimum=0.0)
    if given == pa.int64():
        return check_times(checks, name)
    if given == pa.bool_():
        return check_flags(checks, name)
    if given == pa.string() or name in kind.text:
        texts = text_values(checks.raw, name)
        return texts if name.endswith("url") else unescape(texts)
    return check_property(checks, name)


def _reference(checks: RowChecks, name: str) -> pa.Array:
    if name == "categories":
        return check_paths(checks, name)
    if name == "brand":
        names = pc.replace_substring_regex(unescape(text_values(checks.raw, name)), r"\s+", " ")
        long = mask_of(pc.greater(pc.utf8_length(names), ID_LIMIT))
        checks.refuse(long, column=name, reason=f"is longer than the {ID_LIMIT} characters a brand name may have")
        return names
    return check_ids(checks, name, required=False)
