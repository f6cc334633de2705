"""Neo4j plans every query of the catalogue as its header says: from an index or a named scan, without a product."""

from collections.abc import Iterator

import pytest

from cypher.catalogue import Query, list_queries, parse_query
from kg.ingest import ingest
from kg.store import GraphConfig, GraphStore
from tests.integration.conftest import EMPTY
from tests.support.busy_shop import busy_shop

QUERIES = [
    query for query in list_queries("analytics", "paths", "read") if not query.placeholders and query.name != "ping"
]
SEEKS = {"NodeUniqueIndexSeek", "Argument", "NodeCountFromCountStore"}
SCANS = {"NodeByLabelScan", "AllNodesScan", "DirectedAllRelationshipsScan", "DirectedRelationshipTypeScan", "Argument"}


@pytest.fixture(scope="module")
def neo4j(neo4j_config: GraphConfig) -> Iterator[GraphStore]:
    """Give Neo4j with the busy shop, so that its planner has something to count."""
    with GraphStore.open(neo4j_config) as store:
        store.write(EMPTY, [])
        ingest(store, busy_shop())
        yield store


def example_of(query: Query) -> dict[str, str]:
    return dict(query.example)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_a_query_starts_where_its_header_says(neo4j: GraphStore, query: Query) -> None:
    leaves = set(neo4j.explain(query, example_of(query)).leaves)

    assert query.uses.startswith(("constraint", "a scan of "))
    assert leaves <= (SEEKS if query.uses.startswith("constraint") else SCANS)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_a_query_multiplies_no_rows_that_do_not_meet(neo4j: GraphStore, query: Query) -> None:
    """A product of two single nodes, each found by its key, is the only one."""
    for part in neo4j.explain(query, example_of(query)).walk():
        if part.operator == "CartesianProduct":
            assert [child.operator for child in part.children] == ["NodeUniqueIndexSeek"] * 2


@pytest.mark.parametrize(
    ("text", "operator"),
    [
        ("MATCH (a:Product), (b:Product) RETURN count(*) AS n LIMIT 1", "CartesianProduct"),
        ("MATCH (a:User)-[*1..3]-(b) RETURN count(*) AS n LIMIT 1", "NodeByLabelScan"),
    ],
)
def test_a_careless_query_would_be_noticed(neo4j: GraphStore, text: str, operator: str) -> None:
    careless = parse_query("read/careless.cypher", f"// Careless.\n// returns: n: int\n// uses: nothing\n{text}")

    assert operator in {part.operator for part in neo4j.explain(careless).walk()}
