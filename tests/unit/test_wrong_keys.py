"""Wrong keys are limited by the address they come from; good ones, and other addresses, are not."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gnn.bundles import BundleStore
from serving.api.app import create_app
from serving.api.keyring import Guard
from serving.api.wrong_keys import WrongKeys
from serving.cli.serve import server_config
from serving.errors import ConfigError, TooManyRequests
from serving.events import EventLog
from serving.keys import KeyLog
from serving.settings import ServeConfig
from tests.support.api import problem

WRONG = {"X-API-Key": "wk_000000000000_" + "x" * 43}
ADDRESS, OTHER, PROXY = "203.0.113.9", "198.51.100.7", "10.0.0.7"
PATH = "/v1/rules"


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[KeyLog]:
    with KeyLog.open(tmp_path / "state.db") as opened:
        yield opened


def app_in(folder: Path, *, limit: int = 3) -> FastAPI:
    log = EventLog.open(folder / "state.db")
    return create_app(BundleStore(folder / "bundles"), log, guard=Guard(wrong_per_minute=limit))


def make(keys: KeyLog, **more: int) -> dict[str, str]:
    now_ms = int(time.time() * 1000)
    return {"X-API-Key": keys.create("shop", ["rules"], now_ms=now_ms - 10, **more).text}


def test_who_tries_keys_has_to_wait_and_who_has_a_good_one_has_not(tmp_path: Path, keys: KeyLog) -> None:
    good = make(keys)
    with TestClient(app_in(tmp_path), client=(ADDRESS, 1)) as api:
        statuses = [api.get(PATH, headers=WRONG).status_code for _ in range(8)]
        last = api.get(PATH, headers=WRONG)

        assert [401, 429] == [statuses[0], statuses[-1]]
        assert (429, "too-many-requests") == problem(last)[:2]
        assert "more than 3 wrong keys came from this address" in problem(last)[2]
        assert 1 <= int(last.headers["retry-after"]) <= 61
        assert 200 == api.get(PATH, headers=good).status_code
        assert 401 == api.get(PATH).status_code


def test_another_address_is_not_made_to_wait(tmp_path: Path, keys: KeyLog) -> None:
    make(keys)
    app = app_in(tmp_path)
    with TestClient(app, client=(ADDRESS, 1)) as api:
        assert 429 == [api.get(PATH, headers=WRONG).status_code for _ in range(8)][-1]

        assert 401 == TestClient(app, client=(OTHER, 1)).get(PATH, headers=WRONG).status_code


def test_a_key_that_was_good_once_is_no_wrong_one(tmp_path: Path, keys: KeyLog) -> None:
    old = make(keys, expires_at_ms=int(time.time() * 1000) - 1)
    with TestClient(app_in(tmp_path), client=(ADDRESS, 1)) as api:
        assert [401] * 8 == [api.get(PATH, headers=old).status_code for _ in range(8)]


def test_without_a_limit_wrong_keys_are_only_refused(tmp_path: Path, keys: KeyLog) -> None:
    make(keys)
    with TestClient(app_in(tmp_path, limit=0), client=(ADDRESS, 1)) as api:
        assert [401] * 40 == [api.get(PATH, headers=WRONG).status_code for _ in range(40)]


def refused(wrong: WrongKeys, address: str | None) -> bool:
    try:
        wrong.count(address)
    except TooManyRequests:
        return True
    return False


@pytest.mark.parametrize(
    ("first", "second", "together"),
    [
        (ADDRESS, ADDRESS, True),
        (ADDRESS, OTHER, False),
        (ADDRESS, f"::ffff:{ADDRESS}", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::1", "::2", True),
        (None, None, True),
        (None, ADDRESS, False),
    ],
)
def test_addresses_of_one_customer_count_together(first: str | None, second: str | None, together: bool) -> None:
    wrong = WrongKeys(1)

    assert not refused(wrong, first)
    assert together == refused(wrong, second)


def test_a_minute_later_it_begins_anew() -> None:
    wrong = WrongKeys(1)
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        assert [False, True] == [refused(wrong, ADDRESS) for _ in range(2)]
        clock.shift(61)
        assert not refused(wrong, ADDRESS)


def test_the_log_says_it_once_and_names_no_address(caplog: pytest.LogCaptureFixture) -> None:
    wrong = WrongKeys(1)
    for _ in range(5):
        refused(wrong, ADDRESS)

    assert ["wrong keys are tried"] == [record.getMessage() for record in caplog.records]
    assert ADDRESS not in str(vars(caplog.records[0]))


@pytest.mark.parametrize(
    ("trusted", "peer", "statuses"),
    [
        ((), PROXY, [429, 429]),  # nobody is believed, so both come from the proxy
        ((PROXY,), PROXY, [429, 401]),
        (("10.0.0.0/8",), PROXY, [429, 401]),
        (("10.0.0.0/8",), OTHER, [429, 429]),  # a stranger may say what he likes
    ],
)
def test_a_proxy_is_believed_only_where_it_is_trusted(
    trusted: tuple[str, ...], peer: str, statuses: list[int], tmp_path: Path, keys: KeyLog
) -> None:
    make(keys)
    config = server_config(ServeConfig(trusted_proxies=trusted), lambda: app_in(tmp_path))
    config.load()
    with TestClient(config.loaded_app, client=(peer, 1)) as api:  # type: ignore[arg-type]
        found = [
            [api.get(PATH, headers={**WRONG, "X-Forwarded-For": given}).status_code for _ in range(8)][place]
            for given, place in ((ADDRESS, -1), (OTHER, 0))
        ]

    assert statuses == found


@pytest.mark.parametrize("proxy", ["*", "proxy.example", "10.0.0.1/8", "10.0.0.1,10.0.0.2"])
def test_what_is_no_address_of_a_proxy_is_refused(proxy: str) -> None:
    with pytest.raises(ConfigError, match="neither an address nor a network"):
        ServeConfig(trusted_proxies=(proxy,))


def test_a_limit_below_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="wrong_keys_per_minute must be 0 or more, got -1"):
        ServeConfig(wrong_keys_per_minute=-1)
