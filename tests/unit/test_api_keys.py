"""Keys over HTTP: none is needed until there is one, then every route asks for one with its scope."""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gnn.bundles import BundleStore
from serving.api.app import create_app
from serving.api.key_uses import KeyUses
from serving.api.keyring import READ_EVERY_S, Guard
from serving.events import EventLog
from serving.keys import KeyLog
from tests.support.api import problem, until
from tests.support.tiny_bundle import publish_tiny_bundle

NOON = 1_800_000_000_000
EVENT = {"events": [{"user_id": "u1", "product_id": "p02", "type": "bought"}]}
READ: dict[str, tuple[str, str, Any]] = {
    "recommend": ("GET", "/v1/recommend/u1", None),
    "recommend by body": ("POST", "/v1/recommend", {"user_id": "u1"}),
    "similar": ("GET", "/v1/similar/p01", None),
    "explain": ("GET", "/v1/explain?user=u1&product=p01", None),
    "explain by body": ("POST", "/v1/explain", {"user_id": "u1", "product_id": "p01"}),
    "rank": ("POST", "/v1/rank", {"user_id": "u1", "product_ids": ["p01"]}),
    "bought together": ("GET", "/v1/bought-together/p01", None),
    "a basket": ("POST", "/v1/bought-together", {"product_ids": ["p01"]}),
    "trending": ("GET", "/v1/trending", None),
    "search": ("GET", "/v1/search?q=tea", None),
    "new": ("GET", "/v1/new", None),
    "metrics": ("GET", "/metrics", None),
    "profile": ("GET", "/v1/profile/u1", None),
    "home": ("GET", "/v1/home/u1", None),
    "home by body": ("POST", "/v1/home", {"user_id": "u1"}),
}
ADMIN: dict[str, tuple[str, str, Any]] = {
    "audiences": ("GET", "/v1/audiences?product=p02", None),
    "runs": ("GET", "/v1/runs", None),
    "users": ("DELETE", "/v1/users/nobody", None),
    "uptake": ("GET", "/v1/uptake", None),
}
CYPHER: dict[str, tuple[str, str, Any]] = {
    "queries": ("GET", "/v1/graph/queries", None),
}
RULES: dict[str, tuple[str, str, Any]] = {
    "rules": ("GET", "/v1/rules", None),
}
WRITE: dict[str, tuple[str, str, Any]] = {
    "events": ("POST", "/v1/events", EVENT),
    "sessions": ("POST", "/v1/sessions/s-1/login", {"user_id": "u1"}),
    "products": ("POST", "/v1/products", {"products": [{"product_id": "p11", "title": "Oolong tea"}]}),
}
ABOUT_NO_LIST: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/v1/recommendations/nothing", None),
    ("POST", "/v1/impressions", {"impressions": [{"recommendation_id": "nothing", "positions": [1]}]}),
)
"""Routes about a list that was answered before, of which there is none here."""
EVERY = (*READ.values(), *WRITE.values(), *ADMIN.values(), *CYPHER.values(), *RULES.values())
OPEN = ("/health/live", "/health/ready", "/openapi.json")


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> BundleStore:
    return publish_tiny_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[KeyLog]:
    with KeyLog.open(tmp_path / "state.db") as opened:
        yield opened


def client(bundles: BundleStore, folder: Path, guard: Guard | None = None) -> TestClient:
    return TestClient(create_app(bundles, EventLog.open(folder / "state.db"), check_every_s=0.02, guard=guard))


def now_ms() -> int:
    return int(time.time() * 1000)


def rename(state: Path, table: str, name: str) -> None:
    with contextlib.closing(sqlite3.connect(state)) as connection:
        connection.execute(f"ALTER TABLE {table} RENAME TO {name}")


def ask(api: TestClient, route: tuple[str, str, Any], **headers: str) -> Any:
    method, path, body = route
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.request(method, path, json=body, headers=named)


