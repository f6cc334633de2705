"""An API process is killed while events come in: what it acknowledged is there, once, in log and graph."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.parse
from collections import Counter
from pathlib import Path

import pytest

from kg.extract import read_events
from kg.ingest import ingest
from kg.schema import GraphSchema
from kg.store import GraphConfig, GraphStore
from serving.events import PENDING, EventLog
from tests.integration.conftest import EMPTY
from tests.support.api import until
from tests.support.tiny_bundle import publish_tiny_bundle
from tests.worlds import PRODUCTS, tiny_shop

COMMAND = [sys.executable, "-c", "import sys; from serving.cli.main import main; sys.exit(main())"]
NUM_EVENTS, BATCH, KILLS, SENDERS = 10_000, 20, 5, 4
ROOT = Path(__file__).parents[2]


class Service:
    """`whycart serve` in a home of its own, started again whenever it was killed."""

    def __init__(self, home: Path, graph: Path) -> None:
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "WHYCART_HOME": str(home),
            "WHYCART_GRAPH_FOLDER": str(graph),
        }
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0"], env=self._environment, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        parts = urllib.parse.urlsplit(self._process.stdout.readline().strip().removeprefix("serving at "))
        self.address = (str(parts.hostname), int(parts.port or 0))

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._end()

    def stop(self) -> None:
        self._process.terminate()
        self._end()

    def _end(self) -> None:
        self._process.wait(timeout=20)
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def graph_folder(local_config: GraphConfig) -> Path:
    with GraphStore.open(local_config) as store:
        store.write(EMPTY, [])
        ingest(store, tiny_shop())
    return local_config.folder


def batch_of(number: int) -> list[dict[str, str]]:
    products = list(PRODUCTS)
    return [
        {"event_id": f"kill-{place}", "user_id": f"v{place % 97}", "product_id": products[place % 10], "type": "viewed"}
        for place in range(number * BATCH, (number + 1) * BATCH)
    ]


def send(address: tuple[str, int], events: list[dict[str, str]]) -> bool:
    """Whether the events were acknowledged; a client that hears nothing sends them again."""
    connection = http.client.HTTPConnection(*address, timeout=10)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("POST", "/v1/events", json.dumps({"events": events}), {"Content-Type": "application/json"})
        return connection.getresponse().status == 200
    return False


@pytest.mark.slow
def test_ten_thousand_acknowledged_events_survive_kills_once(tmp_path: Path, graph_folder: Path) -> None:
    publish_tiny_bundle(tmp_path / "bundles")
    service = Service(tmp_path, graph_folder)
    waiting, acknowledged = list(range(NUM_EVENTS // BATCH)), Counter[int]()
    lock, refused = threading.Lock(), Counter[str]()

    def sender() -> None:
        while True:
            with lock:
                if not waiting:
                    return
                number, address = waiting.pop(), service.address
            if send(address, batch_of(number)):
                acknowledged[number] += 1
            else:
                refused["unheard"] += 1
                with lock:
                    waiting.append(number)
                threading.Event().wait(0.1)

    threads = [threading.Thread(target=sender) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for kill in range(1, KILLS + 1):
        assert until(lambda kill=kill: len(acknowledged) >= kill * NUM_EVENTS // BATCH // (KILLS + 1), seconds=60)
        service.kill()
        service.start()
    for thread in threads:
        thread.join(timeout=120)
    try:
        with EventLog.open(tmp_path / "state.db") as log:
            assert until(lambda: log.count(PENDING) == 0, seconds=120)
    finally:
        service.stop()

    wanted = {f"kill-{place}" for place in range(NUM_EVENTS)}
    with GraphStore.open(GraphConfig(folder=graph_folder)) as store:
        in_graph = Counter(read_events(store, list(GraphSchema().events.values()))["event_id"].to_pylist())
    assert set(range(NUM_EVENTS // BATCH)) == set(acknowledged)
    assert refused["unheard"] > 0, "no sender met a kill"
    assert (wanted, 1) == (wanted & set(in_graph), max(in_graph.values()))
