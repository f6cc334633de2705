"""The graph over HTTP, on both servers: named queries, statements that only read, and what is said when it is away."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from cypher.catalogue import queries_for_people
from kg.ask import open_reading
from kg.errors import GraphUnavailable
from kg.ingest import ingest
from kg.store import GraphConfig, GraphStore
from serving.api.asking import AT_ONCE
from tests.integration.conftest import EMPTY
from tests.support.api import problem, running_api
from tests.support.tiny_bundle import publish_tiny_bundle
from tests.worlds import tiny_shop


@pytest.fixture(scope="module", params=["local", "neo4j"])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    config: GraphConfig = request.getfixturevalue(f"{request.param}_config")
    with GraphStore.open(config) as store:
        store.write(EMPTY, [])
        ingest(store, tiny_shop())
    bundles, state = publish_tiny_bundle(tmp_path_factory.mktemp("bundles")), tmp_path_factory.mktemp("state")
    with running_api(bundles, state, ask_graph=lambda: open_reading(config)) as opened:
        yield opened


def test_a_named_query_is_answered_by_address_and_by_body(client: TestClient) -> None:
    address = client.get("/v1/graph/queries/best_sellers?since=2024-01-02&until=2024-01-09&limit=2").json()
    body = client.post(
        "/v1/graph/queries/best_sellers", json={"params": {"since": "2024-01-02", "until": 1704758400000, "limit": 2}}
    ).json()

    assert ["p07", "p05"] == [row["product_id"] for row in address["rows"]]
    assert (address["rows"], address["columns"], "") == (body["rows"], body["columns"], body["cut"])
    assert {"name": "revenue", "type": "float", "unit": "price"} in body["columns"]


def test_times_come_as_iso_8601(client: TestClient) -> None:
    rows = client.get("/v1/graph/queries/demand_by_week").json()["rows"]

    assert "2024-01-01T00:00:00+00:00" == rows[0]["week_start"]


def test_every_query_is_listed_and_described_in_the_document(client: TestClient) -> None:
    names = [query.name for query in queries_for_people()]
    document = client.get("/openapi.json").json()
    post = document["components"]["schemas"]["NamedBody"]["properties"]["params"]["anyOf"]
    told = {entry["name"]: entry for entry in document["paths"]["/v1/graph/queries/{name}"]["get"]["parameters"]}

    assert names == [query["name"] for query in client.get("/v1/graph/queries").json()["queries"]]
    assert (names, names) == (told["name"]["schema"]["enum"], [part["title"] for part in post])
    assert {name for query in queries_for_people() for name in query.params} <= set(told)
    assert ("integer", "date") == (told["limit"]["schema"]["type"], told["since"]["schema"]["anyOf"][0]["format"])


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("best_seller", 404, "no query is named 'best_seller'; did you mean 'best_sellers'?"),
        ("merge_nodes", 404, "no query is named 'merge_nodes'"),
        ("co_purchased", 422, "needs the parameter 'product_id' (str)"),
        ("co_purchased?product_id=p01&limits=3", 422, "no parameter 'limits'; did you mean 'limit'?"),
        ("co_purchased?product_id=p01&product_id=p02", 422, "the parameter 'product_id' is given more than once"),
        ("best_sellers?since=yesterday", 422, "since must be a time (2026-01-31, 2026-01-31T08:00:00Z"),
    ],
)
def test_a_wrong_question_is_a_sentence(client: TestClient, path: str, status: int, detail: str) -> None:
    found = problem(client.get(f"/v1/graph/queries/{path}"))

    assert (status, True) == (found[0], detail in found[2])


def test_a_statement_that_only_reads_is_answered(client: TestClient) -> None:
    text = "MATCH (p:Product) WHERE p.price < $most RETURN p.title AS title ORDER BY p.price LIMIT 10"

    answer = client.post("/v1/graph/query", json={"cypher": text, "params": {"most": 3}, "rows": 2}).json()

    assert [{"title": "Rice crackers"}, {"title": "Lemonade"}] == answer["rows"]
    assert ([{"name": "title", "type": "any", "unit": ""}], True) == (answer["columns"], "more than 2" in answer["cut"])


@pytest.mark.parametrize("text", ["MATCH (n) DETACH DELETE n", "LOAD CSV FROM 'file:///x' AS l RETURN l", "RETURN"])
def test_another_statement_is_refused(client: TestClient, text: str) -> None:
    assert (422, "invalid-request") == problem(client.post("/v1/graph/query", json={"cypher": text}))[:2]


def test_one_question_too_many_is_told_to_come_again(client: TestClient) -> None:
    door = client.app.state.services.graph  # type: ignore[attr-defined]
    held = [door.store() for _ in range(AT_ONCE)]
    for one in held:
        one.__enter__()

    refused = client.get("/v1/graph/queries/node_counts")
    for one in held:
        one.__exit__(None, None, None)

    assert (503, "graph-unavailable", "graph cannot be asked now") == (*problem(refused)[:2], problem(refused)[2][4:29])
    assert "2" == refused.headers["retry-after"]
    assert 200 == client.get("/v1/graph/queries/node_counts").status_code


def test_a_graph_that_was_away_is_asked_again(tmp_path: Path, local_config: GraphConfig) -> None:
    tries = 0

    def reach() -> GraphStore:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise GraphUnavailable("the graph server at bolt://secret:7687 does not answer")
        return open_reading(local_config)

    with running_api(publish_tiny_bundle(tmp_path), tmp_path, ask_graph=reach) as opened:
        away = problem(opened.get("/v1/graph/queries/ping"))
        back = opened.get("/v1/graph/queries/ping")

    assert (503, "graph-unavailable", "the graph cannot be asked now; try again") == away
    assert [{"answer": 1}] == back.json()["rows"]


def test_a_process_without_a_graph_says_so(tmp_path: Path) -> None:
    with running_api(publish_tiny_bundle(tmp_path), tmp_path) as opened:
        assert (503, "graph-unavailable") == problem(opened.get("/v1/graph/queries/ping"))[:2]
