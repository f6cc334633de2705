"""Tables of other shapes as ours, as `[[input]]` of an input folder's `whycart.toml` says (`kg.foreign_entry`).

What a value must be is `kg.validate`'s: here rows are only found, put together and carried over.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from kg.errors import TableError
from kg.foreign_cells import column_of, is_empty, list_of, translate
from kg.foreign_entry import KNOWN, ROW, InputFile
from kg.foreign_files import read_frame
from kg.raw import RawTable
from kg.schema import GraphSchema


def read_foreign(
    folder: Path, entries: Sequence[InputFile], schema: GraphSchema
) -> tuple[dict[str, RawTable], tuple[str, ...]]:
    """Return the tables that the entries describe, as they stand in their files, and what was left out of them.

    Args:
        folder: holds the files.
        entries: as `read_entries` gives them.
        schema: knows the keys of node tables, of which each comes once: the first file that says something wins.

    Raises:
        TableError: a file or a column is missing, or a file cannot be read.
    """
    keys = {kind.table: kind.key for kind in schema.nodes.values()}
    parts: dict[str, list[pd.DataFrame]] = {}
    files: dict[str, list[str]] = {}
    notes: list[str] = []
    for entry in entries:
        rows = _rows(folder, entry, notes)
        parts.setdefault(entry.table, []).append(rows.assign(**{KNOWN: entry.known}))
        files.setdefault(entry.table, []).append(entry.file)
    frames = {table: _together(found, keys.get(table)) for table, found in parts.items()}
    for table in ("events", "relations"):
        if table in frames:
            frames[table] = _of_known_nodes(frames[table], table, frames, schema, notes)
    return {
        table: _raw(table, frame.drop(columns=KNOWN), " and ".join(dict.fromkeys(files[table])))
        for table, frame in frames.items()
    }, tuple(notes)


def _of_known_nodes(
    frame: pd.DataFrame, table: str, frames: Mapping[str, pd.DataFrame], schema: GraphSchema, notes: list[str]
) -> pd.DataFrame:
    """The rows whose nodes are there, where an entry asks for that."""
    product = schema.nodes["Product"]
    if product.table not in frames or not frame[KNOWN].any():
        return frame
    there = set(frames[product.table][product.key].astype(str))
    if table == "events":
        good = frame["product_id"].astype(str).isin(there)
    else:
        of_products = {name for name, kind in schema.relations.items() if {kind.source, kind.target} == {product.label}}
        ends = frame["from_id"].astype(str).isin(there) & frame["to_id"].astype(str).isin(there)
        good = ends | ~frame["relation"].isin(of_products)
    left = ~good & frame[KNOWN]
    if left.any():
        notes.append(f"{int(left.sum()):,} rows of {table} name products that no file lists, and are left out")
    return frame[~left]


def _paths_of(folder: Path, name: str) -> list[Path]:
    found = sorted(path for path in folder.glob(name) if path.is_file()) if "/" not in name else []
    if not found:
        raise TableError(f"{folder} has no file {name!r}, which whycart.toml names in [[input]]")
    return found


def _rows(folder: Path, entry: InputFile, notes: list[str]) -> pd.DataFrame:
    paths, path = _paths_of(folder, entry.file), Path(entry.file)
    frames = [read_frame(one, names=entry.names, delimiter=entry.delimiter, encoding=entry.encoding) for one in paths]
    frame = pd.concat([one.assign(**{ROW: np.arange(1, len(one) + 1)}) for one in frames], ignore_index=True)
    for column, value in entry.where.items():
        frame = frame[column_of(frame, column, path).astype(str) == value]
    if entry.explode:
        frame = _exploded(frame, entry.explode, path)
    for other in entry.join:
        for partner in _paths_of(folder, other["file"]):
            beside = read_frame(partner, names=(), delimiter=entry.delimiter, encoding=entry.encoding)
            on = column_of(frame, other["on"], path).name
            frame = frame.merge(beside, on=on, how="left", suffixes=("", "\x00other"))
    if entry.latest:
        by = pd.to_numeric(column_of(frame, entry.latest["by"], path), errors="coerce")
        order = by.sort_values(kind="stable").index
        frame = (
            frame.loc[order].drop_duplicates(column_of(frame, entry.latest["of"], path).name, keep="last").sort_index()
        )
    return translate(frame, path, entry, notes)


def _exploded(frame: pd.DataFrame, name: str, path: Path) -> pd.DataFrame:
    """A row for each entry of a list; a list of plain values keeps its name."""
    lists = column_of(frame, name, path).map(lambda value: list_of(value, "|"))
    return frame.assign(**{name: lists}).explode(name, ignore_index=True).dropna(subset=name).reset_index(drop=True)


def _together(frames: Sequence[pd.DataFrame], key: str | None) -> pd.DataFrame:
    """The rows of several files; of nodes one row a key, with the first value of each column."""
    whole = pd.concat(frames, ignore_index=True)
    if key is None or key not in whole.columns:
        return whole
    named = whole[whole[key].notna()]
    return pd.concat([named.groupby(key, sort=False, as_index=False).first(), whole[whole[key].isna()]])


def _raw(name: str, frame: pd.DataFrame, file: str) -> RawTable:
    rows = frame[ROW].to_numpy(np.int64)
    columns = dict(_arrow_columns(frame.drop(columns=ROW)))
    return RawTable(name, file, pa.table(columns), rows, unit="row")


def _arrow_columns(frame: pd.DataFrame) -> Iterator[tuple[str, pa.Array]]:
    for name in frame.columns:
        if frame[name].dtype != object:
            yield name, pa.Array.from_pandas(frame[name])
            continue
        values = [None if not isinstance(value, list) and is_empty(value) else value for value in frame[name].tolist()]
        if any(isinstance(value, list) for value in values):
            yield name, pa.array(values, pa.list_(pa.list_(pa.string())))
            continue
        try:
            yield name, pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError):  # values of several types
            yield name, pa.array([None if value is None else str(value) for value in values], pa.string())
