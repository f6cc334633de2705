"""`python -m bench.incremental --home .whycart`: what a run that tunes nothing costs, and what it loses.

The shop of the published bundle is cut in time. A model of the first 90% of the events is made; then, on one percent
more, once a full run and once an incremental one that goes on from that model. Told are the seconds of both, and the
NDCG of both, and of the model before, on what users did afterwards, which none of them has seen.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures import commit_name, processor_name
from gnn.bundle import Bundle
from gnn.bundles import BundleStore
from kg.snapshot import Snapshot, select_events
from serving.cli.learn import use_all_cores
from serving.gate.config import GateConfig
from serving.incremental import live_since
from serving.retrain import Place, retrain
from serving.retrain_config import RetrainConfig
from serving.steps import StepOutcome

BASE, MORE = 0.90, 0.91
"""Parts of the events that the first model and the later ones learn from."""


def until(snapshot: Snapshot, share: float) -> Snapshot:
    """Return the shop as it was when so much of its events had happened."""
    times = np.sort(snapshot.events.time)
    cutoff = int(times[int(share * (len(times) - 1))])
    return select_events(snapshot, snapshot.events.time < cutoff, cutoff_ms=cutoff)


def measure(home: Path) -> dict[str, Any]:
    """Run all three and return the figures."""
    whole = BundleStore(home / "bundles").current().snapshot
    base, more = until(whole, BASE), until(whole, MORE)
    with tempfile.TemporaryDirectory() as room:
        first, _, _ = _run(Path(room) / "full", base, room)
        shutil.copytree(Path(room) / "full", Path(room) / "incremental")
        full, full_s, full_steps = _run(Path(room) / "full", more, room)
        quick, quick_s, quick_steps = _run(Path(room) / "incremental", more, room, incremental=True)
        return {
            "events": {"first": len(base.events), "later": len(more.events), "asked_for": len(whole.events)},
            "full_s": round(full_s, 1),
            "incremental_s": round(quick_s, 1),
            "ratio": round(quick_s / full_s, 3),
            "steps_s": {"full": full_steps, "incremental": quick_steps},
            "ndcg@10": {
                "full": _quality(full, whole),
                "incremental": _quality(quick, whole),
                "model before": _quality(first, whole),
            },
        }


def _run(
    folder: Path, snapshot: Snapshot, room: str, *, incremental: bool = False
) -> tuple[Bundle, float, dict[str, float]]:
    steps: dict[str, float] = {}

    def done(step: StepOutcome) -> None:
        steps[step.name] = round(step.took_s, 1)
        print(f"{step.name}: {step.line} ({step.took_s:.1f} s)", file=sys.stderr, flush=True)

    config = replace(RetrainConfig(gate=GateConfig(tolerance=1.0)), incremental=incremental)
    place, started = Place(BundleStore(folder), Path(room) / "cache"), time.perf_counter()
    bundle = retrain(snapshot, place, config=config, step_done=done).bundle
    return bundle, time.perf_counter() - started, steps


def _quality(bundle: Bundle, whole: Snapshot) -> dict[str, float] | None:
    found = live_since(bundle, whole, min_users=1, k=10, seed=0)
    return None if found is None else {name: round(value, 4) for name, value in asdict(found).items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and tell; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.incremental", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, default=Path(".whycart"), help="working folder with a published bundle")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args(argv)
    use_all_cores()
    found = {"processor": processor_name(), "threads": os.cpu_count(), "commit": commit_name()}
    found |= {"retrain": measure(options.home)}
    print(json.dumps(found["retrain"], indent=1))
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
