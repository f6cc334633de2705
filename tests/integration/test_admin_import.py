"""Files for `neo4j-admin database import`, read by the real one: the graph is that of an import over Bolt."""

from pathlib import Path

import pytest

from kg.admin_import import write_admin_files
from kg.extract import extract_tables
from kg.ingest import ingest
from kg.snapshot import build_snapshot
from kg.store import GraphStore
from kg.tables import Tables
from tests.integration.test_graph_conformance import assert_same
from tests.support.needs import missing
from tests.support.neo4j_server import Neo4jMissingError, Neo4jServer
from tests.support.random_shops import random_shop
from tests.worlds import make_tables, tiny_shop_with_materials


def odd_texts() -> Tables:
    shop = tiny_shop_with_materials()
    titles = ['He said "tea"', "two\nlines", "comma, and ; too", "", "ümlaut 茶", "back\\slash", "'quoted'"]
    products = [
        {"product_id": f"p{number}", "title": title or None, "price": number / 3, "available": bool(number % 2)}
        for number, title in enumerate(titles)
    ]
    events = [{"event_id": "e 1", "user_id": "u,1", "product_id": "p1", "type": "bought", "position": 3}]
    nodes = {"Product": products, "User": [{"user_id": "u,1", "note": "x"}]}
    return make_tables(shop.schema, nodes, edges={}, events=events)


@pytest.mark.slow
def test_the_importer_of_neo4j_makes_the_same_graph(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """One server, three shops in turn; each time the import overwrites what was there."""
    home = tmp_path / "neo4j"
    home.mkdir()
    try:
        server = Neo4jServer(home)
    except Neo4jMissingError as error:
        missing(request.config, "neo4j", why=str(error))
    for number, shop in enumerate((tiny_shop_with_materials(), random_shop(1, order="position"), odd_texts())):
        arguments = write_admin_files(shop, tmp_path / f"files{number}")
        server.admin("database", "import", "full", "neo4j", "--overwrite-destination", *arguments)
        server.start()
        try:
            with GraphStore.open(server.config) as store:
                found = extract_tables(store, shop.schema)
                again = ingest(store, shop)
                after = extract_tables(store, shop.schema)
        finally:
            server.stop()
        assert_same(shop, found)
        assert (0, 0, 0) == (again.nodes_created, again.edges_created, again.events_created)
        assert build_snapshot(shop).hash == build_snapshot(after).hash
