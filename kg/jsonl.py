"""Parsing of JSONL: one JSON object a line, fast when the file is regular and line by line when it is not.

The fast way is Arrow's reader. It is left for the careful way when a column mixes types, when an id became a float
(which would change it), or when something is broken, because only the careful way can name the line.
"""

import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json as pa_json

from kg.errors import TableError
from kg.raw import LIST_MARK, NAME_BREAK, PATH_BREAK, BadRow, RawTable, refuse_bad_text


class _LineError(ValueError):
    """One line cannot be used."""

    def __init__(self, reason: str, column: str | None = None, value: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.column = column
        self.value = value


def parse_jsonl(data: bytes, file: str, *, name: str, first_line: int = 1) -> RawTable:
    """Parse JSON objects, one a line; blank lines are skipped. `first_line` is the number of the first of them.

    Raises:
        TableError: the text is not UTF-8 or holds no object.
    """
    refuse_bad_text(data, file, first_line=first_line)
    if not data.strip():
        raise TableError(f"{file} is empty; it needs one JSON object a line")
    lines = _filled_lines(data) + first_line - 1
    table = _parse_fast(data)
    if table is not None and table.num_rows == len(lines) and not _has_float_id(table):
        return RawTable(name, file, table, lines)
    return _parse_carefully(data, file, name=name, first_line=first_line)


def _filled_lines(data: bytes) -> np.ndarray:
    """Return the numbers of the lines that hold something; lines of spaces may be among them."""
    if data.startswith((b"\n", b"\r\n")) or b"\n\n" in data or b"\n\r\n" in data:
        rows = data.split(b"\n")
        return np.flatnonzero(np.fromiter((bool(row.strip()) for row in rows), bool, len(rows))) + 1
    return np.arange(1, data.count(b"\n") + (not data.endswith(b"\n")) + 1)


def _parse_fast(data: bytes) -> pa.Table | None:
    options = pa_json.ReadOptions(block_size=min(max(len(data) + 1, 1 << 16), 64 << 20))
    try:
        table = pa_json.read_json(io.BytesIO(data), read_options=options)
        times = [item.name for item in table.schema if pa.types.is_timestamp(item.type)]
        if times:
            # Arrow turns texts that look like times into times; the text as written is wanted.
            schema = pa.schema([(column, pa.string()) for column in times])
            parse = pa_json.ParseOptions(explicit_schema=schema)
            table = pa_json.read_json(io.BytesIO(data), read_options=options, parse_options=parse)
            return table.select(sorted(table.column_names))
        return table
    except (pa.ArrowException, OSError):
        return None


def _has_float_id(table: pa.Table) -> bool:
    return any(item.name.endswith("id") and pa.types.is_floating(item.type) for item in table.schema)


def _parse_carefully(data: bytes, file: str, *, name: str, first_line: int) -> RawTable:
    rows: list[dict[str, str | None]] = []
    lines: list[int] = []
    broken: list[BadRow] = []
    for line, text in enumerate(data.decode("utf-8").split("\n"), start=first_line):
        if not text.strip():
            continue
        try:
            rows.append(_parse_line(text))
            lines.append(line)
        except _LineError as err:
            broken.append(BadRow(file, line, err.column, err.value, err.reason, text))
    names = sorted({column for row in rows for column in row})
    table = pa.table({column: pa.array([row.get(column) for row in rows], pa.string()) for column in names})
    return RawTable(name, file, table, np.array(lines, dtype=np.int64), broken=tuple(broken))


def _parse_line(text: str) -> dict[str, str | None]:
    try:
        row = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except (json.JSONDecodeError, RecursionError) as err:
        raise _LineError(f"is not JSON ({err}); write one JSON object a line") from err
    if not isinstance(row, dict):
        raise _LineError("is not a JSON object; write one JSON object a line")
    return {column: _cell(column, value) for column, value in row.items()}


def _cell(column: str, value: Any) -> str | None:
    """Return a JSON value as text; numbers arrive as text already."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if column == "categories" and isinstance(value, list):
        return _paths(value)
    if not isinstance(value, str):
        raise _LineError("is nested; a property is a text, a number or true/false", column, json.dumps(value))
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as err:
        raise _LineError("holds half a surrogate pair, which is no character", column, ascii(value)) from err
    return value


def _paths(value: list[Any]) -> str | None:
    paths = []
    for path in value:
        if not isinstance(path, list) or not all(isinstance(item, str) for item in path):
            raise _LineError(
                'must be a list of paths, each a list of names from the root: [["Beauty", "Hair"]]',
                "categories",
                json.dumps(value),
            )
        paths.append(NAME_BREAK.join(path))
    return LIST_MARK + PATH_BREAK.join(paths) if paths else None
