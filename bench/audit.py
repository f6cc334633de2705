"""What recording lists costs an answer: `python -m bench.audit --home .whycart`.

Starts `whycart serve` twice on the same published bundle, with `[audit] enabled` and without, and asks the two in turn,
a short while each, so that whatever else the machine does falls on both alike. Closed loop, recommendations with paths.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import sqlite3
import sys
import urllib.parse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.serving import COMMAND, MAX_SECONDS, WARM_UP, Load, Tally, closed_loop, running
from gnn.bundles import BundleStore
from serving.cli.output import print_table

CLIENTS = (1, 4)


async def measure(
    addresses: dict[str, tuple[str, int]], paths: Sequence[str], *, clients: int, rounds: int, seconds: float
) -> list[Load]:
    """Return the figures of each server, asked in turn."""
    tallies, took = {name: Tally([]) for name in addresses}, dict.fromkeys(addresses, 0.0)
    for number in range(rounds):
        for name in sorted(addresses, reverse=number % 2 == 1):
            tally, spent = await closed_loop(addresses[name], paths, clients=clients, seconds=seconds)
            tallies[name].took_ms += tally.took_ms
            tallies[name].errors += tally.errors
            took[name] += spent
    shape = f"{clients} client{'s' if clients > 1 else ''}"
    return [tallies[name].load(name, shape, seconds=took[name]) for name in addresses]


def run_benchmark(home: Path, *, rounds: int, seconds: float, num_users: int, n: int, seed: int) -> dict[str, Any]:
    """Measure answers with and without records; return everything as plain values.

    Args:
        home: working folder of a project with a published bundle.
        rounds: how often each server has its turn.
        seconds: length of a turn.
        num_users: users asked for, drawn from the bundle.
        n: products an answer.
        seed: of the draw.
    """
    bundle = BundleStore(home / "bundles").current()
    known = bundle.snapshot.ids("User")
    users = random.Random(seed).sample(known, min(num_users, len(known)))
    paths = [f"/v1/recommend/{urllib.parse.quote(user, safe='')}?n={n}&explain=paths" for user in users]
    with contextlib.ExitStack() as servers:
        addresses = {
            name: servers.enter_context(
                running(
                    [sys.executable, "-c", COMMAND, "serve", "--port", "0"],
                    {"WHYCART_HOME": str(home.absolute()), "WHYCART_AUDIT_ENABLED": enabled},
                )
            ).address
            for name, enabled in (("recorded", "true"), ("not recorded", "false"))
        }

        async def go() -> list[Load]:
            await measure(addresses, paths[:WARM_UP], clients=1, rounds=1, seconds=min(seconds, 2.0))
            found = []
            for clients in CLIENTS:
                found += await measure(addresses, paths, clients=clients, rounds=rounds, seconds=seconds)
            return found

        loads = asyncio.run(go())
    return {
        "model_version": bundle.version,
        "num_products": bundle.snapshot.num_nodes("Product"),
        "n": n,
        "rounds": rounds,
        "seconds": seconds,
        "num_cpus": os.cpu_count(),
        "loads": [asdict(load) for load in loads],
        **_size_of_records(home),
    }


def _size_of_records(home: Path) -> dict[str, float]:
    connection = sqlite3.connect(home / "state.db")
    try:
        size = "coalesce(avg(length(answer) + length(request)), 0)"
        number, size_bytes = connection.execute(f"SELECT count(*), {size} FROM recommendations").fetchone()
    finally:
        connection.close()
    return {"num_records": number, "record_bytes": round(size_bytes)}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and tell; return the exit code: 1 when a request failed or a list was not recorded."""
    parser = argparse.ArgumentParser(prog="python -m bench.audit", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, default=Path(".whycart"), help="working folder with a published bundle")
    parser.add_argument("--rounds", type=int, default=8, help="turns of each server")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a turn")
    parser.add_argument("--users", type=int, default=1000, help="users asked for")
    parser.add_argument("-n", type=int, default=20, help="products an answer")
    parser.add_argument("--seed", type=int, default=0, help="of the draw of users")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args(argv)
    if not 0 < options.seconds <= MAX_SECONDS or min(options.users, options.rounds) < 1:
        parser.error(f"--seconds must be above 0 and at most {MAX_SECONDS:.0f}, --users and --rounds at least 1")
    before = _size_of_records(options.home)["num_records"] if (options.home / "state.db").is_file() else 0
    found = run_benchmark(
        options.home,
        rounds=options.rounds,
        seconds=options.seconds,
        num_users=options.users,
        n=options.n,
        seed=options.seed,
    )
    columns = ("answers", "shape", "requests", "errors", "per s", "p50 ms", "p99 ms", "max ms")
    print_table(columns, [tuple(load.values())[: len(columns)] for load in found["loads"]])
    new = found["num_records"] - before
    print(f"{new:,} records, {found['record_bytes']:,} bytes each; {found['num_products']:,} products")
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    asked = sum(load["num_requests"] for load in found["loads"] if load["target"] == "recorded")
    return int(any(load["errors"] for load in found["loads"]) or new < asked)


if __name__ == "__main__":
    sys.exit(main())
