"""Cypher and the API are asked for the same users, and both answers are timed."""

import json
from pathlib import Path

import pytest

from bench.cypher import TARGETS, main
from bench.speed_page import speed_page
from kg.ingest import ingest
from kg.store import GraphConfig, GraphStore
from tests.integration.conftest import EMPTY
from tests.support.tiny_bundle import publish_tiny_bundle
from tests.worlds import tiny_shop


def test_the_api_is_timed_beside_cypher(
    neo4j_config: GraphConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_tiny_bundle(tmp_path / "bundles")
    with GraphStore.open(neo4j_config) as store:
        store.write(EMPTY, [])
        ingest(store, tiny_shop())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WHYCART_GRAPH_URI", str(neo4j_config.uri))
    monkeypatch.setenv("WHYCART_GRAPH_PASSWORD", str(neo4j_config.password))
    figures = tmp_path / "cypher.json"

    code = main(["--home", str(tmp_path), "--users", "2", "-n", "3", "--json", str(figures)])

    shown = capsys.readouterr().out
    rows = json.loads(figures.read_text())["cypher_beside"]
    page = speed_page([figures])
    assert (0, list(TARGETS)) == (code, [row["target"] for row in rows])
    assert all(0 < row["p50_ms"] <= row["p99_ms"] for row in rows)
    assert rows[0]["ratio"] == 1
    assert all(target in shown and f"| {target} |" in page for target in TARGETS)
