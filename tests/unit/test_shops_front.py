"""The front door of several shops: whose key it is, who is refused, health of all, limits, logs, start and end."""

import contextlib
import io
import json
import logging
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from gnn.bundles import BundleStore
from serving.api.keyring import READ_EVERY_S, Guard
from serving.keys import KeyLog
from serving.logs import JsonFormatter, setup_logging
from tests.support.api import problem, product_ids, running_api, until
from tests.support.two_shops import NORTH, SOUTH, publish_two, two_shops

DESK = "https://desk.example"


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, BundleStore]:
    return publish_two(tmp_path_factory.mktemp("two"))


def test_a_key_is_answered_by_its_shop(bundles: dict[str, BundleStore], tmp_path: Path) -> None:
    with two_shops(bundles, tmp_path) as shops:
        for word in (NORTH, SOUTH):
            assert f"{word}-p01" in product_ids(shops.ask(word, "/v1/recommend/somebody?n=20"))
            assert shops.ask(word, f"/v1/similar/{word}-p01").status_code == 200
            bearer = {"Authorization": f"Bearer {shops.keys[word]}"}
            assert shops.client.get(f"/v1/similar/{word}-p01", headers=bearer).status_code == 200


def test_without_a_good_key_nobody_learns_anything(bundles: dict[str, BundleStore], tmp_path: Path) -> None:
    wrong = {"X-API-Key": "wk_000000000000_" + "x" * 43}
    with running_api(bundles[NORTH], tmp_path / "alone") as alone, two_shops(bundles, tmp_path) as shops:
        with KeyLog.open(tmp_path / "alone" / "state.db") as keys:
            keys.create("shop", ["read"], now_ms=int(time.time() * 1000))
        assert until(lambda: alone.get("/v1/trending").status_code == 401)
        for headers in ({}, wrong):
            for path in ("/v1/similar/north-p01", "/v1/similar/south-p01", "/v1/rules", "/metrics", "/nowhere"):
                found, expected = shops.client.get(path, headers=headers), alone.get(path, headers=headers)
                assert problem(expected) == problem(found)
                assert expected.headers.get("www-authenticate") == found.headers.get("www-authenticate")
            assert [200] * 3 == [
                shops.client.get(path, headers=headers).status_code
                for path in ("/health/live", "/health/ready", "/openapi.json")
            ]
        assert alone.get("/openapi.json").json() == shops.client.get("/openapi.json").json()


def test_an_expired_or_revoked_key_is_refused(bundles: dict[str, BundleStore], tmp_path: Path) -> None:
    with two_shops(bundles, tmp_path) as shops, KeyLog.open(shops.states[SOUTH]) as keys:
        assert shops.ask(SOUTH, "/v1/trending").status_code == 200

        keys.revoke(keys.all()[0].key_id, now_ms=int(time.time() * 1000))

        assert until(lambda: shops.ask(SOUTH, "/v1/trending").status_code == 401, seconds=READ_EVERY_S + 5)
        assert shops.ask(NORTH, "/v1/trending").status_code == 200


def test_a_key_that_two_shops_have_is_nobodys(bundles: dict[str, BundleStore], tmp_path: Path) -> None:
    with two_shops(bundles, tmp_path) as shops:
        with contextlib.closing(sqlite3.connect(shops.states[NORTH])) as north:
            rows = north.execute("SELECT * FROM api_keys").fetchall()
        with contextlib.closing(sqlite3.connect(shops.states[SOUTH])) as south, south:
            south.executemany(f"INSERT INTO api_keys VALUES ({', '.join('?' * len(rows[0]))})", rows)

        assert until(lambda: shops.ask(NORTH, "/v1/trending").status_code == 401, seconds=READ_EVERY_S + 5)
        assert shops.ask(SOUTH, "/v1/trending").status_code == 200


def test_a_shop_whose_keys_cannot_be_read_does_not_stop_the_other(
    bundles: dict[str, BundleStore], tmp_path: Path
) -> None:
    with two_shops(bundles, tmp_path) as shops:
        with contextlib.closing(sqlite3.connect(shops.states[SOUTH])) as south:
            south.execute("ALTER TABLE api_keys RENAME TO away")

        assert until(lambda: shops.ask(SOUTH, "/v1/trending").status_code == 503, seconds=READ_EVERY_S + 5)
        assert shops.ask(NORTH, "/v1/trending").status_code == 200
        assert shops.client.get("/v1/trending").status_code == 401


def test_health_is_that_of_all_shops_and_with_a_key_of_one(bundles: dict[str, BundleStore], tmp_path: Path) -> None:
    empty = {NORTH: bundles[NORTH], SOUTH: BundleStore(tmp_path / SOUTH / "bundles")}
    with two_shops(empty, tmp_path) as shops:
        status, kind, detail = problem(shops.client.get("/health/ready"))

        assert (503, "no-model", True) == (status, kind, "for south;" in detail)
        assert 200 == shops.client.get("/health/live").status_code
        assert bundles[NORTH].current_version() == shops.ask(NORTH, "/health/ready").json()["model_version"]
        assert [200, 503] == [shops.ask(word, "/v1/trending").status_code for word in (NORTH, SOUTH)]

        publish_two(tmp_path)  # into the folder of the south, among others
        assert until(lambda: shops.client.get("/health/ready").status_code == 200)
        assert {"status": "ready", "degraded": False, "causes": []} == shops.client.get("/health/ready").json()


