"""Events in batches: how many at a time, what became of each, and what stays when the API is away."""

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from serving.api.app import create_app
from serving.client import AsyncWhycart, Event, Retries, Unavailable, Whycart, WrongArgument
from serving.client.buffer import AsyncEventBuffer, EventBuffer
from serving.events import EventLog
from tests.support.api import until
from tests.support.listening import Said, listening, saying
from tests.support.tiny_bundle import publish_tiny_bundle

ONCE = Retries(times=0)


def taken(num: int) -> Said:
    body = {"request_id": "r", "accepted": num, "duplicates": 0, "kept_aside": 0, "event_ids": [], "rejected": []}
    return Said(200, json.dumps(body).encode())


def events(num: int, **more: Any) -> list[Event]:
    return [Event(user_id="u1", product_id="p01", **more) for _ in range(num)]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = EventLog.open(tmp_path_factory.mktemp("state") / "state.db")
    with listening(create_app(publish_tiny_bundle(tmp_path_factory.mktemp("bundles")), log)) as address:
        assert until(lambda: httpx.get(f"{address}/health/ready").status_code == 200)
        yield address


def filled(url: str, given: list[Event], *, size: int) -> EventBuffer:
    with Whycart(url) as client, client.buffer(size=size) as buffer:
        for event in given:
            buffer.add(event)
    return buffer


async def filled_by_task(url: str, given: list[Event], *, size: int) -> AsyncEventBuffer:
    async with AsyncWhycart(url) as client, client.buffer(size=size) as buffer:
        for event in given:
            await buffer.add(event)
    return buffer


def both(url: str, given: list[Event], *, size: int) -> list[EventBuffer | AsyncEventBuffer]:
    return [filled(url, given, size=size), asyncio.run(filled_by_task(url, given, size=size))]


def test_events_go_in_batches_and_the_rest_at_the_end(url: str) -> None:
    for buffer in both(url, events(25), size=10):
        assert (25, 0, [], 0) == (buffer.accepted, buffer.duplicates, buffer.rejected, len(buffer))


def test_batches_are_as_large_as_asked_for() -> None:
    with saying(taken(10)) as (url, heard):
        both(url, events(25), size=10)

    assert [10, 10, 5] * 2 == [len(json.loads(body)["events"]) for body in heard.bodies]
    assert 50 == len({event["event_id"] for body in heard.bodies for event in json.loads(body)["events"]})


def test_a_batch_is_no_larger_than_the_api_takes(url: str) -> None:
    long = [Event(user_id="茶" * 200, product_id="茶" * 200, event_id=f"{place:0>200}") for place in range(900)]
    with saying(taken(1)) as (address, heard):
        filled(address, long, size=1000)

    assert 2 == len(heard.bodies)
    assert max(map(len, heard.bodies)) < 1024 * 1024
    assert 900 == filled(url, long, size=1000).accepted


def test_bad_events_hold_no_good_ones_up(url: str) -> None:
    given = [
        *events(3),
        Event(user_id="u1", product_id="p01", type="bougth", event_id="typo"),
        Event(user_id="", product_id="p01", event_id="nobody"),
        Event(user_id="u1", product_id="p01", type="No Word", event_id="odd"),
        *events(3),
    ]
    for buffer in both(url, given, size=1000):
        assert (6, 0) == (buffer.accepted, len(buffer))
        reasons = {one.event_id: one.reason for one in buffer.rejected}
        assert {"typo", "nobody", "odd"} == set(reasons)
        assert "did you mean 'bought'" in reasons["typo"]
        assert reasons["nobody"].startswith("user_id: ")


def test_an_event_that_no_request_can_hold_is_put_aside(url: str) -> None:
    huge = Event(user_id="u1", product_id="x" * 1_100_000, event_id="huge")
    for buffer in both(url, [*events(1), huge, *events(1)], size=1000):
        assert (2, ["huge"], 0) == (buffer.accepted, [one.event_id for one in buffer.rejected], len(buffer))


def test_an_event_without_a_time_happened_when_it_was_added() -> None:
    before = datetime.now(UTC)
    with saying(taken(1)) as (url, heard), Whycart(url) as client, client.buffer() as buffer:
        buffer.add(events(1)[0])
        after = datetime.now(UTC)
        time.sleep(0.01)
        buffer.flush()
        told = datetime.fromisoformat(json.loads(heard.bodies[0])["events"][0]["at"])

    assert before <= told <= after


def test_only_bad_events_end_well_too(url: str) -> None:
    for buffer in both(url, events(3, type="bougth"), size=2):
        assert (0, 3, 0) == (buffer.accepted, len(buffer.rejected), len(buffer))


def test_what_could_not_be_sent_stays_and_goes_later(url: str) -> None:
    with saying(taken(2), Said(503, b"", {}), taken(2), taken(1)) as (address, heard):
        client = Whycart(address, retries=ONCE)
        buffer = client.buffer(size=2)
        first, second, third, fourth = events(4)
        buffer.add(first)
        buffer.add(second)
        buffer.add(third)
        with pytest.raises(Unavailable):
            buffer.add(fourth)
        assert (2, 2) == (buffer.accepted, len(buffer))
        buffer.flush()
        client.close()

    assert (4, 0) == (buffer.accepted, len(buffer))
    assert heard.bodies[1] == heard.bodies[2]


def test_a_task_sends_later_what_could_not_be_sent() -> None:
    async def work(address: str) -> tuple[int, int, int]:
        async with AsyncWhycart(address, retries=ONCE) as client:
            buffer = client.buffer(size=2)
            await buffer.add(events(1)[0])
            with pytest.raises(Unavailable):
                await buffer.add(events(1)[0])
            waiting = len(buffer)
            await buffer.flush()
            return waiting, len(buffer), buffer.accepted

    with saying(Said(503, b"", {}), taken(2)) as (address, _):
        assert (2, 0, 2) == asyncio.run(work(address))


def test_what_was_done_before_an_error_is_sent(url: str) -> None:
    def shop(buffer: EventBuffer) -> None:
        with buffer:
            buffer.add(events(1)[0])
            raise ZeroDivisionError

    with Whycart(url) as client:
        buffer = client.buffer()
        with pytest.raises(ZeroDivisionError):
            shop(buffer)

    assert 1 == buffer.accepted


@pytest.mark.parametrize("size", [0, 1001])
def test_a_batch_that_the_api_would_not_take_is_refused(size: int) -> None:
    with Whycart() as client, pytest.raises(WrongArgument, match=f"size must be from 1 to 1000 events, got {size}"):
        client.buffer(size=size)
