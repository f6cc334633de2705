"""The local graph server: ArcadeDB as a child process that speaks Bolt on the loopback interface.

One server a data folder, shared by every process of a project; it goes on when its starter ends. This module starts,
finds and stops it; it does not speak Bolt, and it never touches a server that somebody else runs.
"""

import contextlib
import importlib.util
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from kg.errors import GraphBusyError, LocalServerError
from kg.local_accounts import OWNER, READER, has_account, password_of, prepare_accounts, write_private

logger = logging.getLogger(__name__)
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 30.0
COMMAND_TIMEOUT_MS = 600_000
"""The server ends a statement after this time, as it does not know the driver's timeout."""
USER = OWNER
DATABASE = "neo4j"
_STARTED = "ArcadeDB Server started"
_LISTENING = "Listening for incoming BOLT connections"
_IN_USE = ("Address already in use", "Unable to listen to a HTTP port", "BindException")
_POLL_S = 0.05
_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A running local server."""

    uri: str
    user: str
    password: str = field(repr=False)
    pid: int
    folder: Path

    def reading_account(self) -> tuple[str, str]:
        """Return user and password of the account that can only read.

        Raises:
            LocalServerError: the server has been running since before it had one.
        """
        if not has_account(self.folder, READER):
            raise LocalServerError(
                f"the local graph server of {self.folder} has no reading account yet; "
                "restart it once: whycart graph stop, then whycart graph start"
            )
        return READER, password_of(self.folder, READER)


@dataclass(frozen=True, slots=True)
class _Note:
    """What `server.json` says, so that another process finds the server and knows it from a reused process id."""

    pid: int
    created: float
    port: int


def start(folder: Path, *, owned: bool = False) -> LocalServer:
    """Return the server of this data folder, started unless it runs already.

    Args:
        folder: data folder, made if missing.
        owned: keep the server in the session of this process, so that Ctrl-C on its terminal ends both.

    Raises:
        LocalServerError: Java is missing, the folder cannot be used, or the server ended; with the end of its log.
        GraphBusyError: another process has been starting or stopping the server for too long.
    """
    folder = folder.resolve()
    _make_folder(folder)
    with _locked(folder):
        note = _alive(folder)
        if note is None:
            note = _launch(folder, owned=owned)
        else:
            _wait_until_ready(folder, note)
        return _server(folder, note)


def status(folder: Path) -> LocalServer | None:
    """Return the running server of this data folder, or None."""
    folder = folder.resolve()
    note = _alive(folder)
    return _server(folder, note) if note else None


def join(folder: Path) -> LocalServer:
    """Return the running server of this data folder.

    Raises:
        LocalServerError: none is running.
    """
    server = status(folder)
    if server is None:
        raise LocalServerError(f"no local graph server runs on {folder}; start it with 'whycart graph start'")
    return server


def stop(folder: Path, *, timeout_s: float = STOP_TIMEOUT_S) -> bool:
    """Stop the server of this data folder; return whether one was running.

    Args:
        folder: data folder.
        timeout_s: how long it may take to end by itself before it is killed; nothing acknowledged is lost by that.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        return False
    with _locked(folder):
        note = _alive(folder)
        if note is not None:
            process = psutil.Process(note.pid)
            process.terminate()
            try:
                process.wait(timeout_s)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait(timeout_s)
            logger.info("local graph server stopped", extra={"pid": note.pid})
        (folder / "server.json").unlink(missing_ok=True)
        return note is not None


def _launch(folder: Path, *, owned: bool) -> _Note:
    for attempt in (1, 2, 3):
        note = _spawn(folder, owned=owned)
        try:
            _wait_until_ready(folder, note)
        except LocalServerError:
            _end(note)
            if attempt == 3 or not any(sign in _log(folder) for sign in _IN_USE):
                raise
            continue
        logger.info("local graph server started", extra={"pid": note.pid, "port": note.port})
        return note
    raise LocalServerError(f"no free port for the local graph server of {folder}")


def _spawn(folder: Path, *, owned: bool) -> _Note:
    port, http_port = _free_ports()
    prepare_accounts(folder)
    argv = _command(folder, port=port, http_port=http_port)
    log = folder / "server.log"
    if log.exists():
        log.replace(folder / "server.log.1")
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    inside = ["sh", "-c", 'cd "$0" && exec "$@"', str(folder), *argv]  # the server writes to its working folder
    pid = os.posix_spawn("/bin/sh", inside, os.environ, file_actions=actions, setsid=not owned)
    note = _Note(pid, psutil.Process(pid).create_time(), port)
    write_private(folder / "server.json", json.dumps(asdict(note)))
    return note


