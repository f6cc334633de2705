"""Events over HTTP: durable, harmless to repeat, and seen by the next recommendation."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from gnn.bundles import BundleStore
from kg.canonical import canonical_nodes
from kg.snapshot import build_snapshot
from serving.api.schemas import EventsAnswer
from serving.events import PENDING, EventLog
from tests.support.api import problem, product_ids, running_api, until
from tests.support.tiny_bundle import publish_tiny_bundle
from tests.worlds import tiny_shop


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> BundleStore:
    return publish_tiny_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture
def client(bundles: BundleStore, tmp_path: Path) -> Iterator[TestClient]:
    with running_api(bundles, tmp_path) as opened:
        yield opened


def bought(product: str, **more: Any) -> dict[str, Any]:
    return {"user_id": "u1", "product_id": product, "type": "bought", **more}


def post(client: TestClient, *events: Any) -> Any:
    return client.post("/v1/events", json={"events": list(events)})


def test_events_are_on_the_disk_when_the_answer_comes(client: TestClient, tmp_path: Path) -> None:
    answer = post(
        client,
        bought("p02", at="2024-01-31T12:00:00+02:00", quantity=2, value=1.5, event_id="e-1"),
        bought("p05", user_id="新顾客"),
    )

    with EventLog.open(tmp_path / "state.db") as log:
        first, second = (logged.event for logged in log.read(PENDING))
    assert (200, 2, 0, []) == (
        answer.status_code,
        *(answer.json()[key] for key in ("accepted", "duplicates", "rejected")),
    )
    assert ("e-1", 1706695200000, 2.0, 1.5) == (first.event_id, first.at_ms, first.quantity, first.value)
    assert "新顾客" == second.user_id


def test_the_answer_is_what_the_document_says(client: TestClient) -> None:
    answer = post(client, bought("p02"), bought("p02", type="bougth"))

    found = EventsAnswer.model_validate(answer.json())
    assert (1, [1]) == (found.accepted, [entry.index for entry in found.rejected])


def test_an_event_without_an_id_gets_one_that_is_returned(client: TestClient) -> None:
    given, made = post(client, bought("p02", event_id="mine"), bought("p02")).json()["event_ids"]

    assert ("mine", 32) == (given, len(made))


def test_a_retry_is_harmless(client: TestClient) -> None:
    event = bought("p02", event_id="e-1", at="2024-01-31T12:00:00Z")
    post(client, event)
    before = client.get("/v1/recommend/u1").json()

    answer = post(client, event, event)

    after = client.get("/v1/recommend/u1").json()
    assert (0, 2) == (answer.json()["accepted"], answer.json()["duplicates"])
    assert (before["events_used"], before["items"]) == (after["events_used"], after["items"])


def test_an_event_changes_the_next_recommendation(client: TestClient) -> None:
    query = "/v1/recommend/u6?n=10&exclude_seen=false&in_stock=false"
    before = client.get(query).json()

    post(client, bought("p07", user_id="u6"))

    after = client.get(query).json()
    assert (0, 1) == (before["events_used"], after["events_used"])
    assert [item["score"] for item in before["items"]] != [item["score"] for item in after["items"]]


def test_an_event_of_one_process_is_seen_by_another(bundles: BundleStore, tmp_path: Path) -> None:
    with running_api(bundles, tmp_path) as first, running_api(bundles, tmp_path) as second:
        post(first, bought("p07", user_id="u6"))

        assert 1 == second.get("/v1/recommend/u6").json()["events_used"]


def test_an_event_of_one_user_leaves_the_others_alone(client: TestClient) -> None:
    before = product_ids(client.get("/v1/recommend/u2"))

    post(client, bought("p07", user_id="u6"))

    assert before == product_ids(client.get("/v1/recommend/u2"))


def test_broken_events_are_rejected_and_the_others_taken(client: TestClient) -> None:
    late = (datetime.now(UTC) + timedelta(days=2)).isoformat()

    answer = post(client, bought("p02", type="bougth"), bought("p02", at=late), bought("p02"))

    rejected = {entry["index"]: entry["reason"] for entry in answer.json()["rejected"]}
    assert (200, 1, {0, 1}) == (answer.status_code, answer.json()["accepted"], set(rejected))
    assert ["did you mean 'bought'?" in rejected[0], "future" in rejected[1]] == [True, True]


def test_an_event_with_an_id_that_was_merged_away_counts_for_the_product_that_stays(tmp_path: Path) -> None:
    shop = tiny_shop()
    rows = shop.nodes["Product"].to_pylist()
    rows[0] |= {"merged_ids": None}
    rows[6] |= {"merged_ids": "old"}
    products = canonical_nodes(shop.schema.nodes["Product"], pa.Table.from_pylist(rows))
    snapshot = build_snapshot(replace(shop, nodes={**shop.nodes, "Product": products}))
    query = "?n=10&exclude_seen=false&in_stock=false"

    with running_api(publish_tiny_bundle(tmp_path / "bundles", snapshot=snapshot), tmp_path) as client:
        answer = post(client, bought("old", user_id="u6"), bought("p07", user_id="other")).json()
        lists = [client.get(f"/v1/recommend/{user}{query}").json() for user in ("u6", "other")]

    assert (2, 0) == (answer["accepted"], answer["kept_aside"])
    assert [1, 1] == [found["events_used"] for found in lists]
    assert [item["product_id"] for item in lists[0]["items"]] == [item["product_id"] for item in lists[1]["items"]]


def test_an_event_with_a_product_that_is_not_there_yet_counts_when_it_has_come(client: TestClient) -> None:
    answer = post(client, bought("p99", user_id="early"), bought("p02", user_id="other")).json()
    before = client.get("/v1/recommend/early").json()["events_used"]
    row = {"product_id": "p99", "title": "Late tea", "brand": "Acme", "categories": ["Tea"]}
    client.post("/v1/products", json={"products": [row]})

    assert (2, 1, 0) == (answer["accepted"], answer["kept_aside"], before)
    assert until(lambda: client.get("/v1/recommend/early").json()["events_used"] == 1)


def test_when_every_event_is_broken_the_request_is(client: TestClient) -> None:
    answer = post(client, bought("p02", type="bougth"), bought("p01", type="sold"))

    assert (422, "events-rejected") == problem(answer)[:2]
    assert [0, 1] == [entry["index"] for entry in answer.json()["rejected"]]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "Field required"),
        ({"events": []}, "at least 1 item"),
        ({"events": [bought("p02")] * 1001}, "at most 1000 items"),
        ({"events": [{"product_id": "p02"}]}, "events.0: give user_id, or session_id for a visitor"),
        ({"events": [bought("")]}, "events.0.product_id"),
        ({"events": [bought("p" * 201)]}, "events.0.product_id"),
        ({"events": [bought("p02", user_id="a\nb")]}, "events.0.user_id"),
        ({"events": [bought("p02", event_id="\u0000")]}, "events.0.event_id"),
        ({"events": [bought("p02", quantity=-1)]}, "events.0.quantity"),
        ({"events": [bought("p02", quantity="2")]}, "events.0.quantity"),
        ({"events": [bought("p02", at="31.01.2024")]}, "ISO 8601"),
        ({"events": [bought("p02", when="now")]}, "events.0.when: Extra inputs"),
        ({"events": [5]}, "events.0"),
        ({"events": "all"}, "events"),
    ],
)
def test_a_bad_body_is_refused_and_nothing_is_taken(body: Any, words: str, client: TestClient, tmp_path: Path) -> None:
    status, _, detail = problem(client.post("/v1/events", json=body))

    with EventLog.open(tmp_path / "state.db") as log:
        assert (422, 0) == (status, log.last_seq())
    assert words in detail


def test_a_number_that_is_none_is_refused(client: TestClient) -> None:
    text = '{"events": [{"user_id": "u1", "product_id": "p02", "value": NaN}]}'

    answer = client.post("/v1/events", content=text, headers={"content-type": "application/json"})

    assert 422 == problem(answer)[0]


def test_an_event_log_that_cannot_be_written_is_said_to_be_unavailable(client: TestClient, tmp_path: Path) -> None:
    from sqlalchemy import create_engine, text

    engine = create_engine(f"sqlite:///{tmp_path / 'state.db'}")
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE events RENAME TO elsewhere"))
    engine.dispose()

    answer = post(client, bought("p02"))

    assert (503, "state") == problem(answer)[:2]
    assert "2" == answer.headers["retry-after"]
