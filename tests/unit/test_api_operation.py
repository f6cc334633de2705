"""Running the API: health, metrics, its document, new bundles, broken bundles, and a graph that is away."""

import gc
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from gnn.bundles import BundleStore
from kg.errors import GraphConnectionError
from kg.store import GraphStore
from tests.support.api import running_api, until
from tests.support.tiny_bundle import MADE_AT, publish_tiny_bundle

LATER = MADE_AT + timedelta(hours=1)


@pytest.fixture
def bundles(tmp_path: Path) -> BundleStore:
    return publish_tiny_bundle(tmp_path / "bundles")


@pytest.fixture
def client(bundles: BundleStore, tmp_path: Path) -> Iterator[TestClient]:
    with running_api(bundles, tmp_path) as opened:
        yield opened


def version_of(client: TestClient) -> str:
    version: str = client.get("/health/ready").json()["model_version"]
    return version


def test_a_process_says_that_it_lives_and_is_ready(client: TestClient, bundles: BundleStore) -> None:
    bundle = bundles.current()

    expected = {"model_version": bundle.version, "graph_version": bundle.snapshot.hash, "degraded": False, "causes": []}
    assert {"status": "live"} == client.get("/health/live").json()
    assert {"status": "ready"} | expected == client.get("/health/ready").json()


def test_a_process_without_a_model_lives_but_is_not_ready_until_one_is_published(tmp_path: Path) -> None:
    with running_api(BundleStore(tmp_path / "bundles"), tmp_path) as client:
        before = (client.get("/health/live").status_code, client.get("/health/ready").status_code)
        publish_tiny_bundle(tmp_path / "bundles")

        assert (200, 503) == before
        assert until(lambda: client.get("/health/ready").status_code == 200)


def test_a_newly_published_bundle_is_taken_up_and_a_rollback_too(client: TestClient, bundles: BundleStore) -> None:
    old = version_of(client)
    publish_tiny_bundle(bundles.folder, now=LATER, decay=2.0)
    new = bundles.current_version()

    assert until(lambda: version_of(client) == new)
    bundles.publish(old)
    assert until(lambda: version_of(client) == old)


def test_a_broken_bundle_is_not_taken_and_answers_say_degraded_until_a_good_one_comes(
    client: TestClient, bundles: BundleStore
) -> None:
    old = version_of(client)
    broken = publish_tiny_bundle(bundles.folder, now=LATER, decay=2.0).current_version()
    assert until(lambda: version_of(client) == broken)
    other = publish_tiny_bundle(bundles.folder, now=LATER + timedelta(hours=1), decay=3.0).current_version()
    assert until(lambda: version_of(client) == other)  # what is served before the last is not kept at hand
    bundles.publish(old)
    assert until(lambda: version_of(client) == old)

    blend = bundles.folder / str(broken) / "blend.json"
    blend.write_text(blend.read_text() + " ")
    (bundles.folder / "current").write_text(f"{broken}\n")

    assert until(lambda: bool(client.get("/v1/recommend/u1").json()["degraded"]))
    assert (old, ["bundle-not-loadable"]) == (version_of(client), client.get("/health/ready").json()["causes"])
    bundles.publish(old)
    assert until(lambda: not client.get("/v1/recommend/u1").json()["degraded"])


def test_while_the_graph_is_away_recommendations_go_on_and_events_wait(bundles: BundleStore, tmp_path: Path) -> None:
    def away() -> GraphStore:
        raise GraphConnectionError("the graph server does not answer")

    with running_api(bundles, tmp_path, open_graph=away) as client:
        event = {"user_id": "u6", "product_id": "p01", "type": "bought"}
        taken = client.post("/v1/events", json={"events": [event]})

        assert until(lambda: client.get("/health/ready").json()["causes"] == ["graph-unreachable"])
        answer = client.get("/v1/recommend/u6").json()
        assert (200, 1, True) == (taken.status_code, answer["events_used"], answer["degraded"])
        assert "whycart_events_waiting 1.0" in client.get("/metrics").text


