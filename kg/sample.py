"""The first rows of a foreign file, and how it is written: delimiter, header, encoding."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kg.errors import TableError
from kg.foreign_files import LINES, PARQUET, ending_of, read_frame

Entry = dict[str, Any]
"""An `[[input]]` entry (`kg.foreign_entry`) as plain values."""
SAMPLE = 200
"""Rows of each file that are looked at."""
_DELIMITERS = (",", "\t", ";", "|", "::")


@dataclass(frozen=True, slots=True)
class Sample:
    """The first rows of a file."""

    path: Path
    frame: pd.DataFrame
    delimiter: str
    has_header: bool
    encoding: str

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path.name

    def has(self, *columns: str) -> bool:
        """Return whether the file has all of some columns."""
        return set(columns) <= set(map(str, self.frame.columns))

    def base(self) -> Entry:
        """Return what every entry about this file says, beside table and columns."""
        entry: Entry = {"file": self.name}
        if ending_of(self.path) not in (*LINES, PARQUET) and self.delimiter != ",":
            entry["delimiter"] = self.delimiter
        return entry | ({} if self.encoding == "utf-8" else {"encoding": self.encoding})


def take_sample(path: Path) -> Sample:
    """Read the first rows of a file and find out how they are written.

    Raises:
        TableError: the file is not there, is empty or cannot be read.
    """
    if not path.is_file():
        raise TableError(f"{path} is not a file; give the files that the shop or data set came in")
    if ending_of(path) in (*LINES, PARQUET):
        return Sample(path, read_frame(path, rows=SAMPLE), ",", True, "utf-8")
    encoding, delimiter = _encoding_of(path), ","
    best = 1
    for mark in _DELIMITERS:
        try:
            width = read_frame(path, delimiter=mark, encoding=encoding, rows=20).shape[1]
        except TableError:
            continue
        if width > best:
            best, delimiter = width, mark
    frame = read_frame(path, delimiter=delimiter, encoding=encoding, rows=SAMPLE)
    has_header = not _is_data(list(map(str, frame.columns)))
    if not has_header:
        names = [f"column{number}" for number in range(1, frame.shape[1] + 1)]
        frame = read_frame(path, names=names, delimiter=delimiter, encoding=encoding, rows=SAMPLE)
    return Sample(path, frame, delimiter, has_header, encoding)


def _encoding_of(path: Path) -> str:
    try:
        read_frame(path, rows=5_000, delimiter="\x07")
    except TableError:
        return "latin-1"
    return "utf-8"


def _is_data(cells: Sequence[str]) -> bool:
    """Whether a first line holds values: a number, or a time, which no column is called by."""
    return any(re.fullmatch(r"[-+]?\d+(\.\d+)?(\.\d+)?|\d{4}-\d\d-\d\d.*", cell.strip()) for cell in cells)
