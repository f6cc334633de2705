"""Over HTTP: lists that are placed, seen and named by events, and what came of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gnn.bundles import BundleStore
from serving.api.schemas import ImpressionsAnswer
from serving.api.uptake import UptakeAnswer
from serving.audit_config import AuditConfig
from serving.events import PENDING, EventLog
from serving.records import RecordLog
from tests.support.api import problem, product_ids, running_api, until
from tests.support.tiny_bundle import publish_tiny_bundle

UNKNOWN = "0123456789abcdef" * 2


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> BundleStore:
    return publish_tiny_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture
def client(bundles: BundleStore, tmp_path: Path) -> Iterator[TestClient]:
    with running_api(bundles, tmp_path) as opened:
        yield opened


def see(client: TestClient, *impressions: dict[str, Any]) -> Any:
    return client.post("/v1/impressions", json={"impressions": list(impressions)})


def send(client: TestClient, *events: dict[str, Any]) -> Any:
    return client.post("/v1/events", json={"events": [{"user_id": "u1", "product_id": "p01", **one} for one in events]})


def shown(client: TestClient, query: str = "n=3") -> tuple[str, list[str]]:
    answer = client.get(f"/v1/recommend/u1?{query}")
    return answer.json()["recommendation_id"], product_ids(answer)


def rows(client: TestClient, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"/v1/uptake?{query}")
    assert 200 == answer.status_code, answer.text
    UptakeAnswer.model_validate(answer.json())
    found: list[dict[str, Any]] = answer.json()["rows"]
    return found


# Events


def test_an_event_keeps_the_list_that_it_came_from(client: TestClient, tmp_path: Path) -> None:
    answer = send(client, {"recommendation_id": UNKNOWN}, {})

    with EventLog.open(tmp_path / "state.db") as log:
        assert [UNKNOWN, None] == [logged.event.recommendation_id for logged in log.read(PENDING)]
    assert 2 == answer.json()["accepted"]


@pytest.mark.parametrize("wrong", ["undefined", UNKNOWN[:-1], UNKNOWN.upper(), UNKNOWN + "0"])
def test_an_event_with_an_id_that_is_none_is_rejected_and_the_others_taken(wrong: str, client: TestClient) -> None:
    answer = send(client, {"recommendation_id": wrong, "event_id": "e1"}, {}).json()

    assert (1, ["e1"]) == (answer["accepted"], [one["event_id"] for one in answer["rejected"]])
    assert (
        f"recommendation_id must be 32 hexadecimal digits as the list came with, got {wrong!r}"
        in (answer["rejected"][0]["reason"])
    )


@pytest.mark.parametrize("wrong", ["", "x" * 201, "a\nb", 7])
def test_what_is_no_id_at_all_is_a_broken_request(wrong: object, client: TestClient) -> None:
    status, kind, detail = problem(send(client, {"recommendation_id": wrong}))

    assert (422, "invalid-request", True) == (status, kind, "events.0.recommendation_id" in detail)


# Impressions


def test_impressions_are_on_the_disk_when_the_answer_comes(client: TestClient, tmp_path: Path) -> None:
    list_id, products = shown(client)

    answer = see(client, {"recommendation_id": list_id, "product_ids": products[:2]})

    with RecordLog.open(tmp_path / "state.db", AuditConfig()) as records:
        assert [0, 1, 2] == [one.position for one in records.impressions.of([list_id])[list_id]]
    found = ImpressionsAnswer.model_validate(answer.json())
    assert (200, 1, 0, []) == (answer.status_code, found.accepted, found.duplicates, found.rejected)


def test_a_retry_is_harmless(client: TestClient) -> None:
    one = {"recommendation_id": shown(client)[0], "positions": [1, 3], "at": "2026-01-31T12:00:00Z"}
    see(client, one)

    answer = see(client, one).json()

    assert (0, 1, []) == (answer["accepted"], answer["duplicates"], answer["rejected"])


def test_a_list_that_another_process_has_just_answered_is_known(bundles: BundleStore, tmp_path: Path) -> None:
    with running_api(bundles, tmp_path) as first, running_api(bundles, tmp_path) as second:
        assert 1 == see(second, {"recommendation_id": shown(first)[0], "positions": [1]}).json()["accepted"]


def test_unknown_lists_are_rejected_one_by_one_and_the_others_taken(client: TestClient) -> None:
    answer = see(
        client,
        {"recommendation_id": UNKNOWN, "positions": [1]},
        {"recommendation_id": shown(client)[0], "positions": []},
        {"recommendation_id": shown(client)[0], "product_ids": ["p99"]},
    ).json()

    assert (1, [0, 2]) == (answer["accepted"], [one["index"] for one in answer["rejected"]])
    assert ["no list is recorded under the id", "the list has no product 'p99'"] == [
        one["reason"][: len(words)]
        for one, words in zip(
            answer["rejected"], ("no list is recorded under the id", "the list has no product 'p99'"), strict=True
        )
    ]


def test_when_every_impression_is_unknown_the_request_is_refused(client: TestClient) -> None:
    answer = see(client, {"recommendation_id": UNKNOWN, "positions": [1]})

    assert (422, "impressions-rejected") == problem(answer)[:2]
    assert [UNKNOWN] == [one["recommendation_id"] for one in answer.json()["rejected"]]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"impressions": []}, "at least 1 item"),
        ({"impressions": [{"recommendation_id": UNKNOWN, "positions": [1]}] * 1001}, "at most 1000 items"),
        ({"impressions": [{"recommendation_id": UNKNOWN}]}, "give product_ids or positions"),
        (
            {"impressions": [{"recommendation_id": UNKNOWN, "positions": [1], "product_ids": ["p01"]}]},
            "give product_ids or positions",
        ),
        ({"impressions": [{"recommendation_id": UNKNOWN, "positions": [0]}]}, "greater than or equal to 1"),
        ({"impressions": [{"positions": [1]}]}, "impressions.0.recommendation_id: Field required"),
    ],
)
def test_a_broken_body_is_refused(body: dict[str, Any], words: str, client: TestClient) -> None:
    status, _, detail = problem(client.post("/v1/impressions", json=body))

    assert (422, True) == (status, words in detail)


# Placements


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/recommend/u1?placement=home_top", None),
        ("GET", "/v1/similar/p01?placement=home_top", None),
        ("POST", "/v1/recommend", {"user_id": "u1", "placement": "home_top"}),
        ("POST", "/v1/rank", {"user_id": "u1", "product_ids": ["p02", "p05"], "placement": "home_top"}),
    ],
)
def test_where_a_list_stands_is_recorded_and_the_list_can_be_computed_again(
    method: str, path: str, body: object, client: TestClient
) -> None:
    list_id = client.request(method, path, json=body).json()["recommendation_id"]

    found = client.get(f"/v1/recommendations/{list_id}?replay=true").json()

    assert ("home_top", True) == (found["request"]["placement"], found["replay"]["same"])
    assert until(lambda: ["home_top"] == [row["placement"] for row in rows(client, "by=placement")])


def test_where_a_list_stands_changes_nothing_in_it(client: TestClient) -> None:
    assert shown(client)[1] == shown(client, "n=3&placement=home_top")[1]


@pytest.mark.parametrize("wrong", ["Home", "home top", "", "x" * 64])
def test_a_placement_is_a_short_word(wrong: str, client: TestClient) -> None:
    for query in (f"/v1/recommend/u1?placement={wrong}", f"/v1/similar/p01?placement={wrong}"):
        assert 422 == client.get(query).status_code
    assert 422 == client.get("/v1/trending?placement=home").status_code  # no record is kept of it


# The report


def test_what_came_of_lists_is_told_by_position(client: TestClient) -> None:
    first, products = shown(client)
    second, _ = shown(client)
    see(client, {"recommendation_id": second, "positions": [1]})
    send(
        client,
        {"product_id": products[0], "recommendation_id": first},
        {"product_id": products[0], "recommendation_id": first, "type": "bought"},
        {"product_id": products[2]},
    )

    told = rows(client, "by=position")

    assert [("1", 2, 1, 1), ("2", 1, 0, 0), ("3", 1, 0, 0)] == [
        (row["position"], row["impressions"], row["clicks"], row["conversions"]) for row in told
    ]
    assert (0.5, {"mean": 1.0}) == (
        told[0]["click_through"]["mean"],
        {name: value for name, value in told[0]["conversion_rate"].items() if name == "mean"},
    )
    assert (None, [1, 0, 0]) == (told[1]["conversion_rate"], [row["attributed"]["impressions"] for row in told])


def test_lists_are_told_apart_by_what_was_asked_and_what_answered(client: TestClient, bundles: BundleStore) -> None:
    list_id, _ = shown(client)
    similar = client.get("/v1/similar/p01?n=2").json()["recommendation_id"]
    see(client, *({"recommendation_id": one, "positions": [1]} for one in (list_id, similar)))

    told = rows(client, "by=surface&by=model_version")

    assert [("recommend", bundles.current_version(), 1), ("similar", bundles.current_version(), 1)] == [
        (row["surface"], row["model_version"], row["impressions"]) for row in told
    ]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("by=colour", "'surface', 'placement', 'position' or 'model_version'"),
        ("days=0", "greater than or equal to 0.01"),
        ("days=366", "less than or equal to 365"),
        ("since=yesterday", "ISO 8601"),
        ("since=2026-02-01&until=2026-01-01", "since must lie before until"),
    ],
)
def test_a_report_that_makes_no_sense_is_refused(query: str, words: str, client: TestClient) -> None:
    status, _, detail = problem(client.get(f"/v1/uptake?{query}"))

    assert (422, True) == (status, words in detail)