def test_a_limit_used_up_in_one_shop_does_not_touch_the_other(bundles: dict[str, BundleStore], tmp_path: Path) -> None:
    with two_shops(bundles, tmp_path, north=Guard(always=True, per_minute=3), south=Guard(always=True)) as shops:
        busy = [shops.ask(NORTH, "/v1/trending").status_code for _ in range(8)]

        assert 2 <= busy.count(429)  # a minute may end meanwhile
        assert [200] * 8 == [shops.ask(SOUTH, "/v1/trending").status_code for _ in range(8)]


def test_wrong_keys_are_limited_whichever_shop_they_are_meant_for(
    bundles: dict[str, BundleStore], tmp_path: Path
) -> None:
    wrong = {"X-API-Key": "wk_000000000000_" + "x" * 43}
    with two_shops(bundles, tmp_path, wrong_per_minute=3) as shops:
        statuses = [shops.client.get("/v1/trending", headers=wrong).status_code for _ in range(8)]

        assert [401, 429] == [statuses[0], statuses[-1]]
        assert [200, 200] == [shops.ask(word, "/v1/trending").status_code for word in (NORTH, SOUTH)]
        assert 401 == shops.client.get("/v1/trending").status_code


def test_what_is_posted_to_one_shop_does_not_show_in_the_other(bundles: dict[str, BundleStore], tmp_path: Path) -> None:
    alike = {NORTH: bundles[NORTH], SOUTH: BundleStore(bundles[NORTH].folder)}  # the same ids in both
    event = {"user_id": "north-u6", "product_id": "north-p03", "type": "bought"}
    with two_shops(alike, tmp_path) as shops:
        used = lambda word: shops.ask(word, "/v1/recommend/north-u6").json()["events_used"]  # noqa: E731
        before = [used(word) for word in (NORTH, SOUTH)]

        assert 1 == shops.ask(NORTH, "/v1/events", {"events": [event]}).json()["accepted"]

        assert [before[0] + 1, before[1]] == [used(word) for word in (NORTH, SOUTH)]
        waiting = [shops.ask(word, "/metrics").text for word in (NORTH, SOUTH)]
        assert [True, False] == ["whycart_events_waiting 1.0" in text for text in waiting]


def test_a_browser_may_ask_where_a_shop_lets_it(bundles: dict[str, BundleStore], tmp_path: Path) -> None:
    allow = "access-control-allow-origin"
    asked = {"Origin": DESK, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "X-API-Key"}
    guards = {"north": Guard(always=True, origins=(DESK,)), "south": Guard(always=True)}
    with two_shops(bundles, tmp_path, **guards) as shops:
        before = shops.client.options("/v1/trending", headers=asked)
        answers = [
            shops.client.get("/v1/trending", headers={"Origin": DESK, "X-API-Key": shops.keys[word]})
            for word in (NORTH, SOUTH)
        ]

    assert (200, DESK) == (before.status_code, before.headers.get(allow))
    assert [DESK, None] == [answer.headers.get(allow) for answer in answers]


def test_log_lines_name_the_shop_they_are_of(bundles: dict[str, BundleStore], tmp_path: Path) -> None:
    stream, root = io.StringIO(), logging.getLogger()
    setup_logging("info", json=True, stream=stream)
    try:
        with two_shops(bundles, tmp_path) as shops:
            for word in (NORTH, SOUTH):
                shops.ask(word, "/v1/trending")
            shops.client.get("/v1/trending")
    finally:
        root.removeHandler(next(handler for handler in root.handlers if isinstance(handler.formatter, JsonFormatter)))

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    taken = [line.get("shop") for line in lines if line["message"] == "bundle in use"]
    asked = [line.get("shop") for line in lines if line["message"] == "request"]
    assert ([NORTH, SOUTH], [NORTH, SOUTH, None]) == (taken, asked)


def test_a_thread_of_a_shop_names_it_too(bundles: dict[str, BundleStore], tmp_path: Path) -> None:
    stream, root = io.StringIO(), logging.getLogger()
    empty = {NORTH: bundles[NORTH], SOUTH: BundleStore(tmp_path / SOUTH / "bundles")}
    setup_logging("info", json=True, stream=stream)
    try:
        with two_shops(empty, tmp_path) as shops:
            publish_two(tmp_path)
            assert until(lambda: shops.ask(SOUTH, "/health/ready").status_code == 200)
    finally:
        root.removeHandler(next(handler for handler in root.handlers if isinstance(handler.formatter, JsonFormatter)))

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [NORTH, SOUTH] == [line["shop"] for line in lines if line["message"] == "bundle in use"]


def test_shops_end_together(bundles: dict[str, BundleStore], tmp_path: Path) -> None:
    of_shops = lambda: [  # noqa: E731
        thread.name for thread in threading.enumerate() if thread.name in ("bundle-watch", "record-lists")
    ]
    before = of_shops()
    with two_shops(bundles, tmp_path):
        during = of_shops()

    assert len(before) + 4 == len(during)
    assert before == of_shops()
