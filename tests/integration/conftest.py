"""Graph servers for tests: one local server and one Neo4j a run, each emptied before a test that asks for a graph."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cypher.catalogue import parse_query
from kg import local_server
from kg.errors import LocalServerError
from kg.store import GraphConfig, GraphStore
from tests.support.needs import missing
from tests.support.neo4j_server import Neo4jMissingError, running_neo4j

EMPTY = parse_query(
    "write/empty.cypher", "// Deletes everything.\n// params: rows: rows\n// uses: nothing\nMATCH (n) DETACH DELETE n"
)


@pytest.fixture(scope="session")
def local_config(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GraphConfig]:
    """Give a local server that lives as long as the run."""
    config = GraphConfig(folder=tmp_path_factory.mktemp("local") / "graph")
    try:
        store = GraphStore.open(config, owned=True)
    except LocalServerError as error:
        missing(request.config, "local", why=str(error))
    with store:
        yield config


@pytest.fixture(scope="session")
def neo4j_config(request: pytest.FixtureRequest) -> Iterator[GraphConfig]:
    """Give a Neo4j server that lives as long as the run."""
    server = running_neo4j()
    try:
        config = server.__enter__()
    except Neo4jMissingError as error:
        missing(request.config, "neo4j", why=str(error))
    try:
        yield config
    finally:
        server.__exit__(None, None, None)


@pytest.fixture(params=["local", "neo4j"])
def graph_config(request: pytest.FixtureRequest) -> GraphConfig:
    """Give the way to each server in turn."""
    config: GraphConfig = request.getfixturevalue(f"{request.param}_config")
    return config


@pytest.fixture
def graph(graph_config: GraphConfig) -> Iterator[GraphStore]:
    """Give an empty graph on each server in turn."""
    with GraphStore.open(graph_config) as store:
        store.write(EMPTY, [])
        yield store


@pytest.fixture
def own_folder(tmp_path: Path) -> Iterator[Path]:
    """Give a data folder whose server is stopped after the test."""
    folder = tmp_path / "graph"
    yield folder
    local_server.stop(folder)
