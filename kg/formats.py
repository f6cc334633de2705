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
    data = data.removeprefix(b"\xef\xbb\xbf")
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
    table = table.select([column for column in table.column_names if not column.startswith("__index_level_")])
    return RawTable(name, file, table, np.arange(1, table.num_rows + 1), unit="row")


def _parse_csv(data: bytes, file: str, *, name: str) -> RawTable:
    names = _header(data, file)
    invalid: list[Any] = []

    def set_aside(row: Any) -> str:
        invalid.append(row)
        return "skip"

    try:
        table = pa_csv.read_csv(
            io.BytesIO(data),
            read_options=pa_csv.ReadOptions(use_threads=False, block_size=16 << 20),
            parse_options=pa_csv.ParseOptions(
                newlines_in_values=b'"' in data, invalid_row_handler=set_aside, ignore_empty_lines=False
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                null_values=[""],
            ),
        )
    except pa.ArrowException as err:
        refuse_bad_text(data, file)
        raise TableError(f"{file} is not a CSV file that can be read: {str(err).splitlines()[0]}") from err
    lines = _csv_lines(table, data, skipped=invalid)
    broken = tuple(_broken_csv_row(row, file, lines=lines) for row in invalid)
    keep = _not_blank(table)
    numbers = lines[_positions(table.num_rows, invalid)]
    return RawTable(name, file, table.filter(pa.array(keep)), numbers[keep], broken=broken)


def _header(data: bytes, file: str) -> list[str]:
    if not data.strip():
        raise TableError(f"{file} is empty; its first line names the columns")
    try:
        names: list[str] = pa_csv.open_csv(
            io.BytesIO(data[: data.find(b"\n") + 1] or data + b"\n"), read_options=pa_csv.ReadOptions(use_threads=False)
        ).schema.names
    except pa.ArrowException as err:
        refuse_bad_text(data, file)
        raise TableError(f"{file}, line 1: the header cannot be read: {str(err).splitlines()[0]}") from err
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise TableError(f"{file}, line 1: column {repeated[0]!r} is there twice; give each column its own name")
    return names


def _positions(num_rows: int, skipped: list[Any]) -> np.ndarray:
    """Return the place of each kept row among all rows after the header, skipped ones included."""
    keep = np.ones(num_rows + len(skipped), dtype=bool)
    keep[[row.number - 2 for row in skipped]] = False
    return np.flatnonzero(keep)


def _csv_lines(table: pa.Table, data: bytes, *, skipped: list[Any]) -> np.ndarray:
    """Return the first line of every row after the header, skipped rows included."""
    total = table.num_rows + len(skipped)
    plain = np.arange(2, total + 2)
    if data.count(b"\n") == total + data.endswith(b"\n") and not skipped:
        return plain
    breaks = np.zeros(total, dtype=np.int64)
    kept = _positions(table.num_rows, skipped)
    for column in table.columns:
        counts = pc.count_substring(column, "\n").fill_null(0)
        breaks[kept] += counts.to_numpy()
    for row in skipped:
        breaks[row.number - 2] += row.text.count("\n")
    return plain + np.concatenate([[0], np.cumsum(breaks)[:-1]]) if total else plain


def _broken_csv_row(row: Any, file: str, *, lines: np.ndarray) -> BadRow:
    reason = f"has {row.actual_columns} values where the header names {row.expected_columns} columns"
    return BadRow(file, int(lines[row.number - 2]), None, None, reason, row.text)


def _not_blank(table: pa.Table) -> np.ndarray:
    keep = np.zeros(table.num_rows, dtype=bool)
    for column in table.columns:
        keep |= column.is_valid().to_numpy()
        if keep.all():
            break
    return keep