def test_metrics_count_requests_by_route_and_name_the_model(client: TestClient, bundles: BundleStore) -> None:
    client.get("/v1/recommend/u1")
    client.get("/v1/recommend/u2")
    client.get("/v1/similar/p99")
    client.get("/nowhere/u1")
    client.post(
        "/v1/events",
        json={"events": [{"user_id": "u1", "product_id": "p01", "type": kind} for kind in ("bought", "sold")]},
    )

    lines = client.get("/metrics").text.splitlines()

    route = 'method="GET",route="/v1/recommend/{user_id}"'
    for expected in (
        f'whycart_requests_total{{{route},status="200"}} 2.0',
        'whycart_requests_total{method="GET",route="/v1/similar/{product_id}",status="404"} 1.0',
        'whycart_requests_total{method="GET",route="other",status="404"} 1.0',
        f"whycart_request_seconds_count{{{route}}} 2.0",
        'whycart_events_total{result="accepted"} 1.0',
        'whycart_events_total{result="rejected"} 1.0',
        "whycart_degraded 0.0",
    ):
        assert expected in lines
    assert any(f'model_version="{bundles.current_version()}"' in line for line in lines)


def test_two_apps_in_one_process_count_apart(bundles: BundleStore, tmp_path: Path) -> None:
    with running_api(bundles, tmp_path) as first, running_api(bundles, tmp_path) as second:
        first.get("/v1/recommend/u1")

        assert "/v1/recommend" not in second.get("/metrics").text


def test_the_document_describes_every_route_with_its_problems(client: TestClient) -> None:
    document = client.get("/openapi.json").json()

    routes = {(method.upper(), path) for path, entry in document["paths"].items() for method in entry}
    assert {
        ("GET", "/v1/recommend/{user_id}"),
        ("POST", "/v1/recommend"),
        ("GET", "/v1/similar/{product_id}"),
        ("POST", "/v1/rank"),
        ("GET", "/v1/bought-together/{product_id}"),
        ("POST", "/v1/bought-together"),
        ("GET", "/v1/trending"),
        ("GET", "/v1/search"),
        ("GET", "/v1/new"),
        ("GET", "/v1/explain"),
        ("POST", "/v1/explain"),
        ("GET", "/v1/recommendations/{recommendation_id}"),
        ("POST", "/v1/events"),
        ("POST", "/v1/impressions"),
        ("POST", "/v1/sessions/{session_id}/login"),
        ("POST", "/v1/products"),
        ("GET", "/v1/profile/{user_id}"),
        ("GET", "/v1/home/{user_id}"),
        ("POST", "/v1/home"),
        ("GET", "/v1/audiences"),
        ("GET", "/v1/users/{user_id}"),
        ("DELETE", "/v1/users/{user_id}"),
        ("GET", "/v1/uptake"),
        ("GET", "/v1/runs"),
        ("GET", "/v1/rules"),
        ("GET", "/v1/rules/{name}"),
        ("POST", "/v1/rules/{name}/preview"),
        ("PUT", "/v1/rules/{name}"),
        ("DELETE", "/v1/rules/{name}"),
        ("GET", "/v1/graph/queries"),
        ("GET", "/v1/graph/queries/{name}"),
        ("POST", "/v1/graph/queries/{name}"),
        ("POST", "/v1/graph/query"),
        ("GET", "/v1/runs/{run_id}"),
        ("GET", "/health/live"),
        ("GET", "/health/ready"),
        ("GET", "/metrics"),
    } == routes
    assert document["openapi"].startswith("3.1")
    assert {"Problem", "FieldProblem", "RejectedEvent", "RejectedImpression"} <= set(document["components"]["schemas"])
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_the_document_gives_an_example_of_every_field_that_is_not_made_of_others(client: TestClient) -> None:
    parts = client.get("/openapi.json").json()["components"]["schemas"]
    plain = {"string", "number", "integer"}

    without = [
        f"{name}.{field}"
        for name, part in parts.items()
        for field, entry in part.get("properties", {}).items()
        if entry.get("type") in plain and "examples" not in entry and "const" not in entry
    ]

    assert [] == without


def test_every_reference_of_the_document_leads_somewhere(client: TestClient) -> None:
    answer = client.get("/openapi.json")
    known = {f"#/components/schemas/{name}" for name in answer.json()["components"]["schemas"]}

    named = {part.split('"')[0] for part in answer.text.replace(" ", "").split('"$ref":"')[1:]}

    assert set() == named - known


def test_the_bundle_is_set_aside_from_the_garbage_collector(bundles: BundleStore, tmp_path: Path) -> None:
    gc.unfreeze()

    with running_api(bundles, tmp_path) as client:
        assert until(lambda: client.get("/health/ready").status_code == 200)
        held = gc.get_freeze_count()

    assert held > 10_000
    assert 0 == gc.get_freeze_count()
