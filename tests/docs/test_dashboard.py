"""The dashboard asks for metrics that the API has, and for all of them."""

import json
import re
from pathlib import Path

from fastapi.testclient import TestClient

from serving.api.metrics import Metrics
from tests.support.api import running_api
from tests.support.tiny_bundle import publish_tiny_bundle

FILE = Path(__file__).parents[2] / "docs" / "grafana.json"


def asked_for() -> set[str]:
    panels = json.loads(FILE.read_text(encoding="utf-8"))["panels"]
    text = " ".join(target["expr"] for panel in panels for target in panel["targets"])
    return set(re.findall(r"whycart_\w+", text))


def test_the_dashboard_asks_for_every_metric_and_no_other() -> None:
    kinds = {"counter": "_total", "histogram": "_bucket", "gauge": ""}
    there = {f"{family.name}{kinds[family.type]}" for family in Metrics().registry.collect()}

    assert there == asked_for()


def test_the_metrics_count_what_is_done(tmp_path: Path) -> None:
    with running_api(publish_tiny_bundle(tmp_path / "bundles"), tmp_path) as client:
        client.get("/v1/recommend/u1?n=3&explain=paths")
        client.get("/v1/recommend/stranger?n=3")
        client.post("/v1/events", json={"events": [{"user_id": "u1", "product_id": "p02"}]})

        assert 3.0 == value(client, 'whycart_items_total{reason="PATH"}')
        assert 3.0 == value(client, 'whycart_items_total{reason="POPULAR_FALLBACK"}')
        assert 1.0 == value(client, "whycart_events_waiting")
        assert 0.0 < value(client, "whycart_event_lag_seconds") < 60.0
        assert 1706745600.0 == value(client, "whycart_model_created_timestamp_seconds")


def value(client: TestClient, name: str) -> float:
    lines = client.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(f"{name} ")).rpartition(" ")[2])