def _command(folder: Path, *, port: int, http_port: int) -> list[str]:
    java, jars = _runtime()
    settings = {
        "arcadedb.server.mode": "production",
        "arcadedb.server.rootPath": folder,
        "arcadedb.server.databaseDirectory": folder / "databases",
        "arcadedb.server.logsDirectory": folder / "log",
        "arcadedb.server.rootPasswordPath": folder / "password",
        "arcadedb.server.defaultDatabases": f"{DATABASE}[{USER}]",
        "arcadedb.server.plugins": "Bolt:com.arcadedb.bolt.BoltProtocolPlugin",
        "arcadedb.bolt.host": "127.0.0.1",  # both listeners are open to the network unless told otherwise
        "arcadedb.bolt.port": port,
        "arcadedb.server.httpIncomingHost": "127.0.0.1",
        "arcadedb.server.httpIncomingPort": http_port,
        "arcadedb.serverMetrics": "false",
        "arcadedb.txWalFlush": 1,  # the default does not flush the log before it acknowledges
        "arcadedb.command.timeout": COMMAND_TIMEOUT_MS,
        "arcadedb.queryMaxHeapElementsAllowedPerOp": -1,  # groups by the million; half the heap is the limit
        "arcadedb.opencypher.loadCsv.allowRemoteUrls": "false",
        "arcadedb.opencypher.loadCsv.allowFileUrls": "false",
        "java.awt.headless": "true",
    }
    memory = ["-Xms64m", f"-Xmx{_heap_mib()}m", "-XX:+ExitOnOutOfMemoryError"]
    flags = [f"-D{key}={value}" for key, value in settings.items()]
    return [str(java), *memory, *flags, "-cp", str(jars / "*"), "com.arcadedb.server.ArcadeDBServer"]


def _wait_until_ready(folder: Path, note: _Note) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        text = _log(folder)
        if _STARTED in text and _LISTENING in text:
            return
        if not _is_running(note):
            raise LocalServerError(f"the local graph server of {folder} ended while starting; {_tail(text)}")
        if any(sign in text for sign in _IN_USE):
            raise LocalServerError(f"a port of the local graph server of {folder} was taken; {_tail(text)}")
        if time.monotonic() > deadline:
            raise LocalServerError(f"no local graph server on {folder} within {START_TIMEOUT_S:.0f} s; {_tail(text)}")
        time.sleep(_POLL_S)


def _runtime() -> tuple[Path, Path]:
    spec = importlib.util.find_spec("arcadedb_embedded")
    if spec is None or spec.origin is None:
        raise LocalServerError(
            "the package arcadedb-embedded is not installed; install it, or set WHYCART_GRAPH_URI to a Neo4j server"
        )
    home = Path(spec.origin).parent
    java, jars = home / "jre" / "bin" / "java", home / "jars"
    if not os.access(java, os.X_OK) or not jars.is_dir():
        raise LocalServerError(
            f"the package arcadedb-embedded brings no Java for this machine ({java} is missing); "
            "reinstall it, or set WHYCART_GRAPH_URI to a Neo4j server"
        )
    return java, jars


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as err:
        raise LocalServerError(f"the graph folder {folder} cannot be made: {err.strerror}") from err
    if not os.access(folder, os.W_OK | os.X_OK):
        raise LocalServerError(f"the graph folder {folder} cannot be written to; choose another in [graph] folder")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    lock = FileLock(folder / "server.lock", timeout=START_TIMEOUT_S + STOP_TIMEOUT_S)
    try:
        with lock:
            yield
    except Timeout as err:
        raise GraphBusyError(f"another process holds {lock.lock_file}; wait for it or end it") from err


def _alive(folder: Path) -> _Note | None:
    try:
        note = _Note(**json.loads((folder / "server.json").read_text("utf-8")))
    except (FileNotFoundError, NotADirectoryError, TypeError, json.JSONDecodeError):
        return None
    return note if _is_running(note) else None


def _is_running(note: _Note) -> bool:
    try:
        process = psutil.Process(note.pid)
        return bool(abs(process.create_time() - note.created) < 1.0 and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _end(note: _Note) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        if _is_running(note):
            psutil.Process(note.pid).kill()
        psutil.Process(note.pid).wait(STOP_TIMEOUT_S)


def _server(folder: Path, note: _Note) -> LocalServer:
    password = password_of(folder, USER)
    return LocalServer(f"bolt://127.0.0.1:{note.port}", USER, password, note.pid, folder)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return int(first.getsockname()[1]), int(second.getsockname()[1])


def _heap_mib() -> int:
    """A quarter of the memory, between 512 MiB and 4 GiB."""
    return int(min(max(psutil.virtual_memory().total / 4, _GIB / 2), 4 * _GIB) / 1024**2)


def _log(folder: Path) -> str:
    try:
        return (folder / "server.log").read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _tail(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()][-15:]
    return "the end of its log:\n" + "\n".join(lines) if lines else "it wrote no log"
