"""The dashboard asks for metrics that the API has, and for all of them; the rules of alerts for nothing else."""

import json
import re
from pathlib import Path

import yaml
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
    assert metric_names() == asked_for()


def metric_names() -> set[str]:
    kinds = {"counter": "_total", "histogram": "_bucket", "gauge": ""}
    return {f"{family.name}{kinds[family.type]}" for family in Metrics().registry.collect()}


def test_the_rules_of_alerts_ask_for_metrics_that_are_there() -> None:
    rules = yaml.safe_load((FILE.parent / "alerts.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
    names = [rule["alert"] for rule in rules]

    assert len(names) == len(set(names)) >= 9
    for rule in rules:
        found = set(re.findall(r"whycart_\w+", rule["expr"]))
        assert found
        assert found <= metric_names()
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("warning", "critical")


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
