"""A graph server that is away, goes away while it is read, or is slow: the retraining waits and learns the same."""

import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gnn.bundle import Bundle
from gnn.bundles import BundleStore
from kg.ingest import ingest
from kg.sources.generated import generated_shop
from kg.store import GraphConfig, GraphStore
from serving.cli.main import main
from tests.integration.conftest import EMPTY
from tests.support.shops import QUICK
from tests.support.wire import Wire


@pytest.fixture
def wire(local_config: GraphConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """Give the wire between an empty project and a graph server with a small shop; it is cut."""
    (tmp_path / "whycart.toml").write_text(QUICK, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with GraphStore.open(local_config) as store:
        store.write(EMPTY, [])
        ingest(store, generated_shop(products=90, brands=6, users=50, events=2400).tables)
        server, config = urlsplit(store.server.uri), store.config
    monkeypatch.setenv("WHYCART_GRAPH_USER", config.user)
    monkeypatch.setenv("WHYCART_GRAPH_PASSWORD", config.password or "")
    monkeypatch.setenv("WHYCART_GRAPH_DATABASE", config.database)
    with Wire(str(server.hostname), int(server.port or 0)) as cut:
        monkeypatch.setenv("WHYCART_GRAPH_URI", f"bolt://127.0.0.1:{cut.port}")
        yield cut


def retrained(project: Path) -> Bundle:
    with pytest.raises(SystemExit, match="0"):
        main(["retrain"])
    return BundleStore(project / ".whycart/bundles").current()


def test_a_server_that_comes_back_is_read_anew_and_the_model_is_the_same(wire: Wire, tmp_path: Path) -> None:
    wire.mend()
    undisturbed, whole = retrained(tmp_path), wire.passed

    wire.cut()
    threading.Timer(2.0, wire.mend).start()
    assert undisturbed.model_hash == retrained(tmp_path).model_hash
    assert wire.refused

    wire.passed, wire.cut_after = 0, whole // 2
    mending = threading.Timer(1.0, wire.mend)
    threading.Thread(target=lambda: until_cut(wire, mending), daemon=True).start()
    assert undisturbed.model_hash == retrained(tmp_path).model_hash
    assert wire.cut_after is None
    assert wire.passed > whole

    wire.pause_s = 0.05
    assert undisturbed.model_hash == retrained(tmp_path).model_hash


def until_cut(wire: Wire, then: threading.Timer) -> None:
    while wire.cut_after is not None:
        threading.Event().wait(0.01)
    then.start()


def test_a_server_that_stays_away_fails_the_run_with_a_sentence(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHYCART_JOB_GRAPH_WAIT_MINUTES", "0.05")

    assert 1 == main(["retrain"])

    assert "does not answer" in capsys.readouterr().err
    assert wire.refused > 1
    with pytest.raises(SystemExit, match="0"):
        main(["runs", "list"])
    assert "failed" in capsys.readouterr().out


def test_a_wrong_password_is_not_tried_again(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wire.mend()
    monkeypatch.setenv("WHYCART_GRAPH_PASSWORD", "wrong")

    assert 1 == main(["retrain"])

    assert "refuses the user or the password" in capsys.readouterr().err
