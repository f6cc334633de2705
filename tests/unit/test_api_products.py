"""Products added and changed over HTTP: found at once, by every process, and still there after a crash."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gnn.bundles import BundleStore
from serving.api.schemas import ProductsAnswer
from serving.arrivals import ready_with_arrivals
from serving.products import ProductLog
from tests.support.api import problem, product_ids, running_api, until
from tests.support.tiny_bundle import publish_tiny_bundle

OOLONG = {"product_id": "p11", "title": "Oolong tea", "brand": "Acme", "categories": ["Tea"], "price": 4.5}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> BundleStore:
    return publish_tiny_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture
def client(bundles: BundleStore, tmp_path: Path) -> Iterator[TestClient]:
    with running_api(bundles, tmp_path) as opened:
        yield opened


def post(client: TestClient, *products: dict[str, Any]) -> Any:
    return client.post("/v1/products", json={"products": list(products)})


def add(client: TestClient, *products: dict[str, Any]) -> None:
    before = client.get("/health/ready").json()["graph_version"]
    assert 200 == post(client, *products).status_code
    assert until(lambda: client.get("/health/ready").json()["graph_version"] != before)


def test_a_new_product_is_on_every_surface(client: TestClient) -> None:
    add(client, OOLONG)

    assert "p11" in product_ids(client.get("/v1/new?n=3"))
    assert "p11" in product_ids(client.get("/v1/search?q=oolong"))
    assert "p11" in product_ids(client.get("/v1/similar/p02?n=10"))
    assert {"p01", "p02"} & set(product_ids(client.get("/v1/similar/p11?n=5")))
    assert ["p11"] == product_ids(client.post("/v1/rank", json={"user_id": "u1", "product_ids": ["p11"]}))
    assert 200 == client.get("/v1/explain?user=u1&product=p11").status_code


def test_a_place_is_kept_for_it_and_says_so(client: TestClient) -> None:
    add(client, OOLONG)

    items = client.get("/v1/recommend/u1?n=4&new_every=2&explain=paths").json()["items"]

    (kept,) = [item for item in items if "EXPLORATION" in item["reasons"]]
    assert ("p11", 2) == (kept["product_id"], kept["rank"])
    assert kept["score"] == pytest.approx(sum(part["value"] for part in kept["contributions"]))
    plain = product_ids(client.get("/v1/recommend/u1?n=4&new_every=0"))
    assert "p11" not in plain
    assert plain[:3] == [item["product_id"] for item in items if item is not kept]


def test_a_path_over_its_brand_is_shown(client: TestClient) -> None:
    add(client, OOLONG)

    item = client.get("/v1/explain?user=u1&product=p11&paths=5").json()["item"]

    assert any("MADE_BY" in path["pattern"] or "IN_CATEGORY" in path["pattern"] for path in item["paths"])


def test_the_lists_of_known_products_stay_as_they_were(client: TestClient) -> None:
    before = client.get("/v1/recommend/u1?n=9&new_every=0").json()["items"]
    add(client, OOLONG)

    after = client.get("/v1/recommend/u1?n=10&new_every=0").json()["items"]

    known = [item for item in after if item["product_id"] != "p11"]
    assert [item["product_id"] for item in before] == [item["product_id"] for item in known]
    assert [item["score"] for item in before] == pytest.approx([item["score"] for item in known])


def test_a_product_that_is_sold_out_is_not_recommended_from_then_on(client: TestClient) -> None:
    first = product_ids(client.get("/v1/recommend/u1"))[0]
    add(client, {"product_id": first, "available": False})

    assert first not in product_ids(client.get("/v1/recommend/u1?n=500"))
    add(client, {"product_id": first, "available": True})
    assert first == product_ids(client.get("/v1/recommend/u1"))[0]


def test_a_new_price_is_filtered_by_and_shown(client: TestClient) -> None:
    add(client, {"product_id": "p01", "price": 99.0})

    answer = client.get("/v1/recommend/u2?n=10&filter=price>50&exclude_seen=false").json()

    assert [("p01", 99.0)] == [(item["product_id"], item["metadata"]["price"]) for item in answer["items"]]


def test_what_is_done_with_it_counts_at_once(client: TestClient) -> None:
    add(client, OOLONG)
    before = client.get("/v1/recommend/somebody?n=3&new_every=0").json()

    event = {"user_id": "somebody", "product_id": "p11", "type": "bought"}
    assert 200 == client.post("/v1/events", json={"events": [event]}).status_code

    after = client.get("/v1/recommend/somebody?n=3&new_every=0").json()
    assert (0, 1) == (before["events_used"], after["events_used"])
    assert before["items"] != after["items"]


def test_the_same_again_changes_nothing(client: TestClient) -> None:
    add(client, OOLONG)
    answer = ProductsAnswer.model_validate(post(client, OOLONG).json())

    assert (0, 1) == (answer.accepted, answer.unchanged)


def test_good_products_are_taken_and_bad_ones_named(client: TestClient) -> None:
    answer = post(client, {"product_id": "p12", "properties": {"colour": "red"}}, OOLONG).json()

    assert (1, [0]) == (answer["accepted"], [entry["index"] for entry in answer["rejected"]])
    assert "no property 'colour'" in answer["rejected"][0]["reason"]
    status, kind, detail = problem(post(client, {"product_id": "p12", "properties": {"colour": "red"}}))
    assert (422, "products-rejected") == (status, kind)
    assert "none of the 1 products can be taken" in detail


def test_a_list_is_computed_again_with_what_was_known_then(client: TestClient) -> None:
    add(client, OOLONG)
    list_id = client.get("/v1/recommend/u1?n=6&new_every=2").json()["recommendation_id"]
    add(
        client,
        {"product_id": "p12", "title": "Oolong tea, large", "brand": "Acme"},
        {"product_id": "p02", "available": False},
    )

    replay = client.get(f"/v1/recommendations/{list_id}?replay=true").json()["replay"]

    assert replay["same"] is True, replay


def test_every_process_knows_it_and_one_that_starts_later_too(bundles: BundleStore, tmp_path: Path) -> None:
    with running_api(bundles, tmp_path) as one, running_api(bundles, tmp_path) as other:
        add(one, OOLONG)
        assert until(lambda: "p11" in product_ids(other.get("/v1/new?n=3")))
    with running_api(bundles, tmp_path) as later:
        assert "p11" in product_ids(later.get("/v1/search?q=oolong"))
    ready = ready_with_arrivals(bundles.current(), tmp_path / "state.db")
    assert 10 == ready.product_row("p11")


def test_a_new_product_came_when_it_was_first_spoken_of(tmp_path: Path) -> None:
    with ProductLog.open(tmp_path / "state.db") as log:
        log.append([("n1", {"title": "One"})], known=())
        log.append([("n1", {"price": 2.0}), ("p01", {"price": 3.0})], known={"p01"})

        first, second, third = log.rows(after=0)

    assert ("created_at" in first.fields, dict(second.fields), dict(third.fields)) == (
        True,
        {"price": 2.0},
        {"price": 3.0},
    )
