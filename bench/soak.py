"""`python -m bench.soak --home .whycart`: ten minutes of load with events coming in and two new models on the way.

Starts `whycart serve` on a copy of the published bundle. First the most that closed loops reach while events come in;
then the same open loop twice at a share of it: quiet, and for the whole time with events coming in and the model
exchanged after a third and two thirds; with `--products` products are handed in as well. Told are failed requests, the
99th percentile of both, and the memory of all processes in the first and the last tenth of the time. The server and
the one who asks share the machine.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from bench.cold import ask_once
from bench.figures import commit_name, processor_name
from bench.serving import COMMAND, OPEN_LOOP_SHARE, Server, Tally, closed_loop, open_loop, running
from cypher.errors import WhycartError
from gnn.bundle import Bundle, BundleContent, write_bundle
from gnn.bundles import BundleStore
from kg import local_server
from serving.cli.output import print_table

CLIENTS = 8
PEAK_S, QUIET_S = 60.0, 60.0
SAMPLE_S = 1.0
EVENTS_PER_S = 10.0
EVENT_SENDERS = 4
PRODUCT_EVERY_S = 15.0
WARM_UP_S = 20.0


class Companions:
    """What happens beside the load: events, products, new models, and a look at the memory every second."""

    def __init__(
        self, server: Server, store: BundleStore, twin: str, *, seconds: float, seed: int, products: bool
    ) -> None:
        """Begin nothing yet; `twin` is the version that is published and taken back."""
        self._has_products = products
        self._server, self._store, self._seconds = server, store, seconds
        self._versions = (twin, str(store.current_version()))
        self._random = random.Random(seed)
        snapshot = store.current().snapshot
        self._users, self._products = snapshot.ids("User"), snapshot.ids("Product")
        self._stop = threading.Event()
        self.errors: list[str] = []
        self.events = self.products = 0
        self.memory_mib: list[float] = []

    @contextlib.contextmanager
    def beside(self, *, only_events: bool = False) -> Iterator[None]:
        """Run all of it, or only the events, for as long as the block takes."""
        works = self._works()[: EVENT_SENDERS if only_events else None]
        self._stop.clear()
        self.events = 0
        threads = [threading.Thread(target=self._guarded, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _works(self) -> tuple[Any, ...]:
        others = (self._swap, self._watch, *((self._send_products,) if self._has_products else ()))
        return (*(self._send_events for _ in range(EVENT_SENDERS)), *others)

    def _guarded(self, work: Any) -> None:
        try:
            work()
        except (RuntimeError, OSError, WhycartError) as err:
            self.errors.append(f"{work.__name__}: {err}")

    def _send_events(self) -> None:
        while not self._stop.wait(EVENT_SENDERS / EVENTS_PER_S):
            event = {"user_id": self._random.choice(self._users), "product_id": self._random.choice(self._products)}
            ask_once(self._server.address, "POST", "/v1/events", {"events": [{**event, "type": "viewed"}]})
            self.events += 1

    def _send_products(self) -> None:
        while not self._stop.wait(PRODUCT_EVERY_S):
            product = {"product_id": f"soak-{self.products}", "title": f"Soak product {self.products}", "price": 1.0}
            ask_once(self._server.address, "POST", "/v1/products", {"products": [product]})
            self.products += 1

    def _swap(self) -> None:
        for version in self._versions:
            if self._stop.wait(self._seconds / 3):
                return
            self._store.publish(version)

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            self.memory_mib.append(sum(part["uss"] for part in self._server.memory_mib()))


def write_twin(bundle: Bundle, folder: Path) -> str:
    """Write the same model as another version; return its name."""
    content = BundleContent(
        snapshot=bundle.snapshot,
        scorer=bundle.scorer,
        exclude_seen=bundle.exclude_seen,
        text_vectors=bundle.text_vectors,
        network=load_file(bundle.folder / "network.safetensors"),
        report=bundle.report,
        config={},
        packages=bundle.manifest.get("packages", {}),
        card=(bundle.folder / "card.md").read_text(encoding="utf-8"),
        encoder=encoder if (encoder := bundle.folder / "encoder").is_dir() else None,
        events_applied=bundle.events_applied,
        products_applied=bundle.products_applied,
    )
    return write_bundle(content, folder, now=datetime.now(UTC)).name


def run_soak(home: Path, *, minutes: float, n: int, seed: int, workers: int, products: bool = False) -> dict[str, Any]:
    """Measure and return everything as plain values.

    Args:
        home: working folder of a project with a published bundle; nothing is written there.
        minutes: length of the loaded run.
        n: products an answer.
        seed: of what is drawn.
        workers: API processes.
        products: whether products are handed in as well.
    """
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder)
        shutil.copytree(home / "bundles", own / "bundles")
        if (
            home / "graph"
        ).is_dir():  # without it there is nothing that events could be written to, and each is refused
            shutil.copytree(home / "graph", own / "graph", ignore=shutil.ignore_patterns("*.lock"))
        store = BundleStore(own / "bundles")
        bundle = store.current()
        twin = write_twin(bundle, store.folder)
        users = bundle.snapshot.ids("User")
        chosen = random.Random(seed).sample(users, min(1000, len(users)))
        paths = [f"/v1/recommend/{urllib.parse.quote(user, safe='')}?n={n}&explain=paths" for user in chosen]
        environment = {
            "WHYCART_HOME": folder,
            "WHYCART_GRAPH_FOLDER": str(own / "graph"),
            "WHYCART_SERVE_WORKERS": str(workers),
        }
        try:
            with running([sys.executable, "-c", COMMAND, "serve", "--port", "0"], environment) as server:
                first = {"events": [{"user_id": users[0], "product_id": bundle.snapshot.ids("Product")[0]}]}
                ask_once(server.address, "POST", "/v1/events", first)
                ask_once(
                    server.address, "POST", "/v1/products", {"products": [{"product_id": "first", "title": "One"}]}
                )
                time.sleep(WARM_UP_S)  # the local graph server starts, and the encoder is opened
                beside = Companions(server, store, twin, seconds=60 * minutes, seed=seed, products=products)
                return _measure(server, beside, paths, seconds=60 * minutes)
        finally:
            local_server.stop(own / "graph")  # the API starts one for the events and leaves it to others


def _measure(server: Server, beside: Companions, paths: Sequence[str], *, seconds: float) -> dict[str, Any]:
    asyncio.run(closed_loop(server.address, paths, clients=CLIENTS, seconds=PEAK_S / 6))  # to warm up
    with beside.beside(only_events=True):
        tally, took = asyncio.run(closed_loop(server.address, paths, clients=CLIENTS, seconds=PEAK_S))
    peak = len(tally.took_ms) / took
    rate = peak * OPEN_LOOP_SHARE
    quiet, _ = asyncio.run(open_loop(server.address, paths, rate=rate, seconds=min(QUIET_S, seconds)))
    with beside.beside():
        loaded, took = asyncio.run(open_loop(server.address, paths, rate=rate, seconds=seconds))
    tenth = max(1, len(beside.memory_mib) // 10)
    return {
        "peak_per_s": peak,
        "rate_per_s": rate,
        "seconds": took,
        "requests": len(loaded.took_ms),
        "errors": loaded.errors + quiet.errors + len(beside.errors),
        "said": beside.errors,
        "events": beside.events,
        "products": beside.products,
        "quiet": _percentiles(quiet),
        "loaded": _percentiles(loaded),
        "memory_first_mib": statistics.median(beside.memory_mib[:tenth]),
        "memory_last_mib": statistics.median(beside.memory_mib[-tenth:]),
        "memory_most_mib": max(beside.memory_mib),
    }


def _percentiles(tally: Tally) -> dict[str, float]:
    load = tally.load("", "", seconds=1.0)
    return {"p50_ms": load.p50_ms, "p99_ms": load.p99_ms, "max_ms": load.max_ms}


def figures(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what was measured as rows of a table."""
    quiet, loaded = found["quiet"], found["loaded"]
    grown = found["memory_last_mib"] / found["memory_first_mib"] - 1
    return [
        ("requests", f"{found['requests']:,} in {found['seconds']:,.0f} s, {found['rate_per_s']:.0f} a second"),
        ("beside them", f"{found['events']:,} events, {found['products']} products, 2 new models"),
        ("failed requests", str(found["errors"])),
        ("median", f"{loaded['p50_ms']:.1f} ms ({quiet['p50_ms']:.1f} quiet)"),
        ("99th percentile", f"{loaded['p99_ms']:.1f} ms ({quiet['p99_ms']:.1f} quiet)"),
        ("ratio of the two", f"{loaded['p99_ms'] / quiet['p99_ms']:.2f}"),
        ("slowest", f"{loaded['max_ms']:.0f} ms ({quiet['max_ms']:.0f} quiet)"),
        ("memory, first tenth", f"{found['memory_first_mib']:,.0f} MiB"),
        ("memory, last tenth", f"{found['memory_last_mib']:,.0f} MiB ({grown:+.1%})"),
        ("memory, most", f"{found['memory_most_mib']:,.0f} MiB"),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and tell; return the exit code: 1 when a request failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, default=Path(".whycart"), help="working folder with a published bundle")
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the loaded run")
    parser.add_argument("-n", type=int, default=20, help="products an answer")
    parser.add_argument("--workers", type=int, default=1, help="API processes")
    parser.add_argument("--products", action="store_true", help="hand in a product every fifteen seconds")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn")
    parser.add_argument("--json", type=Path, default=None, help="write the figures there")
    options = parser.parse_args(argv)
    if not 0 < options.minutes <= 120 or options.workers < 1:
        parser.error("--minutes must be above 0 and at most 120, --workers at least 1")
    found = run_soak(
        options.home,
        minutes=options.minutes,
        n=options.n,
        seed=options.seed,
        workers=options.workers,
        products=options.products,
    )
    print_table(("what", "figure"), figures(found))
    for line in found["said"]:
        print(line)
    result = {
        "commit": commit_name(),
        "processor": processor_name(),
        "num_cpus": os.cpu_count(),
        "workers": options.workers,
        "n": options.n,
        "soak": found,
    }
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return int(found["errors"] > 0)


if __name__ == "__main__":
    sys.exit(main())
