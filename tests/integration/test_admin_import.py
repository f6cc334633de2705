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
from tests.worlds import make_tables, tiny_shop_with_materials


def odd_shop() -> Tables:
    """Declared kinds, positions, flags, numbers, and texts that a CSV file has to quote."""
    shop = tiny_shop_with_materials()
    titles = ['He said "tea"', "two\nlines", "comma, and ; too", "", "ümlaut 茶", "back\\slash", "'quoted'"]
    products = [
        {"product_id": f"x{number}", "title": title or None, "price": number / 3, "available": bool(number % 2)}
        for number, title in enumerate(titles)
    ]
    events = [{"event_id": "e 1", "user_id": "u,1", "product_id": "x1", "type": "bought", "position": 3, "value": 0.1}]
    nodes = {label: table.to_pylist() for label, table in shop.nodes.items()}
    nodes["Product"] += products
    nodes["User"] += [{"user_id": "u,1", "note": "x"}]
    edges = {
        name: [tuple(row.values()) for row in table.to_pylist()] for name, table in shop.edges.items() if table.num_rows
    }
    return make_tables(shop.schema, nodes, edges=edges, events=[*shop.events.to_pylist(), *events])


def test_the_importer_of_neo4j_makes_the_same_graph(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    home = tmp_path / "neo4j"
    home.mkdir()
    try:
        server = Neo4jServer(home)
    except Neo4jMissingError as error:
        missing(request.config, "neo4j", why=str(error))
    shop = odd_shop()
    server.admin("database", "import", "full", "neo4j", *write_admin_files(shop, tmp_path / "files"))
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
