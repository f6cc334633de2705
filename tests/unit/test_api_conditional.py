"""Answers that a caller has already (ETag, 304), and rules that somebody else changed (If-Match, 412)."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from gnn.bundles import BundleStore
from serving.api import conditional
from serving.client import Changed, Whycart
from serving.errors import RuleChanged
from serving.reason_config import ReasonConfig
from serving.rule_log import RuleLog
from serving.rules import Rule
from serving.runs import recorded_run
from tests.support.api import problem, running_api, until
from tests.support.listening import Said, saying
from tests.support.tiny_bundle import publish_tiny_bundle

HIDE = {"action": "hide", "filter": 'category = "Tea"'}
LISTS = ("/v1/trending?n=3", "/v1/new?days=9999", "/v1/search?q=tea", "/v1/bought-together/p02")
TAGGED = (*LISTS, "/v1/rules", "/v1/runs", "/v1/graph/queries", "/openapi.json")
UNTAGGED = (
    "/v1/recommend/u1",
    "/v1/similar/p01",
    "/v1/home/u1",
    "/v1/profile/u1",
    "/v1/explain?user=u1&product=p01",
    "/v1/new?days=9999&user=u1",
    "/v1/search?q=tea&user=u1",
    "/health/ready",
    "/v1/trending?n=0",
)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> BundleStore:
    return publish_tiny_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="module")
def client(bundles: BundleStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """An API that is only read."""
    with running_api(bundles, tmp_path_factory.mktemp("state")) as opened:
        yield opened


@pytest.fixture
def changing(bundles: BundleStore, tmp_path: Path) -> Iterator[TestClient]:
    """An API that a test changes."""
    with running_api(bundles, tmp_path) as opened:
        yield opened


def asked(client: TestClient, path: str, tag: str) -> int:
    """The status of an answer to one who has what a tag names."""
    return int(client.get(path, headers={"If-None-Match": tag}).status_code)


@pytest.mark.parametrize("path", TAGGED)
def test_what_a_caller_has_is_not_sent_again(client: TestClient, path: str) -> None:
    first = client.get(path)
    tag = first.headers["etag"]
    same = client.get(path, headers={"If-None-Match": f'"other", {tag}'})

    assert re.fullmatch(r'W/"[0-9a-f]{24}"', tag)
    assert "private, no-cache" == first.headers["cache-control"]
    assert (304, b"", tag) == (same.status_code, same.content, same.headers["etag"])
    assert "private, no-cache" == same.headers["cache-control"]
    assert [304, 200, 200, 200] == [asked(client, path, one) for one in (tag[2:], '"other"', "*", "nonsense")]


@pytest.mark.parametrize("path", UNTAGGED)
def test_what_follows_from_more_has_no_tag_and_is_kept_nowhere(client: TestClient, path: str) -> None:
    answer = client.get(path, headers={"If-None-Match": "*"})

    assert answer.status_code in (200, 422)
    assert "etag" not in answer.headers
    assert "no-store" == answer.headers["cache-control"]


@pytest.mark.parametrize(
    ("path", "function"),
    [(path, name) for path, name in zip(LISTS, ("trending", "newest", "search", "bought_together"), strict=True)],
)
def test_nothing_is_computed_for_one_who_has_the_list(
    client: TestClient, path: str, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = client.get(path).headers["etag"]
    place = "search" if function == "search" else "surfaces"
    monkeypatch.setattr(f"serving.api.{place}.{function}", lambda *args, **more: pytest.fail("it was computed"))

    assert 304 == asked(client, path, tag)


def test_a_tag_is_of_one_address_and_one_wish(client: TestClient) -> None:
    wishes = ("n=3", "n=4", "n=3&lang=zh", "n=3&brand=Acme")
    paths = [*LISTS[1:], "/v1/rules", "/v1/runs", *(f"/v1/trending?{wish}" for wish in wishes)]

    tags = [client.get(path).headers["etag"] for path in paths]

    assert len(paths) == len(set(tags))


def event(client: TestClient) -> None:
    client.post("/v1/events", json={"events": [{"user_id": "u9", "product_id": "p05", "type": "bought"}]})


def rule(client: TestClient) -> None:
    client.put("/v1/rules/no-tea", json=HIDE)


def product(client: TestClient) -> None:
    client.post("/v1/products", json={"products": [{"product_id": "p01", "price": 77.0}]})


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        (event, {"/v1/trending?n=3"}),
        (rule, {*LISTS, "/v1/rules"}),
        (product, {*LISTS, "/v1/rules"}),
    ],
    ids=["event", "rule", "product"],
)
def test_a_tag_holds_until_what_the_answer_follows_from_changes(
    changing: TestClient, monkeypatch: pytest.MonkeyPatch, change: Callable[[TestClient], None], changed: set[str]
) -> None:
    monkeypatch.setattr("serving.api.recent.READ_EVERY_S", 0.0)
    tags = {path: changing.get(path).headers["etag"] for path in (*LISTS, "/v1/rules", "/v1/runs", "/openapi.json")}
    version = changing.get("/health/ready").json()["graph_version"]

    change(changing)
    if change is product:
        assert until(lambda: changing.get("/health/ready").json()["graph_version"] != version)

    assert changed == {path for path, tag in tags.items() if asked(changing, path, tag) != 304}


def test_two_processes_give_the_same_answer_the_same_tag(bundles: BundleStore, tmp_path: Path) -> None:
    with running_api(bundles, tmp_path) as one, running_api(bundles, tmp_path) as other:
        event(one)
        assert until(lambda: len({api.get(LISTS[0]).headers["etag"] for api in (one, other)}) == 1)

        tags = [[api.get(path).headers["etag"] for path in TAGGED] for api in (one, other)]

    assert tags[0] == tags[1]


def test_settings_and_another_release_change_tags(
    bundles: BundleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tag_with(reasons: ReasonConfig | None) -> str:
        with running_api(bundles, tmp_path, reasons=reasons) as api:
            return str(api.get("/v1/bought-together/p02").headers["etag"])

    before = tag_with(None)
    assert before == tag_with(ReasonConfig())
    assert before != tag_with(ReasonConfig(count_from=30))
    monkeypatch.setattr(conditional, "_release", lambda: "99.0")
    assert before != tag_with(None)


def test_a_run_under_way_changes_its_tag(changing: TestClient, tmp_path: Path) -> None:
    with recorded_run(tmp_path / "state.db", data=None, config={}) as recorder:
        tag = changing.get("/v1/runs").headers["etag"]
        own = changing.get(f"/v1/runs/{recorder.run.run_id}").headers["etag"]
        assert (304, 304) == (asked(changing, "/v1/runs", tag), asked(changing, f"/v1/runs/{recorder.run.run_id}", own))

        recorder.step("encode", 1.0, "7 texts")

        assert (200, 200) == (asked(changing, "/v1/runs", tag), asked(changing, f"/v1/runs/{recorder.run.run_id}", own))
        recorder.end("published", "well")


def test_a_rule_is_changed_only_as_it_was_read(changing: TestClient) -> None:
    written = changing.put("/v1/rules/no-tea", json=HIDE)
    read = changing.get("/v1/rules").json()["rules"][0]["etag"]
    assert read == written.headers["etag"] == written.json()["rule"]["etag"]
    assert re.fullmatch(r'"[0-9a-f]{24}"', read)

    mine = changing.put("/v1/rules/no-tea", json=HIDE | {"note": "mine"}, headers={"If-Match": read})
    theirs = changing.put("/v1/rules/no-tea", json=HIDE | {"note": "theirs"}, headers={"If-Match": read})
    gone = changing.delete("/v1/rules/no-tea", headers={"If-Match": read})

    assert 200 == mine.status_code
    assert (412, "rule-changed") == problem(theirs)[:2]
    assert (412, "rule-changed") == problem(gone)[:2]
    assert "mine" == changing.get("/v1/rules").json()["rules"][0]["note"]
    weak = changing.delete("/v1/rules/no-tea", headers={"If-Match": f"W/{mine.headers['etag']}"})
    several = changing.delete("/v1/rules/no-tea", headers={"If-Match": f'"x", {mine.headers["etag"]}'})
    assert (412, 200) == (weak.status_code, several.status_code)


def test_a_rule_that_is_not_there_has_no_version(changing: TestClient) -> None:
    for tag in ("*", '"0f5b"'):
        assert 412 == changing.put("/v1/rules/no-tea", json=HIDE, headers={"If-Match": tag}).status_code
        assert 404 == changing.delete("/v1/rules/no-tea", headers={"If-Match": tag}).status_code
    assert [] == changing.get("/v1/rules").json()["rules"]
    changing.put("/v1/rules/no-tea", json=HIDE)
    assert 200 == changing.put("/v1/rules/no-tea", json=HIDE, headers={"If-Match": "*"}).status_code
    assert 200 == changing.delete("/v1/rules/no-tea", headers={"If-Match": "*"}).status_code


def test_the_same_words_written_again_are_another_version(tmp_path: Path) -> None:
    rule = Rule(name="no-tea", action="hide", where='category = "Tea"')
    with RuleLog.open(tmp_path / "state.db") as log:
        log.put(rule, now_ms=1)
        first = log.find("no-tea").version
        log.put(rule, now_ms=2)

        with pytest.raises(RuleChanged, match="changed by somebody else"):
            log.put(rule, now_ms=3, expected=[first])
        with pytest.raises(RuleChanged, match="changed by somebody else"):
            log.delete("no-tea", expected=[first])
        assert 2 == log.find("no-tea").changed_at_ms
        log.delete("no-tea", expected=[first, log.find("no-tea").version])
        assert () == log.all()


def test_the_python_client_says_what_it_read_and_asks_once() -> None:
    with saying(Said(412)) as (address, heard), Whycart(address) as shop:
        for ask in (
            lambda: shop.write_rule("no-tea", "hide", filter="price > 1", if_match='"a"'),
            lambda: shop.delete_rule("no-tea", if_match='"a"'),
        ):
            with pytest.raises(Changed):
                ask()

    assert [("PUT", "/v1/rules/no-tea"), ("DELETE", "/v1/rules/no-tea")] == heard.requests
    assert ['"a"', '"a"'] == [headers["if-match"] for headers in heard.headers]
    assert b"if_match" not in heard.bodies[0]
