"""`python -m bench.training`: what training the network costs on a synthetic shop, epoch by epoch.

The shop is as large as the classical Amazon-book benchmark unless told otherwise. Text vectors are random: what they
say does not matter for the time. Also the time of the typed path operators and the other kernels (`--kernels`), where
the time of a step goes (`--profile`), and what it costs to write the state of the training down
(`--checkpoint-minutes`).
"""

import argparse
import json
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from bench.figures import commit_name, processor_name
from bench.synthetic import synthetic_shop
from gnn import checkpoint
from gnn.config import KernelConfig, ModelConfig, TrainConfig
from gnn.examples import make_examples
from gnn.graph import build_graph
from gnn.kernels import build_kernels
from gnn.meter import Meter
from gnn.stopwatch import Stopwatch
from gnn.train import TrainingFiles, pick_device, train_network
from kg.schema import GraphSchema
from kg.snapshot import Snapshot, build_snapshot
from kg.validate import check_tables

TEXT_DIM = 384
MIB = 2**20


def synthetic_snapshot(*, users: int, products: int, purchases: int, edges: int, seed: int = 0) -> Snapshot:
    """Return the snapshot of a synthetic shop."""
    shop = synthetic_shop(users=users, products=products, purchases=purchases, edges=edges, seed=seed)
    return build_snapshot(check_tables(shop, GraphSchema()).tables)


def random_vectors(snapshot: Snapshot, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Return a unit vector of each node but users."""
    rng = np.random.default_rng(seed)
    found = {}
    for label, table in snapshot.nodes.items():
        if label != "User":
            vectors = rng.normal(size=(table.num_rows, TEXT_DIM)).astype(np.float32)
            found[label] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return found


def measure_training(
    snapshot: Snapshot, *, model: ModelConfig, config: TrainConfig, device: torch.device, with_profile: bool
) -> dict[str, Any]:
    """Train and return seconds an epoch, memory, and with a profile the operators that take most of it."""
    data, examples = build_graph(snapshot, random_vectors(snapshot)), make_examples(snapshot)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    writes = _Writes()
    with tempfile.TemporaryDirectory() as room, writes, Meter() as meter:
        folder = Path(room) if config.checkpoint_minutes else None
        trained = train_network(data, examples, model=model, config=config, files=TrainingFiles(checkpoint=folder))
        size = sum(file.stat().st_size for file in Path(room).iterdir())
    found = {
        "num_nodes": int(sum(data[label].num_nodes for label in data.node_types)),
        "num_edges": int(sum(data[kind].num_edges for kind in data.edge_types)),
        "num_examples": len(examples),
        "examples_per_epoch": min(len(examples), int(config.logits_per_epoch / snapshot.num_nodes("Product"))),
        "epochs_s": [round(seconds, 4) for seconds in trained.epochs_s],
        "losses": [round(loss, 4) for loss in trained.losses],
        "took_s": round(trained.took_s, 2),
        "cpu_s": round(meter.cpu_s, 2),
        "peak_rss_mb": round(meter.peak_rss_mb),
        "peak_device_mb": round(torch.cuda.max_memory_allocated() / MIB) if device.type == "cuda" else None,
    }
    if writes.seconds:
        share = sum(writes.seconds) / trained.took_s
        found["checkpoint"] = {"writes_s": writes.seconds, "size_mb": round(size / MIB, 1), "share": round(share, 5)}
    if with_profile:
        with profile(activities=kinds) as taken:
            train_network(data, examples, model=model, config=config, stop_after=1)
        by = "self_cuda_time_total" if device.type == "cuda" else "self_cpu_time_total"
        print(taken.key_averages().table(sort_by=by, row_limit=25, max_name_column_width=50))
    return found


class _Writes(logging.Handler):
    """Gathers the seconds that each writing of the state takes."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.seconds: list[float] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take the seconds of one writing."""
        self.seconds.append(vars(record)["took_s"])

    def __enter__(self) -> "_Writes":
        checkpoint.logger.addHandler(self)
        checkpoint.logger.setLevel(logging.DEBUG)
        return self

    def __exit__(self, *_: object) -> None:
        checkpoint.logger.setLevel(logging.NOTSET)
        checkpoint.logger.removeHandler(self)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and tell; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.training", description=(__doc__ or "").splitlines()[0])
    for name, default in (("users", 70_000), ("products", 25_000), ("purchases", 650_000), ("edges", 2_500_000)):
        parser.add_argument(f"--{name}", type=int, default=default, help="of the synthetic shop")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--dim", type=int, default=ModelConfig().dim)
    parser.add_argument("--layers", type=int, default=ModelConfig().layers)
    parser.add_argument("--examples", type=int, help="steps of users an epoch; else as the settings bound it")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--kernels", action="store_true", help="also build every kernel that is not learned")
    parser.add_argument("--profile", action="store_true", help="also tell which operators take the time of an epoch")
    parser.add_argument(
        "--checkpoint-minutes", type=float, default=0.0, metavar="M", help="write the state down so often; 0: never"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args(argv)
    size = {name: getattr(options, name) for name in ("users", "products", "purchases", "edges")}
    device, start = pick_device(options.device), time.perf_counter()
    snapshot = synthetic_snapshot(**size)
    found: dict[str, Any] = {**size, "snapshot_s": round(time.perf_counter() - start, 2)}
    logits = options.examples * options.products if options.examples else TrainConfig().logits_per_epoch
    config = TrainConfig(
        epochs=options.epochs,
        device=device.type,  # type: ignore[arg-type]
        logits_per_epoch=logits,
        checkpoint_minutes=options.checkpoint_minutes,
    )
    model = ModelConfig(dim=options.dim, layers=options.layers)
    if options.kernels:
        clock = Stopwatch()
        with Meter() as meter:
            build_kernels(snapshot, random_vectors(snapshot)["Product"], config=KernelConfig(), clock=clock)
        laps = {name: round(seconds, 2) for name, seconds in clock.laps.items()}
        found["kernels"] = {"took_s": round(meter.wall_s, 2), "cpu_s": round(meter.cpu_s, 2), "laps": laps}
        found["kernels"]["peak_rss_mb"] = round(meter.peak_rss_mb)
    found["training"] = measure_training(
        snapshot, model=model, config=config, device=device, with_profile=options.profile
    )
    name = torch.cuda.get_device_name() if device.type == "cuda" else processor_name()
    about = {"device": name, "threads": torch.get_num_threads(), "torch": torch.__version__, "commit": commit_name()}
    text = json.dumps({**about, **found}, indent=1)
    print(text)
    if options.json is not None:
        options.json.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