def test_every_route_is_asked_for_in_these_tests(bundles: BundleStore, tmp_path: Path) -> None:
    paths = client(bundles, tmp_path).app.openapi()["paths"]  # type: ignore[attr-defined]
    guarded = {path for path, routes in paths.items() if any("security" in route for route in routes.values())}

    asked = {path.partition("?")[0] for _, path, _ in (*EVERY, *ABOUT_NO_LIST)}
    known = {path.partition("/{")[0] for path in guarded}
    assert {"/" + "/".join(path.split("/")[1:3]) for path in known} == {
        "/" + "/".join(path.split("/")[1:3]) for path in asked
    }
    assert set(OPEN[:2]) == set(paths) - guarded


def test_without_any_key_everybody_on_this_machine_may_ask(bundles: BundleStore, tmp_path: Path) -> None:
    with client(bundles, tmp_path) as api:
        routes = EVERY
        assert [200] * len(routes) == [ask(api, route).status_code for route in routes]


def test_beyond_this_machine_a_key_is_needed_even_where_there_is_none(bundles: BundleStore, tmp_path: Path) -> None:
    with client(bundles, tmp_path, Guard(always=True)) as api:
        assert 401 == ask(api, READ["recommend"]).status_code
        assert 200 == api.get("/health/live").status_code


def test_with_a_key_around_every_route_asks_for_one(bundles: BundleStore, tmp_path: Path, keys: KeyLog) -> None:
    text = keys.create("shop", ["read", "write", "cypher", "rules", "admin"], now_ms=now_ms()).text
    with client(bundles, tmp_path) as api:
        for route in (
            *READ.values(),
            *WRITE.values(),
            *ADMIN.values(),
            *CYPHER.values(),
            *RULES.values(),
            *ABOUT_NO_LIST,
        ):
            answer = ask(api, route)
            assert (401, "unauthorized") == problem(answer)[:2]
            assert "whycart keys create" in problem(answer)[2]
            assert "Bearer" == answer.headers["www-authenticate"]
            assert 401 == ask(api, route, X_API_Key="wk_000000000000_" + "x" * 43).status_code
            assert ask(api, route, X_API_Key=text).status_code in (200, 404, 422)
            assert ask(api, route, Authorization=f"Bearer {text}").status_code in (200, 404, 422)
        assert [200] * 3 == [api.get(path).status_code for path in OPEN]


def test_a_key_is_for_its_scopes_only(bundles: BundleStore, tmp_path: Path, keys: KeyLog) -> None:
    reads, writes, chief = (keys.create(scope, [scope], now_ms=now_ms()).text for scope in ("read", "write", "admin"))
    with client(bundles, tmp_path) as api:
        assert [200] * len(READ) == [ask(api, route, X_API_Key=reads).status_code for route in READ.values()]
        assert [403] * len(READ) == [ask(api, route, X_API_Key=writes).status_code for route in READ.values()]
        refused = problem(ask(api, WRITE["events"], X_API_Key=reads))
        assert (403, "forbidden", True) == (*refused[:2], "the scope write; this one has read" in refused[2])
        assert [404, 403] == [ask(api, route, X_API_Key=reads).status_code for route in ABOUT_NO_LIST]
        assert [403] * len(ADMIN) == [ask(api, route, X_API_Key=reads).status_code for route in ADMIN.values()]
        assert 403 == ask(api, ("GET", "/v1/users/u1", None), X_API_Key=reads).status_code
        for path in ("/v1/graph/queries", "/v1/graph/queries/ping"):
            refused = problem(ask(api, ("GET", path, None), X_API_Key=reads))
            assert (403, "forbidden", True) == (*refused[:2], "the scope cypher; this one has read" in refused[2])
        refused = problem(ask(api, RULES["rules"], X_API_Key=writes))
        assert (403, "forbidden", True) == (*refused[:2], "the scope rules; this one has write" in refused[2])
        both = (READ["recommend"], WRITE["events"], ADMIN["audiences"], RULES["rules"])
        assert [200, 200, 200, 200] == [ask(api, route, X_API_Key=chief).status_code for route in both]


