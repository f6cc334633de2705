"""Everything of a shop that cannot be made again, in one archive: graph, events, state, settings and models.

What can be made again stays out: snapshots, caches, the work of a job. While a backup is made the API answers on;
events that arrive meanwhile wait to be written to the graph, so that graph and log tell of the same moment.
"""

import contextlib
import importlib.metadata
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cypher.catalogue import load_query
from gnn.bundles import HISTORY, POINTER, BundleStore
from gnn.errors import BundleError
from kg.extract import extract_tables
from kg.files import sync_folder
from kg.import_lock import import_lock
from kg.ingest import ingest
from kg.progress import Progress, silent
from kg.schema import GraphSchema
from kg.store import GraphStore
from kg.table_files import load_tables, save_tables
from kg.tables import Tables
from serving.archive import check_name, pack, read_manifest, unpack
from serving.errors import ArchiveError
from serving.events import EventLog
from serving.model_store import open_models
from serving.people_data import restore_deletions
from serving.settings import Settings

GRAPH, STATE, BUNDLES = "graph", "state.db", "bundles"
_MARKER = "restoring"


@dataclass(frozen=True, slots=True)
class Kept:
    """What an archive holds."""

    file: Path
    created_at: str
    """ISO 8601, UTC."""
    num_nodes: int
    num_edges: int
    num_events: int
    """Events in the graph; those of the log that wait are in the state beside them."""
    versions: tuple[str, ...]
    """Models, oldest first."""
    served: str | None
    """The model that is served."""


def back_up(settings: Settings, file: Path, *, all_models: bool = False, progress: Progress = silent) -> Kept:
    """Write an archive of a shop, whose API may run meanwhile.

    Args:
        settings: of the shop.
        file: a name that ends with .tar or .tar.gz; it must not be there.
        all_models: whether every model goes in, not only the one that is served and the one before.
        progress: called as work moves.

    Raises:
        ArchiveError: the file is there, cannot be written, or there is nothing to keep.
        GraphBusyError: an import is under way, or events are being written and that does not end.
        GraphConnectionError: the graph server does not answer.
    """
    check_name(file)
    if not settings.home.is_dir():
        raise ArchiveError(f"{settings.home} is not there, so there is nothing to keep; run this in the shop's folder")
    room = Path(tempfile.mkdtemp(prefix=".backup.", dir=settings.home))
    try:
        versions = _link_models(open_models(settings), room / BUNDLES, all_models=all_models)
        with (
            GraphStore.open(settings.graph) as store,
            EventLog.open(settings.state, settings.secret_file) as log,
            import_lock(store),
            log.applying(),
        ):
            _copy_state(settings.state, room / STATE)
            tables = extract_tables(store, settings.schema, progress=progress)
        save_tables(tables, room / GRAPH)
        kept = _described(file, tables, versions, served=BundleStore(room / BUNDLES).current_version())
        pack(room, file, _facts(kept, settings), progress=progress)
    finally:
        shutil.rmtree(room, ignore_errors=True)
    return kept


def look_into(file: Path, *, progress: Progress = silent) -> Kept:
    """Read an archive from end to end, compare every hash, and return what it holds.

    Raises:
        ArchiveError: it cannot be used.
    """
    return _kept(file, unpack(file, None, progress=progress))


