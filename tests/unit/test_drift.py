"""The watch over what users do: shifts beside scipy, amounts, alarms that reach whoever should look."""

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import entropy

from gnn.bundle import Bundle
from gnn.bundles import BundleStore
from kg.shift import psi
from kg.snapshot import DAY_MS, Snapshot, build_snapshot
from serving.alert_config import AlertConfig
from serving.drift import Drift, drift_to_json, watch
from serving.errors import ConfigError, GateRefused
from serving.retrain import Place, retrain
from serving.retrain_config import RetrainConfig
from serving.webhook import post
from tests.support.bundles import quick_config, small_shop
from tests.unit.test_incremental import until


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a model of 90% of the small shop is live."""
    folder = tmp_path_factory.mktemp("drift")
    learn(folder, build_snapshot(until(small_shop().tables, 0.9)), quick_config())
    return folder


def learn(room: Path, snapshot: Snapshot, config: RetrainConfig) -> Bundle:
    return retrain(snapshot, Place(BundleStore(room / "bundles"), room / "cache"), config=config).bundle


@pytest.fixture
def live(room: Path) -> Bundle:
    return BundleStore(room / "bundles").current()


@pytest.fixture
def whole() -> Snapshot:
    return build_snapshot(small_shop().tables)


def changed(snapshot: Snapshot, live: Bundle, **columns: Any) -> Snapshot:
    """The snapshot with other columns in what came after the live model."""
    new = snapshot.events.time > (live.snapshot.last_time or 0)
    made = {name: np.where(new, value, getattr(snapshot.events, name)) for name, value in columns.items()}
    made = {name: array.astype(getattr(snapshot.events, name).dtype) for name, array in made.items()}
    return replace(snapshot, events=replace(snapshot.events, **made))


def watched(drift: Drift | None) -> dict[str, bool]:
    assert drift is not None
    return {one.name: one.alarm for one in drift.watched}


def test_the_index_is_the_symmetric_divergence_of_the_two_distributions() -> None:
    before, after = np.array([50.0, 30.0, 20.0]), np.array([20.0, 30.0, 50.0])

    expected = entropy(after / 100, before / 100) + entropy(before / 100, after / 100)

    assert pytest.approx(expected) == psi(before, after)
    assert 0.0 == psi(before, 3 * before)
    assert np.isfinite(psi(np.array([1.0, 0.0]), np.array([0.0, 1.0])))


def test_a_shop_that_goes_on_as_before_raises_no_alarm(live: Bundle, whole: Snapshot) -> None:
    found = watched(watch(whole, live, AlertConfig()))

    assert {"events of a day", "event types", "categories", "popularity of products"} <= set(found)
    assert not any(found.values())


def test_what_has_moved_is_named(live: Bundle, whole: Snapshot) -> None:
    one_product = changed(whole, live, product=int(whole.events.product[0]))

    drift = watch(one_product, live, AlertConfig())

    alarms = {name for name, alarm in watched(drift).items() if alarm}
    assert {"categories", "popularity of products"} <= alarms
    assert drift is not None
    assert "categories have shifted by" in drift.sentence
    assert json.loads(json.dumps(drift_to_json(drift)))["num_events"] == drift.num_events > 0


def test_floods_and_silence_are_told(live: Bundle, whole: Snapshot) -> None:
    last = live.snapshot.last_time or 0
    flood = changed(whole, live, time=last + DAY_MS // 4)
    quiet = changed(whole, live, time=last + 400 * DAY_MS)

    assert watched(watch(flood, live, AlertConfig()))["events of a day"]
    assert watched(watch(quiet, live, AlertConfig()))["events of a day"]
    silent = watch(live.snapshot, live, AlertConfig())
    assert silent is not None
    assert "nothing happened since the live model" in silent.sentence


def test_without_a_live_model_there_is_nothing_to_look_back_from(whole: Snapshot) -> None:
    assert watch(whole, None, AlertConfig()) is None


class Inbox(http.server.BaseHTTPRequestHandler):
    """Keeps what is posted."""

    got: list[dict[str, Any]]

    def do_POST(self) -> None:  # the name that http.server calls
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append(json.loads(body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def inbox() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Address of a server that takes what is posted, and what it got."""
    got: list[dict[str, Any]] = []
    handler = type("Kept", (Inbox,), {"got": got})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", got
        server.shutdown()
        thread.join()


def test_alarms_and_refusals_are_posted(
    room: Path, live: Bundle, whole: Snapshot, inbox: tuple[str, list[dict[str, Any]]]
) -> None:
    address, got = inbox
    config = replace(quick_config(), alerts=AlertConfig(webhook=address))
    config = replace(config, gate=replace(config.gate, min_data=1.0, reason_users=0))
    broken = build_snapshot(until(small_shop().tables, 0.5))

    with pytest.raises(GateRefused) as refused:
        learn(room, broken, config)

    kinds = [message["kind"] for message in got]
    assert ["drift", "refused"] == kinds
    assert refused.value.version == got[1]["version"]
    assert all(message["text"].startswith("Whycart: ") for message in got)


def test_a_webhook_that_nobody_answers_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    assert not post("http://127.0.0.1:9/hook", {"text": "x"})
    assert "the webhook was not reached" in caplog.text
    assert not post("", {"text": "x"})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_psi": 0.0}, "max_psi must be above 0"),
        ({"min_daily": 2.0}, "min_daily and min_of_live must be between 0 and 1"),
        ({"webhook": "ftp://x"}, "webhook must begin with http"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        AlertConfig(**settings)
