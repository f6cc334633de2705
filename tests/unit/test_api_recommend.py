"""Recommendations, products alike and explanations over HTTP, on the tiny shop."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gnn.bundles import BundleStore
from serving.api.schemas import ExplainAnswer, RecommendAnswer
from tests.support.api import problem, product_ids, running_api
from tests.support.tiny_bundle import publish_tiny_bundle
from tests.worlds import PRODUCTS, USERS


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> BundleStore:
    return publish_tiny_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture
def client(bundles: BundleStore, tmp_path: Path) -> Iterator[TestClient]:
    with running_api(bundles, tmp_path) as opened:
        yield opened


def test_a_known_user_gets_ranked_products_with_what_they_were_made_from(
    client: TestClient, bundles: BundleStore
) -> None:
    answer = client.get("/v1/recommend/u1?n=4")

    body = answer.json()
    bundle = bundles.current()
    assert (200, [1, 2, 3, 4]) == (answer.status_code, [item["rank"] for item in body["items"]])
    assert (bundle.version, bundle.snapshot.hash) == (body["model_version"], body["graph_version"])
    assert (answer.headers["x-request-id"], False, 5) == (body["request_id"], body["degraded"], body["events_used"])
    assert body["recommendation_id"] != body["request_id"]


@pytest.mark.parametrize("user", [*USERS, "nobody"])
def test_every_answer_is_what_the_document_says(user: str, client: TestClient) -> None:
    body = client.get(f"/v1/recommend/{user}?explain=paths&n=10&exclude_seen=false").json()

    RecommendAnswer.model_validate(body)


def test_scores_fall_from_rank_to_rank(client: TestClient) -> None:
    scores = [item["score"] for item in client.get("/v1/recommend/u1").json()["items"]]

    assert sorted(scores, reverse=True) == scores


def test_contributions_add_up_to_the_score(client: TestClient) -> None:
    items = client.get("/v1/recommend/u1?explain=paths&exclude_seen=false").json()["items"]

    sums = [sum(part["value"] for part in item["contributions"]) for item in items]

    assert pytest.approx([item["score"] for item in items], abs=1e-6) == sums


def test_paths_lead_from_the_user_to_the_product(client: TestClient) -> None:
    items = client.get("/v1/recommend/u1?explain=paths").json()["items"]
    paths = [(item["product_id"], path) for item in items for path in item["paths"]]

    assert paths
    assert all(path["nodes"][-1]["id"] == product for product, path in paths)
    assert all(
        {edge["from"], edge["to"]} <= set(range(len(path["nodes"]))) for _, path in paths for edge in path["edges"]
    )


def test_without_explain_there_are_no_paths(client: TestClient) -> None:
    items = client.get("/v1/recommend/u1").json()["items"]

    assert all(item["paths"] == [] for item in items)


def test_a_card_shows_what_the_shop_says_of_a_product(client: TestClient) -> None:
    items = client.get("/v1/recommend/u1?n=10&exclude_seen=false&in_stock=false").json()["items"]
    cards = {item["product_id"]: item["metadata"] for item in items}

    assert {
        "title": "White tea",
        "brand": "Core",
        "price": 6.0,
        "image_url": None,
        "categories": ["Tea"],
    } == cards["p08"]
    assert (None, []) == (cards["p10"]["brand"], cards["p10"]["categories"])


def test_the_second_page_goes_on_where_the_first_ended(client: TestClient) -> None:
    whole = product_ids(client.get("/v1/recommend/u1?n=6"))

    assert whole[2:4] == product_ids(client.get("/v1/recommend/u1?n=2&offset=2"))


def test_an_unknown_user_gets_popular_products_and_is_told_so(client: TestClient) -> None:
    items = client.get("/v1/recommend/nobody?n=3").json()["items"]

    assert [["POPULAR_FALLBACK"]] * 3 == [item["reasons"] for item in items]


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("category=tea", lambda key: PRODUCTS[key][3] == "tea"),
        ("category=Drinks", lambda key: PRODUCTS[key][3] in ("tea", "coffee", "drinks")),
        ("category=drinks&category=tea", lambda key: PRODUCTS[key][3] == "tea"),
        ("brand=core", lambda key: PRODUCTS[key][2] == "core"),
        ("brand=Core", lambda key: PRODUCTS[key][2] == "core"),
        ("price_max=3", lambda key: PRODUCTS[key][1] <= 3),
        ("filter=price+<=+3", lambda key: PRODUCTS[key][1] <= 3),
        ('filter=category+in+("Tea")+and+not+brand+%3D+"Core"', lambda key: PRODUCTS[key][2:] == ("acme", "tea")),
        ("exclude_id=p01&exclude_id=p02", lambda key: key not in ("p01", "p02")),
    ],
)
def test_a_filter_leaves_only_what_fits(query: str, fits: Any, client: TestClient) -> None:
    found = product_ids(client.get(f"/v1/recommend/u1?n=10&exclude_seen=false&in_stock=false&{query}"))

    assert {key for key in PRODUCTS if fits(key)} == set(found)


def test_what_is_out_of_stock_is_left_out_unless_wanted(client: TestClient) -> None:
    found = [
        "p09" in product_ids(client.get(f"/v1/recommend/nobody?n=10&in_stock={flag}")) for flag in ("true", "false")
    ]

    assert [False, True] == found


def test_what_the_user_had_is_left_out_on_request_and_counted(client: TestClient) -> None:
    answer = client.get("/v1/recommend/u1?n=10&exclude_seen=true")

    assert set() == {"p01", "p03"} & set(product_ids(answer))
    assert 2 == answer.json()["removed"]["seen"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("n=0", "n"),
        ("n=501", "n"),
        ("n=ten", "n"),
        ("offset=-1", "offset"),
        ("price_max=-1", "price_max"),
        ("price_max=nan", "price_max"),
        ("price_max=inf", "price_max"),
        ("in_stock=perhaps", "in_stock"),
        ("explain=words", "explain"),
        ("category=", "category.0"),
        ("exclude_id=a%0Ab", "exclude_id.0"),
        ("number=5", "number"),
    ],
)
def test_a_bad_parameter_is_named(query: str, field: str, client: TestClient) -> None:
    answer = client.get(f"/v1/recommend/u1?{query}")

    assert (422, "invalid-request") == problem(answer)[:2]
    assert [("query", field)] == [(entry["in"], entry["field"]) for entry in answer.json()["errors"]]


@pytest.mark.parametrize(
    "query",
    ["category=nothing-like-it", "brand=nobody", "filter=price+<", "filter=colour+%3D+1", "filter=price+%3D+true"],
)
def test_a_filter_for_what_the_shop_does_not_have_is_refused(query: str, client: TestClient) -> None:
    assert (422, "invalid-request") == problem(client.get(f"/v1/recommend/u1?{query}"))[:2]


@pytest.mark.parametrize("user", ["u" * 201, "a%1Fb", "%00", ""])
def test_an_id_that_cannot_be_one_is_refused(user: str, client: TestClient) -> None:
    answer = client.get(f"/v1/recommend/{user}")

    assert 422 == problem(answer)[0]
    assert "path" == answer.json()["errors"][0]["in"]


@pytest.mark.parametrize("user", ["a%2Fb", "%E5%BC%A0%E4%B8%89", "a%20b", "a?n=3", "x" * 200])
def test_any_line_of_text_is_a_user_id(user: str, client: TestClient) -> None:
    assert 200 == client.get(f"/v1/recommend/{user}").status_code


def test_a_body_says_the_same_as_a_query(client: TestClient) -> None:
    body = {
        "user_id": "u1",
        "n": 3,
        "offset": 1,
        "categories": ["drinks"],
        "price_max": 8,
        "filter": 'title != "Green tea"',
        "in_stock": False,
        "exclude_ids": ["p02"],
        "exclude_seen": False,
        "explain": {"paths": 3},
    }
    wanted = "&filter=title+!%3D+%22Green+tea%22"
    rest = "in_stock=false&exclude_id=p02&exclude_seen=false&explain=paths"
    query = f"n=3&offset=1&category=drinks&price_max=8{wanted}&{rest}"

    by_body, by_query = client.post("/v1/recommend", json=body), client.get(f"/v1/recommend/u1?{query}")

    assert by_query.json()["items"] == by_body.json()["items"]


def test_a_session_without_a_user_is_recommended_by_its_events(client: TestClient) -> None:
    event = {"product_id": "p02", "type": "bought", "at": "2024-01-20T10:00:00Z"}

    answer = client.post("/v1/recommend", json={"events": [event], "n": 10, "explain": {"paths": 3}})

    items = answer.json()["items"]
    assert (200, 1) == (answer.status_code, answer.json()["events_used"])
    assert {"POPULAR_FALLBACK"} != {reason for item in items for reason in item["reasons"]}
    assert {"p02", None} >= {part["product_id"] for item in items for part in item["contributions"]}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "give user_id, session_id, events, or several of them"),
        ({"user_id": 5}, "valid string"),
        ({"user_id": "u1", "n": "10"}, "valid integer"),
        ({"user_id": "u1", "n": True}, "valid integer"),
        ({"user_id": "u1", "count": 5}, "Extra inputs"),
        ({"user_id": "u1", "explain": "paths"}, "explain"),
        ({"user_id": "u1", "explain": {"paths": 11}}, "less than or equal to 10"),
        ({"events": [{"product_id": "p01", "at": "yesterday"}]}, "ISO 8601"),
        ({"events": [{"product_id": "p01", "at": 1700000000}]}, "ISO 8601"),
        ({"events": [{"product_id": "p01", "type": "bougth"}]}, "did you mean 'bought'"),
        ({"events": [{"product_id": "p01"}] * 1001}, "at most 1000 items"),
        ([], "valid dictionary"),
    ],
)
def test_a_bad_body_is_refused(body: Any, words: str, client: TestClient) -> None:
    status, _, detail = problem(client.post("/v1/recommend", json=body))

    assert 422 == status
    assert words in detail


def test_products_alike_leave_out_the_product_itself(client: TestClient) -> None:
    answer = client.get("/v1/similar/p01?n=20&in_stock=false")

    RecommendAnswer.model_validate(answer.json())
    assert 200 == answer.status_code
    assert set() < set(product_ids(answer)) <= set(PRODUCTS) - {"p01"}


def test_products_alike_are_filtered_and_paged(client: TestClient) -> None:
    whole = product_ids(client.get("/v1/similar/p01?category=drinks"))

    assert whole[1:3] == product_ids(client.get("/v1/similar/p01?category=drinks&n=2&offset=1"))
    assert {"tea", "coffee", "drinks"} >= {PRODUCTS[key][3] for key in whole}


@pytest.mark.parametrize("path", ["/v1/similar/p99", "/v1/explain?user=u1&product=p99"])
def test_an_unknown_product_is_not_found(path: str, client: TestClient) -> None:
    status, slug, detail = problem(client.get(path))

    assert (404, "unknown-product") == (status, slug)
    assert "p99" in detail


@pytest.mark.parametrize("query", ["n=0", "offset=-1", "explain=paths", "brand=nobody"])
def test_a_bad_wish_for_products_alike_is_refused(query: str, client: TestClient) -> None:
    assert 422 == problem(client.get(f"/v1/similar/p01?{query}"))[0]


@pytest.mark.parametrize("user", [*USERS, "nobody"])
def test_any_product_is_explained(user: str, client: TestClient) -> None:
    for product in PRODUCTS:
        answer = client.get("/v1/explain", params={"user": user, "product": product})

        found = ExplainAnswer.model_validate(answer.json())
        parts = sum(part.value for part in found.item.contributions)
        assert (200, product, 10) == (answer.status_code, found.item.product_id, found.num_products)
        assert pytest.approx(found.item.score, abs=1e-6) == parts


def explained(client: TestClient, query: str) -> ExplainAnswer:
    """Return the explanation of p04 (acme, coffee, 7.0) to u1, checked against the document."""
    answer = client.get(f"/v1/explain?user=u1&product=p04&{query}")
    return ExplainAnswer.model_validate(answer.json())


@pytest.mark.parametrize(
    ("query", "named", "has"),
    [
        ("category=tea", "categories", ["Coffee"]),
        ("brand=bolt", "brand", ["Acme"]),
        ("price_max=6.5", "price_max", ["7"]),
        ("exclude_id=p04", "exclude_ids", ["p04"]),
        ('filter=price+<+8+and+brand+%3D+"Bolt"', "where", []),
    ],
)
def test_the_filter_that_keeps_a_product_out_is_named_with_what_the_product_has(
    query: str, named: str, has: list[str], client: TestClient
) -> None:
    said = explained(client, query)

    assert ("filter", False) == (said.removed_by, said.in_top)
    assert [(named, has)] == [(cause.filter, cause.has) for cause in said.causes if cause.cause == "filter"]


def test_every_filter_that_keeps_a_product_out_is_a_cause_of_its_own(client: TestClient) -> None:
    said = explained(client, "category=tea&category=snacks&brand=bolt&price_max=6.5")

    assert ["categories", "categories", "brand", "price_max"] == [cause.filter for cause in said.causes if cause.filter]


def test_what_the_user_had_is_named_as_a_cause(client: TestClient) -> None:
    answer = client.get("/v1/explain?user=u1&product=p01&exclude_seen=true")

    assert ["It is in the history (3 times), and products of the history are left out"] == [
        cause["text"] for cause in answer.json()["causes"] if cause["cause"] == "seen"
    ]


@pytest.mark.parametrize(("in_stock", "expected"), [("true", "unavailable"), ("false", None)])
def test_what_is_out_of_stock_is_kept_out_unless_wanted(
    in_stock: str, expected: str | None, client: TestClient
) -> None:
    answer = client.get(f"/v1/explain?user=u1&product=p09&n=10&in_stock={in_stock}")

    assert expected == answer.json()["removed_by"]


def test_to_an_unknown_user_the_lack_of_evidence_is_the_cause(client: TestClient) -> None:
    answer = client.get("/v1/explain?user=nobody&product=p10&n=1")

    assert ["no_evidence"] == [cause["cause"] for cause in answer.json()["causes"]]


@pytest.mark.parametrize("n", [1, 3, 9])
def test_an_explanation_and_a_list_agree_on_what_is_in_it(n: int, client: TestClient) -> None:
    listed = product_ids(client.get(f"/v1/recommend/u1?n={n}"))

    answers = {key: client.get(f"/v1/explain?user=u1&product={key}&n={n}").json() for key in PRODUCTS}

    ranked = sorted((body["rank_of_allowed"], key) for key, body in answers.items() if body["in_top"])
    assert listed == [key for _, key in ranked]


def test_a_product_is_measured_against_the_last_of_the_list(client: TestClient) -> None:
    listed = product_ids(client.get("/v1/recommend/u1?n=3"))

    said = [client.get(f"/v1/explain?user=u1&product={key}&n=2").json()["against"] for key in listed]

    assert [listed[1], listed[2], listed[1]] == [against["product_id"] for against in said]
    assert [True, True, False] == [against["gap"] > 0 for against in said]


def test_what_if_is_answered_only_when_asked_for(client: TestClient) -> None:
    assert (None, True) == (explained(client, "n=2").what_if, explained(client, "n=2&what_if=true").what_if is not None)


def test_a_body_asks_for_the_same_explanation_as_a_query(client: TestClient) -> None:
    body = {
        "user_id": "u1",
        "product_id": "p04",
        "n": 2,
        "categories": ["drinks"],
        "price_max": 8,
        "exclude_ids": ["p02"],
        "exclude_seen": True,
        "explain": {"paths": 2},
        "what_if": True,
    }
    query = "n=2&category=drinks&price_max=8&exclude_id=p02&exclude_seen=true&paths=2&what_if=true"

    by_body = ExplainAnswer.model_validate(client.post("/v1/explain", json=body).json())

    stamp = {"request_id", "took_ms"}
    assert explained(client, query).model_dump(exclude=stamp) == by_body.model_dump(exclude=stamp)


def test_a_session_without_a_user_is_explained_by_its_events(client: TestClient) -> None:
    body = {"events": [{"product_id": "p02", "type": "bought"}], "product_id": "p01", "what_if": True}

    said = ExplainAnswer.model_validate(client.post("/v1/explain", json=body).json())

    assert {"p02", None} == {part.product_id for part in said.item.contributions}
    assert said.against is not None
    assert {"p02", None} == {part.product_id for part in said.against.by_history}


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"product_id": "p01"}, 422, "give user_id, session_id, events, or several"),
        ({"user_id": "u1"}, 422, "product_id"),
        ({"user_id": "u1", "product_id": "p99"}, 404, "'p99'"),
        ({"user_id": "u1", "product_id": "p01", "n": 0}, 422, "greater than or equal to 1"),
        ({"user_id": "u1", "product_id": "p01", "offset": 1}, 422, "Extra inputs"),
        ({"user_id": "u1", "product_id": "p01", "brand": "nobody"}, 422, "no brand 'nobody'"),
        ({"events": [{"product_id": "p01", "type": "bougth"}], "product_id": "p01"}, 422, "did you mean 'bought'"),
    ],
)
def test_a_bad_body_for_an_explanation_is_refused(body: Any, status: int, words: str, client: TestClient) -> None:
    found, _, detail = problem(client.post("/v1/explain", json=body))

    assert status == found
    assert words in detail


@pytest.mark.parametrize(
    "query",
    [
        "",
        "user=u1",
        "product=p01",
        "user=&product=p01",
        "user=u1&product=p01&paths=11",
        "user=u1&product=p01&offset=1",
        "user=u1&product=p01&n=0",
    ],
)
def test_a_bad_wish_for_an_explanation_is_refused(query: str, client: TestClient) -> None:
    assert (422, "invalid-request") == problem(client.get(f"/v1/explain?{query}"))[:2]
