"""Tables of a whole graph as a folder of Parquet files, and back: for keeping a graph apart from its server."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kg.errors import TableError
from kg.snapshot_files import schema_from_json, schema_to_json
from kg.tables import Tables

SCHEMA = "schema.json"


def save_tables(tables: Tables, folder: Path) -> None:
    """Write tables and their schema into a folder.

    Args:
        tables: canonical tables.
        folder: must not be there.
    """
    for name in ("nodes", "edges"):
        (folder / name).mkdir(parents=True)
    (folder / SCHEMA).write_text(json.dumps(schema_to_json(tables.schema), indent=1), encoding="utf-8")
    for label, nodes in tables.nodes.items():
        pq.write_table(nodes, folder / f"nodes/{label}.parquet")
    for relation, edges in tables.edges.items():
        pq.write_table(edges, folder / f"edges/{relation}.parquet")
    pq.write_table(tables.events, folder / "events.parquet")


def load_tables(folder: Path) -> Tables:
    """Return the tables that `save_tables` wrote.

    Raises:
        TableError: a file is missing or cannot be read.
    """
    try:
        schema = schema_from_json(json.loads((folder / SCHEMA).read_text(encoding="utf-8")))
        return Tables(
            schema=schema,
            nodes={label: _read(folder / f"nodes/{label}.parquet") for label in schema.nodes},
            edges={name: _read(folder / f"edges/{name}.parquet") for name in schema.relations},
            events=_read(folder / "events.parquet"),
        )
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowInvalid) as err:
        raise TableError(f"{folder} does not hold the tables of a graph: {err}") from err


def _read(file: Path) -> pa.Table:
    return pq.read_table(file).combine_chunks()
