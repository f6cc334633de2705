"""Reading an input folder: finding its files, parsing them and handing them to the checks.

What rows must look like is decided in `kg.validate`; nothing is written here except the quarantine file.
"""

import difflib
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kg.declared_checks import ColumnCheck, read_checks
from kg.errors import SchemaError, TableError
from kg.event_parts import LargeEvents, Parting
from kg.foreign import read_foreign
from kg.foreign_entry import read_entries
from kg.formats import ENDINGS, parse_file
from kg.merge_rule import MergeRule, read_merge_rule
from kg.node_rows import check_columns
from kg.problems import RowChecks, settle
from kg.progress import Progress, silent
from kg.schema import GraphSchema, declare
from kg.validate import ReadReport, check_raw
from kg.values import check_ids, text_values
from kg.veil import Veil

SPLITS = ("split_train", "split_valid", "split_test")
"""Tables of published splits, read by `read_splits` only."""
DECLARATION = "whycart.toml"
"""File in an input folder that declares its own kinds of nodes, relations and events."""


def read_folder(
    folder: Path,
    *,
    base: GraphSchema | None = None,
    quarantine: Path | None = None,
    veil: Veil | None = None,
    parting: Parting | None = None,
    progress: Progress = silent,
) -> ReadReport:
    """Read and check an input folder.

    Args:
        folder: holds products and events and any further table, each as CSV, JSONL or Parquet, gzipped or not.
        base: kinds known besides those of the folder's `whycart.toml`; None: the built-in ones.
        quarantine: JSONL file where bad rows are set aside; None: a bad row is an error and nothing is returned.
        veil: what is hidden of people before anything else; None: nothing.
        parting: how a large event file is read in parts; None: it is read at once.
        progress: told after each file and each step of the checks.

    Raises:
        RowsError: rows are broken and there is no quarantine file; the first are named, all are counted.
        TableError: the folder, a file, a table or a column is missing or not usable.
        SchemaError: the folder's `whycart.toml` declares something wrong.
    """
    declaration = _declaration(folder)
    schema = declare(base or GraphSchema(), declaration, where=DECLARATION)
    entries = read_entries(declaration, schema, where=DECLARATION)
    tables = {kind.table for kind in schema.nodes.values()} | {"events", "relations"}
    files, warnings = find_files(folder, tables - {entry.table for entry in entries}, foreign=bool(entries))
    _refuse_overwriting(quarantine, files)
    large = None
    if parting is not None and "events" in files and parting.wanted(files["events"]):
        large = LargeEvents(files.pop("events"), parting, veil)
    raws, notes = read_foreign(folder, entries, schema) if entries else ({}, ())
    for done, (name, path) in enumerate(sorted(files.items()), start=1):
        raws[name] = parse_file(path, name=name)
        progress("read", done, len(files))
    raws = raws if veil is None else veil.over(raws, schema)
    report = check_raw(raws, schema, quarantine=quarantine, large=large, progress=progress)
    return replace(report, warnings=(*warnings, *notes, *report.warnings))


def read_splits(folder: Path) -> Mapping[str, pa.Table]:
    """Read the published splits of an input folder.

    Returns:
        By name (`split_train`, ...), for each split that is there, a table of user_id, product_id and, where the
        file has it, candidates (a list of product ids; in CSV separated by spaces). Rows keep the order of the file.

    Raises:
        RowsError: an id is missing or broken.
        TableError: a file or a column is missing or not usable.
    """
    _require_folder(folder)
    files, _ = find_files(folder, set(SPLITS))
    return {name: _split_table(files[name], name=name) for name in SPLITS if name in files}


def read_declaration(folder: Path, *, base: GraphSchema | None = None) -> GraphSchema:
    """Return the schema of an input folder: the base (None: the built-in kinds) and what its `whycart.toml` declares.

    Raises:
        TableError: there is no such folder.
        SchemaError: the file is not TOML or declares something wrong.
    """
    return declare(base or GraphSchema(), _declaration(folder), where=DECLARATION)


def read_folder_checks(folder: Path, schema: GraphSchema) -> tuple[ColumnCheck, ...]:
    """Return what the folder's `whycart.toml` asks of columns.

    Raises:
        SchemaError: it declares something wrong.
    """
    return read_checks(_declaration(folder), schema, where=DECLARATION)


def read_folder_merge_rule(folder: Path) -> MergeRule | None:
    """Return when two products are one, as the folder's `whycart.toml` has it; None where it says nothing of that.

    Raises:
        SchemaError: it declares something wrong.
    """
    return read_merge_rule(_declaration(folder), where=DECLARATION)


def _declaration(folder: Path) -> Mapping[str, Any]:
    """What the folder's `whycart.toml` says; nothing where there is none."""
    _require_folder(folder)
    path = folder / DECLARATION
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as err:
        raise SchemaError(f"{path.name} is not a TOML file that can be read: {err}") from err


def find_files(folder: Path, tables: Collection[str], *, foreign: bool = False) -> tuple[dict[str, Path], list[str]]:
    """Return the file of each table in a folder, and warnings about table files that nobody reads.

    Args:
        folder: where to look.
        tables: names of tables.
        foreign: whether other files have names of their own choosing, so that none is missed.

    Raises:
        TableError: the folder is empty, two files hold one table, or a table has an ending that cannot be read.
    """
    names = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    if not names:
        raise TableError(f"folder {folder} is empty; it needs products and events ({', '.join(ENDINGS)}, or with .gz)")
    files: dict[str, Path] = {}
    warnings = []
    for path in names:
        table, _, ending = path.name.partition(".")
        readable = f".{ending.lower().removesuffix('.gz')}" in ENDINGS
        if table in tables and not readable:
            raise TableError(
                f"{path.name}: ending .{ending} is not read; allowed are {', '.join(ENDINGS)}, also with .gz"
            )
        if table in files:
            raise TableError(f"{files[table].name} and {path.name} both hold the table {table!r}; keep one of them")
        if table in tables:
            files[table] = path
        elif readable and not foreign and table not in SPLITS and not table.startswith("split_"):
            near = difflib.get_close_matches(table, sorted(tables), n=1)
            warnings.append(f"{path.name} is not read: no table has this name" + (f"; {near[0]}?" if near else ""))
    return files, warnings


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        kind = "is a file" if folder.exists() else "does not exist"
        raise TableError(f"folder {folder} {kind}; give a folder that holds products and events")


def _refuse_overwriting(quarantine: Path | None, files: Mapping[str, Path]) -> None:
    if quarantine is None:
        return
    for path in files.values():
        if quarantine.resolve() == path.resolve():
            raise TableError(f"the quarantine file {quarantine} is an input file; name another one")


def _split_table(path: Path, *, name: str) -> pa.Table:
    raw = parse_file(path, name=name)
    check_columns(raw, ("user_id", "product_id"))
    checks = RowChecks(raw)
    columns = {key: check_ids(checks, key) for key in ("user_id", "product_id")}
    settle([checks], None)
    if "candidates" in raw.table.column_names:
        given = raw.table["candidates"].type
        if pa.types.is_list(given):
            columns["candidates"] = raw.table["candidates"].cast(pa.list_(pa.string())).combine_chunks()
        else:
            columns["candidates"] = pc.utf8_split_whitespace(text_values(raw, "candidates"))
    return pa.table(columns)
