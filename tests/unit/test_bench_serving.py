"""The load generator: it measures every shape of load, writes its figures, and leaves no process behind."""

import json
from pathlib import Path

import psutil
import pytest

from bench.serving import main
from bench.serving_page import serving_page
from tests.support.tiny_bundle import publish_tiny_bundle


@pytest.mark.slow
def test_every_shape_of_load_is_measured_without_an_error(tmp_path: Path) -> None:
    publish_tiny_bundle(tmp_path / "bundles")
    before = set(psutil.Process().children(recursive=True))

    code = main(["--home", str(tmp_path), "--seconds", "0.3", "-n", "5", "--json", str(tmp_path / "figures.json")])

    found = json.loads((tmp_path / "figures.json").read_text())
    targets = ["recommend", "without paths", "similar", "explain", "floor of recommend", "floor without paths"]
    assert (0, [target for target in targets for _ in range(4)]) == (code, [load["target"] for load in found["loads"]])
    assert all(load["errors"] == 0 and load["num_requests"] > 0 for load in found["loads"])
    assert all(load["per_cpu_s"] > 0 for load in found["loads"])
    assert 0 < found["memory_mib"][0]["uss"] <= found["memory_mib"][0]["rss"]
    assert found["ready_s"] > 0 < found["bundle_mib"]
    page = serving_page({"made_at": "today", "commit": "c", "processor": "p"}, [found])
    assert 1 + len(found["loads"]) == page.count("\n| 1 |")
    assert 8 == page.count("x |")
    assert set(psutil.Process().children(recursive=True)) <= before
