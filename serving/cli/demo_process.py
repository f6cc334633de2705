"""What the demo runs beside itself: the API as a child process, and a meter of the memory that all of it takes.

It ends what it started, however the demo ends. What is shown is `serving.cli.demo_story`'s business.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from cypher.errors import WhycartError

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
REQUEST_TIMEOUT_S = 30.0
_ADDRESS = "serving at "
_COMMAND = "import sys; from serving.cli.main import main; sys.exit(main())"


@dataclass(frozen=True, slots=True)
class Api:
    """A running API."""

    url: str
    """Where it listens, without a slash at the end."""
    process: subprocess.Popen[str]

    def get(self, path: str, **params: object) -> dict[str, Any]:
        """Return the JSON answer to a GET request.

        Raises:
            WhycartError: the API does not answer, or answers with a problem.
        """
        query = f"?{urllib.parse.urlencode(params)}" if params else ""
        return self._ask(urllib.request.Request(f"{self.url}{path}{query}"))

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the JSON answer to a POST request.

        Raises:
            WhycartError: the API does not answer, or answers with a problem.
        """
        head = {"Content-Type": "application/json"}
        return self._ask(urllib.request.Request(f"{self.url}{path}", json.dumps(body).encode(), head, method="POST"))

    def _ask(self, request: urllib.request.Request) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(request, timeout=REQUEST_TIMEOUT_S) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as err:
            problem = err.read().decode(errors="replace")[:500]
            raise WhycartError(f"{request.full_url} answered with {err.code}: {problem}") from err
        except OSError as err:
            raise WhycartError(f"{request.full_url} does not answer: {err}") from err


@contextlib.contextmanager
def running_api(folder: Path, *, environment: Mapping[str, str], port: int = 0) -> Iterator[Api]:
    """Run `whycart serve` on a project until the block ends.

    Args:
        folder: of the project; its log goes to `serve.log` there.
        environment: of the child process.
        port: TCP port on the loopback interface; 0 takes any free one.

    Raises:
        WhycartError: it ended, or was not ready in time; with the end of its log.
    """
    log = folder / "serve.log"
    command = [sys.executable, "-P", "-c", _COMMAND, "serve", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), stdout=subprocess.PIPE, stderr=errors, text=True
        )
    try:
        api = Api(_wait_for_address(process, log), process)
        api.get("/health/ready")
        yield api
    finally:
        _end(process)


def _wait_for_address(process: subprocess.Popen[str], log: Path) -> str:
    found: list[str] = []
    reader = threading.Thread(target=_read_lines, args=(process.stdout, found), daemon=True)
    reader.start()
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        for line in found:
            if line.startswith(_ADDRESS):
                return line.removeprefix(_ADDRESS).strip()
        time.sleep(0.05)
    state = "was not ready in time" if process.poll() is None else f"ended with exit code {process.returncode}"
    tail = "".join(log.read_text(encoding="utf-8").splitlines(keepends=True)[-15:])
    raise WhycartError(f"'whycart serve' {state}; the end of {log}:\n{tail}")


def _read_lines(stream: IO[str] | None, found: list[str]) -> None:
    """Take everything the child says, so that it never waits for a reader."""
    for line in stream or ():
        found.append(line)


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


class MemoryMeter:
    """Watches the resident memory of this process and its children while a block runs."""

    def __init__(self, *, every_s: float = 0.5) -> None:
        self.peak_bytes = 0
        """Largest sum seen."""
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)

    def __enter__(self) -> "MemoryMeter":
        """Begin to watch."""
        self._thread.start()
        return self

    def __exit__(self, *rest: object) -> None:
        """Stop watching."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process(os.getpid())
        while not self._stop.is_set():
            total = 0
            for process in [me, *me.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    total += process.memory_info().rss
            self.peak_bytes = max(self.peak_bytes, total)
            self._stop.wait(self._every_s)
