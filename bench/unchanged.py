"""`python -m bench.unchanged`: how often the gate refuses a model of a shop in which nothing has changed.

A generated shop is learned from again and again with another seed of training each time, always against the model that
is live. Told are the refusals and the lines they were for.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.figures import commit_name, processor_name
from bench.week import config_of
from gnn.bundles import BundleStore
from kg.snapshot import build_snapshot
from kg.sources.generated import generated_shop
from serving.cli.learn import use_all_cores
from serving.errors import GateRefused
from serving.retrain import Place, retrain


def measure(times: int) -> dict[str, Any]:
    """Learn so many times; return how often the gate refused, and for what."""
    snapshot = build_snapshot(generated_shop(products=240, brands=14, users=300, events=8_000).tables)
    refused, lines, started = 0, Counter[str](), time.perf_counter()
    with tempfile.TemporaryDirectory() as room:
        store = BundleStore(Path(room) / "bundles")
        for seed in range(times + 1):
            config = config_of(seed)
            config = replace(config, gate=replace(config.gate, reason_users=40))
            try:
                retrain(snapshot, Place(store, Path(room) / "cache"), config=config)
            except GateRefused as err:
                refused += 1
                verdict = store.report_of(err.version)["gate"]
                lines.update(line["name"] for line in verdict["lines"] if not line["passed"])
            for version in store.surplus(keep=1):
                store.delete(version)
            print(json.dumps({"retrained": seed, "refused": refused, "for": dict(lines)}), flush=True)
    return {
        "retrains": times,
        "refused": refused,
        "for": dict(lines),
        "took_s": round(time.perf_counter() - started, 1),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and tell; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.unchanged", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--times", type=int, default=50, help="retrainings after the first")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args(argv)
    use_all_cores()
    found = {"processor": processor_name(), "threads": os.cpu_count(), "commit": commit_name()}
    found |= {"unchanged": measure(options.times)}
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
