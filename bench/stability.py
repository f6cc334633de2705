"""`python -m bench.stability --home HOME`: do reasons stay when a shop's model is trained anew?

Two trainings beside the published model, on the same snapshot: one with another seed, one without the last events. The
first says what chance does to reasons, the second what new events do; how far lists and reasons agree is measured by
`serving.reason_stability`. Nothing is published.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from bench.figures import commit_name, processor_name
from gnn.bundle import Bundle
from gnn.bundles import BundleStore
from kg.snapshot import Snapshot, select_events
from serving.gate.config import GateConfig
from serving.ready import prepare
from serving.reason_stability import agreement
from serving.retrain import Place, retrain
from serving.retrain_config import RetrainConfig


def without_last(snapshot: Snapshot, share: float) -> Snapshot:
    """Return the snapshot without the latest share of its events.

    Raises:
        ValueError: the events have no order among users.
    """
    if snapshot.order != "clock":
        raise ValueError(f"only events with times have a last part, and these have the order {snapshot.order!r}")
    time = snapshot.events.time
    return select_events(snapshot, time <= np.quantile(time, 1.0 - share, method="lower"))


def train_anew(snapshot: Snapshot, *, seed: int, cache: Path, folder: Path) -> Bundle:
    """Return a model of a snapshot with the default settings and a seed, whatever its quality."""
    config = RetrainConfig(gate=GateConfig(tolerance=1.0, reason_users=0))
    learn = replace(
        config.learn, train=replace(config.learn.train, seed=seed), fuse=replace(config.learn.fuse, seed=seed)
    )
    return retrain(snapshot, Place(BundleStore(folder), cache), config=replace(config, learn=learn)).bundle


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and tell; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.stability", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, default=Path(".whycart"), help="working folder with a published bundle")
    parser.add_argument("--share", type=float, default=0.01, help="of the events, the latest ones, that are held back")
    parser.add_argument("--seed", type=int, default=1, help="of the second training")
    parser.add_argument("--users", type=int, default=300, help="users whose lists are compared, drawn by seed")
    parser.add_argument("-n", type=int, default=10, help="products a list")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args(argv)
    live = BundleStore(options.home / "bundles").current()
    trainings = {
        "another seed": (live.snapshot, options.seed),
        f"{options.share:.0%} of the events new": (without_last(live.snapshot, options.share), 0),
    }
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (snapshot, seed) in trainings.items():
            other = train_anew(snapshot, seed=seed, cache=options.home / "cache", folder=Path(folder) / "bundles")
            found[name] = asdict(agreement(prepare(live), prepare(other), users=options.users, n=options.n))
            print(name, {key: round(value, 3) for key, value in found[name].items()}, flush=True)
    if options.json is not None:
        about = {"model_version": live.version, "snapshot": live.snapshot.hash, "n": options.n}
        machine = {"commit": commit_name(), "processor": processor_name()}
        options.json.write_text(json.dumps({**about, **machine, "stability": found}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
