"""Files that others wrote, as data frames: any delimiter, with a header or not, JSON, Parquet; gzipped too."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from kg.errors import TableError

TEXT, LINES, PARQUET = (
    (".csv", ".tsv", ".txt", ".dat", ".data", ".item", ".user"),
    (".jsonl", ".json", ".ndjson"),
    ".parquet",
)
"""Endings of text with delimiters, of JSON, and of Parquet."""
_CURSOR = "cursor"
"""What a page of an API says beside its rows: where the next page begins."""


def ending_of(path: Path) -> str:
    """Return the ending of a file, without `.gz`."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


def read_frame(
    path: Path, *, names: Sequence[str] = (), delimiter: str = ",", encoding: str = "utf-8", rows: int | None = None
) -> pd.DataFrame:
    """Return the rows of a file; cells of a text file are texts, empty ones missing.

    JSON is one object a line, one list of objects, or pages of an API, `{"Cursor": ..., "Items": [...]}`, whose objects
    are the rows.

    Args:
        path: the file.
        names: of the columns, where the file has no header.
        delimiter: between cells; several characters are allowed.
        encoding: of a text file.
        rows: how many of the first rows; None: all.

    Raises:
        TableError: the file cannot be read as what its ending says.
    """
    ending = ending_of(path)
    packed: Literal["gzip"] | None = "gzip" if path.name.lower().endswith(".gz") else None
    try:
        if ending == PARQUET:
            frame = pd.read_parquet(path)
            return frame if rows is None else frame.head(rows)
        if ending in LINES:
            return _read_json(path, encoding=encoding, rows=rows, packed=packed)
        if ending not in TEXT:
            known = ", ".join((*TEXT, *LINES, PARQUET))
            raise TableError(f"{path.name}: files that end in {ending or 'nothing'} are not read; known are {known}")
        return _read_text(path, names, delimiter, encoding=encoding, rows=rows, packed=packed)
    except (OSError, ValueError, EOFError) as err:  # pandas' and arrow's own errors are kinds of ValueError
        reason = (str(err).splitlines() or [type(err).__name__])[0]
        raise TableError(f"{path.name} cannot be read: {reason}") from err


def _read_text(
    path: Path, names: Sequence[str], delimiter: str, *, encoding: str, rows: int | None, packed: Literal["gzip"] | None
) -> pd.DataFrame:
    several = len(delimiter) > 1
    return pd.read_csv(
        path,
        sep="\\s*" + "".join(f"[{mark}]" for mark in delimiter) + "\\s*" if several else delimiter,
        engine="python" if several else "c",
        names=list(names) or None,
        header=None if names else 0,
        dtype=str,
        na_values=[""],
        keep_default_na=False,
        encoding=encoding,
        nrows=rows,
        compression=packed,
    )


def _read_json(path: Path, *, encoding: str, rows: int | None, packed: Literal["gzip"] | None) -> pd.DataFrame:
    with gzip.open(path, "rt", encoding=encoding) if packed else path.open(encoding=encoding) as file:
        is_list = file.read(100).lstrip().startswith("[")
    if is_list:
        return _as_rows(_whole(path, encoding, packed), rows)
    try:
        frame = pd.read_json(path, lines=True, dtype=False, nrows=rows, encoding=encoding, compression=packed)
    except ValueError:
        try:
            return _as_rows([_whole(path, encoding, packed)], rows)  # one object over several lines
        except ValueError:
            pass
        raise
    pages = [name for name in frame.columns if str(name).lower() != _CURSOR]
    if len(pages) == 1 and frame[pages[0]].map(_are_objects).all():
        return _as_rows(frame.to_dict("records"), rows)
    return frame


def _whole(path: Path, encoding: str, packed: Literal["gzip"] | None) -> Any:
    data = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
    return json.loads(data.decode(encoding))


def _as_rows(found: list[Any], rows: int | None) -> pd.DataFrame:
    objects = [row for one in found for row in _objects_of(one)]
    if not all(isinstance(row, dict) for row in objects):
        raise ValueError("its list holds other things than objects")
    return pd.DataFrame(objects if rows is None else objects[:rows])


def _objects_of(one: object) -> list[Any]:
    """The objects of a page of an API, or the one object that it is."""
    if isinstance(one, dict):
        pages = [value for name, value in one.items() if str(name).lower() != _CURSOR]
        if len(pages) == 1 and _are_objects(pages[0]):
            return list(pages[0])
    return [one]


def _are_objects(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)