def test_a_revoked_key_is_refused_within_a_moment_and_keys_stay_needed(
    bundles: BundleStore, tmp_path: Path, keys: KeyLog
) -> None:
    made = keys.create("shop", ["read"], now_ms=now_ms())
    with client(bundles, tmp_path) as api:
        assert 200 == ask(api, READ["recommend"], X_API_Key=made.text).status_code

        keys.revoke(made.key.key_id, now_ms=now_ms())

        refused = lambda: ask(api, READ["recommend"], X_API_Key=made.text).status_code == 401  # noqa: E731
        assert until(refused, seconds=READ_EVERY_S + 5)
        assert 401 == ask(api, READ["recommend"]).status_code


def test_an_expired_key_is_refused(bundles: BundleStore, tmp_path: Path, keys: KeyLog) -> None:
    made = keys.create("shop", ["read"], now_ms=now_ms() - 5000, expires_at_ms=now_ms() - 1)
    with client(bundles, tmp_path) as api:
        assert 401 == ask(api, READ["recommend"], X_API_Key=made.text).status_code


def test_a_key_that_asks_too_often_has_to_wait_and_others_have_not(
    bundles: BundleStore, tmp_path: Path, keys: KeyLog
) -> None:
    busy, calm = (keys.create(name, ["read"], now_ms=now_ms()).text for name in ("busy", "calm"))
    with client(bundles, tmp_path, Guard(per_minute=3)) as api:
        answers = [ask(api, READ["similar"], X_API_Key=busy) for _ in range(8)]

        late = [answer for answer in answers if answer.status_code == 429]
        assert len(late) >= 2  # a minute may end meanwhile
        assert (429, "too-many-requests") == problem(late[-1])[:2]
        assert 1 <= int(late[-1].headers["retry-after"]) <= 61
        assert 200 == ask(api, READ["similar"], X_API_Key=calm).status_code


def test_when_a_key_was_last_used_is_known(bundles: BundleStore, tmp_path: Path, keys: KeyLog) -> None:
    names = ("reads", "is refused", "is idle")
    made = {name: keys.create(name, ["read"], now_ms=now_ms()) for name in names}
    before = now_ms()
    with client(bundles, tmp_path) as api:
        assert 200 == ask(api, READ["recommend"], X_API_Key=made["reads"].text).status_code
        assert 403 == ask(api, WRITE["events"], X_API_Key=made["is refused"].text).status_code
        assert [None] * 3 == [key.last_used_at_ms for key in keys.all()]  # no answer waited for it to be written

    found = {key.name: key.last_used_at_ms for key in keys.all()}
    assert found["is idle"] is None
    assert all(before <= (found[name] or 0) <= now_ms() for name in names[:2])


def test_uses_that_cannot_be_written_are_written_later(
    tmp_path: Path, keys: KeyLog, caplog: pytest.LogCaptureFixture
) -> None:
    key = keys.create("shop", ["read"], now_ms=now_ms()).key
    uses = KeyUses(keys, write_every_s=0.02)
    rename(tmp_path / "state.db", "api_keys", "away")
    uses.start()
    uses.note(key.key_id, now_ms=NOON)
    assert until(lambda: "cannot be written now" in caplog.text)
    rename(tmp_path / "state.db", "away", "api_keys")

    assert until(lambda: keys.all()[0].last_used_at_ms == NOON)
    uses.stop()


def test_no_key_is_written_to_a_log(
    bundles: BundleStore, tmp_path: Path, keys: KeyLog, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    good, bad = keys.create("shop", ["read"], now_ms=now_ms()).text, "wk_000000000000_" + "s" * 43
    with client(bundles, tmp_path) as api:
        for key in (good, bad):
            ask(api, READ["recommend"], X_API_Key=key)
            ask(api, WRITE["events"], Authorization=f"Bearer {key}")

    assert len(caplog.records) >= 4
    said = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert [] == [key for key in (good, bad) if key in said or key.split("_", 2)[2] in said]
