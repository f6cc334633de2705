"""Snapshots on disk: Parquet for nodes, memory-mapped npy for arrays, a manifest with a hash of every file.

A snapshot folder appears whole or not at all (temporary folder, fsync, rename). Nothing here reads a graph.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from kg.errors import SnapshotError
from kg.files import hash_file, load_array, save_array, sync_folder
from kg.schema import EventKind, GraphSchema, NodeKind, RelationKind
from kg.snapshot import Edges, Events, Snapshot

FORMAT_VERSION = 1
MANIFEST = "snapshot.json"


def save_snapshot(snapshot: Snapshot, folder: Path) -> None:
    """Write a snapshot as a new folder.

    Raises:
        SnapshotError: the folder is already there.
    """
    if folder.exists():
        raise SnapshotError(f"{folder} is already there; a snapshot is written once, give another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    room = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        _write(snapshot, room)
        sync_folder(room)
        os.rename(room, folder)
        sync_folder(folder.parent, recurse=False)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def load_snapshot(folder: Path, *, verify: bool = True) -> Snapshot:
    """Return the snapshot of a folder, its arrays memory-mapped.

    Args:
        folder: what `save_snapshot` wrote.
        verify: whether every file is read once and its hash compared.

    Raises:
        SnapshotError: the folder is incomplete, was changed, or has another format version.
    """
    manifest = _read_manifest(folder)
    for name, digest in manifest["files"].items():
        path = folder / name
        if not path.is_file() or (verify and hash_file(path) != digest):
            raise SnapshotError(f"{path} is missing or was changed since it was written; make the snapshot again")
    schema = schema_from_json(manifest["schema"])
    nodes = {label: pq.read_table(folder / f"nodes/{label}.parquet") for label in sorted(schema.nodes)}
    edges = {name: Edges(**_read_arrays(folder / f"edges/{name}", Edges)) for name in sorted(schema.relations)}
    events = Events(**_read_arrays(folder / "events", Events))
    return Snapshot(schema, nodes, edges, events, manifest["order"], manifest["cutoff_ms"], manifest["hash"])


def schema_to_json(schema: GraphSchema) -> dict[str, Any]:
    """Return a schema as plain values for a manifest."""
    return {
        "nodes": [asdict(kind) for kind in schema.nodes.values()],
        "relations": [asdict(kind) for kind in schema.relations.values()],
        "events": [asdict(kind) for kind in schema.events.values()],
    }


def schema_from_json(entry: Mapping[str, Any]) -> GraphSchema:
    """Return the schema that `schema_to_json` described."""
    nodes = [NodeKind(**{**kind, "text": tuple(kind["text"])}) for kind in entry["nodes"]]
    relations = [RelationKind(**kind) for kind in entry["relations"]]
    events = [EventKind(**kind) for kind in entry["events"]]
    return GraphSchema(
        nodes={kind.label: kind for kind in nodes},
        relations={kind.name: kind for kind in relations},
        events={kind.name: kind for kind in events},
    )


def _write(snapshot: Snapshot, room: Path) -> None:
    (room / "nodes").mkdir()
    for label, table in snapshot.nodes.items():
        pq.write_table(table, room / f"nodes/{label}.parquet")
    _write_arrays(snapshot.events, room / "events")
    for name, edges in snapshot.edges.items():
        _write_arrays(edges, room / f"edges/{name}")
    files = sorted(path for path in room.rglob("*") if path.is_file())
    manifest = {
        "format_version": FORMAT_VERSION,
        "hash": snapshot.hash,
        "cutoff_ms": snapshot.cutoff_ms,
        "order": snapshot.order,
        "schema": schema_to_json(snapshot.schema),
        "files": {path.relative_to(room).as_posix(): hash_file(path) for path in files},
    }
    (room / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True), encoding="utf-8")


def _write_arrays(value: Events | Edges, folder: Path) -> None:
    folder.mkdir(parents=True)
    for field in fields(value):
        array = getattr(value, field.name)
        if array is not None:
            save_array(folder / f"{field.name}.npy", array)


def _read_arrays(folder: Path, kind: type[Events] | type[Edges]) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    for field in fields(kind):
        path = folder / f"{field.name}.npy"
        arrays[field.name] = load_array(path) if path.is_file() else None
    return arrays


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise SnapshotError(f"{folder} is not a snapshot: {MANIFEST} is missing") from err
    except (json.JSONDecodeError, UnicodeDecodeError) as err:
        raise SnapshotError(f"{path} cannot be read: {err}; make the snapshot again") from err
    if not isinstance(manifest, dict):
        raise SnapshotError(f"{path} holds no manifest; make the snapshot again")
    found = manifest.get("format_version")
    if found != FORMAT_VERSION:
        raise SnapshotError(f"{folder} has format version {found}, this program reads {FORMAT_VERSION}; make it again")
    return dict(manifest)
