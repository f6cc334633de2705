"""A clock that jumps: what came last stays what came last, and nothing that was promised is lost."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from typer.testing import CliRunner

from gnn.bundles import BundleStore
from serving.cli.main import app
from serving.runs import RunLog, recorded_run
from tests.support.api import product_ids, running_api
from tests.support.shops import QUICK, write_generated
from tests.support.tiny_bundle import publish_tiny_bundle

NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)
JUMPS = (timedelta(0), timedelta(days=-2), timedelta(days=400))


def run(*args: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(args), catch_exceptions=False)
    return result.exit_code, result.output


def test_retrainings_follow_each_other_and_not_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "whycart.toml").write_text(QUICK, encoding="utf-8")
    write_generated(tmp_path / "shop")
    monkeypatch.chdir(tmp_path)
    bundles, made = BundleStore(tmp_path / ".whycart" / "bundles"), []

    for jump in JUMPS:
        with time_machine.travel(NOON + jump):
            assert 0 == run("retrain", "--data", "shop")[0]
        made.append(bundles.current_version())

    assert len(JUMPS) == len(set(made))
    assert made != sorted(made)
    listed = json.loads(run("runs", "list", "--json")[1])["runs"]
    assert made[::-1] == [entry["version"] for entry in listed]
    assert made[1] == bundles.previous_version()
    assert [made[0]] == bundles.surplus(keep=1)
    assert 0 == run("models", "rollback")[0]
    assert made[1] == bundles.current_version()


def test_a_run_that_was_lost_is_seen_behind_a_clock_set_back(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    with time_machine.travel(NOON), recorded_run(state, data=None, config={}) as record:
        record.end("published", "Passed.")
    with time_machine.travel(NOON - timedelta(days=1)):
        with recorded_run(state, data=None, config={}) as record:
            record.step("encode", 1.0, "")
            record._change(outcome="running")
        with RunLog.open(state) as log:
            log.write(log.all()[0])
        with recorded_run(state, data=None, config={}) as record:
            assert record.was_interrupted


def test_the_api_takes_events_and_answers_whatever_the_clock_says(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with running_api(publish_tiny_bundle(tmp_path / "bundles"), tmp_path) as client:
        for number, jump in enumerate(JUMPS):
            with time_machine.travel(now + jump):
                event = {"event_id": f"e{number}", "user_id": "u1", "product_id": "p02"}
                assert 200 == client.post("/v1/events", json={"events": [event]}).status_code
                again = client.post("/v1/events", json={"events": [event]})
                assert (200, 1) == (again.status_code, again.json()["duplicates"])
                assert product_ids(client.get("/v1/recommend/u1"))
                assert 200 == client.get("/v1/trending").status_code
        log = client.app.state.services.log  # type: ignore[attr-defined]
        assert len(JUMPS) == log.count(0) + log.count(1)
