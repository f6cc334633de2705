"""docs/api.md has an example of every route, and every example is answered."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from gnn.bundles import BundleStore
from kg.ask import open_reading
from kg.ingest import ingest
from kg.store import GraphConfig, GraphStore
from serving.runs import recorded_run
from tests.support.api import running_api, until
from tests.support.tiny_bundle import publish_tiny_bundle
from tests.worlds import tiny_shop

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```\n(GET|POST|PUT|DELETE) (\S+)\n(?:(\{.*\})\n)?```", PAGE)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    bundles = publish_tiny_bundle(tmp_path_factory.mktemp("bundles"))
    graph = GraphConfig(folder=tmp_path_factory.mktemp("local") / "graph")
    with GraphStore.open(graph, owned=True) as store:
        ingest(store, tiny_shop())
        yield from asked(bundles, tmp_path_factory.mktemp("state"), graph)


def asked(bundles: BundleStore, folder: Path, graph: GraphConfig) -> Iterator[TestClient]:
    with running_api(bundles, folder, ask_graph=lambda: open_reading(graph)) as opened:
        assert until(lambda: opened.get("/health/ready").status_code == 200)
        yield opened


@pytest.mark.parametrize(("method", "path", "body"), EXAMPLES, ids=[f"{one} {two}" for one, two, _ in EXAMPLES])
def test_an_example_is_answered(method: str, path: str, body: str, client: TestClient) -> None:
    if "{recommendation_id}" in path + body:
        list_id = client.get("/v1/recommend/u1").json()["recommendation_id"]
        path, body = (text.replace("{recommendation_id}", list_id) for text in (path, body))
    if "{run_id}" in path:
        with recorded_run(client.app.state.services.log.path, data=None, config={}) as record:  # type: ignore[attr-defined]
            path = path.replace("{run_id}", record.run.run_id)

    answer = client.request(method, path, json=json.loads(body) if body else None)

    assert 200 == answer.status_code, answer.text


def test_every_route_has_an_example(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    routes = {(method.upper(), path) for path, entry in document["paths"].items() for method in entry}

    def shape(path: str) -> str:
        return re.sub(r"\{\w+\}", "{}", path)

    known = {shape(path): re.compile(shape(path).replace("{}", "[^/]+")) for _, path in routes}
    given = {
        (method, name)
        for method, path, _ in EXAMPLES
        for name, pattern in known.items()
        if pattern.fullmatch(path.partition("?")[0])
    }
    assert {(method, shape(path)) for method, path in routes} == given
