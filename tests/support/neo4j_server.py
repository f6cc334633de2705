"""A real Neo4j Community server for tests and for a try by hand: jars by Maven, loopback only, a throw-away home.

Needs Java 17 or 21, and Maven the first time. `python -m tests.support.neo4j_server` starts one, prints the three
variables that make Whycart use it, and stops it on Ctrl-C. It is no way to run Neo4j for anything that must last.
"""

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from filelock import FileLock

from kg.store import GraphConfig

VERSION = "5.26.30"
START_TIMEOUT_S = 180.0
_MAIN = "org.neo4j.server.CommunityEntryPoint"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>whycart</groupId><artifactId>neo4j-for-tests</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.neo4j</groupId><artifactId>neo4j</artifactId><version>{VERSION}</version></dependency>
  </dependencies>
</project>
"""
_OPENED = ("java.nio", "java.io", "sun.nio.ch", "java.util.concurrent")
_SETTINGS = {
    "server.default_listen_address": "127.0.0.1",
    "server.default_advertised_address": "127.0.0.1",
    "server.http.enabled": "false",
    "server.https.enabled": "false",
    "dbms.usage_report.enabled": "false",
    "server.memory.heap.max_size": "512m",
    "server.memory.pagecache.size": "128m",
    "db.tx_log.preallocate": "false",  # else half a gigabyte for an empty home
    "db.tx_log.rotation.size": "16m",
    "db.tx_log.rotation.retention_policy": "keep_none",
    "internal.dbms.bolt.netty_server_shutdown_quiet_period": "0",  # else it takes ten seconds to stop
}
_LARGE = {"server.memory.heap.max_size": "2g", "server.memory.pagecache.size": "1g"}
_SMALL = ["-Xms64m", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]


class Neo4jMissingError(Exception):
    """What a Neo4j server needs is not on this machine."""


@contextlib.contextmanager
def running_neo4j(*, large: bool = False) -> Iterator[GraphConfig]:
    """Run a Neo4j server with an empty database and give the way to it.

    Args:
        large: with the memory and the compiler that a server has in earnest; starts slower.

    Raises:
        Neo4jMissingError: there is no Java 17 or 21, no Maven and no jars, or the server does not start.
    """
    with tempfile.TemporaryDirectory(prefix="whycart-neo4j-") as folder:
        server = Neo4jServer(Path(folder), large=large)
        server.start()
        try:
            yield server.config
        finally:
            server.stop()


class Neo4jServer:
    """A server with a home of its own, which can be started again after it was stopped or killed."""

    def __init__(self, home: Path, *, large: bool = False) -> None:
        """Write the settings of an empty database into an empty folder.

        Args:
            home: the folder.
            large: with the memory and the compiler that a server has in earnest.

        Raises:
            Neo4jMissingError: there is no Java 17 or 21, no Maven and no jars.
        """
        java, jars = find_java(), fetch_jars()
        port, password = _free_port(), secrets.token_urlsafe(18)
        _write_home(home, port=port, password=password, settings=_SETTINGS | (_LARGE if large else {}))
        self.config = GraphConfig(uri=f"bolt://127.0.0.1:{port}", user="neo4j", password=password)
        """The way to it."""
        self._home, self._process = home, None
        self._archive, self._fresh = _cache() / f"classes-{VERSION}-{_fingerprint(java)}.jsa", home / "classes.jsa"
        share = f"-XX:SharedArchiveFile={self._archive}"
        share = share if self._archive.exists() else f"-XX:ArchiveClassesAtExit={self._fresh}"
        memory = ["-Xms2g", "-Xmx2g", "-XX:+UseG1GC"] if large else [*_SMALL, share]
        self._argv = [java, *memory, *(f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in _OPENED)]
        self._argv += ["-Dlog4j2.disable.jmx=true", "-cp", str(jars / "*"), _MAIN]
        self._argv += [f"--home-dir={home}", f"--config-dir={home / 'conf'}", "--console-mode"]

    _process: subprocess.Popen[bytes] | None

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            Neo4jMissingError: it does not start.
        """
        console = self._home / "console.log"
        with console.open("w") as log:
            self._process = subprocess.Popen(
                self._argv, cwd=self._home, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            _wait(self._process, console)
        except BaseException:
            self.stop()
            raise

    def admin(self, *arguments: str) -> str:
        """Run `neo4j-admin` on the stopped server and return what it says.

        Raises:
            CalledProcessError: it fails; the text it wrote is in `output`.
        """
        main = ["-cp", self._argv[self._argv.index("-cp") + 1], "org.neo4j.cli.AdminTool", *arguments]
        opened = [part for part in self._argv if part.startswith("--add-opens")]
        homes = {"NEO4J_HOME": str(self._home), "NEO4J_CONF": str(self._home / "conf")}
        done = subprocess.run(
            [self._argv[0], *opened, *main],
            env={**os.environ, **homes},
            cwd=self._home,  # where it leaves its report
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
        )
        return done.stdout

    def kill(self) -> None:
        """End it as a power cut would end the process (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End it in order; what it knows of its classes makes the next start of any of them quicker."""
        if self._process is not None:
            _stop(self._process)
        if self._fresh.exists():
            shutil.move(self._fresh, f"{self._archive}.{os.getpid()}")
            Path(f"{self._archive}.{os.getpid()}").replace(self._archive)


def find_java() -> str:
    """Return the path of a Java that Neo4j 5.26 runs on.

    Raises:
        Neo4jMissingError: there is none of version 17 or 21.
    """
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if java is None:
        raise Neo4jMissingError("no java was found; install a Java runtime 17 or 21, or set JAVA_HOME")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or version[1] not in ("17", "21"):
        raise Neo4jMissingError(f"Neo4j {VERSION} needs Java 17 or 21, and {java} is {said.splitlines()[:1]}")
    return java


def fetch_jars() -> Path:
    """Return the folder with the server's jars, fetched by Maven the first time.

    Raises:
        Neo4jMissingError: they are not there and Maven is not there or fails.
    """
    folder = _cache() / f"jars-{VERSION}"
    with FileLock(_cache() / "jars.lock"):
        if folder.is_dir():
            return folder
        maven = shutil.which("mvn")
        if maven is None:
            raise Neo4jMissingError(f"the jars of Neo4j {VERSION} are not in {folder}; install Maven to fetch them")
        with tempfile.TemporaryDirectory(dir=_cache()) as work:
            Path(work, "pom.xml").write_text(_POM)
            argv = [maven, "-B", "-q", "-f", f"{work}/pom.xml", _COPY, "-DincludeScope=runtime"]
            for attempt in (1, 2, 3):
                done = subprocess.run(
                    [*argv, f"-DoutputDirectory={work}/jars"], capture_output=True, text=True, check=False
                )
                if done.returncode == 0:
                    break
                time.sleep(5 * attempt)
            else:
                raise Neo4jMissingError(
                    f"Maven could not fetch Neo4j {VERSION}:\n{(done.stdout + done.stderr)[-2000:]}"
                )
            Path(work, "jars").rename(folder)
    return folder


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "whycart-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write_home(home: Path, *, port: int, password: str, settings: Mapping[str, str]) -> None:
    settings = {
        **settings,
        "server.bolt.listen_address": f"127.0.0.1:{port}",
        "server.bolt.advertised_address": f"127.0.0.1:{port}",
    }
    (home / "conf").mkdir()
    (home / "conf" / "neo4j.conf").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    (home / "data" / "dbms").mkdir(parents=True)
    (home / "data" / "dbms" / "auth.ini").write_text(_credentials(password))


def _credentials(password: str) -> str:
    """The line that `neo4j-admin dbms set-initial-password` leaves: a salted SHA-256, iterated."""
    salt, rounds = secrets.token_bytes(32), 1024
    digest = hashlib.sha256(salt + password.encode()).digest()
    for _ in range(rounds - 1):
        digest = hashlib.sha256(digest).digest()
    return f"neo4j:SHA-256,{digest.hex()},{salt.hex()},{rounds}:\n"


def _wait(process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for the server's own word; asking the port could lock the account of somebody else's server."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while "Started." not in log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise Neo4jMissingError(f"Neo4j {VERSION} did not start:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.1)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _fingerprint(java: str) -> str:
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def main() -> int:
    """Run a server until Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with running_neo4j() as config:
            sys.stdout.write(
                f"export WHYCART_GRAPH_URI={config.uri}\nexport WHYCART_GRAPH_USER={config.user}\n"
                f"export WHYCART_GRAPH_PASSWORD={config.password}\n"
            )
            sys.stdout.flush()
            sys.stderr.write(f"Neo4j {VERSION} runs until Ctrl-C; set these variables in another terminal.\n")
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except Neo4jMissingError as error:
        sys.stderr.write(f"whycart: {error}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
