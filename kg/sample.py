"""The first rows of a foreign file, and how it is written: delimiter, header, encoding."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from kg.errors import TableError
from kg.foreign_files import LINES, PARQUET, ending_of, read_frame

Entry = dict[str, Any]
"""An `[[input]]` entry (`kg.foreign_entry`) as plain values."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind that is not built in and that entries name, so that the `whycart.toml` has to declare it."""

    section: str
    """Where it is declared: `events.liked`, `graph.nodes.Tag`."""
    facts: Entry
    """What is said of it there."""
    why: str
    """A sentence for the reader of the file."""


Found = Entry | Kind | str
"""What a layout finds in a file: an entry, a kind that has to be declared, or a note on what to look at."""
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

    def column(self, *names: str) -> str | None:
        """Return the column that is called by one of some names, whatever its case and marks: `ItemId` is `item_id`."""
        there = {plain_name(str(name)): str(name) for name in reversed(self.frame.columns)}
        return next((there[name] for name in map(plain_name, names) if name in there), None)

    def plain_names(self) -> set[str]:
        """Return the names of the columns without case and marks."""
        return {plain_name(str(name)) for name in self.frame.columns}

    def whole(self) -> pd.DataFrame:
        """Return all rows, not the first ones only."""
        return read_frame(self.path, delimiter=self.delimiter, encoding=self.encoding)

    def base(self) -> Entry:
        """Return what every entry about this file says, beside table and columns."""
        entry: Entry = {"file": self.name}
        if ending_of(self.path) not in (*LINES, PARQUET) and self.delimiter != ",":
            entry["delimiter"] = self.delimiter
        return entry | ({} if self.encoding == "utf-8" else {"encoding": self.encoding})


def plain_name(name: str) -> str:
    """Return a name without case, spaces and marks, as names are compared."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def texts_of(values: "pd.Series[Any]") -> Iterator[str]:
    """Return what stands in the cells of a column; entries of lists one by one, empty cells left out."""
    for value in values.dropna():
        yield from (map(str, value) if isinstance(value, list) else (str(value),))


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
