"""What a user was shown often and never chose comes last: counted from records, in every process, for some days."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from gnn.bundles import BundleStore
from kg.snapshot import DAY_MS, Snapshot, build_snapshot
from serving.audit_config import AuditConfig
from serving.cursor import mark_of
from serving.errors import ConfigError
from serving.events import EventLog, NewEvent
from serving.impressions import NewImpression
from serving.records import RecordLog
from serving.showings import pack
from serving.slots import ListsConfig
from tests.support.api import problem, product_ids, running_api, until
from tests.support.old_state import make_version_8
from tests.support.seen_lists import list_id, recorded
from tests.support.tiny_bundle import publish_tiny_bundle
from tests.worlds import tiny_shop

NOW = 1_800_000_000_000
EVERY = [f"p{number:02}" for number in range(1, 11)]


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return build_snapshot(tiny_shop())


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> BundleStore:
    return publish_tiny_bundle(tmp_path_factory.mktemp("bundles"))


class Shown:
    """A state file with lists, looked at on one day."""

    def __init__(self, path: Path, snapshot: Snapshot) -> None:
        self.path, self.snapshot, self.number = path, snapshot, 0

    def show(self, *products: str, days_ago: float, user: str | None = "u1", first: int = 1) -> str:
        self.number += 1
        at_ms = NOW - int(days_ago * DAY_MS)
        record = recorded(self.number, list(products), user=user, at_ms=at_ms, first_rank=first)
        shown = None if user is None else pack(first, [mark_of(product) for product in products])
        with RecordLog.open(self.path, AuditConfig()) as log:
            log.add([replace(record, shown=shown)])
        return list_id(self.number)

    def chose(self, product: str, kind: str, *, days_ago: float, user: str = "u1") -> None:
        self.number += 1
        event = NewEvent(user_id=user, product_id=product, type=kind, at_ms=NOW, event_id=f"e{self.number}")
        with EventLog.open(self.path) as log:
            log.append([event])
        with sqlite3.connect(self.path) as connection:
            at_ms = NOW - int(days_ago * DAY_MS)
            connection.execute("UPDATE events SET received_at_ms = ? WHERE event_id = ?", (at_ms, event.event_id))
        connection.close()

    def saw(self, one: str, *positions: int) -> None:
        with RecordLog.open(self.path, AuditConfig()) as log:
            noted = log.impressions.append(
                [NewImpression(recommendation_id=one, positions=positions, at_ms=NOW)], now_ms=NOW
            )
        assert 1 == noted.accepted

    def often(self, *, most: int, days: int = 7, user: str = "u1") -> set[str]:
        with RecordLog.open(self.path, AuditConfig()) as log:
            marks = log.showings.often(user, self.snapshot, most=most, days=days, now_ms=NOW)
        return {product for product in EVERY if mark_of(product) in marks}


@pytest.fixture
def shown(tmp_path: Path, snapshot: Snapshot) -> Shown:
    return Shown(tmp_path / "state.db", snapshot)


def test_showings_are_counted_by_user_and_within_the_days(shown: Shown) -> None:
    shown.show("p01", "p02", days_ago=1)
    shown.show("p01", "p03", days_ago=2)
    shown.show("p01", "p02", "p03", days_ago=8)
    shown.show("p02", days_ago=1, user="u2")
    shown.show("p02", days_ago=1, user=None)

    assert {"p01"} == shown.often(most=2)
    assert {"p01", "p02", "p03"} == shown.often(most=2, days=9) == shown.often(most=1)
    assert {"p01"} == shown.often(most=3, days=9)
    assert set() == shown.often(most=3)
    assert {"p02"} == shown.often(most=1, user="u2")
    assert set() == shown.often(most=1, user="stranger")


def test_only_what_was_seen_counts_where_the_shop_says_what_was(shown: Shown) -> None:
    some = shown.show("p01", "p02", "p03", days_ago=1)
    none = shown.show("p04", days_ago=1)
    page = shown.show("p05", "p06", days_ago=1, first=11)
    shown.show("p07", days_ago=1)

    shown.saw(some, 1, 3)
    shown.saw(none)
    shown.saw(page, 12)

    assert {"p01", "p03", "p06", "p07"} == shown.often(most=1)


def test_whoever_chooses_a_product_begins_anew_with_it(shown: Shown) -> None:
    for days_ago in (3.0, 2.0, 1.0):
        shown.show("p01", "p02", "p03", days_ago=days_ago)
    shown.chose("p01", "viewed", days_ago=1.5)
    shown.chose("p02", "bought", days_ago=0.5)
    shown.chose("p03", "viewed", days_ago=0.5, user="u2")

    assert {"p03"} == shown.often(most=2)
    assert {"p01", "p03"} == shown.often(most=1)


def test_what_is_disliked_is_not_chosen(shown: Shown) -> None:
    shown.show("p01", days_ago=1)
    events = dict(shown.snapshot.schema.events)
    low = next((name for name, kind in events.items() if kind.weight <= 0), None)
    shown.chose("p01", low or "returned", days_ago=0.5)

    assert {"p01"} == shown.often(most=1)


def test_what_the_model_knows_to_be_chosen_counts_too(shown: Shown, snapshot: Snapshot) -> None:
    row = snapshot.row("User", "u1")
    assert row is not None
    place = snapshot.user_events(row)
    last = int(snapshot.events.time[place][-1])
    product = snapshot.ids("Product")[snapshot.events.product[place][-1]]
    with RecordLog.open(shown.path, AuditConfig()) as log:
        for number, at_ms in enumerate((last - 1000, last + 1000)):
            log.add([replace(recorded(number, [product], at_ms=at_ms), shown=pack(1, [mark_of(product)]))])

        found = [log.showings.often("u1", snapshot, most=most, days=1, now_ms=last + 2000) for most in (1, 2)]

    assert [(mark_of(product),), ()] == found


def test_counts_are_those_of_plain_loops(shown: Shown) -> None:
    rng = np.random.default_rng(7)
    lists, chosen = [], []
    for _ in range(25):
        products = rng.choice(EVERY, size=int(rng.integers(1, 6)), replace=False).tolist()
        days_ago, first = float(rng.uniform(0, 10)), int(rng.integers(1, 4))
        one, seen = shown.show(*products, days_ago=days_ago, first=first), None
        if rng.random() < 0.4:
            seen = [place for place in range(first, first + len(products)) if rng.random() < 0.5]
            shown.saw(one, *seen)
        lists.append((days_ago, first, products, seen))
    for product in ("p01", "p02", "p03"):
        days_ago = float(rng.uniform(0, 10))
        shown.chose(product, "bought", days_ago=days_ago)
        chosen.append((product, days_ago))

    for most in (1, 2, 3, 5):
        count: Counter[str] = Counter()
        for days_ago, first, products, seen in lists:
            for place, product in enumerate(products, first):
                later = [days for name, days in chosen if name == product and days <= days_ago]
                if days_ago < 7 and (seen is None or place in seen) and not later:
                    count[product] += 1
        assert {product for product, times in count.items() if times >= most} == shown.often(most=most)


@pytest.fixture
def client(bundles: BundleStore, tmp_path: Path) -> Iterator[TestClient]:
    with running_api(bundles, tmp_path, lists=ListsConfig(new_every=0, shown_most=2)) as opened:
        yield opened


def see(client: TestClient, path: str = "/v1/recommend/u1?n=3", times: int = 2) -> list[str]:
    """Ask for the list of a user some times, until all are recorded; return the last one."""
    before = lists_of(client)
    for _ in range(times):
        answer = client.get(path)
    assert until(lambda: lists_of(client) == before + times)
    return product_ids(answer)


def lists_of(client: TestClient) -> int:
    found: int = client.app.state.services.recorder.records.count_of("u1")  # type: ignore[attr-defined]
    return found


def test_a_product_shown_often_gives_its_place_to_others(client: TestClient) -> None:
    first = see(client)
    whole = product_ids(client.get("/v1/recommend/u1?n=10&shown_most=0"))

    after = client.get("/v1/recommend/u1?n=3").json()
    given = [item["product_id"] for item in after["items"]]

    assert first == whole[:3]
    assert whole[3:6] == given
    assert [1, 2, 3] == [item["rank"] for item in after["items"]]
    assert 3 == after["removed"]["shown_often"]
    posted = client.post("/v1/recommend", json={"user_id": "u1", "n": 3}).json()
    assert given == [item["product_id"] for item in posted["items"]]
    assert whole[:3] == product_ids(client.post("/v1/recommend", json={"user_id": "u1", "n": 3, "shown_most": 0}))
    assert whole[:3] == product_ids(client.post("/v1/rank", json={"user_id": "u1", "product_ids": whole[:3]}))


def test_a_list_is_never_shorter_for_it_and_what_was_shown_comes_last(client: TestClient) -> None:
    whole = see(client, "/v1/recommend/u1?n=10&shown_most=0", times=1)
    seen = see(client, "/v1/recommend/u1?n=3&shown_most=0", times=1)

    some = client.get("/v1/recommend/u1?n=10").json()
    every = product_ids(client.get("/v1/recommend/u1?n=10&shown_most=1"))

    assert [*whole[3:], *seen] == [item["product_id"] for item in some["items"]]
    assert 0 == some["removed"]["shown_often"]
    assert whole == every


def test_one_who_chooses_it_gets_it_again_and_another_user_never_lost_it(client: TestClient) -> None:
    first = see(client)
    client.post("/v1/events", json={"events": [{"user_id": "u1", "product_id": first[1], "type": "viewed"}]})

    assert first[1] in product_ids(client.get("/v1/recommend/u1?n=3"))
    everybody = client.get("/v1/recommend/u1?n=3&personalised=false").json()
    assert "shown_often" not in everybody["removed"]


def test_another_process_counts_along_within_a_second(client: TestClient, bundles: BundleStore, tmp_path: Path) -> None:
    with running_api(bundles, tmp_path, lists=ListsConfig(shown_most=2)) as other:
        first = product_ids([client.get("/v1/recommend/u1?n=3") for _ in range(2)][1])

        assert until(
            lambda: not set(first) & set(product_ids(other.get("/v1/recommend/u1?n=3&exclude_seen=false"))), seconds=1.0
        )


def test_the_first_page_goes_by_it(client: TestClient) -> None:
    def for_you() -> list[str]:
        rows = client.get("/v1/home/u1?n=2").json()["rows"]
        return [item["product_id"] for item in rows[0]["items"]] if rows[0]["kind"] == "for_you" else []

    before = for_you()
    see(client, "/v1/recommend/u1?n=2&mode=discover")

    assert before
    assert set(before) != set(for_you())


def test_the_explanation_says_so_and_ranks_as_the_list_does(client: TestClient) -> None:
    first = see(client)
    listed = product_ids(client.get("/v1/recommend/u1?n=10"))

    told = {key: client.get(f"/v1/explain?user=u1&product={key}&n=3&what_if=true").json() for key in listed}

    assert [*range(1, len(listed) + 1)] == [told[key]["rank_of_allowed"] for key in listed]
    assert {*listed[:3]} == {key for key in listed if told[key]["in_top"]}
    assert {*first} == {key for key in listed if told[key]["removed_by"] == "shown_often"}
    (cause,) = told[first[0]]["causes"]
    assert ("shown_often", True) == (cause["cause"], "shown to the user often" in cause["text"])
    assert told[listed[3]]["against"]["product_id"] == listed[2]


def test_a_rule_of_the_shop_puts_it_there_all_the_same(client: TestClient) -> None:
    first = see(client)
    client.put("/v1/rules/star", json={"action": "pin", "product_ids": [first[0]], "positions": [1]})

    answer = client.get("/v1/recommend/u1?n=3").json()

    assert first[0] == answer["items"][0]["product_id"]
    assert 2 == answer["removed"]["shown_often"]


def test_a_list_made_by_it_is_computed_again_the_same(client: TestClient) -> None:
    see(client)
    list_id = client.get("/v1/recommend/u1?n=3").json()["recommendation_id"]
    client.get("/v1/recommend/u1?n=3")

    record = client.get(f"/v1/recommendations/{list_id}?replay=true").json()

    assert record["replay"]["same"], record["replay"]["detail"]
    assert (2, 3) == (record["request"]["shown_most"], len(record["request"]["shown_often"]))


def test_nothing_of_a_user_who_was_deleted_is_counted(client: TestClient, tmp_path: Path) -> None:
    see(client)
    assert 200 == client.delete("/v1/users/u1").status_code

    with sqlite3.connect(tmp_path / "state.db") as connection:
        left = connection.execute("SELECT count(*) FROM recommendations WHERE shown IS NOT NULL").fetchone()
    connection.close()
    assert (0,) == left
    assert 0 == client.get("/v1/recommend/u1?n=3").json()["removed"].get("shown_often", 0)


def test_without_a_bound_nothing_is_counted(bundles: BundleStore, tmp_path: Path) -> None:
    with running_api(bundles, tmp_path) as api:
        first = see(api, times=3)

        assert first == product_ids(api.get("/v1/recommend/u1?n=3"))
        assert not set(first) & set(product_ids(api.get("/v1/recommend/u1?n=3&shown_most=3")))


def test_a_bound_needs_records(bundles: BundleStore, tmp_path: Path) -> None:
    with running_api(bundles, tmp_path, audit=AuditConfig(enabled=False)) as api:
        assert (422, "invalid-request") == problem(api.get("/v1/recommend/u1?shown_most=3"))[:2]

    ListsConfig().check_records(AuditConfig(enabled=False))
    ListsConfig(shown_most=3).check_records(AuditConfig())
    for lists, audit, words in (
        (ListsConfig(shown_most=3), AuditConfig(enabled=False), "enabled is false"),
        (ListsConfig(shown_most=3, shown_days=31), AuditConfig(), "recorded for 30 days"),
    ):
        with pytest.raises(ConfigError, match=words):
            lists.check_records(audit)


@pytest.mark.parametrize("wrong", [{"shown_most": -1}, {"shown_most": 1001}, {"shown_days": 0}])
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"\[lists\] {next(iter(wrong))} must be"):
        ListsConfig(**wrong)


def test_a_state_file_of_the_release_before_is_brought_up(tmp_path: Path, shown: Shown) -> None:
    shown.show("p01", days_ago=1)
    make_version_8(shown.path)

    shown.show("p02", days_ago=1)

    assert {"p02"} == shown.often(most=1)
