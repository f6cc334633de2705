"""Which server answers, and what prepares it."""

import pytest

from kg.dialect import ServerInfo, identify_server, schema_queries
from kg.schema import GraphSchema


@pytest.mark.parametrize(
    ("agent", "product", "version"),
    [
        ("Neo4j/5.26.30", "neo4j", "5.26.30"),
        ("Neo4j/5.26.0 compatible (ArcadeDB 26.10.2)", "arcadedb", "26.10.2"),
        ("Memgraph/3", "neo4j", "Memgraph/3"),
    ],
)
def test_a_server_is_known_by_its_greeting(agent: str, product: str, version: str) -> None:
    info = identify_server(agent, "bolt://here")

    assert (product, version, "bolt://here") == (info.product, info.version, info.uri)


def test_only_neo4j_refuses_to_write_in_a_reading_session() -> None:
    assert ServerInfo("neo4j", "5", "bolt://here").enforces_read_mode
    assert not ServerInfo("arcadedb", "26", "bolt://here").enforces_read_mode


@pytest.mark.parametrize(("product", "texts"), [("neo4j", 1), ("arcadedb", 0)])
def test_every_kind_gets_its_constraint(product: str, texts: int) -> None:
    schema = GraphSchema()

    queries = list(schema_queries(product, schema))  # type: ignore[arg-type]  # both are ServerProducts

    own = 2  # deleted users, and the form of the graph
    assert len(schema.nodes) + own + len(schema.events) + texts == len(queries)
    assert all("IF NOT EXISTS" in query.text and not query.placeholders for query in queries)
