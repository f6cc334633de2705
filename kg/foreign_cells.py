"""The cells of a foreign file as cells of ours: times, numbers, words, paths of categories, as an entry says."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from kg.errors import TableError
from kg.foreign_entry import GO, ROW, UNITS, InputFile

_BREAK = " > "
_NULL = "null"
"""How a column of JSON in a text file says that it holds nothing."""
_GO_TIME = r"^(\d{4}-\d\d-\d\d[ T][\d:.]+)(?: ([+-]\d{4}) .*)?$"


def translate(frame: pd.DataFrame, path: Path, entry: InputFile, notes: list[str]) -> pd.DataFrame:
    """Return the columns of ours, in the words of ours.

    Args:
        frame: rows of the file; its column ROW is kept.
        path: the file, for error texts.
        entry: what is what.
        notes: what was left out is added here.

    Raises:
        TableError: a column is not there.
    """
    found = pd.DataFrame({ROW: frame[ROW]})
    for ours, theirs in entry.columns.items():
        found[ours] = column_of(frame, theirs, path)
    for ours, names in entry.paths.items():
        found[ours] = _places([column_of(frame, name, path) for name in names])
    for ours, value in entry.set.items():
        found[ours] = value
    found = _with_words(found, path, entry, notes)
    for step in (_times, _texts, _paths):
        step(found, entry)
    return found


def _with_words(found: pd.DataFrame, path: Path, entry: InputFile, notes: list[str]) -> pd.DataFrame:
    for ours, words in entry.words.items():
        given = found[ours]
        found[ours] = given.map(lambda value, words=words: words.get(_word(value)))
        unknown = found[ours].isna()
        if ours in entry.optional or not unknown.any():
            continue
        values = ", ".join(sorted(set(given[unknown].astype(str)))[:5])
        notes.append(f"{path.name}: {int(unknown.sum()):,} rows are left out, as words of {ours} do not have {values}")
        found = found[~unknown].copy()
    return found


def _word(value: object) -> str:
    """A cell as a word; flags as JSON writes them, whatever stands beside them in their column."""
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)


def _times(found: pd.DataFrame, entry: InputFile) -> None:
    for ours, unit in entry.unit.items():
        found[ours] = (pd.to_numeric(found[ours], errors="coerce") * UNITS[unit]).round().astype("Int64")
    for ours, form in entry.format.items():
        if form == GO:
            found[ours] = _go_times(found[ours])
            continue
        moments = pd.to_datetime(found[ours], format=form, errors="coerce", utc=True)
        # What cannot be read stays as it is, so that the checks name it.
        found[ours] = moments.dt.strftime("%Y-%m-%dT%H:%M:%SZ").where(moments.notna(), found[ours])


def _go_times(given: "pd.Series[Any]") -> "pd.Series[Any]":
    """Times without the name of their zone, and those of the year 1, which stand for no time, left out."""
    texts = given.astype("string").str.strip().str.replace(_GO_TIME, r"\1\2", regex=True)
    dates = texts.where(texts.str.match(r"\d{4}-\d\d-").fillna(False))  # bare numbers are no dates
    moments = pd.to_datetime(dates, format="ISO8601", errors="coerce", utc=True)
    written = moments.dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ").astype("string").where(moments.notna(), texts)
    return written.mask(texts.str.startswith("0001-01-01"))


def _texts(found: pd.DataFrame, entry: InputFile) -> None:
    for ours in entry.number:
        found[ours] = _bare_numbers(found[ours].astype("string"))
    for ours in entry.plain:
        found[ours] = found[ours].astype("string").str.replace(r"<[^>]*>", " ", regex=True).str.split().str.join(" ")


def _bare_numbers(texts: "pd.Series[str]") -> "pd.Series[str]":
    """Numbers without currency and marks of thousands; a comma before the last digits is a point where no point is."""
    has_comma = texts.str.contains(r",\d{1,2}\D*$", regex=True).any()
    if has_comma and not texts.str.contains(r"\.\d{1,2}\D*$", regex=True).any():
        texts = texts.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
    return texts.str.replace(r"[^0-9.\-]", "", regex=True)


def _paths(found: pd.DataFrame, entry: InputFile) -> None:
    for ours in entry.chain:
        found[ours] = found[ours].map(_chain)
    for ours, mark in entry.split.items():
        found[ours] = found[ours].map(lambda value, mark=mark: _parts(value, mark))


def column_of(frame: pd.DataFrame, name: str, path: Path) -> "pd.Series[Any]":
    """Return a column of a file; `items.item_id` is a field within a field of JSON.

    Raises:
        TableError: it is not there.
    """
    if name in frame.columns:
        found: pd.Series[Any] = frame[name]
        return found
    outer, _, inner = name.partition(".")
    if inner and outer in frame.columns:
        return frame[outer].map(lambda value: fields_of(value).get(inner))
    known = ", ".join(str(column) for column in frame.columns if column != ROW)
    raise TableError(f"{path.name} has no column {name!r}, which whycart.toml names in [[input]]; it has {known}")


def _places(levels: Sequence["pd.Series[Any]"]) -> "pd.Series[Any]":
    rows = zip(*(level.tolist() for level in levels), strict=True)
    paths = [[str(name) for name in row if not is_empty(name)] for row in rows]
    return pd.Series([[path] if path else None for path in paths], index=levels[0].index, dtype=object)


def _chain(value: object) -> list[list[str]] | None:
    """A list of names from the root as one path; a list of such lists as several."""
    if not isinstance(value, list | np.ndarray) or not len(value):
        return None
    paths = value if isinstance(value[0], list | np.ndarray) else [value]
    return [[str(name) for name in path] for path in paths if len(path)] or None


def _parts(value: object, mark: str) -> list[list[str]] | None:
    """Several paths of a cell, each from the root where its names stand behind each other with ` > `."""
    texts = map(str, list_of(value, mark))
    found = [[name.strip() for name in text.split(_BREAK) if name.strip()] for text in texts]
    return [path for path in found if path] or None


def list_of(value: object, mark: str) -> list[Any]:
    """Return the values of a cell: of a list, of a text that is a list of JSON, or of one with a mark between.

    A single object is a list of one, and nothing is an empty one.
    """
    if isinstance(value, str) and value.startswith("["):
        value = _of_json(value)
    if isinstance(value, list | np.ndarray):
        return list(value)
    if isinstance(value, Mapping):
        return [value]
    return [] if is_empty(value) or value == _NULL else str(value).split(mark)


def fields_of(value: object) -> Mapping[str, Any]:
    """Return the fields of a cell that is an object of JSON, or a text of one; none of any other."""
    if isinstance(value, str) and value.startswith("{"):
        value = _of_json(value)
    return value if isinstance(value, Mapping) else {}


def _of_json(text: str) -> object:
    try:
        found: object = json.loads(text)
    except ValueError:
        return text
    return found


def is_empty(value: object) -> bool:
    """Return whether a cell holds nothing."""
    return value is None or value is pd.NA or value != value or value == ""  # not-a-number is not itself
