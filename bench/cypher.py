"""`python -m bench.cypher --home .whycart`: a recommendation over HTTP beside the one that Cypher gives, in one run.

The graph of the settings (`WHYCART_GRAPH_URI`, or the local server) must hold the shop that the published model was
made from. Cypher's answer is collaborative filtering as graph databases teach it: products of the users who bought the
same, by the purchases in common (`cypher/analytics/also_bought_by_similar_users.cypher`). One client, one user at a
time, the same users for both; the API computes its answer afresh, and Cypher's first answers are not counted.
"""

import argparse
import asyncio
import json
import os
import random
import sys
import time
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures import commit_name, processor_name
from bench.serving import COMMAND, Connection, running
from cypher.catalogue import load_query
from gnn.bundles import BundleStore
from kg.progress import Progress
from kg.store import GraphStore
from serving.cli.output import print_table, progress_bars
from serving.settings import load_settings

QUERY = "also_bought_by_similar_users"
WARM_UP = 2
"""Users that Cypher is asked about before the clock counts, so that its plan and its pages are there."""
TARGETS = ("cypher", "recommend", "without paths")


def ask_graph(store: GraphStore, users: Sequence[str], *, n: int, progress: Progress) -> list[float]:
    """Return the milliseconds of each answer of the graph, those of the first users left out."""
    query, took_ms = load_query(QUERY), list[float]()
    for done, user in enumerate([*users[:WARM_UP], *users]):
        progress("ask the graph", done, len(users) + WARM_UP)
        start = time.perf_counter()
        store.read(query, {"user_id": user, "limit": n})
        took_ms.append((time.perf_counter() - start) * 1000)
    return took_ms[WARM_UP:]


async def ask_api(address: tuple[str, int], paths: Sequence[str]) -> list[float]:
    """Return the milliseconds of each answer of the API, after one round that warms up.

    Raises:
        RuntimeError: a request failed.
    """
    connection, took_ms = Connection(*address), list[float]()
    for path in [*paths, *paths]:
        start = time.perf_counter()
        status, _ = await connection.get(path)
        took_ms.append((time.perf_counter() - start) * 1000)
        if status != 200:
            raise RuntimeError(f"{path} was answered with {status}")
    await connection.close()
    return took_ms[len(paths) :]


def run_benchmark(home: Path, *, num_users: int, n: int, seed: int, progress: Progress) -> dict[str, Any]:
    """Ask both for the same users; return everything as plain values.

    Args:
        home: working folder of a project with a published bundle.
        num_users: users asked for, drawn from the bundle.
        n: products an answer.
        seed: of the draw.
        progress: told how far it is.
    """
    bundle = BundleStore(home / "bundles").current()
    known = bundle.snapshot.ids("User")
    users = random.Random(seed).sample(known, min(num_users, len(known)))
    took: dict[str, list[float]] = {}
    with GraphStore.open(load_settings().graph) as store:
        server = f"{store.server.product} {store.server.version}"
        took["cypher"] = ask_graph(store, users, n=n, progress=progress)
    plain = [f"/v1/recommend/{urllib.parse.quote(user, safe='')}?n={n}" for user in users]
    environment = {"WHYCART_HOME": str(home.absolute()), "WHYCART_SERVE_WORKERS": "1"}
    with running([sys.executable, "-c", COMMAND, "serve", "--port", "0"], environment) as api:
        took["recommend"] = asyncio.run(ask_api(api.address, [f"{path}&explain=paths" for path in plain]))
        took["without paths"] = asyncio.run(ask_api(api.address, plain))
    p50 = {name: float(np.median(values)) for name, values in took.items()}
    return {
        "graph_server": server,
        "num_products": bundle.snapshot.num_nodes("Product"),
        "num_events": len(bundle.snapshot.events),
        "num_users": len(users),
        "n": n,
        "processor": processor_name(),
        "commit": commit_name(),
        "num_cpus": os.cpu_count(),
        "cypher_beside": [
            {
                "target": name,
                "p50_ms": round(p50[name], 3),
                "p99_ms": round(float(np.percentile(took[name], 99)), 3),
                "ratio": round(p50["cypher"] / p50[name], 1),
            }
            for name in TARGETS
        ],
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and tell; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.cypher", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, default=Path(".whycart"), help="working folder with a published bundle")
    parser.add_argument("--users", type=int, default=50, help="users asked for")
    parser.add_argument("-n", type=int, default=20, help="products an answer")
    parser.add_argument("--seed", type=int, default=0, help="of the draw of users")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args(argv)
    if min(options.users, options.n) < 1:
        parser.error("--users and -n must be at least 1")
    with progress_bars(wanted=True) as progress:
        found = run_benchmark(options.home, num_users=options.users, n=options.n, seed=options.seed, progress=progress)
    print_table(("answer", "p50 ms", "p99 ms", "faster"), [tuple(row.values()) for row in found["cypher_beside"]])
    print(f"{found['graph_server']}, {found['num_products']:,} products, {found['num_events']:,} events")
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
