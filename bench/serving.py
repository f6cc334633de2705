"""How long a recommendation takes over HTTP: `python -m bench.serving --home .whycart`.

Starts `whycart serve` on the published bundle and asks it for recommendations with and without paths for users of that
bundle, for products alike and for explanations; then constant routes of the same size: the floor that HTTP itself
costs. Closed loop: clients that ask again as soon as they are answered. Open loop: requests at a fixed rate, timed from
when they were due, so that waiting behind a slow one counts. Everything is on loopback, the client in a process of its
own, and bounded in time.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil

from gnn.bundle import Bundle
from gnn.bundles import BundleStore
from serving.cli.output import print_table

Result = TypeVar("Result")
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 20.0
MAX_SECONDS = 600.0
MAX_CONNECTIONS = 64
WARM_UP = 100
CLIENTS = (1, 8, 32)
"""Clients of the closed loops."""
OPEN_LOOP_SHARE = 0.7
"""The open loop asks at this share of the most that a closed loop reached."""
MIB = 2**20
COMMAND = "import sys; from serving.cli.main import main; sys.exit(main())"
"""What a fresh interpreter runs to be `whycart`."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run measured."""

    target: str
    """`recommend`, the same `without paths`, `similar`, `explain`, or a `floor`."""
    shape: str
    """`1 client`, `8 clients`, ..., or `open loop`."""
    num_requests: int
    errors: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    per_cpu_s: float = 0.0
    """Requests in parts of the CPU seconds that the server's processes took."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that was started here."""

    address: tuple[str, int]
    """Host and port."""
    pid: int
    ready_s: float
    """Seconds from the start of the process until it said its address, which it does when it answers."""

    def cpu_s(self) -> float:
        """Return the CPU seconds that its processes took so far."""
        times = [process.cpu_times() for process in self._processes()]
        return float(sum(part.user + part.system for part in times))

    def memory_mib(self) -> list[dict[str, float]]:
        """Return what each process holds: resident, and of that what is its own."""
        found = [process.memory_full_info() for process in self._processes()]
        return [{"rss": round(part.rss / MIB, 1), "uss": round(part.uss / MIB, 1)} for part in found]

    def _processes(self) -> list[psutil.Process]:
        root = psutil.Process(self.pid)
        return [root, *root.children(recursive=True)]


