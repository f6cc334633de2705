"""`python -m bench.scale`: how time and memory grow with a shop, stage by stage, and what that means for larger ones.

Synthetic shops with ten events a user, twenty-five a product and four edges an event, each in a process of its
own. Times are CPU seconds, which others on the machine disturb least; memory is what the process holds at most beyond
what it held before the shop, what earlier stages left included. An exponent is fitted to the last sizes of each stage:
1 means that twice the shop takes twice the time. `--stages` leaves stages out that a size cannot afford.
"""

import argparse
import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from bench.figures import commit_name, processor_name
from bench.synthetic import synthetic_shop
from bench.training import random_vectors
from gnn.closed_form import fit_ease, fit_smooth, nearest_texts
from gnn.config import KernelConfig, ModelConfig, TrainConfig
from gnn.examples import make_examples
from gnn.graph import build_graph
from gnn.meter import Meter
from gnn.score import Blend, Decay, Scorer
from gnn.train import train_network
from gnn.words import nearest_words, word_matrix
from kg.kernels import Kernel
from kg.operators import build_operators, interactions
from kg.schema import GraphSchema
from kg.snapshot import Snapshot, build_snapshot
from kg.validate import check_tables
from serving.cli.output import print_table
from serving.history import read_history

STAGES = ("tables", "snapshot", "operators", "smooth", "ease", "words", "text", "network", "answers")
"""What is measured: `network` is one epoch, `answers` scores NUM_ANSWERS users against the whole catalogue."""
NUM_ANSWERS = 200
PER_USER, PER_PRODUCT, EDGES = 10, 25, 4
"""Events a user, events a product, and edges an event."""
MIB = 2**20
_SMOOTH = (("smooth", 64, 0.3),)
_FEWEST = 2
"""Sizes that an exponent is fitted to at the least; the largest ones count."""


class Ladder:
    """Measures the stages of one size in order; each leaves what the next ones need."""

    def __init__(self, stages: Sequence[str]) -> None:
        """Begin with nothing."""
        self._stages = frozenset(stages)
        self._base_mb = psutil.Process().memory_info().rss / MIB
        self.figures: dict[str, dict[str, float]] = {}
        self.kernels: list[Kernel] = []

    def measure(self, stage: str, work: Callable[[], None]) -> None:
        """Do a stage and keep what it cost, unless it is left out."""
        if stage not in self._stages:
            return
        with Meter() as meter:
            work()
        self.figures[stage] = {"cpu_s": round(meter.cpu_s, 3), "grown_mb": round(meter.peak_rss_mb - self._base_mb, 1)}


