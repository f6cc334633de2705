"""Ranking, modes, lists for everybody, and lists about products and moments, over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gnn.bundles import BundleStore
from serving.api.recent import READ_EVERY_S
from serving.api.schemas import RankAnswer, RecommendAnswer, SurfaceAnswer
from tests.support.api import problem, product_ids, running_api, until
from tests.support.tiny_bundle import publish_tiny_bundle
from tests.worlds import PRODUCTS


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> BundleStore:
    return publish_tiny_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture
def client(bundles: BundleStore, tmp_path: Path) -> Iterator[TestClient]:
    with running_api(bundles, tmp_path) as opened:
        yield opened


def rank(client: TestClient, **body: Any) -> Any:
    return client.post("/v1/rank", json={"user_id": "u1", **body})


def test_ranked_products_have_the_scores_of_the_recommendation(client: TestClient) -> None:
    whole = client.get("/v1/recommend/u1?n=10&in_stock=false&exclude_seen=false").json()["items"]
    scores = {item["product_id"]: item["score"] for item in whole}

    answer = rank(client, product_ids=["p09", "p02", "p01", "p02", "p05"])

    found = RankAnswer.model_validate(answer.json())
    assert {key: scores[key] for key in ("p09", "p02", "p01", "p05")} == {
        item.product_id: item.score for item in found.items
    }
    assert [1, 2, 3, 4] == [item.rank for item in found.items]
    assert [] == found.unknown


def test_products_that_the_model_does_not_know_are_named_apart(client: TestClient) -> None:
    answer = rank(client, product_ids=["p99", "p01", "p98", "p99"]).json()

    assert (["p99", "p98"], ["p01"]) == (answer["unknown"], [item["product_id"] for item in answer["items"]])
    nothing = rank(client, product_ids=["p99"]).json()
    assert (["p99"], []) == (nothing["unknown"], nothing["items"])


def test_a_thousand_products_are_ranked_and_no_more(client: TestClient) -> None:
    ids = [*PRODUCTS, *(f"x{number}" for number in range(990))]

    assert 10 == len(rank(client, product_ids=ids).json()["items"])
    assert 422 == problem(rank(client, product_ids=[*ids, "one-more"]))[0]
    assert 422 == problem(rank(client, product_ids=[]))[0]
    assert 422 == problem(client.post("/v1/rank", json={"product_ids": ["p01"]}))[0]


def test_a_ranked_list_can_be_looked_up_and_computed_again(client: TestClient) -> None:
    list_id = rank(client, product_ids=["p01", "p05"], explain={"paths": 2}).json()["recommendation_id"]

    record = client.get(f"/v1/recommendations/{list_id}?replay=true").json()

    assert record["replay"]["same"] is True


def test_modes_list_what_was_had_what_was_not_or_both(client: TestClient) -> None:
    had = {"p01", "p03"}
    lists = {
        mode: set(product_ids(client.get(f"/v1/recommend/u1?n=10&in_stock=false&mode={mode}")))
        for mode in ("discover", "again", "both")
    }

    assert (set(PRODUCTS) - had, had, set(PRODUCTS)) == (lists["discover"], lists["again"], lists["both"])
    again = client.post("/v1/recommend", json={"user_id": "u1", "mode": "again", "in_stock": False}).json()
    assert had == {item["product_id"] for item in again["items"]}
    assert 8 == again["removed"]["not_seen"]


def test_a_varied_list_can_be_looked_up_and_computed_again(client: TestClient) -> None:
    answer = client.get("/v1/recommend/u1?n=6&diversity=0.9").json()
    body = client.post("/v1/recommend", json={"user_id": "u1", "n": 6, "diversity": 0.9}).json()

    record = client.get(f"/v1/recommendations/{answer['recommendation_id']}?replay=true").json()

    assert answer["items"] == body["items"]
    assert answer["items"] != client.get("/v1/recommend/u1?n=6").json()["items"]
    assert record["replay"]["same"] is True
    assert 422 == problem(client.get("/v1/recommend/u1?diversity=1.5"))[0]


@pytest.mark.parametrize("query", ["mode=again&exclude_seen=true", "mode=again&personalised=false", "mode=new"])
def test_modes_that_contradict_are_refused(query: str, client: TestClient) -> None:
    assert 422 == problem(client.get(f"/v1/recommend/u1?{query}"))[0]


def test_without_personalisation_everybody_gets_the_same_list(client: TestClient) -> None:
    answers = [client.get(f"/v1/recommend/{user}?personalised=false").json() for user in ("u1", "u2", "nobody")]

    RecommendAnswer.model_validate(answers[0])
    assert answers[0]["items"] == answers[1]["items"] == answers[2]["items"]
    assert {0} == {answer["events_used"] for answer in answers}
    assert product_ids(client.get("/v1/recommend/u1")) != [item["product_id"] for item in answers[0]["items"]]


@pytest.mark.parametrize("path", ["bought-together/p01", "trending", "new", "new?user=u1&days=3000"])
def test_lists_are_what_the_document_says(path: str, client: TestClient) -> None:
    answer = client.get(f"/v1/{path}")

    found = SurfaceAnswer.model_validate(answer.json())
    assert (200, True) == (answer.status_code, len(found.items) > 0)
    assert {item.product_id for item in found.items} <= set(PRODUCTS) - {"p09"}


def test_a_basket_says_the_same_as_one_product(client: TestClient) -> None:
    one = client.get("/v1/bought-together/p01?budget=12&filter=price+<+10").json()["items"]

    assert one
    for strict in (False, True):
        body = {"product_ids": ["p01"], "budget": 12, "filter": "price < 10", "strict": strict}
        assert one == client.post("/v1/bought-together", json=body).json()["items"]
    assert sum(item["metadata"]["price"] for item in one) <= 12


def test_what_happens_now_is_in_demand_a_moment_later(client: TestClient) -> None:
    before = product_ids(client.get("/v1/trending"))
    events = [{"user_id": f"v{number}", "product_id": "p10", "type": "bought"} for number in range(30)]

    client.post("/v1/events", json={"events": events})

    assert "p10" not in before[:1]
    assert until(lambda: product_ids(client.get("/v1/trending"))[0] == "p10", seconds=READ_EVERY_S + 5)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("bought-together/p99", 404),
        ("bought-together/p01?budget=0", 422),
        ("bought-together/p01?budget=nan", 422),
        ("bought-together/p01?n=0", 422),
        ("trending?category=nothing", 422),
        ("trending?filter=colour+%3D+1", 422),
        ("new?days=0", 422),
        ("new?user=", 422),
    ],
)
def test_a_bad_wish_is_refused(path: str, status: int, client: TestClient) -> None:
    assert status == problem(client.get(f"/v1/{path}"))[0]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_lists_are_told_in_the_language_that_is_asked_for(lang: str, client: TestClient) -> None:
    words = {"en": ("New in the shop", "Customers chose these together"), "zh": ("新品上架", "顾客常一起选择这些商品")}

    new = client.get(f"/v1/new?lang={lang}").json()["items"][0]["text"]
    together = client.get(f"/v1/bought-together/p01?lang={lang}").json()["items"][0]["text"]

    assert words[lang] == (new, together)
