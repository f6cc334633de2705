"""Files that others wrote, as data frames: any delimiter, with a header or not, JSON lines, Parquet; gzipped too."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pandas as pd

from kg.errors import TableError

TEXT, LINES, PARQUET = (
    (".csv", ".tsv", ".txt", ".dat", ".data", ".item", ".user"),
    (".jsonl", ".json", ".ndjson"),
    ".parquet",
)
"""Endings of text with delimiters, of JSON lines, and of Parquet."""


def ending_of(path: Path) -> str:
    """Return the ending of a file, without `.gz`."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


def read_frame(
    path: Path, *, names: Sequence[str] = (), delimiter: str = ",", encoding: str = "utf-8", rows: int | None = None
) -> pd.DataFrame:
    """Return the rows of a file; cells of a text file are texts, empty ones missing.

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
            return pd.read_json(path, lines=True, dtype=False, nrows=rows, encoding=encoding, compression=packed)
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
