"""What every answer passes: compression, other origins, times, and bodies that do not come."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.types import Message

from gnn.bundles import BundleStore
from serving.api import edge
from serving.api.app import create_app
from serving.api.keyring import Guard
from serving.errors import ConfigError
from serving.events import EventLog
from serving.settings import ServeConfig
from tests.support.tiny_bundle import publish_tiny_bundle

DESK = "https://desk.example"


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> BundleStore:
    return publish_tiny_bundle(tmp_path_factory.mktemp("bundles"))


def client(bundles: BundleStore, folder: Path, **guard: Any) -> TestClient:
    return TestClient(create_app(bundles, EventLog.open(folder / "state.db"), guard=Guard(**guard)))


def test_a_long_answer_is_compressed_for_those_who_take_it(bundles: BundleStore, tmp_path: Path) -> None:
    with client(bundles, tmp_path) as api:
        plain = api.get("/v1/recommend/u1?explain=paths", headers={"Accept-Encoding": "identity"})
        small = api.get("/v1/recommend/u1?explain=paths", headers={"Accept-Encoding": "gzip"})
        short = api.get("/health/live", headers={"Accept-Encoding": "gzip"})

    assert (None, "gzip", None) == tuple(one.headers.get("content-encoding") for one in (plain, small, short))
    assert int(small.headers["content-length"]) < len(plain.content) / 2
    assert plain.json()["items"] == small.json()["items"]
    assert "Accept-Encoding" in small.headers["vary"]


def test_every_answer_says_how_long_it_took(bundles: BundleStore, tmp_path: Path) -> None:
    with client(bundles, tmp_path) as api:
        answers = [api.get(path) for path in ("/v1/recommend/u1", "/v1/similar/nothing", "/nowhere")]

    for answer in answers:
        name, _, took = answer.headers["server-timing"].partition(",")[0].partition(";dur=")
        assert ("app", True) == (name, float(took) > 0)


def test_no_other_origin_may_ask_unless_it_is_named(bundles: BundleStore, tmp_path: Path) -> None:
    asked = {"Origin": DESK, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "X-API-Key"}
    with client(bundles, tmp_path) as api:
        closed = [api.options("/v1/recommend/u1", headers=asked), api.get("/v1/recommend/u1", headers={"Origin": DESK})]
    with client(bundles, tmp_path, origins=(DESK,)) as api:
        opened = [api.options("/v1/recommend/u1", headers=asked), api.get("/v1/recommend/u1", headers={"Origin": DESK})]
        other = api.get("/v1/recommend/u1", headers={"Origin": "https://evil.example"})

    allow = "access-control-allow-origin"
    assert [None, None] == [answer.headers.get(allow) for answer in closed]
    assert [DESK, DESK, None] == [answer.headers.get(allow) for answer in (*opened, other)]
    assert 200 == opened[0].status_code
    assert "access-control-allow-credentials" not in opened[1].headers


@pytest.mark.parametrize(
    "origin", ["*", "shop.example", "https://shop.example/", "https://a.example,https://b.example"]
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(ConfigError, match="is no origin"):
        ServeConfig(cors_origins=(origin,))


def test_a_body_that_does_not_come_is_given_up(
    bundles: BundleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge, "BODY_S", 0.2)
    app = create_app(bundles, EventLog.open(tmp_path / "state.db"))
    sent: list[Message] = []
    parts = iter([{"type": "http.request", "body": b'{"events": [', "more_body": True}])

    async def receive() -> Message:
        part = next(parts, None)
        if part is None:
            await asyncio.sleep(60)
            raise AssertionError("nobody waits so long")
        return part

    async def send(message: Message) -> None:
        sent.append(message)

    async def ask() -> None:
        async with app.router.lifespan_context(app):
            headers = [(b"content-type", b"application/json"), (b"content-length", b"100")]
            scope = {
                "type": "http",
                "method": "POST",
                "path": "/v1/events",
                "raw_path": b"/v1/events",
                "headers": headers,
            }
            await app({**scope, "query_string": b"", "http_version": "1.1", "scheme": "http"}, receive, send)

    asyncio.run(asyncio.wait_for(ask(), 30))

    assert 408 == sent[0]["status"]
    assert b"did not come within" in sent[1]["body"]