def put_back(settings: Settings, file: Path, *, progress: Progress = silent) -> Kept:
    """Fill an empty shop from an archive: graph first, then models, then state.

    Whoever is killed on the way runs it again. The graph is read back in the end and compared with the archive.

    Args:
        settings: of the shop to fill; its graph may be of another kind than the one that was kept.
        file: what `back_up` wrote.
        progress: called as work moves.

    Raises:
        ArchiveError: the archive cannot be used, the shop is not empty, or the graph is not what was written.
        GraphConnectionError: the graph server does not answer.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    room = Path(tempfile.mkdtemp(prefix=".backup.", dir=settings.home))
    try:
        content = room / "content"
        manifest = unpack(file, content, progress=progress)
        tables = load_tables(content / GRAPH)
        marker = settings.home / _MARKER
        with GraphStore.open(settings.graph) as store:
            _refuse_what_is_there(settings, store, marker, manifest)
            marker.write_text(manifest["created_at"], encoding="utf-8")
            _fill_graph(store, tables, progress=progress)
        _move_models(content / BUNDLES, open_models(settings))
        _copy_state(content / STATE, settings.state)
        _keep_away_who_was_deleted(settings, tables.schema)
        marker.unlink()
    finally:
        shutil.rmtree(room, ignore_errors=True)
    return _kept(file, manifest)


def config_of(file: Path) -> str | None:
    """Return the text of the settings file that an archive holds; None when the shop had none.

    Raises:
        ArchiveError: the archive cannot be used.
    """
    text: str | None = read_manifest(file)["config"]
    return text


def _link_models(store: BundleStore, folder: Path, *, all_models: bool) -> tuple[str, ...]:
    """Take hold of the models, so that they stay while they are packed whatever is deleted meanwhile."""
    folder.mkdir()
    served, versions = store.current_version(), store.versions()
    if not all_models:
        before = None
        with contextlib.suppress(BundleError):
            before = store.previous_version()
        versions = [version for version in versions if version in (served, before)]
    for version in versions:
        shutil.copytree(store.folder / version, folder / version, copy_function=_link)
    for name in (POINTER, HISTORY):
        if (store.folder / name).is_file():
            shutil.copyfile(store.folder / name, folder / name)
    return tuple(versions)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)


def _copy_state(source: Path, target: Path) -> None:
    """Copy one state file over another in a transaction, whoever has either of them open."""
    try:
        with contextlib.closing(sqlite3.connect(source)) as there, contextlib.closing(sqlite3.connect(target)) as here:
            there.backup(here)
        target.chmod(0o600)
    except (sqlite3.Error, OSError) as err:
        raise ArchiveError(f"{source} cannot be copied to {target} ({err}); check disk space and access") from err


def _refuse_what_is_there(settings: Settings, store: GraphStore, marker: Path, manifest: Mapping[str, Any]) -> None:
    """Raise unless the shop is empty, or was being filled from this very archive."""
    if marker.is_file() and marker.read_text(encoding="utf-8") == manifest["created_at"]:
        return
    parts = {
        "graph": [f"{row['num_nodes']:,} {row['label']}" for row in store.read(load_query("node_counts"))],
        "models": open_models(settings).versions(),
        settings.state.name: _tables_with_rows(settings.state),
    }
    found = [f"{name}: {', '.join(there)}" for name, there in parts.items() if there]
    if found:
        raise ArchiveError(
            f"the shop in {settings.home} is not empty ({'; '.join(found)}); nothing was changed: "
            "move its folder away, or give an empty database, and try again"
        )


def _tables_with_rows(state: Path) -> list[str]:
    if not state.is_file():
        return []
    with EventLog.open(state) as log:
        return log.tables_with_rows()


def _fill_graph(store: GraphStore, tables: Tables, *, progress: Progress) -> None:
    ingest(store, tables, progress=progress)
    found = extract_tables(store, tables.schema)
    wrong = [label for label, nodes in tables.nodes.items() if not nodes.equals(found.nodes[label])]
    wrong += [name for name, edges in tables.edges.items() if not edges.equals(found.edges[name])]
    wrong += [] if tables.events.equals(found.events) else ["events"]
    if wrong:
        raise ArchiveError(f"the graph does not hold what the archive does: {', '.join(wrong)}; is it written to?")


def _keep_away_who_was_deleted(settings: Settings, schema: GraphSchema) -> None:
    with GraphStore.open(settings.graph) as store, EventLog.open(settings.state, settings.secret_file) as log:
        restore_deletions(log, store, schema)


def _move_models(folder: Path, store: BundleStore) -> None:
    """Move the models in, and the pointer to them last."""
    store.folder.mkdir(parents=True, exist_ok=True)
    for version in BundleStore(folder).versions():
        if version not in store.versions():
            os.rename(folder / version, store.folder / version)
    for name in (HISTORY, POINTER):
        if (folder / name).is_file():
            os.replace(folder / name, store.folder / name)
    sync_folder(store.folder)
    if store.current_version() is not None:
        store.current()


def _described(file: Path, tables: Tables, versions: tuple[str, ...], *, served: str | None) -> Kept:
    return Kept(
        file=file,
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        num_nodes=sum(nodes.num_rows for nodes in tables.nodes.values()),
        num_edges=sum(edges.num_rows for edges in tables.edges.values()),
        num_events=tables.events.num_rows,
        versions=versions,
        served=served,
    )


def _facts(kept: Kept, settings: Settings) -> dict[str, Any]:
    config = settings.source.file
    return {
        **{name: value for name, value in asdict(kept).items() if name != "file"},
        "whycart": importlib.metadata.version("whycart"),
        "config": None if config is None else config.read_text(encoding="utf-8"),
    }


def _kept(file: Path, manifest: Mapping[str, Any]) -> Kept:
    names = [field.name for field in fields(Kept) if field.name != "file"]
    return Kept(file=file, **{name: manifest[name] for name in names} | {"versions": tuple(manifest["versions"])})
