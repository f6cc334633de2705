"""Sessions: what a visitor does counts at once, becomes a user's at the login once, and is forgotten without one."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gnn.bundles import BundleStore
from kg.privacy import Secret
from serving.answer import SessionEvent
from serving.errors import ConfigError, EventsError, SessionTaken
from serving.events import PENDING, Appended, EventLog, NewEvent, VisitorEvent
from serving.privacy_config import PrivacyConfig
from serving.sessions import Visit
from tests.support.api import problem, product_ids, running_api, until
from tests.support.tiny_bundle import publish_tiny_bundle
from tests.worlds import DAY_MS


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with EventLog.open(tmp_path / "state.db", sessions_days=2) as opened:
        yield opened


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> BundleStore:
    return publish_tiny_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture
def client(bundles: BundleStore, tmp_path: Path) -> Iterator[TestClient]:
    with running_api(bundles, tmp_path) as opened:
        yield opened


def visit(number: int, *, session: str = "s1", product: str = "p01") -> VisitorEvent:
    return VisitorEvent(event_id=f"e{number}", session_id=session, product_id=product, type="bought", at_ms=number)


def of_user(number: int, *, user: str = "u1", product: str = "p01") -> NewEvent:
    return NewEvent(event_id=f"e{number}", user_id=user, product_id=product, type="bought", at_ms=number)


def test_events_of_a_session_are_nobodys_and_wait_for_no_graph(log: EventLog) -> None:
    appended = log.append([visit(2, product="p02"), visit(1), visit(3, session="s2")])

    assert Appended(3, 0) == appended
    assert Visit(None, (SessionEvent("p01", "bought", 1), SessionEvent("p02", "bought", 2))) == log.sessions.read("s1")
    assert ((), 0, ()) == (log.read(PENDING), log.last_seq(), log.counts(after=0))


def test_at_the_login_they_are_the_users_once_and_in_order(log: EventLog) -> None:
    log.append([visit(1), visit(2, product="p02"), visit(3, session="s2")])

    moved = [log.sessions.login("s1", "u1") for _ in range(2)]

    assert [2, 0] == moved
    assert [of_user(1), of_user(2, product="p02")] == [logged.event for logged in log.read(PENDING)]
    assert (Visit("u1", ()), 1) == (log.sessions.read("s1"), len(log.sessions.read("s2").events))


def test_what_a_model_has_seen_does_not_hide_what_a_login_brings(log: EventLog) -> None:
    log.append([visit(1), of_user(2)])
    known = log.last_seq()

    log.sessions.login("s1", "u1")

    assert (SessionEvent("p01", "bought", 1),) == log.events_of("u1", after=known)


def test_a_late_event_of_the_session_is_the_users(log: EventLog) -> None:
    log.sessions.login("s1", "u1")

    assert Appended(1, 0) == log.append([visit(1)])
    assert [of_user(1)] == [logged.event for logged in log.read(PENDING)]


@pytest.mark.parametrize("first", [visit(1), of_user(1)])
def test_an_event_that_is_sent_again_counts_once(first: NewEvent | VisitorEvent, log: EventLog) -> None:
    log.append([first])

    again = log.append([visit(1)])
    log.sessions.login("s1", "u1")
    later = log.append([visit(1), of_user(1)])

    assert (Appended(0, 1), Appended(0, 2)) == (again, later)
    assert [of_user(1)] == [logged.event for logged in log.read(PENDING)]


def test_an_event_sent_anew_under_the_user_is_not_doubled_by_the_login(log: EventLog) -> None:
    log.append([visit(1)])
    log.append([of_user(1)])

    assert 0 == log.sessions.login("s1", "u1")
    assert 1 == len(log.events_of("u1"))


def test_a_session_of_somebody_else_is_refused_and_stays(log: EventLog) -> None:
    log.append([visit(1)])
    log.sessions.login("s1", "u1")

    with pytest.raises(SessionTaken, match="another user's; begin a new session id when somebody logs out"):
        log.sessions.login("s1", "u2")
    assert ("u1", ()) == (log.sessions.read("s1").user_id, log.events_of("u2"))


def test_without_a_login_a_session_is_forgotten(log: EventLog) -> None:
    log.append([visit(1)])
    later = log.sessions.read("s1").events
    (now,) = _received(log)

    assert (0, 1) == (
        log.sessions.expire(now_ms=now + 2 * DAY_MS),
        len(log.sessions.read("s1", now_ms=now + 2 * DAY_MS).events),
    )
    assert ((), 0) == (
        log.sessions.read("s1", now_ms=now + 2 * DAY_MS + 1).events,
        log.sessions.login("s1", "u1", now_ms=now + 2 * DAY_MS + 1),
    )
    assert (1, 1) == (len(later), log.sessions.expire(now_ms=now + 2 * DAY_MS + 1))
    assert [] == _received(log)


def test_a_login_is_known_for_the_days_and_then_forgotten(log: EventLog) -> None:
    log.sessions.login("s1", "u1", now_ms=0)

    assert "u1" == log.sessions.read("s1", now_ms=2 * DAY_MS).user_id
    assert 0 == log.sessions.login("s1", "u2", now_ms=2 * DAY_MS + 1)
    log.sessions.expire(now_ms=4 * DAY_MS + 2)
    assert () == log.sessions.of_user("u2")


def test_a_deleted_user_takes_events_and_sessions_along_and_gets_none(log: EventLog) -> None:
    log.append([visit(1)])
    log.sessions.login("s1", "u1")
    log.deletions.add("u1", now_ms=1)

    assert Appended(0, 0) == log.append([visit(2)])  # between the two steps of a deletion
    assert 1 == log.delete_user("u1")
    assert ((), None) == (log.sessions.of_user("u1"), log.sessions.read("s1").user_id)
    with pytest.raises(EventsError, match="the user was deleted"):
        log.sessions.login("s1", "u1")


def test_the_days_of_sessions_have_bounds() -> None:
    with pytest.raises(ConfigError, match=r"\[privacy\] sessions_days must be between 1 and 365, got 0"):
        PrivacyConfig(sessions_days=0)


def send(client: TestClient, *events: Any) -> Any:
    return client.post("/v1/events", json={"events": list(events)})


def ask(client: TestClient, **body: Any) -> Any:
    return client.post("/v1/recommend", json={"exclude_seen": False, "in_stock": False} | body)


def log_in(client: TestClient, session: str = "s1", user: str = "u6") -> Any:
    return client.post(f"/v1/sessions/{session}/login", json={"user_id": user})


VISIT = {"session_id": "s1", "product_id": "p07", "type": "bought", "event_id": "e1"}


def test_a_visitor_gets_the_list_of_the_events_on_every_process(bundles: BundleStore, tmp_path: Path) -> None:
    with running_api(bundles, tmp_path) as first, running_api(bundles, tmp_path) as second:
        send(first, VISIT)
        found = ask(second, session_id="s1")
        given = ask(second, events=[{"product_id": "p07", "type": "bought"}])

    assert (1, product_ids(given)) == (found.json()["events_used"], product_ids(found))


def test_after_the_login_the_list_is_the_users_and_counts_the_session(client: TestClient) -> None:
    send(client, VISIT)

    answers = [log_in(client).json() for _ in range(2)]

    assert [("u6", 1), ("u6", 0)] == [(answer["user_id"], answer["events"]) for answer in answers]
    of_session, of_user = ask(client, session_id="s1").json(), client.get("/v1/recommend/u6").json()
    assert (1, 1) == (of_session["events_used"], of_user["events_used"])


def test_a_session_and_a_user_count_together_and_another_users_session_is_refused(client: TestClient) -> None:
    send(client, VISIT)
    together = ask(client, session_id="s1", user_id="u1").json()["events_used"]
    alone = client.get("/v1/recommend/u1").json()["events_used"]
    log_in(client)

    refused = [ask(client, session_id="s1", user_id="u1"), log_in(client, user="u1")]

    assert alone + 1 == together
    assert [(409, "session-taken")] * 2 == [problem(answer)[:2] for answer in refused]


def test_ranking_and_explaining_go_by_the_session(client: TestClient) -> None:
    send(client, VISIT)
    ranked = client.post("/v1/rank", json={"session_id": "s1", "product_ids": ["p02"]}).json()
    explained = client.post("/v1/explain", json={"session_id": "s1", "product_id": "p02"}).json()

    assert 1 == ranked["events_used"]
    assert ranked["items"][0]["score"] == pytest.approx(explained["item"]["score"])


def test_the_first_page_of_a_visitor_is_about_what_the_visitor_did(client: TestClient) -> None:
    send(client, VISIT)

    page = client.post("/v1/home", json={"session_id": "s1", "rows": 6, "n": 3}).json()
    given = client.post(
        "/v1/home", json={"events": [{"product_id": "p07", "type": "bought"}], "rows": 6, "n": 3}
    ).json()
    users = [client.get("/v1/home/u1?n=3").json(), client.post("/v1/home", json={"user_id": "u1", "n": 3}).json()]

    assert ["p07"] == [row["about"]["id"] for row in page["rows"] if row["kind"] == "because"]
    assert (1, page["rows"]) == (page["events_used"], given["rows"])
    assert users[0]["rows"] == users[1]["rows"]
    assert "give user_id, session_id, events" in problem(client.post("/v1/home", json={"rows": 2}))[2]
    log_in(client)
    assert 409 == client.post("/v1/home", json={"session_id": "s1", "user_id": "u1"}).status_code


def test_the_list_of_a_session_is_recorded_with_its_events_and_comes_out_the_same(client: TestClient) -> None:
    send(client, VISIT)
    list_id = ask(client, session_id="s1").json()["recommendation_id"]
    log_in(client)

    record = client.get(f"/v1/recommendations/{list_id}?replay=true").json()

    assert (None, ["p07"]) == (record["user_id"], [event["product_id"] for event in record["request"]["session"]])
    assert True is record["replay"]["same"]


def test_a_click_of_a_visitor_is_a_click_of_the_list(client: TestClient) -> None:
    answer = ask(client, session_id="s1").json()
    clicked = answer["items"][0]["product_id"]

    send(client, VISIT | {"product_id": clicked, "recommendation_id": answer["recommendation_id"]})

    assert until(lambda: bool(client.get("/v1/uptake?by=surface").json()["rows"]))  # the record is written
    assert 1 == client.get("/v1/uptake?by=surface").json()["rows"][0]["clicks"]


@pytest.mark.parametrize("who", [{}, {"user_id": "u1", "session_id": "s1"}])
def test_an_event_is_of_a_user_or_of_a_session(who: dict[str, str], client: TestClient) -> None:
    answer = send(client, {"product_id": "p01"} | who)

    assert (422, "give user_id, or session_id") == (answer.status_code, answer.json()["errors"][0]["detail"][:27])


def test_where_users_have_pseudonyms_sessions_have_too(bundles: BundleStore, tmp_path: Path) -> None:
    secret = Secret(b"0123456789abcdef")
    with running_api(bundles, tmp_path, pseudonyms=secret) as client:
        send(client, VISIT | {"session_id": "jane-phone"})
        found = ask(client, session_id="jane-phone").json()["events_used"]
        log_in(client, "jane-phone", "jane")
        events = client.get("/v1/recommend/jane").json()["events_used"]

    assert (1, 1) == (found, events)
    assert not [file for file in tmp_path.rglob("state.db*") if b"jane" in file.read_bytes()]


def _received(log: EventLog) -> list[int]:
    with sqlite3.connect(log.path) as connection:
        rows = connection.execute("SELECT received_at_ms FROM session_events").fetchall()
    connection.close()
    return [at_ms for (at_ms,) in rows]
