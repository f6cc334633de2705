"""The local server as a process: shared, found again, stopped, killed, and what its folder must allow."""

import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from cypher.catalogue import load_query
from cypher.errors import WhycartError
from kg import local_server
from kg.ask import open_reading
from kg.errors import LocalServerError
from kg.extract import extract_tables
from kg.ingest import ImportOptions, ingest
from kg.store import GraphConfig, GraphStore
from kg.tables import Tables
from tests.integration.test_graph_conformance import assert_same
from tests.worlds import DAY_MS, MONDAY, make_tables, tiny_shop

ROOT = Path(__file__).parents[2]


def run_python(code: str, *args: object) -> str:
    """Run code in a fresh process from the repository root; return what it prints."""
    argv = [sys.executable, "-c", textwrap.dedent(code), *map(str, args)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def big_shop() -> Tables:
    """Return 40 users, 300 products and 6,000 events, enough for an import to be killed in its middle."""
    nodes: dict[str, list[dict[str, Any]]] = {
        "User": [{"user_id": f"u{i}"} for i in range(40)],
        "Product": [{"product_id": f"p{i}", "title": f"Product {i}", "price": float(i)} for i in range(300)],
        "Brand": [{"brand_id": f"b{i}", "name": f"Brand {i}"} for i in range(10)],
    }
    edges = {"MADE_BY": [(f"p{i}", f"b{i % 10}") for i in range(300)]}
    events = [
        {
            "event_id": f"e{i}",
            "user_id": f"u{i * 7 % 40}",
            "product_id": f"p{i * 13 % 300}",
            "type": "bought" if i % 3 else "viewed",
            "at": MONDAY + i * DAY_MS // 100,
        }
        for i in range(6_000)
    ]
    return make_tables(tiny_shop().schema, nodes, edges=edges, events=events)


def test_a_killed_import_is_completed_by_the_same_import(own_folder: Path) -> None:
    shop, config = big_shop(), GraphConfig(folder=own_folder)
    killed = threading.Event()

    def kill_in_the_middle(step: str, done: int, total: int | None) -> None:
        if step == "bought" and done >= 1_500 and not killed.is_set():
            killed.set()
            server = local_server.join(own_folder)
            threading.Timer(0.02, os.kill, (server.pid, signal.SIGKILL)).start()

    with GraphStore.open(config) as store, pytest.raises(WhycartError):
        ingest(store, shop, options=ImportOptions(batch_rows=100), progress=kill_in_the_middle)
    with GraphStore.open(config) as store:
        partial = extract_tables(store, shop.schema)
        report = ingest(store, shop)
        again = extract_tables(store, shop.schema)

    assert 1_500 + 2_000 <= partial.events.num_rows < 6_000
    assert partial.events.num_rows + report.events_created == 6_000
    assert_same(shop, again)


def test_what_was_acknowledged_survives_a_kill(own_folder: Path) -> None:
    shop, config = tiny_shop(), GraphConfig(folder=own_folder)
    with GraphStore.open(config) as store:
        ingest(store, shop)
        os.kill(local_server.join(own_folder).pid, signal.SIGKILL)

    with GraphStore.open(config) as store:
        assert_same(shop, extract_tables(store, shop.schema))


def test_processes_share_one_server_that_outlives_its_starter(own_folder: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from kg import local_server
        print(local_server.start(Path(sys.argv[1])).pid)
    """

    pids = {int(run_python(code, own_folder)) for _ in range(2)}

    assert {local_server.join(own_folder).pid} == pids


def test_two_starts_at_the_same_time_give_one_server(own_folder: Path) -> None:
    code = "import sys; from pathlib import Path; from kg import local_server; local_server.start(Path(sys.argv[1]))"
    racers = [subprocess.Popen([sys.executable, "-c", code, str(own_folder)], cwd=ROOT) for _ in range(3)]

    codes = [racer.wait(120) for racer in racers]

    running = [process for process in psutil.process_iter(["cmdline"]) if _serves(process, own_folder)]
    assert codes == [0, 0, 0]
    assert [local_server.join(own_folder).pid] == [process.pid for process in running]


def test_it_listens_on_the_loopback_interface_only(own_folder: Path) -> None:
    server = local_server.start(own_folder)

    listeners = psutil.Process(server.pid).net_connections("tcp")

    hosts = {entry.laddr.ip.removeprefix("::ffff:") for entry in listeners if entry.status == psutil.CONN_LISTEN}
    assert {"127.0.0.1"} == hosts


def test_the_password_is_for_the_owner_only(own_folder: Path) -> None:
    server = local_server.start(own_folder)

    assert stat.S_IMODE((own_folder / "password").stat().st_mode) == 0o600
    assert server.password not in repr(server)
    assert server.password not in " ".join(psutil.Process(server.pid).cmdline())


def test_stop_ends_the_server_and_keeps_the_data(own_folder: Path) -> None:
    shop, config = tiny_shop(), GraphConfig(folder=own_folder)
    with GraphStore.open(config, owned=True) as store:
        ingest(store, shop)

    assert local_server.status(own_folder) is None
    with GraphStore.open(config) as store:
        assert_same(shop, extract_tables(store, shop.schema))
    assert local_server.stop(own_folder)
    assert not local_server.stop(own_folder)


def test_a_stale_note_is_taken_over(own_folder: Path) -> None:
    own_folder.mkdir()
    stranger = psutil.Process()
    note = {"pid": stranger.pid, "created": stranger.create_time() - 3600, "port": 1}
    (own_folder / "server.json").write_text(json.dumps(note))

    server = local_server.start(own_folder)

    assert stranger.pid != server.pid
    assert stranger.is_running()


def test_joining_what_does_not_run_says_how_to_start_it(tmp_path: Path) -> None:
    with pytest.raises(LocalServerError, match="start it with 'whycart graph start'"):
        local_server.join(tmp_path)


def test_a_folder_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "graph").write_text("")

    with pytest.raises(LocalServerError, match="cannot be made"):
        local_server.start(tmp_path / "graph")


def test_a_missing_password_file_is_one_sentence(own_folder: Path) -> None:
    local_server.start(own_folder)
    local_server.stop(own_folder)
    (own_folder / "password").unlink()

    with pytest.raises(LocalServerError, match="restore that file"):
        local_server.start(own_folder)


def test_a_graph_from_before_the_reading_account_gets_one_at_the_next_start(own_folder: Path) -> None:
    local_server.start(own_folder)
    local_server.stop(own_folder)
    users = own_folder / "config" / "server-users.jsonl"
    users.write_text(users.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    (own_folder / "password-reader").unlink()
    config = GraphConfig(folder=own_folder)

    with open_reading(config) as store:
        answer = store.read(load_query("ping"))

    assert [{"answer": 1}] == answer
    assert ["root", "reader"] == [json.loads(line)["name"] for line in users.read_text(encoding="utf-8").splitlines()]


def test_a_server_that_runs_since_before_the_reading_account_says_so(own_folder: Path) -> None:
    local_server.start(own_folder)
    (own_folder / "password-reader").unlink()

    with pytest.raises(LocalServerError, match="restart it once: whycart graph stop, then whycart graph start"):
        open_reading(GraphConfig(folder=own_folder))


def test_passwords_are_for_the_owner_of_the_folder_only(own_folder: Path) -> None:
    local_server.start(own_folder)

    private = ["password", "password-reader", "config/server-users.jsonl", "config/server-groups.json"]
    assert {0o600} == {(own_folder / name).stat().st_mode & 0o777 for name in private}


def test_a_server_that_ends_while_starting_shows_its_log(own_folder: Path) -> None:
    (own_folder / "databases").mkdir(parents=True)
    (own_folder / "databases" / "neo4j").write_text("not a database")

    with pytest.raises(LocalServerError, match="the end of its log"):
        local_server.start(own_folder)


def test_a_missing_java_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "arcadedb_embedded"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(LocalServerError, match="brings no Java for this machine"):
        local_server.start(tmp_path / "graph")


def test_a_closed_store_leaves_the_server_running(own_folder: Path) -> None:
    config = GraphConfig(folder=own_folder)
    with GraphStore.open(config) as store:
        store.read(load_query("ping"))
    first = local_server.join(own_folder)

    with GraphStore.open(config) as store:
        assert store.read(load_query("ping")) == [{"answer": 1}]

    assert psutil.pid_exists(first.pid)
    assert local_server.join(own_folder) == first


def _serves(process: psutil.Process, folder: Path) -> bool:
    return f"-Darcadedb.server.rootPath={folder}" in (process.info["cmdline"] or ())
