"""Checked tables as files for `neo4j-admin database import`: the quickest way into an empty Neo4j that is stopped.

A file for each label and each relationship type, with the header that Neo4j wants; properties and types are those that
`kg.ingest` writes, so a graph made this way is the same. Constraints are made by the next `whycart ingest`.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from kg.deletions import events_of_users
from kg.tables import Tables

_KINDS = ((pa.types.is_boolean, "boolean"), (pa.types.is_integer, "long"), (pa.types.is_floating, "double"))


def write_admin_files(tables: Tables, out: Path, *, parts: Iterable[pa.Table] = ()) -> list[str]:
    """Write the files and return the arguments that make `neo4j-admin database import full` read them.

    Args:
        tables: canonical tables.
        out: folder, made if missing; files of the same names are replaced.
        parts: further events, as `kg.ingest` takes them; all have the same columns.
    """
    out.mkdir(parents=True, exist_ok=True)
    arguments = []
    for label, table in tables.nodes.items():
        if table.num_rows:
            file = _write(_filled(table), out / f"nodes-{label}.csv", {table.column_names[0]: f":ID({label})"})
            arguments.append(f"--nodes={label}={file}")
    for name, table in tables.edges.items():
        if not table.num_rows:
            continue
        kind = tables.schema.relation(name)
        ends = {"from_id": f":START_ID({kind.source})", "to_id": f":END_ID({kind.target})"}
        file = _write(_filled(table), out / f"relationships-{name}.csv", ends, keep_names=False)
        arguments.append(f"--relationships={name}={file}")
    for name, file in _write_events(tables, out, parts).items():
        arguments.append(f"--relationships={name}={file}")
    return [*arguments, "--multiline-fields=true"]


def _write_events(tables: Tables, out: Path, parts: Iterable[pa.Table]) -> Mapping[str, Path]:
    """Write the file of each relationship type that has events; those of parts have all columns, filled or not."""
    ends = {"user_id": ":START_ID(User)", "product_id": ":END_ID(Product)"}
    files: dict[str, Path] = {}
    known = (events_of_users(part, tables) for part in parts)
    for events in [_filled(tables.events)] if tables.events.num_rows else known:
        for kind in tables.schema.events.values():
            rows = events.filter(pc.equal(events["type"], kind.name)).drop_columns(["type"])
            if rows.num_rows:
                file = out / f"relationships-{kind.relation}.csv"
                _write(rows, file, ends, keep_names=False, append=kind.relation in files)
                files[kind.relation] = file
    return files


def _filled(table: pa.Table) -> pa.Table:
    """Return a table without its empty columns."""
    return table.select([name for name in table.column_names if table[name].null_count < table.num_rows])


def _write(
    table: pa.Table, file: Path, marks: Mapping[str, str], *, keep_names: bool = True, append: bool = False
) -> Path:
    """Write a table; `marks` say which columns are ids and of what."""
    header = [
        f"{name if keep_names else ''}{marks[name]}" if name in marks else f"{name}:{_type(table[name].type)}"
        for name in table.column_names
    ]
    with file.open("ab" if append else "wb") as out:
        if not append:
            out.write((",".join(header) + "\n").encode())
        pa_csv.write_csv(table, out, pa_csv.WriteOptions(include_header=False))
    return file


def _type(kind: pa.DataType) -> str:
    return next((name for matches, name in _KINDS if matches(kind)), "string")
