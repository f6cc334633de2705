"""What the retraining did, over HTTP: for those who may, with what was seen of the live model, and in the metrics."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from gnn.bundles import BundleStore
from serving.errors import GateRefused
from serving.runs import recorded_run
from tests.support.api import running_api
from tests.support.tiny_bundle import publish_tiny_bundle

CONFIG = {"learn": {"k": 10}}


@pytest.fixture
def bundles(tmp_path: Path) -> BundleStore:
    return publish_tiny_bundle(tmp_path / "bundles")


@pytest.fixture
def client(bundles: BundleStore, tmp_path: Path) -> Iterator[TestClient]:
    with running_api(bundles, tmp_path) as opened:
        yield opened


def run_once(client: TestClient, *, version: str | None, refused: str | None = None) -> None:
    state = client.app.state.services.log.path  # type: ignore[attr-defined]
    with contextlib.suppress(GateRefused), recorded_run(state, data=None, config=CONFIG) as record:
        record.step("encode", 1.5, "7 texts")
        if refused is not None:
            raise GateRefused(refused, version=version)
        record.end("published", "passed", version=version)


def add_alarm(bundles: BundleStore, sentence: str) -> str:
    version = str(bundles.current_version())
    watched = [{"sentence": sentence, "alarm": True}, {"sentence": "all is well", "alarm": False}]
    report = bundles.folder / version / "report.json"
    report.write_text(json.dumps({"drift": {"watched": watched}}))
    return version


def test_runs_are_listed_and_shown(client: TestClient, bundles: BundleStore) -> None:
    version = add_alarm(bundles, "prices have shifted")
    run_once(client, version=version)
    run_once(client, version=None, refused="worse than habit")

    last, first = client.get("/v1/runs").json()["runs"]
    whole = client.get(f"/v1/runs/{first['run_id']}").json()

    assert ("refused", "worse than habit", [], None) == tuple(
        last[name] for name in ("outcome", "sentence", "alarms", "version")
    )
    assert ("published", version, ["prices have shifted"]) == (first["outcome"], first["version"], first["alarms"])
    assert [{"name": "encode", "took_s": 1.5, "line": "7 texts"}] == first["steps"]
    assert CONFIG == whole["config"]
    assert first == {name: whole[name] for name in first}
    assert 1 == len(client.get("/v1/runs?n=1").json()["runs"])


def test_without_a_run_the_list_is_empty_and_an_unknown_one_is_a_problem(client: TestClient) -> None:
    assert [] == client.get("/v1/runs").json()["runs"]

    answer = client.get("/v1/runs/2026")

    assert (404, "unknown-run") == (answer.status_code, answer.json()["type"].rpartition(":")[2])
    assert "whycart runs list" in answer.json()["detail"]
    assert 422 == client.get("/v1/runs?n=0").status_code


def test_the_metrics_say_when_a_run_of_each_outcome_ended(client: TestClient, bundles: BundleStore) -> None:
    assert "whycart_run_ended_timestamp_seconds{" not in client.get("/metrics").text
    run_once(client, version=None, refused="worse than habit")
    run_once(client, version=add_alarm(bundles, "silence"))

    lines = client.get("/metrics").text.splitlines()
    ends = {
        line.split('"')[1]: float(line.rpartition(" ")[2]) for line in lines if line.startswith("whycart_run_ended_")
    }

    assert {"refused", "published"} == set(ends)
    assert ends["refused"] <= ends["published"]
    assert "whycart_run_alarms 1.0" in lines
