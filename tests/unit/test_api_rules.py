"""Business rules over HTTP: written, tried, listed, deleted, gone by in every process, kept in records."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gnn.bundles import BundleStore
from serving.rule_log import RuleLog
from serving.rules import MAX_RULES, Rule
from serving.state import RULES
from tests.support.api import problem, product_ids, running_api, until
from tests.support.tiny_bundle import publish_tiny_bundle

HIDE = {"action": "hide", "filter": 'category = "Tea"', "note": "Sold out"}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> BundleStore:
    return publish_tiny_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture
def client(bundles: BundleStore, tmp_path: Path) -> Iterator[TestClient]:
    with running_api(bundles, tmp_path) as opened:
        yield opened


def write(client: TestClient, name: str, **said: Any) -> Any:
    answer = client.put(f"/v1/rules/{name}", json=said)
    assert 200 == answer.status_code, answer.text
    return answer.json()


def test_a_rule_is_written_listed_and_deleted(client: TestClient) -> None:
    written = write(client, "no-tea", **HIDE, starts_at="2026-01-31", lists=["recommend"])

    assert written["created"]
    assert ("no-tea", "in force", "hide", 'category = "Tea"') == tuple(
        written["rule"][field] for field in ("name", "state", "action", "filter")
    )
    assert written["rule"]["num_products"] > 0
    assert "2026-01-31T00:00:00.000Z" == written["rule"]["starts_at"]
    assert [written["rule"]] == client.get("/v1/rules").json()["rules"]
    alone = client.get("/v1/rules/no-tea")
    assert (written["rule"], written["rule"]["etag"]) == (alone.json()["rule"], alone.headers["ETag"])
    assert not write(client, "no-tea", **HIDE)["created"]
    assert "no-tea" == client.delete("/v1/rules/no-tea").json()["name"]
    assert [] == client.get("/v1/rules").json()["rules"]
    assert (404, "unknown-rule") == problem(client.get("/v1/rules/no-tea"))[:2]


def test_the_next_list_goes_by_it(client: TestClient) -> None:
    before = client.get("/v1/recommend/u1?n=20").json()

    write(client, "no-tea", **HIDE)
    after = client.get("/v1/recommend/u1?n=20").json()
    client.delete("/v1/rules/no-tea")

    assert ["no-tea"] == after["rules"]
    assert after["removed"]["rule"] == len(before["items"]) - len(after["items"]) > 0
    assert product_ids(client.get("/v1/recommend/u1?n=20")) == [item["product_id"] for item in before["items"]]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/recommend/u1", None),
        ("/v1/recommend", {"user_id": "u1"}),
        ("/v1/similar/p01", None),
        ("/v1/bought-together/p02", None),
        ("/v1/bought-together", {"product_ids": ["p02"]}),
        ("/v1/trending", None),
        ("/v1/new?days=9999", None),
    ],
)
def test_every_list_names_what_was_pinned(client: TestClient, path: str, body: Any) -> None:
    write(client, "first", action="pin", product_ids=["p10"])

    answer = client.get(path) if body is None else client.post(path, json=body)

    top = answer.json()["items"][0]
    assert ("p10", [{"name": "first", "action": "pin"}]) == (top["product_id"], top["rules"])
    assert ("PROMOTED", "Promoted by the shop") == (top["reasons"][0], top["text"])
    assert ["first"] == answer.json()["rules"]


def test_promotions_are_told_in_the_language_of_the_request(client: TestClient) -> None:
    write(client, "first", action="pin", product_ids=["p10"])

    assert "商家推广" == client.get("/v1/recommend/u1?lang=zh-CN").json()["items"][0]["text"]


def test_a_home_page_goes_by_the_rules_of_its_rows(client: TestClient) -> None:
    write(client, "hot", action="pin", product_ids=["p10"], lists=["trending"])
    write(client, "no-tea", **HIDE)

    rows = client.get("/v1/home/u1?n=3").json()["rows"]

    marks = {(row["kind"], mark["name"]) for row in rows for item in row["items"] for mark in item["rules"]}
    assert marks <= {("trending", "hot")}
    shown = {item["metadata"]["title"] for row in rows for item in row["items"]}
    assert not any("tea" in (title or "").lower() for title in shown)


def test_ranks_that_an_application_asks_for_are_its_own_business(client: TestClient) -> None:
    ask = {"user_id": "u1", "product_ids": ["p01", "p02", "p05"]}
    before = product_ids(client.post("/v1/rank", json=ask))

    write(client, "gone", action="hide", product_ids=["p01"])
    write(client, "first", action="pin", product_ids=["p05"])

    assert before == product_ids(client.post("/v1/rank", json=ask))


def test_why_not_names_the_rule(client: TestClient) -> None:
    write(client, "gone", action="hide", product_ids=["p05"])

    body = client.get("/v1/explain?user=u1&product=p05").json()

    assert "rule" == body["removed_by"]
    assert ["The rule gone of the shop hides it"] == [
        cause["text"] for cause in body["causes"] if cause["cause"] == "rule"
    ]


def test_a_list_is_computed_again_by_the_rules_it_was_made_by(client: TestClient) -> None:
    write(client, "first", action="pin", product_ids=["p10"])
    lists = [client.get(path).json() for path in ("/v1/recommend/u1", "/v1/similar/p01")]
    client.delete("/v1/rules/first")

    for answer in lists:
        record = client.get(f"/v1/recommendations/{answer['recommendation_id']}?replay=true").json()
        assert record["replay"]["same"], record["replay"]
        assert ["first"] == [rule["name"] for rule in record["request"]["filter"]["rules"]]


def test_another_process_goes_by_it_within_a_second(bundles: BundleStore, tmp_path: Path) -> None:
    with running_api(bundles, tmp_path) as one, running_api(bundles, tmp_path) as other:
        assert [] == other.get("/v1/recommend/u1").json()["rules"]
        write(one, "no-tea", **HIDE)

        assert until(lambda: other.get("/v1/recommend/u1").json()["rules"] == ["no-tea"], seconds=2.0)


def test_a_rule_of_another_time_waits(client: TestClient) -> None:
    waiting = write(client, "later", **HIDE, starts_at="2100-01-01")
    over = write(client, "over", **HIDE, ends_at="2020-01-01")

    assert ["waiting", "over"] == [waiting["rule"]["state"], over["rule"]["state"]]
    assert [] == client.get("/v1/recommend/u1").json()["rules"]


PHONES = {"action": "pin", "product_ids": ["p10"], "devices": ["phone"], "places": ["de"]}


def test_a_rule_for_a_context_changes_its_lists_alone(client: TestClient) -> None:
    written = write(client, "phones", **PHONES, hours="0-24")["rule"]
    here = "device=phone&place=de"

    def named(path: str) -> Any:
        return client.get(path).json()["rules"]

    assert (["phone"], ["de"], "0-24", []) == tuple(
        written[field] for field in ("devices", "places", "hours", "weekdays")
    )
    for path in ("/v1/recommend/u1", "/v1/similar/p01", "/v1/trending", "/v1/new", "/v1/bought-together/p01"):
        assert ([], [], ["phones"]) == (named(path), named(f"{path}?device=phone&place=fr"), named(f"{path}?{here}"))
    body = {"user_id": "u1", "device": "phone", "place": "de"}
    assert ["phones"] == client.post("/v1/recommend", json=body).json()["rules"]
    basket = {"product_ids": ["p01"], "device": "phone", "place": "de"}
    assert ["phones"] == client.post("/v1/bought-together", json=basket).json()["rules"]


def test_a_record_holds_the_context_and_the_list_comes_out_the_same(client: TestClient) -> None:
    write(client, "phones", **PHONES)
    answer = client.get("/v1/recommend/u1?device=phone&place=de").json()
    client.delete("/v1/rules/phones")

    record = client.get(f"/v1/recommendations/{answer['recommendation_id']}?replay=true").json()

    assert {"device": "phone", "place": "de"} == record["request"]["filter"]["context"]
    assert record["replay"]["same"], record["replay"]


def test_a_preview_in_another_context_shows_that_nothing_changes(client: TestClient) -> None:
    wish = {"rule": PHONES, "user_id": "u1", "n": 4}

    found = [
        client.post("/v1/rules/any/preview", json=wish | context).json()["changes_list"]
        for context in ({}, {"device": "phone", "place": "de"}, {"device": "phone", "place": "fr"})
    ]

    assert [True, True, False] == found


@pytest.mark.parametrize("query", ["device=My+phone", "place=" + "x" * 64])
def test_a_context_is_said_in_short_words(query: str, client: TestClient) -> None:
    assert 422 == problem(client.get(f"/v1/recommend/u1?{query}"))[0]


def test_a_preview_shows_both_lists_and_writes_nothing(client: TestClient) -> None:
    plain = product_ids(client.get("/v1/recommend/u1?n=4&new_every=0"))
    wish = {"rule": {"action": "pin", "product_ids": ["p10"], "positions": [2]}, "user_id": "u1", "n": 4}

    found = client.post("/v1/rules/any/preview", json=wish).json()

    assert plain == found["before"]
    assert [plain[0], "p10"] == [item["product_id"] for item in found["after"]][:2]
    assert [1, None, 2] == [item["rank_before"] for item in found["after"]][:3]
    assert (1, ["p10"], True) == (found["num_products"], found["examples"], found["changes_list"])
    assert plain[-1:] == found["left"]
    assert [] == client.get("/v1/rules").json()["rules"]


def test_a_preview_takes_the_place_of_the_rule_of_its_name(client: TestClient) -> None:
    write(client, "tea", **HIDE)

    idle = {"rule": {"action": "hide", "product_ids": ["nothing"]}, "user_id": "u1"}
    found = client.post("/v1/rules/tea/preview", json=idle).json()
    other = client.post("/v1/rules/other/preview", json=idle).json()

    assert len(found["after"]) > len(other["after"])


def test_a_kept_rule_is_tried_before_it_holds(client: TestClient) -> None:
    write(client, "later", **HIDE, starts_at="2100-01-01")

    found = client.post("/v1/rules/later/preview", json={"user_id": "u1", "n": 20}).json()

    assert len(found["left"]) == len(found["before"]) - len(found["after"]) > 0
    assert "unknown-rule" == problem(client.post("/v1/rules/none/preview", json={}))[1]


@pytest.mark.parametrize("name", ["similar", "bought_together"])
def test_lists_about_a_product_need_one(client: TestClient, name: str) -> None:
    wish: dict[str, Any] = {"rule": HIDE, "list": name}

    status, word, detail = problem(client.post("/v1/rules/any/preview", json=wish))

    assert (422, "invalid-request", f"the list {name} is about a product; say which one") == (status, word, detail)
    assert 200 == client.post("/v1/rules/any/preview", json={**wish, "product_id": "p01"}).status_code
    searched = problem(client.post("/v1/rules/any/preview", json={"rule": HIDE, "list": "search"}))
    assert (422, True) == (searched[0], "say what (q)" in searched[2])


@pytest.mark.parametrize("name", ["trending", "new"])
def test_lists_about_nobody_are_tried_too(client: TestClient, name: str) -> None:
    assert client.post("/v1/rules/any/preview", json={"rule": HIDE, "list": name}).json()["changes_list"]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"action": "hide"}, "rule r: say which products it is about"),
        ({"action": "hide", "filter": 'category = "Cars"'}, "no category 'Cars' in this shop"),
        (
            {"action": "cap", "most": 2, "per": "colour"},
            "products are linked to no 'colour'; per may be brand, category",
        ),
        ({"action": "pin", "filter": "price >", "positions": [1]}, "the filter ends too early"),
    ],
)
def test_what_cannot_be_carried_out_is_not_written(client: TestClient, said: Any, why: str) -> None:
    status, _, detail = problem(client.put("/v1/rules/r", json=said))

    assert 422 == status
    assert why in detail
    assert [] == client.get("/v1/rules").json()["rules"]


def test_an_unknown_rule_cannot_be_deleted(client: TestClient) -> None:
    write(client, "tea", **HIDE)

    assert (404, "unknown-rule", "no rule is named 'coffee'; there are tea") == problem(
        client.delete("/v1/rules/coffee")
    )


def test_there_are_only_so_many_rules(client: TestClient, tmp_path: Path) -> None:
    with RuleLog.open(tmp_path / "state.db") as log:
        for number in range(MAX_RULES):
            log.put(Rule(name=f"r{number}", action="hide", product_ids=("p01",)), now_ms=0)

    assert "there may be 200 rules" in problem(client.put("/v1/rules/more", json=HIDE))[2]
    assert not write(client, "r7", **HIDE)["created"]


def test_rules_that_cannot_be_read_stay_as_they_were_known(client: TestClient, tmp_path: Path) -> None:
    write(client, "no-tea", **HIDE)
    assert ["no-tea"] == client.get("/v1/recommend/u1").json()["rules"]
    with RuleLog.open(tmp_path / "state.db") as log, log._engine.begin() as connection:
        connection.execute(RULES.update().values(fields="{}"))
    time.sleep(0.6)

    answer = client.get("/v1/recommend/u1").json()

    assert (["no-tea"], True) == (answer["rules"], answer["degraded"])
    assert ["rules-not-read"] == client.get("/health/ready").json()["causes"]
