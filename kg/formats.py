"""Parsing of table files: CSV, JSONL and Parquet, each plain or gzipped, into columns that remember their lines.

Values stay as they are written (CSV: text). What they mean and whether they are right is not decided here.
"""

import gzip
import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from kg.errors import TableError
from kg.jsonl import parse_jsonl
from kg.raw import BadRow, RawTable, refuse_bad_text

ENDINGS = (".csv", ".jsonl", ".parquet")
"""Formats of a table file; each may be followed by `.gz`."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""What some programs put before UTF-8."""


def parse_file(path: Path, *, name: str) -> RawTable:
    """Read one table file.

    Args:
        path: a file whose name ends in one of ENDINGS, with or without `.gz`.
        name: the name of the table.

    Raises:
        TableError: the file cannot be read, is not in its format, not UTF-8, or has no header.
    """
    data = _load_bytes(path)
    ending = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    if ending == "parquet":
        return _parse_parquet(data, path.name, name=name)
    data = data.removeprefix(BYTE_ORDER_MARK)
    if ending == "csv":
        return _parse_csv(data, path.name, name=name)
    return parse_jsonl(data, path.name, name=name)


def _load_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as err:
        raise TableError(f"cannot read {path.name}: {err.strerror}") from err
    if not path.name.lower().endswith(".gz"):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as err:
        raise TableError(f"{path.name} is not a complete gzip file ({err}); compress it again") from err


def _parse_parquet(data: bytes, file: str, *, name: str) -> RawTable:
    try:
        table = pq.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as err:
        reason = str(err).splitlines()[0]
        raise TableError(f"{file} is not a Parquet file that can be read: {reason}") from err
    return RawTable(name, file, without_index(table), np.arange(1, table.num_rows + 1), unit="row")


def without_index(table: pa.Table) -> pa.Table:
    """Return a table without the columns in which pandas keeps its row labels."""
    return table.select([column for column in table.column_names if not column.startswith("__index_level_")])


def _parse_csv(data: bytes, file: str, *, name: str) -> RawTable:
    names = csv_header(data[: data.find(b"\n") + 1] or data, file)
    invalid: list[Any] = []
    options = csv_options(names, invalid, block_bytes=16 << 20, quoted=b'"' in data)
    try:
        table = pa_csv.read_csv(io.BytesIO(data), **options)
    except pa.ArrowException as err:
        refuse_bad_text(data, file)
        raise TableError(f"{file} is not a CSV file that can be read: {str(err).splitlines()[0]}") from err
    if data.count(b"\n") == table.num_rows + data.endswith(b"\n") and not invalid:
        lines = np.arange(2, table.num_rows + 2)
    else:
        lines = csv_lines(table, invalid, first_row=2, first_line=2)
    return csv_rows(name, file, table, invalid, lines, first_row=2)


def csv_options(names: list[str], invalid: list[Any], *, block_bytes: int, quoted: bool) -> dict[str, Any]:
    """Return how Arrow reads CSV here: every cell as text, empty ones as null, rows of another width put aside.

    Args:
        names: columns of the header.
        invalid: the rows put aside are added to it, with their number (the header is 1) and their text.
        block_bytes: bytes read at once, more than any row has.
        quoted: whether a cell may hold a line break.
    """

    def set_aside(row: Any) -> str:
        invalid.append(row)
        return "skip"

    return {
        "read_options": pa_csv.ReadOptions(use_threads=False, block_size=block_bytes),
        "parse_options": pa_csv.ParseOptions(
            newlines_in_values=quoted, invalid_row_handler=set_aside, ignore_empty_lines=False
        ),
        "convert_options": pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            null_values=[""],
        ),
    }


def csv_header(line: bytes, file: str) -> list[str]:
    """Return the columns that the first line of a CSV file names.

    Raises:
        TableError: the line is empty or no header, or names a column twice.
    """
    if not line.strip():
        raise TableError(f"{file} is empty; its first line names the columns")
    whole = io.BytesIO(line if line.endswith(b"\n") else line + b"\n")
    try:
        names: list[str] = pa_csv.open_csv(whole, read_options=pa_csv.ReadOptions(use_threads=False)).schema.names
    except pa.ArrowException as err:
        refuse_bad_text(line, file)
        raise TableError(f"{file}, line 1: the header cannot be read: {str(err).splitlines()[0]}") from err
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise TableError(f"{file}, line 1: column {repeated[0]!r} is there twice; give each column its own name")
    return names


def csv_rows(
    name: str, file: str, table: pa.Table, skipped: list[Any], lines: np.ndarray, *, first_row: int
) -> RawTable:
    """Return rows of a CSV file without the blank ones, each with its line, and those of another width as broken.

    Args:
        name: of the table.
        file: for error texts.
        table: the rows that follow each other in the file, but for the skipped ones.
        skipped: rows of another width among them.
        lines: as `csv_lines` gives them.
        first_row: number of the first of all these rows; the header is 1.
    """
    broken = tuple(
        BadRow(
            file,
            int(lines[row.number - first_row]),
            None,
            None,
            f"has {row.actual_columns} values where the header names {row.expected_columns} columns",
            row.text,
        )
        for row in skipped
    )
    keep = _not_blank(table)
    numbers = lines[_positions(table.num_rows, skipped, first_row)]
    return RawTable(name, file, table.filter(pa.array(keep)), numbers[keep], broken=broken)


def csv_lines(table: pa.Table, skipped: list[Any], *, first_row: int, first_line: int) -> np.ndarray:
    """Return the line on which each row begins, skipped ones included; see `csv_rows`."""
    total = table.num_rows + len(skipped)
    breaks = np.zeros(total, dtype=np.int64)
    kept = _positions(table.num_rows, skipped, first_row)
    for column in table.columns:
        counts = pc.count_substring(column, "\n").fill_null(0)
        breaks[kept] += counts.to_numpy()
    for row in skipped:
        breaks[row.number - first_row] += row.text.count("\n")
    lines: np.ndarray = first_line + np.arange(total) + np.concatenate([[0], np.cumsum(breaks)])[:total]
    return lines


def _positions(num_rows: int, skipped: list[Any], first_row: int) -> np.ndarray:
    """Return the place of each kept row among all rows, skipped ones included."""
    keep = np.ones(num_rows + len(skipped), dtype=bool)
    keep[[row.number - first_row for row in skipped]] = False
    return np.flatnonzero(keep)


def _not_blank(table: pa.Table) -> np.ndarray:
    keep = np.zeros(table.num_rows, dtype=bool)
    for column in table.columns:
        keep |= column.is_valid().to_numpy()
        if keep.all():
            break
    return keep
