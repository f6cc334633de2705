"""Every error over HTTP is a problem with the id of its request, and none shows the inside."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gnn.bundles import BundleStore
from serving.api import routes
from tests.support.api import problem, running_api
from tests.support.tiny_bundle import publish_tiny_bundle

JSON = {"content-type": "application/json"}
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> BundleStore:
    return publish_tiny_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture
def client(bundles: BundleStore, tmp_path: Path) -> Iterator[TestClient]:
    with running_api(bundles, tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/recommend", "/v2/recommend/u1", "/docs", "/v1/events/../x", "/a%0Ab"]
)
def test_an_address_that_is_not_there_is_a_problem(path: str, client: TestClient) -> None:
    answer = client.get(path)

    assert problem(answer)[0] in (404, 405)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/events", "POST"),
        ("DELETE", "/v1/recommend/u1", "GET"),
        ("PUT", "/v1/similar/p01", "GET"),
        ("DELETE", "/v1/explain", "GET, POST"),
        ("PUT", "/v1/bought-together/a/b", "GET"),
        ("POST", "/health/live", "GET"),
    ],
)
def test_a_method_that_is_not_allowed_is_a_problem(method: str, path: str, allowed: str, client: TestClient) -> None:
    answer = client.request(method, path)

    assert (405, "method-not-allowed") == problem(answer)[:2]
    assert allowed == answer.headers["allow"]


@pytest.mark.parametrize("text", [b"{", b"", b"\xff\xfe", b'{"events": [}', b"[" * 100_000])
def test_a_body_that_is_not_json_is_a_problem(text: bytes, client: TestClient) -> None:
    answer = client.post("/v1/events", content=text, headers=JSON)

    assert problem(answer)[0] in (400, 422)


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
def test_a_body_that_is_not_declared_as_json_is_a_problem(kind: str | None, client: TestClient) -> None:
    headers = {} if kind is None else {"content-type": kind}

    answer = client.post("/v1/recommend", content=b'{"user_id": "u1"}', headers=headers)

    assert (415, "unsupported-media-type") == problem(answer)[:2]


def test_a_body_above_one_mebibyte_is_a_problem(client: TestClient) -> None:
    answer = client.post("/v1/events", content=b" " * (MIB + 1), headers=JSON)

    assert 413 == problem(answer)[0]


def test_a_body_above_one_mebibyte_is_a_problem_though_its_size_was_not_announced(client: TestClient) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * (MIB // 16)

    answer = client.post("/v1/events", content=chunks(), headers=JSON)

    assert 413 == problem(answer)[0]


def test_an_error_nobody_foresaw_says_nothing_of_the_inside(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: Any, **more: Any) -> None:
        raise RuntimeError("the secret of the inside")

    monkeypatch.setattr(routes, "recommend", broken)

    answer = client.get("/v1/recommend/u1")

    assert (500, "internal-server-error") == problem(answer)[:2]
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert "the secret of the inside" in caplog.text


@pytest.mark.parametrize(
    "path",
    ["/v1/recommend/u1", "/v1/similar/p01", "/v1/explain?user=u1&product=p01", "/health/ready"],
)
def test_before_a_model_is_published_the_service_is_unavailable(path: str, tmp_path: Path) -> None:
    with running_api(BundleStore(tmp_path / "none"), tmp_path) as client:
        answer = client.get(path)

    status, slug, detail = problem(answer)
    assert (503, "no-model", "2") == (status, slug, answer.headers["retry-after"])
    assert "whycart retrain" in detail


def test_the_id_of_a_request_comes_back(client: TestClient) -> None:
    answer = client.get("/v1/recommend/u1", headers={"x-request-id": "order:17_a.b-c"})

    assert ("order:17_a.b-c",) * 2 == (answer.headers["x-request-id"], answer.json()["request_id"])


@pytest.mark.parametrize("given", ["", "a b", "a" * 129, "<script>", "é".encode("latin-1"), "a;b"])
def test_an_id_that_cannot_be_one_is_replaced(given: str | bytes, client: TestClient) -> None:
    answer = client.get("/health/live", headers={"x-request-id": given})

    assert (200, 32) == (answer.status_code, len(answer.headers["x-request-id"]))


def test_a_request_is_one_log_line_without_any_person_in_it(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="serving"):
        client.get("/v1/recommend/secret-person?brand=acme")
        client.get("/v1/explain?user=secret-person&product=p01")
        client.get("/v1/explain?user=secret-person&product=p99")
        client.post("/v1/events", json={"events": [{"user_id": "secret-person", "product_id": "p01"}]})

    lines = [record for record in caplog.records if record.name == "serving.api.edge"]
    assert ["/v1/recommend/{user_id}", "/v1/explain", "/v1/explain", "/v1/events"] == [
        vars(line)["route"] for line in lines
    ]
    assert [200, 200, 404, 200] == [vars(line)["status"] for line in lines]
    assert "secret-person" not in str([vars(record) for record in caplog.records if record.name.startswith("serving")])


def test_an_answer_is_not_kept_by_caches(client: TestClient) -> None:
    headers = client.get("/v1/recommend/u1").headers

    assert ("no-store", "nosniff") == (headers["cache-control"], headers["x-content-type-options"])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/recommend/u1?color=red", None),
        ("POST", "/v1/recommend", {"user_id": "u1", "admin": True}),
        ("POST", "/v1/events", {"events": [{"user_id": "u1", "product_id": "p01", "state": 1}]}),
        ("POST", "/v1/products", {"products": [{"product_id": "p01", "seq": 1}]}),
    ],
)
def test_what_is_not_described_is_refused(method: str, path: str, body: Any, client: TestClient) -> None:
    status, kind, detail = problem(client.request(method, path, json=body))

    assert (422, "invalid-request") == (status, kind)
    assert "Extra inputs are not permitted" in detail
