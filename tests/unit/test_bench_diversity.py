"""What varied lists cost is measured on real lists; without diversity nothing changes."""

import json
from pathlib import Path

import pytest

from bench.diversity import DIVERSITIES, main
from tests.support.tiny_bundle import publish_tiny_bundle


def test_every_diversity_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish_tiny_bundle(tmp_path / "bundles")
    figures = tmp_path / "figures.json"

    assert 0 == main(["--home", str(tmp_path), "--users", "3", "-n", "4", "--json", str(figures)])

    rows = json.loads(figures.read_text())["diversity"]
    assert list(DIVERSITIES) == [row["diversity"] for row in rows]
    assert (1.0, 1.0) == (rows[0]["kept"], rows[0]["score"])
    assert rows[-1]["variety"] >= rows[0]["variety"]
    assert all(0 < row["took_ms"] for row in rows)
    assert "variety" in capsys.readouterr().out
