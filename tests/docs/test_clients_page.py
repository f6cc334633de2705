"""docs/clients.md: what its programs print is what they print, and it names every method and error there is."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import serving.client
from gnn.bundles import BundleStore
from kg.ask import open_reading
from kg.ingest import ingest
from kg.store import GraphConfig, GraphStore
from serving.api.app import create_app
from serving.client import ApiError, NotFound, Whycart, routes
from serving.client.clients import _Route
from serving.client.exchange import DEFAULT_URL
from serving.events import EventLog
from tests.support.api import until
from tests.support.listening import listening
from tests.support.tiny_bundle import publish_tiny_bundle
from tests.worlds import tiny_shop

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```\n```text\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    bundles = publish_tiny_bundle(tmp_path_factory.mktemp("bundles"))
    graph = GraphConfig(folder=tmp_path_factory.mktemp("local") / "graph")
    with GraphStore.open(graph, owned=True) as store:
        ingest(store, tiny_shop())
        yield from asked(bundles, tmp_path_factory.mktemp("state"), graph)


def asked(bundles: BundleStore, folder: Path, graph: GraphConfig) -> Iterator[str]:
    app = create_app(bundles, EventLog.open(folder / "state.db"), ask_graph=lambda: open_reading(graph))
    with listening(app) as address:
        assert until(lambda: httpx.get(f"{address}/health/ready").status_code == 200)
        yield address


@pytest.mark.parametrize(("program", "printed"), PROGRAMS, ids=range(len(PROGRAMS)))
def test_a_program_prints_what_the_page_says(program: str, printed: str, url: str) -> None:
    assert DEFAULT_URL in program
    command = [sys.executable, "-W", "error", "-c", program.replace(DEFAULT_URL, url)]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)

    assert (printed, "") == (done.stdout, done.stderr)


def test_every_program_of_the_page_is_run() -> None:
    assert PAGE.count("```python") == len(PROGRAMS)


def test_every_method_is_on_the_page() -> None:
    methods = {name for name, one in vars(Whycart.__mro__[1]).items() if isinstance(one, _Route)}

    assert set() == {name for name in methods if f"`{name}(" not in PAGE}


def test_every_error_is_on_the_page() -> None:
    errors = {
        name
        for name in serving.client.__all__
        if issubclass(type(one := getattr(serving.client, name)), type) and issubclass(one, ApiError)
    }

    assert set() == {name for name in errors if f"`{name}`" not in PAGE}


def test_the_page_can_be_found() -> None:
    assert "docs/clients.md" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "clients.md" in (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def test_answers_of_the_graph_are_read(url: str) -> None:
    with Whycart(url) as shop:
        rows = shop.query("best_sellers", {"since": "2024-01-01", "limit": 1})
        assert ("revenue", "float", "price") in {(one.name, one.type, one.unit) for one in rows.columns}
        assert [{"one": 1}] == shop.cypher("RETURN 1 AS one", rows=5).rows
        person = shop.user_data("u5")
        assert ("u5", "u5") == (person.user_id, person.graph.properties["user_id"])
        with pytest.raises(NotFound):
            shop.user_data("nobody")
        assert routes.query("ping").patience_s > 30
