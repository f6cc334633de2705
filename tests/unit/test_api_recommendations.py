"""Looking a list up over HTTP, computing it again, and recording without making an answer wait."""

import shutil
import sqlite3
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gnn.bundles import BundleStore
from serving.api.metrics import Metrics
from serving.api.recorded import RecordAnswer
from serving.api.recorder import Recorder
from serving.audit_config import AuditConfig
from serving.records import Record, RecordLog
from tests.support.api import problem, product_ids, running_api, until
from tests.support.tiny_bundle import MADE_AT, publish_tiny_bundle
from tests.unit.test_records import record

LATER = MADE_AT + timedelta(hours=1)


@pytest.fixture
def bundles(tmp_path: Path) -> BundleStore:
    return publish_tiny_bundle(tmp_path / "bundles")


@pytest.fixture
def client(bundles: BundleStore, tmp_path: Path) -> Iterator[TestClient]:
    with running_api(bundles, tmp_path) as opened:
        yield opened


def look_up(client: TestClient, answer: Any, *, replay: bool = False) -> Any:
    answered = client.get(f"/v1/recommendations/{answer.json()['recommendation_id']}?replay={replay}")
    assert 200 == answered.status_code
    RecordAnswer.model_validate(answered.json())
    return answered.json()


def post_event(client: TestClient, product: str, *, user: str = "u1") -> None:
    event = {"user_id": user, "product_id": product, "type": "bought"}
    assert 200 == client.post("/v1/events", json={"events": [event]}).status_code


def test_a_list_of_a_user_is_found_with_its_items_as_they_were_sent(client: TestClient, bundles: BundleStore) -> None:
    answer = client.get("/v1/recommend/u1?n=3&explain=paths&category=tea&exclude_seen=true")

    found = look_up(client, answer)

    sent = answer.json()
    same = ("recommendation_id", "model_version", "graph_version", "items", "removed")
    assert [sent[name] for name in same] == [found[name] for name in same]
    assert ("recommend", "u1", 5) == (found["kind"], found["user_id"], found["events"]["used"])
    assert (3, ["tea"], True) == (
        found["request"]["n"],
        found["request"]["filter"]["categories"],
        found["request"]["filter"]["exclude_seen"],
    )


def test_the_events_that_counted_are_named(client: TestClient) -> None:
    post_event(client, "p05")
    answer = client.get("/v1/recommend/u1")
    post_event(client, "p06")

    events = look_up(client, answer)["events"]

    assert (["p05"], 0, 1) == ([event["product_id"] for event in events["logged"]], events["after"], events["until"])


def test_the_events_of_a_session_are_named(client: TestClient) -> None:
    events = [{"product_id": "p01", "type": "viewed", "at": "2024-01-01T00:00:00Z"}, {"product_id": "p02"}]

    found = look_up(client, client.post("/v1/recommend", json={"events": events, "n": 2}))

    assert (None, None) == (found["user_id"], found["events"]["until"])
    assert [("p01", "2024-01-01T00:00:00.000Z"), ("p02", None)] == [
        (event["product_id"], event["at"]) for event in found["request"]["session"]
    ]


def test_a_list_of_products_alike_is_found(client: TestClient) -> None:
    answer = client.get("/v1/similar/p01?n=2&in_stock=false")

    found = look_up(client, answer, replay=True)

    assert ("similar", "p01", answer.json()["items"]) == (found["kind"], found["request"]["product_id"], found["items"])
    assert found["replay"]["same"] is True


def test_an_unknown_id_is_a_problem_that_says_how_long_lists_are_kept(client: TestClient) -> None:
    status, slug, detail = problem(client.get("/v1/recommendations/nope"))

    assert (404, "unknown-recommendation") == (status, slug)
    assert "'nope'; records are kept for 30 days ([audit] keep_days)" in detail


def test_an_old_list_is_computed_again_after_further_events_and_another_model(
    client: TestClient, bundles: BundleStore
) -> None:
    post_event(client, "p05")
    answer = client.get("/v1/recommend/u1?n=8&exclude_seen=false")
    for product in ("p06", "p07", "p08"):
        post_event(client, product)
    publish_tiny_bundle(bundles.folder, now=LATER, decay=2.0)
    assert until(lambda: client.get("/health/ready").json()["model_version"] == bundles.current_version())

    found = look_up(client, answer, replay=True)

    now = client.get("/v1/recommend/u1?n=8&exclude_seen=false")
    assert {"same": True, "differences": []}.items() <= found["replay"].items()
    assert product_ids(answer) == [item["product_id"] for item in found["items"]]
    assert [item["score"] for item in now.json()["items"]] != [item["score"] for item in found["items"]]


def test_a_session_without_times_is_computed_again_at_its_moment(client: TestClient) -> None:
    events = [{"product_id": "p01"}, {"product_id": "p02", "type": "bought"}]
    answer = client.post("/v1/recommend", json={"user_id": "u2", "events": events, "n": 5})

    assert look_up(client, answer, replay=True)["replay"]["same"] is True


