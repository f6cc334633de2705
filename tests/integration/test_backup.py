"""A drill: everything is lost but the archive, and the shop answers as before."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cypher.errors import WhycartError
from gnn.bundle import Bundle
from kg import local_server
from kg.extract import extract_tables
from kg.ingest import ingest
from kg.schema import GraphSchema
from kg.store import GraphConfig, GraphStore
from serving import backup
from serving.cli.main import main
from serving.events import PENDING, EventLog, NewEvent
from serving.keys import KeyLog
from serving.settings import load_settings
from tests.integration.conftest import EMPTY
from tests.support.bundles import small_shop

CONFIG = "[serve]\nport = 0\n[lists]\nnew_every = 7\n"


@pytest.fixture
def shop(
    tmp_path: Path, small_bundle: Bundle, monkeypatch: pytest.MonkeyPatch, local_config: GraphConfig
) -> Iterator[Path]:
    """Give a shop with a graph of its own, a model, and events that wait."""
    for name in ("WHYCART_GRAPH_URI", "WHYCART_CONFIG", "WHYCART_HOME", "WHYCART_GRAPH_FOLDER"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "shop"
    home = folder / ".whycart"
    shutil.copytree(small_bundle.folder.parent, home / "bundles")
    (folder / "whycart.toml").write_text(CONFIG)
    with GraphStore.open(GraphConfig(folder=home / "graph"), owned=True) as store:
        ingest(store, small_shop().tables)
        with EventLog.open(home / "state.db") as log:
            products = small_bundle.snapshot.ids("Product")
            late = NewEvent(
                user_id=user(small_bundle), product_id=products[5], at_ms=1_790_000_000_000, event_id="late-1"
            )
            log.append([late])
        monkeypatch.chdir(folder)
        yield folder


def user(bundle: Bundle) -> str:
    return str(bundle.snapshot.ids("User")[3])


def run(capsys: pytest.CaptureFixture[str], *args: str) -> Any:
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main([*args, "--json"])
    assert 0 == end.value.code
    return json.loads(capsys.readouterr().out)


def answers(capsys: pytest.CaptureFixture[str], user_id: str) -> Any:
    answer = run(capsys, "recommend", user_id, "-n", "5", "--paths")
    return {name: value for name, value in answer.items() if name not in ("recommendation_id", "took_ms")}


def move_to(folder: Path, graph: GraphConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder from now on, with another graph, which is emptied."""
    with GraphStore.open(graph) as store:
        store.write(EMPTY, [])
    folder.mkdir()
    monkeypatch.chdir(folder)
    if graph.uri is None:
        monkeypatch.setenv("WHYCART_GRAPH_FOLDER", str(graph.folder))
    else:
        monkeypatch.setenv("WHYCART_GRAPH_URI", graph.uri)
        monkeypatch.setenv("WHYCART_GRAPH_USER", graph.user)
        monkeypatch.setenv("WHYCART_GRAPH_PASSWORD", graph.password or "")


def test_everything_is_lost_but_the_archive(
    tmp_path: Path,
    shop: Path,
    small_bundle: Bundle,
    graph_config: GraphConfig,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    archive, new, who = tmp_path / "kept.tar.gz", tmp_path / "new", user(small_bundle)
    shown = run(capsys, "recommend", who, "-n", "5")
    key = run(capsys, "keys", "create", "till", "--scope", "read")
    before = answers(capsys, who)
    with GraphStore.open(GraphConfig(folder=shop / ".whycart/graph")) as store:
        tables = extract_tables(store, GraphSchema())
    kept = run(capsys, "backup", str(archive))
    local_server.stop(shop / ".whycart/graph")
    shutil.rmtree(shop)

    move_to(new, graph_config, monkeypatch)
    back = run(capsys, "restore", str(archive))

    assert kept == back
    assert (5_000, small_bundle.version) == (back["num_events"], back["served"])
    assert CONFIG == (new / "whycart.toml").read_text()
    assert before == answers(capsys, who)
    assert shown["items"] == run(capsys, "explain", "--id", shown["recommendation_id"])["items"]
    with EventLog.open(new / ".whycart/state.db") as log, KeyLog.open(new / ".whycart/state.db") as keys:
        assert ["late-1"] == [logged.event.event_id for logged in log.read(PENDING)]
        assert [key["key_id"]] == [entry.key_id for entry in keys.all()]
    with GraphStore.open(load_settings().graph) as store:
        found = extract_tables(store, GraphSchema())
    assert tables.events.equals(found.events)
    assert all(table.equals(found.nodes[label]) for label, table in tables.nodes.items())
    assert all(table.equals(found.edges[name]) for name, table in tables.edges.items())
    assert {"bundles", "state.db"} <= {path.name for path in (new / ".whycart").iterdir()}
    assert not [path for path in (new / ".whycart").iterdir() if path.name.startswith((".backup", "restoring"))]


def test_a_shop_that_is_not_empty_is_left_alone(
    tmp_path: Path, shop: Path, capsys: pytest.CaptureFixture[str], small_bundle: Bundle
) -> None:
    run(capsys, "backup", str(tmp_path / "kept.tar"))
    before = answers(capsys, user(small_bundle))

    assert 2 == main(["restore", str(tmp_path / "kept.tar")])

    assert "is not empty (graph: 14 Brand" in capsys.readouterr().err
    assert before == answers(capsys, user(small_bundle))


def test_a_restore_that_was_cut_off_is_run_again(
    tmp_path: Path,
    shop: Path,
    local_config: GraphConfig,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    archive, new = tmp_path / "kept.tar", tmp_path / "new"
    run(capsys, "backup", str(archive))
    move_to(new, local_config, monkeypatch)

    def cut_off(*args: object) -> None:
        raise WhycartError("cut off")

    with monkeypatch.context() as patch:
        patch.setattr(backup, "_move_models", cut_off)
        assert 1 == main(["restore", str(archive)])
    assert not (new / ".whycart/state.db").exists()

    assert run(capsys, "restore", str(archive), "--check") == run(capsys, "restore", str(archive))
    assert (new / ".whycart/state.db").is_file()


def test_a_broken_archive_changes_nothing(tmp_path: Path, shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = tmp_path / "kept.tar"
    run(capsys, "backup", str(archive))
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])

    assert 2 == main(["restore", str(archive), "--check"])

    assert "is not a whole archive" in capsys.readouterr().err
