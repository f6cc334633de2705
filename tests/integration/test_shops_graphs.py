"""Two shops behind one door, each with a graph of its own: neither reads nor writes that of the other."""

from collections.abc import Iterator

import pytest

from kg.ingest import ingest
from kg.store import GraphConfig, GraphStore
from tests.integration.conftest import EMPTY
from tests.support.api import until
from tests.support.two_shops import NORTH, SOUTH, TwoShops, publish_two, tables_of, two_shops

TITLES = {"cypher": "MATCH (p:Product) RETURN p.title AS title"}


@pytest.fixture(scope="module")
def shops(local_config: GraphConfig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoShops]:
    folder = tmp_path_factory.mktemp("two")
    graphs = {NORTH: local_config, SOUTH: GraphConfig(folder=folder / "graph")}
    with GraphStore.open(graphs[NORTH]) as north, GraphStore.open(graphs[SOUTH], owned=True) as south:
        north.write(EMPTY, [])
        for word, store in ((NORTH, north), (SOUTH, south)):
            ingest(store, tables_of(word))
        with two_shops(publish_two(folder), folder, graphs=graphs) as opened:
            yield opened


def titles(shops: TwoShops, shop: str) -> set[str]:
    return {row["title"].split("-")[0] for row in shops.ask(shop, "/v1/graph/query", TITLES).json()["rows"]}


def bought(shops: TwoShops, shop: str, product_id: str) -> int:
    body = {
        "cypher": "MATCH (:User)-[b:BOUGHT]->(p:Product {product_id: $id}) RETURN count(b) AS n",
        "params": {"id": product_id},
    }
    return int(shops.ask(shop, "/v1/graph/query", body).json()["rows"][0]["n"])


def test_a_statement_reads_the_graph_of_its_shop(shops: TwoShops) -> None:
    assert [{NORTH}, {SOUTH}] == [titles(shops, shop) for shop in (NORTH, SOUTH)]


def test_a_query_about_a_product_of_the_other_shop_finds_nothing(shops: TwoShops) -> None:
    rows = {
        (shop, word): shops.ask(shop, f"/v1/graph/queries/co_purchased?product_id={word}-p01").json()["rows"]
        for shop in (NORTH, SOUTH)
        for word in (NORTH, SOUTH)
    }

    assert {(NORTH, NORTH), (SOUTH, SOUTH)} == {pair for pair, found in rows.items() if found}


def test_an_event_goes_into_the_graph_of_its_shop(shops: TwoShops) -> None:
    before = bought(shops, SOUTH, "south-p10")
    event = {"user_id": "south-u6", "product_id": "south-p10", "type": "bought"}

    for shop in (SOUTH, NORTH):
        assert shops.ask(shop, "/v1/events", {"events": [event]}).status_code == 200

    assert until(lambda: bought(shops, SOUTH, "south-p10") == before + 1)
    assert 0 == bought(shops, NORTH, "south-p10")


def test_a_user_is_handed_out_and_deleted_in_one_shop_only(shops: TwoShops) -> None:
    path = "/v1/users/south-u2"

    assert [404, 200] == [shops.ask(shop, path).status_code for shop in (NORTH, SOUTH)]
    before = shops.ask(SOUTH, path).json()["graph"]
    assert 200 == shops.ask(NORTH, path, method="DELETE").status_code
    assert before == shops.ask(SOUTH, path).json()["graph"]
