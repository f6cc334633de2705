"""What the clients do when the API is busy, away, or is not the API: they ask again some times, or tell."""

import asyncio
import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from serving.client import (
    AsyncWhycart,
    ConnectionFailed,
    Event,
    InvalidRequest,
    Refused,
    Retries,
    ServerFailed,
    TooManyRequests,
    Unavailable,
    UnexpectedAnswer,
    Whycart,
    WrongArgument,
)
from tests.support.listening import Said, saying

Ask = Callable[..., Any]
QUICK = Retries(times=3, first_wait_s=0.01)
LIVE = Said(200, b'{"status": "live"}')
NEW = Said(
    200,
    b'{"request_id": "r", "model_version": "m", "graph_version": "g", "took_ms": 1.0, "degraded": false, "items": [], '
    b'"removed": {}, "rules": [], "sold_by": "a newer server"}',
)
TAKEN = Said(
    200,
    b'{"request_id": "r", "accepted": 1, "duplicates": 0, "kept_aside": 0, "event_ids": ["e"], "rejected": []}',
)
HUNG_UP = Said(0)


def problem(status: int, **headers: str) -> Said:
    body = {"type": "urn:whycart:problem:x", "title": "T", "status": status, "detail": "too much", "request_id": "r-1"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Said(status, json.dumps(body).encode(), {"Content-Type": "application/problem+json", **named})


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """A function that asks a method at an address, with a client that waits or one that is awaited."""

    def wait(url: str, name: str, /, *args: Any, options: dict[str, Any] | None = None) -> Any:
        with Whycart(url, **{"retries": QUICK, **(options or {})}) as client:
            return getattr(client, name)(*args)

    async def give(url: str, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        async with AsyncWhycart(url, **{"retries": QUICK, **options}) as client:
            return await getattr(client, name)(*args)

    def start(url: str, name: str, /, *args: Any, options: dict[str, Any] | None = None) -> Any:
        return asyncio.run(give(url, name, args, options or {}))

    return wait if request.param == "sync" else start


@pytest.mark.parametrize(
    "first",
    [problem(429, Retry_After="0"), problem(503, Retry_After="0"), problem(503), Said(502, b"<html>", {}), HUNG_UP],
    ids=["too often", "no model", "no word when", "a proxy", "hung up"],
)
def test_it_is_asked_again_until_it_is_answered(first: Said, ask: Ask) -> None:
    with saying(first, first, NEW) as (url, heard):
        answer = ask(url, "new")

    assert ([], "m") == (answer.items, answer.model_version)
    assert [("GET", "/v1/new")] * 3 == heard.requests
    assert 1 == len({headers["x-request-id"] for headers in heard.headers})


def test_events_are_sent_again_with_the_same_ids(ask: Ask) -> None:
    with saying(HUNG_UP, problem(503), TAKEN) as (url, heard):
        assert 1 == ask(url, "send_events", [Event(user_id="u1", product_id="p01")]).accepted

    assert 3 == len(heard.requests)
    assert 1 == len(set(heard.bodies))
    assert 32 == len(json.loads(heard.bodies[0])["events"][0]["event_id"])


def test_it_is_not_asked_for_ever(ask: Ask) -> None:
    with saying(problem(503, Retry_After="0")) as (url, heard), pytest.raises(Unavailable, match="too much") as caught:
        ask(url, "new")

    assert (4, "r-1", 0.0) == (len(heard.requests), caught.value.request_id, caught.value.retry_after_s)


def test_a_longer_wait_than_allowed_is_not_waited(ask: Ask) -> None:
    started = time.monotonic()
    with saying(problem(429, Retry_After="60")) as (url, heard), pytest.raises(TooManyRequests) as caught:
        ask(url, "new")

    assert (1, 60.0, True) == (len(heard.requests), caught.value.retry_after_s, time.monotonic() - started < 5)


def test_what_the_api_wants_is_waited(ask: Ask) -> None:
    started = time.monotonic()
    with saying(problem(429, Retry_After="1"), NEW) as (url, _):
        ask(url, "new")

    assert 1.0 <= time.monotonic() - started < 5


@pytest.mark.parametrize("said", [problem(400), problem(401), problem(404), problem(422), problem(500)])
def test_what_will_not_change_is_asked_once(said: Said, ask: Ask) -> None:
    with saying(said, NEW) as (url, heard), pytest.raises(Refused, match="too much"):
        ask(url, "new")

    assert 1 == len(heard.requests)


@pytest.mark.parametrize("name", ["live", "ready"])
def test_health_is_what_it_is_now(name: str, ask: Ask) -> None:
    with saying(problem(503, Retry_After="0"), LIVE) as (url, heard), pytest.raises(Unavailable):
        ask(url, name)

    assert 1 == len(heard.requests)


def test_retries_can_be_turned_off(ask: Ask) -> None:
    with saying(problem(503), NEW) as (url, heard), pytest.raises(Unavailable):
        ask(url, "new", options={"retries": Retries(times=0)})

    assert 1 == len(heard.requests)


def test_nobody_there_is_told_with_the_address(ask: Ask) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ConnectionFailed, match=rf"GET /v1/new got no answer from {url}, asked 4 times .*whycart serve"):
        ask(url, "new")


def test_an_answer_that_takes_too_long_is_not_waited_for(ask: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ConnectionFailed, match=r"asked once .*ReadTimeout"):
            ask(url, "new", options={"timeout_s": 0.2})


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (Said(200, b"<html>", {"Content-Type": "text/html"}), r"no JSON: '<html>'; does the API listen at http://127"),
        (Said(200, b"[]"), "GET /v1/new is list, and a table was foreseen"),
        (Said(200, b'{"request_id": "r"}'), "GET /v1/new lacks the field degraded; is the server older"),
        (Said(200, NEW.body.replace(b"[]", b"{}")), "GET /v1/new, items is dict, and a list was foreseen"),
    ],
)
def test_an_answer_that_is_not_the_apis_is_told(said: Said, words: str, ask: Ask) -> None:
    with saying(said) as (url, _), pytest.raises(UnexpectedAnswer, match=words):
        ask(url, "new")


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (Said(500, b"<h1>oops</h1>", {"Content-Type": "text/html"}), ServerFailed),
        (Said(302, b"", {"Location": "http://elsewhere.example/"}), InvalidRequest),
        (Said(418, b"not json", {"Content-Type": "application/problem+json"}), InvalidRequest),
        (Said(599, b"?", {}), ServerFailed),
    ],
)
def test_an_error_that_is_no_problem_is_told_too(said: Said, kind: type[Exception], ask: Ask) -> None:
    with saying(said) as (url, heard), pytest.raises(kind) as caught:
        ask(url, "new")

    assert said.status == caught.value.status  # type: ignore[attr-defined]
    assert heard.headers[0]["x-request-id"] == caught.value.request_id  # type: ignore[attr-defined]


