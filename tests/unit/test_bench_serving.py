"""The load generator: it measures every shape of load, writes its figures, and leaves no process behind."""

import json
from pathlib import Path

import psutil
import pytest

from bench.serving import main
from tests.support.tiny_bundle import publish_tiny_bundle


@pytest.mark.slow
def test_every_shape_of_load_is_measured_without_an_error(tmp_path: Path) -> None:
    publish_tiny_bundle(tmp_path / "bundles")
    before = set(psutil.Process().children(recursive=True))

    code = main(["--home", str(tmp_path), "--seconds", "0.3", "-n", "5", "--json", str(tmp_path / "figures.json")])

    loads = json.loads((tmp_path / "figures.json").read_text())["loads"]
    assert (0, ["recommend"] * 3 + ["without paths"] * 3 + ["floor"] * 3) == (code, [load["target"] for load in loads])
    assert all(load["errors"] == 0 and load["num_requests"] > 0 for load in loads)
    assert set(psutil.Process().children(recursive=True)) <= before
