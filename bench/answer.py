"""What each step of an answer costs in process: `python -m bench.answer --home .whycart`.

One thread, no HTTP, no event log: the spine of `serving.recommend` step by step for users of the published bundle, and
the whole of it, with paths and without, in processor time of the thread. A first round warms caches and is not counted.
Others on the machine still take its caches: hold figures of one moment against each other, not those of two machines.
"""

import argparse
import gc
import json
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from bench.figures import commit_name, processor_name
from gnn.bundles import BundleStore
from gnn.score import top_products
from serving.answer import RecommendRequest
from serving.cli.output import print_table
from serving.explain import explain_items
from serving.history import NoEvents, past_of
from serving.ready import Ready, prepare
from serving.recommend import recommend

PATHS = 3
STEPS = ("history", "score", "choose", "explain", f"explain, {PATHS} paths", "whole", f"whole, {PATHS} paths")
"""What is timed; the first four add up to the whole without paths."""
Found = TypeVar("Found")


class Clock:
    """Milliseconds of processor time of every step, one a user and round."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.took_ms: dict[str, list[float]] = {step: [] for step in STEPS}

    def time(self, step: str, work: Callable[[], Found]) -> Found:
        """Do some work and keep how long it took."""
        start = time.thread_time()
        found = work()
        self.took_ms[step].append((time.thread_time() - start) * 1000)
        return found

    def figures(self) -> list[dict[str, Any]]:
        """Return median and 99th percentile of each step, in milliseconds."""
        return [
            {
                "step": step,
                "p50_ms": round(float(np.median(took)), 3),
                "p99_ms": round(float(np.percentile(took, 99)), 3),
            }
            for step, took in self.took_ms.items()
        ]


def time_user(ready: Ready, user_id: str, *, n: int, clock: Clock) -> None:
    """Time one answer step by step, and as a whole."""
    bundle, wish = ready.bundle, RecommendRequest(user_id=user_id, n=n)
    with_paths = RecommendRequest(user_id=user_id, n=n, paths=PATHS)
    past = past_of(bundle, NoEvents(), wish)
    history = clock.time("history", lambda: past_of(bundle, NoEvents(), wish).read())
    spread = clock.time("score", lambda: bundle.scorer.spread(history))
    ranked = clock.time("choose", lambda: top_products(spread.scores, ready.allow(wish.filter, history)[0], k=n))
    for step, paths in (("explain", 0), (STEPS[4], PATHS)):
        clock.time(
            step, lambda paths=paths: explain_items(ready, ranked, spread, user=past.user, paths=paths, first_rank=1)
        )
    clock.time("whole", lambda: recommend(ready, NoEvents(), wish))
    clock.time(STEPS[6], lambda: recommend(ready, NoEvents(), with_paths))


def run_benchmark(home: Path, *, num_users: int, rounds: int, n: int, seed: int) -> dict[str, Any]:
    """Measure the steps of answers; return everything as plain values.

    Args:
        home: working folder of a project with a published bundle.
        num_users: users asked for, drawn from the bundle.
        rounds: how often each is asked for, one round to warm up apart.
        n: products an answer.
        seed: of the draw.
    """
    bundle = BundleStore(home / "bundles").current()
    ready, known = prepare(bundle), bundle.snapshot.ids("User")
    users = random.Random(seed).sample(known, min(num_users, len(known)))
    for user in users:
        time_user(ready, user, n=n, clock=Clock())
    gc.collect()
    gc.freeze()  # as the API does once a bundle is loaded
    clock = Clock()
    for _ in range(rounds):
        for user in users:
            time_user(ready, user, n=n, clock=clock)
    whole, explained = (np.array(clock.took_ms[step]) for step in STEPS[5:])
    return {
        "model_version": bundle.version,
        "num_products": bundle.snapshot.num_nodes("Product"),
        "num_kernels": len(bundle.scorer.kernels),
        "num_users": len(users),
        "rounds": rounds,
        "n": n,
        "processor": processor_name(),
        "commit": commit_name(),
        "num_cpus": os.cpu_count(),
        "steps": clock.figures(),
        "paths_add_ms": round(float((explained - whole).mean()), 3),
        "paths_add_at_p99_ms": round(float(np.percentile(explained, 99) - np.percentile(whole, 99)), 3),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and tell; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.answer", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, default=Path(".whycart"), help="working folder with a published bundle")
    parser.add_argument("--users", type=int, default=200, help="users asked for")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is asked for")
    parser.add_argument("-n", type=int, default=20, help="products an answer")
    parser.add_argument("--seed", type=int, default=0, help="of the draw of users")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args(argv)
    if min(options.users, options.rounds, options.n) < 1:
        parser.error("--users, --rounds and -n must be at least 1")
    found = run_benchmark(options.home, num_users=options.users, rounds=options.rounds, n=options.n, seed=options.seed)
    print_table(("step", "p50 ms", "p99 ms"), [tuple(figures.values()) for figures in found["steps"]])
    print(
        f"{found['num_products']:,} products, {found['num_kernels']} kernels, {found['num_users']} users; "
        f"paths add {found['paths_add_ms']} ms on average and {found['paths_add_at_p99_ms']} ms at the 99th percentile"
    )
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
