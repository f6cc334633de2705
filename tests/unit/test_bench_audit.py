"""What recording costs is measured on real answers, and every one of them is recorded."""

import json
from pathlib import Path

import pytest

from bench.audit import main
from tests.support.tiny_bundle import publish_tiny_bundle


@pytest.mark.slow
def test_answers_with_and_without_records_are_measured_in_turn(tmp_path: Path) -> None:
    publish_tiny_bundle(tmp_path / "bundles")
    figures = tmp_path / "figures.json"

    code = main(["--home", str(tmp_path), "--rounds", "2", "--seconds", "0.2", "-n", "3", "--json", str(figures)])

    loads = json.loads(figures.read_text())["loads"]
    assert (0, ["recorded", "not recorded"] * 2) == (code, [load["target"] for load in loads])
