"""Checked tables as files for `neo4j-admin database import`: the quickest way into an empty Neo4j that is stopped.

A file for each label and each relationship type, with the header that Neo4j wants; properties and types are those that
`kg.ingest` writes, so a graph made this way is the same. Constraints are made by the next `whycart ingest`.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from kg.tables import Tables

_KINDS = ((pa.types.is_boolean, "boolean"), (pa.types.is_integer, "long"), (pa.types.is_floating, "double"))


def write_admin_files(tables: Tables, out: Path) -> list[str]:
    """Write the files and return the arguments that make `neo4j-admin database import full` read them.

    Args:
        tables: canonical tables.
        out: folder, made if missing; files of the same names are replaced.
    """
    out.mkdir(parents=True, exist_ok=True)
    arguments = []
    for label, table in tables.nodes.items():
        if table.num_rows:
            file = _write(table, out / f"nodes-{label}.csv", {table.column_names[0]: f":ID({label})"})
            arguments.append(f"--nodes={label}={file}")
    for name, source, target, table in _relationships(tables):
        ends = {"from_id": f":START_ID({source})", "to_id": f":END_ID({target})"}
        file = _write(table, out / f"relationships-{name}.csv", ends, keep_names=False)
        arguments.append(f"--relationships={name}={file}")
    return [*arguments, "--multiline-fields=true"]


def _relationships(tables: Tables) -> Iterator[tuple[str, str, str, pa.Table]]:
    """Type, labels of the ends and rows of each relationship type that has any."""
    for name, table in tables.edges.items():
        if table.num_rows:
            kind = tables.schema.relation(name)
            yield name, kind.source, kind.target, table
    for event in tables.schema.events.values():
        rows = tables.events.filter(pc.equal(tables.events["type"], event.name)).drop_columns(["type"])
        if rows.num_rows:
            names = {"user_id": "from_id", "product_id": "to_id"}
            yield (
                event.relation,
                "User",
                "Product",
                rows.rename_columns([names.get(column, column) for column in rows.column_names]),
            )


def _write(table: pa.Table, file: Path, marks: dict[str, str], *, keep_names: bool = True) -> Path:
    """Write a table without its empty columns; `marks` say which columns are ids and of what."""
    kept = [name for name in table.column_names if table[name].null_count < table.num_rows]
    header = [
        f"{name if keep_names else ''}{marks[name]}" if name in marks else f"{name}:{_type(table[name].type)}"
        for name in kept
    ]
    with file.open("wb") as out:
        out.write((",".join(header) + "\n").encode())
        pa_csv.write_csv(table.select(kept), out, pa_csv.WriteOptions(include_header=False))
    return file


def _type(kind: pa.DataType) -> str:
    return next((name for matches, name in _KINDS if matches(kind)), "string")