def measure_size(events: int, stages: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return CPU seconds and memory of each stage on a shop with so many events.

    Args:
        events: purchases of the shop; users, products and edges follow from it.
        stages: of STAGES; `tables` and `snapshot` are always done, for all else needs them.
    """
    ladder, schema = Ladder({"tables", "snapshot", *stages}), GraphSchema()
    users, products = max(events // PER_USER, 1), max(events // PER_PRODUCT, 50)
    shop = synthetic_shop(users=users, products=products, purchases=events, edges=EDGES * events)
    made: dict[str, Any] = {}

    def check() -> None:
        made["tables"] = check_tables(shop, schema).tables

    def cut() -> None:
        made["snapshot"] = build_snapshot(made["tables"])

    ladder.measure("tables", check)
    ladder.measure("snapshot", cut)
    _measure_learning(ladder, made["snapshot"])
    return ladder.figures


def _measure_learning(ladder: Ladder, snapshot: Snapshot) -> None:
    vectors, config = random_vectors(snapshot), KernelConfig()
    seen, boost = interactions(snapshot), np.ones(snapshot.num_nodes("Product"))
    kernels = ladder.kernels

    def words() -> None:
        kernels.append(nearest_words(word_matrix(snapshot), boost, top_k=config.text_neighbours))

    def text() -> None:
        kernels.append(nearest_texts(vectors["Product"], boost, top_k=config.text_neighbours))

    ladder.measure("operators", lambda: kernels.extend(build_operators(snapshot, config.operators)))
    ladder.measure("smooth", lambda: kernels.extend(fit_smooth(seen, _SMOOTH)))
    ladder.measure("ease", lambda: kernels.append(fit_ease(seen, regularisation=config.ease_regularisation)))
    ladder.measure("words", words)
    ladder.measure("text", text)
    ladder.measure("network", lambda: _one_epoch(snapshot, vectors))
    ladder.measure("answers", lambda: _answer(snapshot, kernels))


def _one_epoch(snapshot: Snapshot, vectors: dict[str, np.ndarray]) -> None:
    data, examples = build_graph(snapshot, vectors), make_examples(snapshot)
    train_network(data, examples, model=ModelConfig(), config=TrainConfig(epochs=1, device="cpu"))


def _answer(snapshot: Snapshot, kernels: Sequence[Kernel]) -> None:
    """Score some users with every kernel that was built, each weighing alike."""
    names, num = tuple(kernel.name for kernel in kernels), snapshot.num_nodes("Product")
    blend = Blend(names, (Decay("rank", 5.0),), np.ones((len(names), 1)), (), np.zeros(0))
    scorer = Scorer(tuple(kernels), np.zeros((0, num), dtype=np.float32), blend)
    known = snapshot.num_nodes("User")
    for user in random.Random(0).choices(range(known), k=NUM_ANSWERS):
        scorer.spread(read_history(snapshot, user, ()))


def exponents(sizes: dict[int, dict[str, dict[str, float]]], measure: str) -> dict[str, float]:
    """Return how each stage grows: the slope of its figure over the events, both as logarithms, by least squares.

    Args:
        sizes: figures of each stage by number of events.
        measure: `cpu_s` or `grown_mb`.

    Returns:
        The exponent of each stage that the three largest sizes (or two) have figures above 0 of.
    """
    found = {}
    for stage in STAGES:
        points = [(events, size[stage][measure]) for events, size in sorted(sizes.items()) if stage in size]
        points = [(events, value) for events, value in points if value > 0][-3:]
        if len(points) >= _FEWEST:
            x, y = np.log(np.array(points, dtype=np.float64)).T
            found[stage] = round(float(np.polyfit(x, y, 1)[0]), 2)
    return found


def extrapolate(
    sizes: dict[int, dict[str, dict[str, float]]], slope: dict[str, float], measure: str, events: int
) -> dict[str, float]:
    """Return what each stage would cost a shop with so many events if it went on growing as it does."""
    found = {}
    for stage, power in slope.items():
        last = max(known for known, size in sizes.items() if stage in size)
        found[stage] = float(f"{sizes[last][stage][measure] * math.exp(power * math.log(events / last)):.2g}")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and tell; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", default="10000,100000,1000000", help="sizes, by comma; each at least 1250")
    parser.add_argument("--stages", default=",".join(STAGES), help="what to measure, by comma")
    parser.add_argument("--to", type=int, default=1_000_000_000, help="events of the shop that is extrapolated to")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here; sizes in it are kept")
    parser.add_argument("--one", type=int, metavar="EVENTS", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    stages = options.stages.split(",")
    if unknown := sorted(set(stages) - set(STAGES)):
        parser.error(f"--stages knows {', '.join(STAGES)}, got {', '.join(unknown)}")
    if options.one is not None:
        print(json.dumps(measure_size(options.one, stages)))
        return 0
    sizes = _known(options.json)
    for events in [int(text) for text in options.events.split(",")]:
        command = [sys.executable, "-m", "bench.scale", "--one", str(events), "--stages", options.stages]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        sizes[events] = sizes.get(events, {}) | json.loads(done.stdout.splitlines()[-1])
        print(f"{events:,} events: " + ", ".join(f"{name} {row['cpu_s']} s" for name, row in sizes[events].items()))
    found = {"processor": processor_name(), "threads": os.cpu_count(), "commit": commit_name(), "to": options.to}
    found["scale"] = {str(events): sizes[events] for events in sorted(sizes)}
    for measure in ("cpu_s", "grown_mb"):
        slope = exponents(sizes, measure)
        found[measure] = {"exponents": slope, "extrapolated": extrapolate(sizes, slope, measure, options.to)}
    rows = [
        (stage, power, found["cpu_s"]["extrapolated"][stage]) for stage, power in found["cpu_s"]["exponents"].items()
    ]
    print_table(("stage", "exponent", f"CPU s at {options.to:,} events"), rows)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


def _known(file: Path | None) -> dict[int, dict[str, dict[str, float]]]:
    """Sizes that were measured before."""
    if file is None or not file.exists():
        return {}
    known = json.loads(file.read_text(encoding="utf-8"))["scale"]
    return {int(events): stages for events, stages in known.items()}


if __name__ == "__main__":
    sys.exit(main())
