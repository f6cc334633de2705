"""The benchmark of the graph runs on a small shop, and its page shows what it found."""

from pathlib import Path

import pytest

from bench.graph import _metered, main
from bench.graph_page import graph_page
from cypher.catalogue import queries_for_people


def test_a_small_shop_is_measured_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.graph.ASKS", 1)
    monkeypatch.setattr("bench.graph.HEAVY_ASKS", 1)
    monkeypatch.setattr("bench.graph.in_process", lambda work, *given: {"server_cpu_s": 0.0} | _metered(work, *given))
    file = tmp_path / "local.json"

    code = main(["--server", "local", "--scale", "0.001", "--fractions", "1", "--json", str(file)])
    page = graph_page([file])

    assert 0 == code
    assert all(f"[{query.name}](../queries.md#{query.name})" in page for query in queries_for_people())
    assert "100 users, 50 products, 2,000 events" in page
    assert "| the first day once more: all are there |" in page
