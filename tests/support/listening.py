"""Servers that clients ask over a real connection: an API on a free port, and one that answers by a script."""

import contextlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import uvicorn
from fastapi import FastAPI

from serving.cli.serve import listen
from tests.support.api import until


@contextlib.contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    """Give the address at which an API answers, served by uvicorn as `whycart serve` does."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, http="httptools", loop="asyncio"))
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            assert until(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=30)


@dataclass(frozen=True, slots=True)
class Said:
    """One answer of a script; a status of 0 closes the connection without one."""

    status: int
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


@dataclass(slots=True)
class Heard:
    """What a script was asked: lines, headers and bodies of requests, and how many connections there were."""

    requests: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0


@contextlib.contextmanager
def saying(*script: Said) -> Iterator[tuple[str, Heard]]:
    """Give the address of a server that answers by a script, its last line again and again, and what it heard."""
    heard, rest = Heard(), list(script)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            heard.connections += 1

        def answer(self) -> None:
            heard.requests.append((self.command, self.path))
            heard.headers.append({name.lower(): value for name, value in self.headers.items()})
            heard.bodies.append(self.rfile.read(int(self.headers.get("content-length", "0"))))
            line = rest.pop(0) if len(rest) > 1 else rest[0]
            if line.status == 0:
                self.close_connection = True
                return
            self.send_response(line.status)
            for name, value in line.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(line.body)))
            self.end_headers()
            self.wfile.write(line.body)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815  # as http.server calls them

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
