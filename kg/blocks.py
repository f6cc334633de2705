"""A table file read a block at a time, so that a file of any size takes the memory of a block.

The rows, their lines and the rows that cannot be parsed are those of `kg.formats.parse_file`.
"""

import gzip
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from kg.errors import TableError
from kg.formats import BYTE_ORDER_MARK, csv_header, csv_lines, csv_options, csv_rows, without_index
from kg.jsonl import parse_jsonl
from kg.raw import RawTable

_LONGEST_HEADER = 1 << 20


def text_bytes(path: Path) -> int:
    """Return about how many bytes a table file has when it is not compressed."""
    if path.name.lower().endswith(".parquet"):
        try:
            about = pq.read_metadata(path)
        except (pa.ArrowException, OSError):
            return path.stat().st_size  # whoever reads it says what is wrong
        return sum(about.row_group(place).total_byte_size for place in range(about.num_row_groups))
    size = path.stat().st_size
    if path.name.lower().endswith(".gz") and size >= 4:
        with path.open("rb") as file:
            file.seek(-4, 2)
            return max(size, int.from_bytes(file.read(4), "little"))  # its size, as far as 32 bits hold it
    return size


def has_blocks(path: Path) -> bool:
    """Return whether a file can be read in blocks: all but Parquet that was compressed once more."""
    return not path.name.lower().endswith(".parquet.gz")


def read_blocks(path: Path, *, name: str, block_bytes: int) -> Iterator[RawTable]:
    """Read a table file a block at a time.

    Args:
        path: a file for which `has_blocks` holds.
        name: the name of the table.
        block_bytes: about how many bytes a block has, uncompressed; no row may have more.

    Raises:
        TableError: the file cannot be read, is not in its format, not UTF-8, or has no header.
    """
    ending = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    if ending == "parquet":
        yield from _parquet_blocks(path, name=name, block_bytes=block_bytes)
        return
    blocks = _csv_blocks if ending == "csv" else _jsonl_blocks
    try:
        yield from blocks(path, name=name, block_bytes=block_bytes)
    except (EOFError, zlib.error, gzip.BadGzipFile) as err:
        raise TableError(f"{path.name} is not a complete gzip file ({err}); compress it again") from err
    except OSError as err:
        raise TableError(f"cannot read {path.name}: {err.strerror or err}") from err


def _open(path: Path) -> gzip.GzipFile | BufferedReader:
    file = (gzip.open if path.name.lower().endswith(".gz") else open)(path, "rb")
    if file.read(len(BYTE_ORDER_MARK)) != BYTE_ORDER_MARK:
        file.seek(0)
    return file


def _csv_blocks(path: Path, *, name: str, block_bytes: int) -> Iterator[RawTable]:
    with _open(path) as file:
        names = csv_header(file.readline(_LONGEST_HEADER), path.name)
    invalid: list[Any] = []
    row = line = 2
    with _open(path) as file:
        try:
            for batch in pa_csv.open_csv(file, **csv_options(names, invalid, block_bytes=block_bytes, quoted=True)):
                table = pa.Table.from_batches([batch])
                skipped = _skipped_among(table.num_rows, invalid, first_row=row)
                lines = csv_lines(table, skipped, first_row=row, first_line=line)
                yield csv_rows(name, path.name, table, skipped, lines, first_row=row)
                line = _next_line(table, lines) if len(lines) else line
                row += table.num_rows + len(skipped)
        except pa.ArrowException as err:
            _refuse_bad_text(path)
            raise TableError(f"{path.name} is not a CSV file that can be read: {str(err).splitlines()[0]}") from err
    if invalid:  # behind the last row that could be read
        nothing = pa.table({column: pa.array([], pa.string()) for column in names})
        lines = csv_lines(nothing, invalid, first_row=row, first_line=line)
        yield csv_rows(name, path.name, nothing, invalid, lines, first_row=row)


def _skipped_among(num_rows: int, invalid: list[Any], *, first_row: int) -> list[Any]:
    """Take those of the skipped rows that stand before the last row of a block; the parser is ahead of it."""
    count = 0
    while count < len(invalid) and invalid[count].number < first_row + num_rows + count:
        count += 1
    skipped = invalid[:count]
    del invalid[:count]
    return skipped


def _next_line(table: pa.Table, lines: np.ndarray) -> int:
    """Return the line behind the last row of a block."""
    last = table.slice(table.num_rows - 1).to_pylist()[0]
    return int(lines[-1]) + 1 + sum((cell or "").count("\n") for cell in last.values())


def _jsonl_blocks(path: Path, *, name: str, block_bytes: int) -> Iterator[RawTable]:
    first_line, rest, filled = 1, b"", False
    with _open(path) as file:
        while piece := file.read(block_bytes):
            whole, end, rest = (rest + piece).rpartition(b"\n")
            if whole.strip():
                yield parse_jsonl(whole + end, path.name, name=name, first_line=first_line)
                filled = True
            first_line += (whole + end).count(b"\n")
    if rest.strip() or not filled:
        yield parse_jsonl(rest, path.name, name=name, first_line=first_line)


def _parquet_blocks(path: Path, *, name: str, block_bytes: int) -> Iterator[RawTable]:
    try:
        with pq.ParquetFile(path) as file:
            per_row = max(1, text_bytes(path) // max(1, file.metadata.num_rows))
            row = 1
            for batch in file.iter_batches(batch_size=max(1_000, block_bytes // per_row)):
                table = without_index(pa.Table.from_batches([batch]))
                numbers = np.arange(row, row + table.num_rows)
                yield RawTable(name, path.name, table, numbers, unit="row")
                row += table.num_rows
    except (pa.ArrowException, OSError) as err:
        reason = str(err).splitlines()[0]
        raise TableError(f"{path.name} is not a Parquet file that can be read: {reason}") from err


def _refuse_bad_text(path: Path) -> None:
    """Raise when a text file is not UTF-8, naming the line."""
    with _open(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as err:
                raise TableError(
                    f"{path.name}, line {number}: byte 0x{line[err.start]:02x} is not UTF-8; save the file as UTF-8"
                ) from err
