"""What training costs is measured on a synthetic shop: epochs, memory, kernels by name."""

import json
from pathlib import Path

from bench.training import main

KEPT = ["--checkpoint-minutes", "1"]


def test_epochs_and_kernels_are_timed_and_written(tmp_path: Path) -> None:
    out = tmp_path / "training.json"
    size = ["--users", "60", "--products", "100", "--purchases", "400", "--edges", "900"]

    code = main([*size, "--epochs", "1", "--device", "cpu", "--dim", "8", "--kernels", "--json", str(out), *KEPT])

    found = json.loads(out.read_text())
    assert (0, 60, 100) == (code, found["users"], found["products"])
    assert {"co_purchase", "ease", "text"} <= set(found["kernels"]["laps"])
    training = found["training"]
    assert len(training["losses"]) == len(training["epochs_s"]) > 0
    assert training["took_s"] >= sum(training["epochs_s"]) > 0
    assert training["num_edges"] == 2 * 900
    kept = training["checkpoint"]
    assert (0 < kept["share"] < 1, kept["size_mb"] > 0) == (True, True)
    assert 1 <= len(kept["writes_s"]) <= len(training["losses"])