class Connection:
    """One kept-alive HTTP/1.1 connection; requests one after another."""

    def __init__(self, host: str, port: int) -> None:
        """Connect to `host` on the first request."""
        self._host, self._port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> tuple[int, bytes]:
        """Return status and body."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n\r\n".encode())
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        status, size = int(head[9:12]), 0
        for line in head.split(b"\r\n")[1:]:
            if line.lower().startswith(b"content-length:"):
                size = int(line[15:])
        return status, await reader.readexactly(size)

    async def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
            with contextlib.suppress(ConnectionError):
                await self._streams[1].wait_closed()


@dataclass(slots=True)
class Tally:
    """Counts answers while a load runs."""

    took_ms: list[float]
    errors: int = 0

    async def ask(self, connection: Connection, path: str, *, since: float | None = None) -> None:
        """Ask once; the time counts from `since`, or from now."""
        started = time.perf_counter() if since is None else since
        status, _ = await connection.get(path)
        self.took_ms.append((time.perf_counter() - started) * 1000)
        self.errors += status != 200

    def load(self, target: str, shape: str, *, seconds: float) -> Load:
        """Return the figures."""
        took = np.array(self.took_ms or [float("nan")])
        p50, p99 = np.percentile(took, [50, 99])
        number = len(self.took_ms)
        return Load(target, shape, number, self.errors, number / seconds, float(p50), float(p99), float(took.max()))


async def closed_loop(
    address: tuple[str, int], paths: Sequence[str], *, clients: int, seconds: float
) -> tuple[Tally, float]:
    """Let clients ask without a pause; return the tally and how long it took in seconds."""
    tally, started = Tally([]), time.perf_counter()

    async def client(number: int) -> None:
        connection, place = Connection(*address), number
        while time.perf_counter() - started < seconds:
            await tally.ask(connection, paths[place % len(paths)])
            place += clients
        await connection.close()

    await asyncio.gather(*(client(number) for number in range(clients)))
    return tally, time.perf_counter() - started


async def open_loop(
    address: tuple[str, int], paths: Sequence[str], *, rate: float, seconds: float
) -> tuple[Tally, float]:
    """Ask at a fixed rate whatever the answers do; return the tally and how long it took in seconds."""
    tally = Tally([])
    free: asyncio.Queue[Connection] = asyncio.Queue()
    connections = [Connection(*address) for _ in range(MAX_CONNECTIONS)]
    for connection in connections:
        free.put_nowait(connection)
    started = time.perf_counter()

    async def ask(number: int, due: float) -> None:
        connection = await free.get()
        await tally.ask(connection, paths[number % len(paths)], since=due)
        free.put_nowait(connection)

    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            due = started + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(ask(number, due))
    took = time.perf_counter() - started
    for connection in connections:
        await connection.close()
    return tally, took


@contextlib.contextmanager
def running(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Server]:
    """Run a server that prints its address, and end it.

    Raises:
        RuntimeError: it did not print an address.
    """
    started = time.perf_counter()
    process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True)
    if process.stdout is None:
        raise RuntimeError("no standard output")
    too_late = threading.Timer(START_TIMEOUT_S, process.kill)
    too_late.start()
    try:
        line = process.stdout.readline()
        too_late.cancel()
        if "http://" not in line:
            raise RuntimeError(f"{' '.join(command[2:])} did not start: {line!r}")
        parts = urllib.parse.urlsplit(line[line.index("http://") :].strip())
        address = (parts.hostname or "127.0.0.1", parts.port or 80)
        yield Server(address, process.pid, time.perf_counter() - started)
    finally:
        too_late.cancel()
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def serve_floor(size_bytes: int) -> None:
    """Serve one constant JSON text of this size from a plain route, as the API serves its answers."""
    import uvicorn
    from fastapi import FastAPI, Response

    from serving.cli.serve import listen

    body = b'"' + b"x" * max(size_bytes - 2, 0) + b'"'
    app = FastAPI(openapi_url=None)

    @app.get("/floor/{user_id}")
    def floor(user_id: str) -> Response:
        return Response(body, media_type="application/json")

    with listen("127.0.0.1", 0) as listener:
        print(f"serving at http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run(sockets=[listener])


async def measure(target: str, server: Server, paths: Sequence[str], *, seconds: float) -> list[Load]:
    """Return the figures of one server under each shape of load."""
    address, found = server.address, []
    warm = Connection(*address)
    for path in paths[:WARM_UP]:
        await warm.get(path)
    await warm.close()
    for clients in CLIENTS:
        before = server.cpu_s()
        tally, took = await closed_loop(address, paths, clients=clients, seconds=seconds)
        load = tally.load(target, f"{clients} client{'s' if clients > 1 else ''}", seconds=took)
        found.append(replace(load, per_cpu_s=load.num_requests / max(server.cpu_s() - before, 1e-9)))
    rate = max(max(load.requests_per_s for load in found) * OPEN_LOOP_SHARE, 1.0)
    before = server.cpu_s()
    tally, took = await open_loop(address, paths, rate=rate, seconds=seconds)
    load = tally.load(target, f"open loop, {rate:.0f}/s", seconds=took)
    return [*found, replace(load, per_cpu_s=load.num_requests / max(server.cpu_s() - before, 1e-9))]


async def _size_of_answers(address: tuple[str, int], paths: Sequence[str]) -> int:
    connection = Connection(*address)
    sizes = [len((await connection.get(path))[1]) for path in paths[:WARM_UP]]
    await connection.close()
    return int(np.median(sizes))


def run_benchmark(home: Path, *, seconds: float, num_users: int, n: int, seed: int, workers: int = 1) -> dict[str, Any]:
    """Measure recommendations and the floor; return everything as plain values.

    Args:
        home: working folder of a project with a published bundle.
        seconds: length of each run.
        num_users: users asked for, drawn from the bundle.
        n: products an answer.
        seed: of the draw.
        workers: API processes.
    """
    bundle = BundleStore(home / "bundles").current()
    known = bundle.snapshot.ids("User")
    users = random.Random(seed).sample(known, min(num_users, len(known)))
    quoted = [urllib.parse.quote(user, safe="") for user in users]
    wanted = [f"/v1/recommend/{user}?n={n}&explain=paths" for user in quoted]
    plain = [path.removesuffix("&explain=paths") for path in wanted]
    products = [urllib.parse.quote(product, safe="") for product in _some_products(bundle, len(users), seed)]
    others = {
        "similar": [f"/v1/similar/{product}?n={n}" for product in products],
        "explain": [
            f"/v1/explain?user={user}&product={product}" for user, product in zip(quoted, products, strict=True)
        ],
    }
    home_of_server = {"WHYCART_HOME": str(home.absolute()), "WHYCART_SERVE_WORKERS": str(workers)}
    loads: list[Load] = []
    with running([sys.executable, "-c", COMMAND, "serve", "--port", "0"], home_of_server) as server:
        sizes = [_run(lambda paths=paths: _size_of_answers(server.address, paths)) for paths in (wanted, plain)]
        for target, paths in {"recommend": wanted, "without paths": plain, **others}.items():
            loads += _run(lambda target=target, paths=paths: measure(target, server, paths, seconds=seconds))
        ready_s, memory = server.ready_s, server.memory_mib()
    for target, size_bytes in zip(("floor of recommend", "floor without paths"), sizes, strict=True):
        with running([sys.executable, "-m", "bench.serving", "--floor", str(size_bytes)], {}) as floor:
            paths = [f"/floor/{user}" for user in quoted]
            loads += _run(lambda target=target, paths=paths: measure(target, floor, paths, seconds=seconds))
    return {
        "model_version": bundle.version,
        "num_products": bundle.snapshot.num_nodes("Product"),
        "num_users": len(users),
        "n": n,
        "seed": seed,
        "workers": workers,
        "seconds": seconds,
        "answer_bytes": sizes[0],
        "plain_bytes": sizes[1],
        "ready_s": round(ready_s, 2),
        "memory_mib": memory,
        "bundle_mib": round(sum(file.stat().st_size for file in bundle.folder.rglob("*") if file.is_file()) / MIB, 1),
        "num_cpus": os.cpu_count(),
        "loads": [asdict(load) for load in loads],
    }


def _some_products(bundle: Bundle, count: int, seed: int) -> list[str]:
    """Ids of products that may be recommended or not, drawn with replacement."""
    return random.Random(seed).choices(bundle.snapshot.ids("Product"), k=count)


def _run(work: Callable[[], Awaitable[Result]]) -> Result:
    async def go() -> Result:
        return await work()

    return asyncio.run(go())


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and tell; return the exit code: 1 when a request failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.serving", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, default=Path(".whycart"), help="working folder with a published bundle")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each run")
    parser.add_argument("--users", type=int, default=1000, help="users asked for")
    parser.add_argument("-n", type=int, default=20, help="products an answer")
    parser.add_argument("--seed", type=int, default=0, help="of the draw of users")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--floor", type=int, metavar="BYTES", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.floor is not None:
        serve_floor(options.floor)
        return 0
    if not 0 < options.seconds <= MAX_SECONDS or options.users < 1:
        parser.error(f"--seconds must be above 0 and at most {MAX_SECONDS:.0f}, --users at least 1")
    found = run_benchmark(
        options.home, seconds=options.seconds, num_users=options.users, n=options.n, seed=options.seed
    )
    columns = ("target", "shape", "requests", "errors", "per s", "p50 ms", "p99 ms", "max ms", "per CPU s")
    print_table(columns, [tuple(load.values()) for load in found["loads"]])
    print(f"{found['answer_bytes']:,} bytes an answer, {found['num_products']:,} products, {found['num_cpus']} CPUs")
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return int(any(load["errors"] for load in found["loads"]))


if __name__ == "__main__":
    sys.exit(main())