def test_the_key_and_an_id_of_the_applications_go_along(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYCART_API_KEY", "from-environment")
    with saying(LIVE) as (url, heard):
        ask(f"{url}/shop/", "live", options={"api_key": "wk_1", "new_request_id": lambda: "order-17"})
        ask(url, "live")

    assert ["wk_1", "from-environment"] == [headers["x-api-key"] for headers in heard.headers]
    assert "order-17" == heard.headers[0]["x-request-id"]
    assert [("GET", "/shop/health/live"), ("GET", "/health/live")] == heard.requests


def test_one_connection_serves_many_requests() -> None:
    async def many(url: str) -> None:
        async with AsyncWhycart(url) as client:
            for _ in range(5):
                await client.live()

    with saying(LIVE) as (url, heard), Whycart(url) as client:
        for _ in range(5):
            client.live()
        asyncio.run(many(url))

        assert (10, 2) == (len(heard.requests), heard.connections)


@pytest.mark.parametrize("name", ["times", "first_wait_s", "longest_wait_s"])
def test_a_wait_below_nothing_is_refused(name: str) -> None:
    with pytest.raises(WrongArgument, match=f"Retries.{name} must be at least 0, got -1"):
        Retries(**{name: -1})


def test_waits_grow_and_end() -> None:
    retries = Retries(times=5, first_wait_s=1.0, longest_wait_s=3.0)

    waits = [retries.wait_s(asked, None) for asked in range(1, 7)]

    assert [True] * 5 == [most / 2 <= (wait or 0) <= most for wait, most in zip(waits, (1, 2, 3, 3, 3), strict=False)]
    assert (None, 2.5, None) == (waits[5], retries.wait_s(1, 2.5), retries.wait_s(1, 3.5))
