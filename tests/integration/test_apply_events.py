"""From the event log to the graph: nothing lost, nothing doubled, whatever stops it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from kg.canonical import canonical_nodes
from kg.extract import extract_tables, read_events
from kg.ingest import ingest
from kg.snapshot import Snapshot, build_snapshot
from kg.store import GraphConfig, GraphStore
from kg.tables import Order
from serving.applying import apply_events, retry_refused
from serving.errors import StateError
from serving.events import APPLIED, PENDING, REFUSED, EventLog, NewEvent
from tests.integration.conftest import EMPTY
from tests.worlds import DAY_MS, MONDAY, make_tables, tiny_shop


@pytest.fixture
def store(local_config: GraphConfig) -> Iterator[GraphStore]:
    with GraphStore.open(local_config) as opened:
        opened.write(EMPTY, [])
        ingest(opened, tiny_shop())
        yield opened


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with EventLog.open(tmp_path / "state.db") as opened:
        yield opened


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return build_snapshot(tiny_shop())


def new(number: int, *, user: str = "u1", product: str = "p02", kind: str = "bought") -> NewEvent:
    at_ms = MONDAY + 30 * DAY_MS + number
    return NewEvent(event_id=f"new{number}", user_id=user, product_id=product, type=kind, at_ms=at_ms, quantity=2.0)


def event_ids(store: GraphStore, snapshot: Snapshot) -> list[str]:
    found: list[str] = read_events(store, list(snapshot.schema.events.values()))["event_id"].to_pylist()
    return [event_id for event_id in found if event_id.startswith("new")]


def test_an_event_with_an_id_that_was_merged_away_reaches_the_product_that_stays(
    store: GraphStore, log: EventLog
) -> None:
    shop = tiny_shop()
    rows = shop.nodes["Product"].to_pylist()
    rows[0] |= {"merged_ids": "old | p02"}
    products = canonical_nodes(shop.schema.nodes["Product"], pa.Table.from_pylist(rows))
    merged = build_snapshot(replace(shop, nodes={**shop.nodes, "Product": products}))
    log.append([new(1, product="old"), new(2, product="p02"), new(3, product="p03")])

    apply_events(log, store, merged)

    found = read_events(store, list(shop.schema.events.values())).to_pylist()
    assert ["p01", "p01", "p03"] == [row["product_id"] for row in found if row["event_id"].startswith("new")]


def test_waiting_events_reach_the_graph_with_their_properties(
    store: GraphStore, log: EventLog, snapshot: Snapshot
) -> None:
    log.append([new(1), new(2, kind="viewed", user="u6")])

    written = apply_events(log, store, snapshot)

    rows = extract_tables(store, snapshot.schema).events.to_pylist()
    found = [row for row in rows if row["event_id"] == "new1"]
    expected = {"event_id": "new1", "user_id": "u1", "product_id": "p02", "type": "bought", "quantity": 2.0}
    assert 2 == written
    assert [expected | {"at": MONDAY + 30 * DAY_MS + 1, "position": None, "value": None}] == found


def test_a_user_nobody_knew_is_made(store: GraphStore, log: EventLog, snapshot: Snapshot) -> None:
    log.append([new(1, user="stranger")])

    apply_events(log, store, snapshot)

    assert "stranger" in extract_tables(store, snapshot.schema).nodes["User"]["user_id"].to_pylist()


def test_applying_again_changes_nothing(store: GraphStore, log: EventLog, snapshot: Snapshot) -> None:
    log.append([new(1), new(2)])
    apply_events(log, store, snapshot)

    assert (0, ["new1", "new2"]) == (apply_events(log, store, snapshot), event_ids(store, snapshot))
    assert (0, 2, 2) == (log.count(PENDING), log.count(APPLIED), log.applied_seq())


def test_a_stop_between_graph_and_log_doubles_nothing(
    store: GraphStore, log: EventLog, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append([new(1), new(2)])

    def stopped(*args: object, **more: object) -> None:
        raise StateError("the disk went away")

    with monkeypatch.context() as patched:
        patched.setattr(EventLog, "mark", stopped)
        with pytest.raises(StateError):
            apply_events(log, store, snapshot)

    assert (2, 2) == (log.count(PENDING), apply_events(log, store, snapshot))
    assert (["new1", "new2"], 0) == (event_ids(store, snapshot), log.count(PENDING))


def test_an_event_the_graph_refuses_is_set_aside_and_taken_when_its_product_arrives(
    store: GraphStore, log: EventLog, snapshot: Snapshot
) -> None:
    log.append([new(1), new(2, product="later"), new(3)])

    first = apply_events(log, store, snapshot)
    kept = (event_ids(store, snapshot), log.count(REFUSED), log.applied_seq())
    product = {"product_id": "later", "title": "Rooibos"}
    ingest(store, make_tables(snapshot.schema, {"Product": [product]}, edges={}, events=[]))
    second = retry_refused(log, store, snapshot)

    assert (2, ["new1", "new3"], 1, 3) == (first, *kept)
    assert (1, ["new1", "new2", "new3"], 0) == (second, event_ids(store, snapshot), log.count(REFUSED))


@pytest.mark.parametrize(("order", "filled"), [("position", ("position",)), ("none", ())])
def test_a_shop_without_times_keeps_its_order(
    order: Order, filled: tuple[str, ...], store: GraphStore, log: EventLog, snapshot: Snapshot
) -> None:
    log.append([new(1)])

    apply_events(log, store, replace(snapshot, order=order))

    row = next(row for row in extract_tables(store, snapshot.schema).events.to_pylist() if row["event_id"] == "new1")
    assert filled == tuple(name for name in ("at", "position") if row[name] is not None)


def test_a_killed_process_loses_and_doubles_nothing(
    store: GraphStore, log: EventLog, snapshot: Snapshot, local_config: GraphConfig
) -> None:
    number = 3000
    log.append([new(place, user=f"v{place % 50}") for place in range(number)])
    code = (
        "import sys, pathlib\n"
        "from kg.snapshot import build_snapshot\nfrom kg.store import GraphConfig, GraphStore\n"
        "from serving.applying import apply_events\nfrom serving.events import EventLog\n"
        "from tests.worlds import tiny_shop\n"
        "log = EventLog.open(pathlib.Path(sys.argv[1]))\n"
        "with GraphStore.open(GraphConfig(folder=pathlib.Path(sys.argv[2]))) as store:\n"
        "    sys.stdout.write('begin\\n'); sys.stdout.flush()\n"
        "    apply_events(log, store, build_snapshot(tiny_shop()))\n"
    )
    arguments = [sys.executable, "-c", code, str(log.path), str(local_config.folder)]
    worker = subprocess.Popen(arguments, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert worker.stdout is not None
    worker.stdout.readline()
    while log.count(APPLIED) == 0 and worker.poll() is None:
        pass
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait(timeout=10)
    worker.stdout.close()

    apply_events(log, store, snapshot)

    assert sorted(f"new{place}" for place in range(number)) == sorted(event_ids(store, snapshot))
