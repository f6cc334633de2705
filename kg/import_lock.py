"""One import at a time: a lock that says who holds it. It guards imports of one machine, not single events."""

import contextlib
import hashlib
import json
import os
import socket
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from kg.errors import GraphBusyError
from kg.store import GraphStore


@contextlib.contextmanager
def import_lock(store: GraphStore) -> Iterator[None]:
    """Hold the import lock of the store's graph.

    The lock lies beside the local server's data. For another server it lies in the temporary folder of this machine
    under a name made from the address: imports from two machines are kept apart by the server's constraints only.

    Raises:
        GraphBusyError: another import holds the lock; the text says which process since when.
    """
    file = _lock_file(store)
    note = file.with_suffix(".json")
    lock = FileLock(file, timeout=0)
    try:
        lock.acquire()
    except Timeout as err:
        raise GraphBusyError(f"another import is writing to {store.server.uri} ({_holder(note)}); wait for it") from err
    try:
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        note.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": started_at}), "utf-8")
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def _lock_file(store: GraphStore) -> Path:
    if store.config.uri is None:
        return store.config.folder / "import.lock"
    place = hashlib.sha256(f"{store.config.uri} {store.config.database}".encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"whycart-import-{os.getuid()}-{place}.lock"


def _holder(note: Path) -> str:
    try:
        holder = json.loads(note.read_text("utf-8"))
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (OSError, KeyError, TypeError, json.JSONDecodeError):
        return "a process that has just started"
