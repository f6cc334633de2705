"""A table as it stands in its file, before anybody asked what the values mean.

This module holds the values that parsers make and checks read; it does not parse and does not check.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from kg.errors import TableError

PATH_BREAK = "\x1e"
"""Stands between the paths of a category column in its text form."""
NAME_BREAK = "\x1f"
"""Stands between the names of one category path in its text form."""
Unit = Literal["line", "row"]
"""What the numbers of rows count: lines of a text file, or rows."""
LIST_MARK = "\x01"
"""Stands before a cell that was a list of category paths in a file read line by line."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used, with everything needed to find and repair it."""

    file: str
    line: int
    """Line in a text file, row number in Parquet; the first is 1."""
    column: str | None
    """The column at fault; None: the row as a whole."""
    value: str | None
    reason: str
    row: Mapping[str, Any] | str
    """The row by column, or its text when it could not be parsed."""


@dataclass(frozen=True, slots=True, eq=False)
class RawTable:
    """A table as it stands in its file."""

    name: str
    """Name of the table: `products`."""
    file: str
    """Name of the file, for error texts: `products.csv.gz`."""
    table: pa.Table
    lines: np.ndarray
    """Line (text files) or row number (Parquet) of each row, counted from 1."""
    unit: Unit = "line"
    broken: tuple[BadRow, ...] = field(default=())
    """Rows that could not even be parsed; they are not in `table`."""


def raw_table(name: str, table: pa.Table) -> RawTable:
    """Return a table made in memory as a raw one; its rows are numbered from 1."""
    return RawTable(name, name, table, np.arange(1, table.num_rows + 1), unit="row")


def refuse_bad_text(data: bytes, file: str, *, first_line: int = 1) -> None:
    """Raise when the bytes, which begin with line `first_line` of the file, are not UTF-8.

    Raises:
        TableError: names the line of the first byte that is not UTF-8.
    """
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as err:
        line = data.count(b"\n", 0, err.start) + first_line
        byte = data[err.start]
        raise TableError(f"{file}, line {line}: byte 0x{byte:02x} is not UTF-8; save the file as UTF-8") from err