def test_a_list_of_a_deleted_model_is_shown_but_not_computed_again(client: TestClient, bundles: BundleStore) -> None:
    answer = client.get("/v1/recommend/u1?n=3")
    old = str(bundles.current_version())
    publish_tiny_bundle(bundles.folder, now=LATER, decay=2.0)
    assert until(lambda: client.get("/health/ready").json()["model_version"] != old)
    shutil.rmtree(bundles.folder / old)

    found = look_up(client, answer, replay=True)

    assert (3, None) == (len(found["items"]), found["replay"]["same"])
    assert f"model {old} is deleted" in found["replay"]["detail"]


def test_what_differs_is_named_when_events_have_gone(client: TestClient, tmp_path: Path) -> None:
    post_event(client, "p05")
    answer = client.get("/v1/recommend/u1?n=3&exclude_seen=false")
    with sqlite3.connect(tmp_path / "state.db") as connection:
        connection.execute("DELETE FROM events")
    connection.close()

    again = look_up(client, answer, replay=True)["replay"]

    assert again["same"] is False
    assert "6 events were used then, 5 of them are there now" in again["detail"]
    assert again["differences"][0]["recorded"] != again["differences"][0]["replayed"]


def test_a_list_is_found_through_another_process(client: TestClient, bundles: BundleStore, tmp_path: Path) -> None:
    with running_api(bundles, tmp_path) as other:
        found = look_up(other, client.get("/v1/recommend/u1?n=3"))

    assert 3 == len(found["items"])


def test_everything_that_waits_is_written_when_the_process_ends(bundles: BundleStore, tmp_path: Path) -> None:
    with running_api(bundles, tmp_path) as client:
        for _ in range(30):
            client.get("/v1/recommend/u1?n=1")

    with RecordLog.open(tmp_path / "state.db", AuditConfig()) as records:
        assert 30 == records.count_of("u1")


def test_switched_off_nothing_is_recorded_and_the_answer_to_a_look_up_says_so(
    bundles: BundleStore, tmp_path: Path
) -> None:
    with running_api(bundles, tmp_path, audit=AuditConfig(enabled=False)) as client:
        answer = client.get("/v1/recommend/u1")
        status, _, detail = problem(client.get(f"/v1/recommendations/{answer.json()['recommendation_id']}"))

    assert 404 == status
    assert "[audit] enabled is false" in detail


def test_what_has_expired_is_deleted_at_the_start(bundles: BundleStore, tmp_path: Path) -> None:
    with RecordLog.open(tmp_path / "state.db", AuditConfig()) as records:
        records.add([record(1, user="old")])

        with running_api(bundles, tmp_path):
            assert until(lambda: records.count_of("old") == 0)


class Slow:
    """Records that cannot be written until the lock of the file is released."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    def __enter__(self) -> "Slow":
        self.connection.execute("BEGIN IMMEDIATE")
        return self

    def __exit__(self, *raised: object) -> None:
        self.connection.execute("COMMIT")
        self.connection.close()


def counted(metrics: Metrics, result: str) -> float:
    return metrics.registry.get_sample_value("whycart_records_total", {"result": result}) or 0.0


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Recorder, Metrics, Path]]:
    monkeypatch.setattr("serving.state.BUSY_TIMEOUT_S", 0.05)
    metrics = Metrics()
    records = RecordLog.open(tmp_path / "state.db", AuditConfig())
    made = Recorder(records, metrics, max_waiting_bytes=100)
    made.start()
    yield made, metrics, records.path
    made.stop()


def big(number: int) -> Record:
    return record(number, answer=b"x" * 60, at_ms=int(time.time() * 1000))


def test_while_the_file_is_locked_records_wait_and_are_written_afterwards(
    recorder: tuple[Recorder, Metrics, Path],
) -> None:
    made, metrics, path = recorder
    with Slow(path):
        made.add(big(1))
        failed = until(lambda: made.failing)

    assert failed
    assert until(lambda: counted(metrics, "written") == 1)
    assert not made.failing


def test_a_full_queue_answers_without_a_record_and_counts_it(recorder: tuple[Recorder, Metrics, Path]) -> None:
    made, metrics, path = recorder
    with Slow(path):
        started = time.perf_counter()
        for number in range(3):
            made.add(big(number))
        took_s = time.perf_counter() - started

    assert (True, 2.0) == (took_s < 0.05, counted(metrics, "lost"))
    assert until(lambda: counted(metrics, "written") == 1)


def test_records_that_cannot_be_written_at_the_end_are_counted_as_lost(
    recorder: tuple[Recorder, Metrics, Path],
) -> None:
    made, metrics, path = recorder
    with Slow(path):
        made.add(big(1))
        made.stop()

    assert 1.0 == counted(metrics, "lost")
