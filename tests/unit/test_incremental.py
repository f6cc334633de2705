"""A run that tunes nothing: what it takes over, when it does not, and a network that goes on from another one."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
import torch

from gnn.bundle import Bundle
from gnn.bundles import BundleStore
from gnn.decision import Decision
from gnn.graph import build_graph
from gnn.learn import NETWORK, finish
from gnn.model import GraphAttentionNetwork
from gnn.report import WHOLE
from gnn.score import Blend, Decay
from gnn.stopwatch import Stopwatch
from gnn.warm import Warm, carry_over, warm_config
from kg.snapshot import Snapshot, build_snapshot
from kg.tables import Tables
from serving import retrain as job
from serving.incremental import Inherited, inherit, live_since
from serving.job_config import JobConfig
from serving.retrain import Place, retrain
from serving.retrain_config import RetrainConfig
from tests.support.bundles import quick_config, small_shop
from tests.support.learning import QUICK, drawn_vectors
from tests.support.random_shops import random_shop, random_snapshot

SHARE = 0.98
"""Part of the events that the live model has."""


def until(tables: Tables, share: float) -> Tables:
    """The shop up to a time before which so much of its events lies."""
    times = np.sort(tables.events["at"].cast("int64").to_numpy())
    early = pc.less(tables.events["at"].cast("int64"), int(times[int(share * (len(times) - 1))]))
    return replace(tables, events=tables.events.filter(early))


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a model of nearly all of the small shop is live."""
    folder = tmp_path_factory.mktemp("incremental")
    learn(folder, until(small_shop().tables, SHARE), quick_config())
    return folder


def learn(room: Path, tables: Tables, config: RetrainConfig) -> Bundle:
    return retrain(build_snapshot(tables), Place(BundleStore(room / "bundles"), room / "cache"), config=config).bundle


@pytest.fixture
def live(room: Path) -> Bundle:
    return BundleStore(room / "bundles").current()


@pytest.fixture
def whole() -> Snapshot:
    return build_snapshot(small_shop().tables)


def test_nothing_is_tuned_nor_measured_anew(
    room: Path, live: Bundle, whole: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Path(shutil.copytree(room, tmp_path / "room"))
    for name in ("tune", "measure"):
        monkeypatch.setattr(job, name, lambda *args, **kwargs: pytest.fail("that takes long"))

    found = learn(room, small_shop().tables, replace(quick_config(), incremental=True))

    assert whole.hash == found.snapshot.hash
    assert (live.version, live.report["models"]) == (found.report["measured_by"], found.report["models"])
    assert live.scorer.blend.weights.tolist() == found.scorer.blend.weights.tolist()
    assert found.version == BundleStore(room / "bundles").current_version()
    again = learn(room, small_shop().tables, replace(quick_config(), incremental=True))
    assert live.version == again.report["measured_by"]


def why_full(live: Bundle | None, whole: Snapshot, config: RetrainConfig) -> str:
    found = inherit(live, whole, config)
    assert isinstance(found, str)
    return found


def test_a_full_run_is_made_where_nothing_can_be_taken_over(live: Bundle, whole: Snapshot) -> None:
    config = quick_config()

    assert isinstance(inherit(live, whole, config), Inherited)
    assert "no live model" in why_full(None, whole, config)
    other = replace(config, learn=replace(config.learn, repeats_from=0.5))
    assert "settings have changed" in why_full(live, whole, other)
    assert "last full run was 0 days ago" in why_full(live, whole, replace(config, job=JobConfig(full_every_days=0.0)))


def test_a_full_run_is_made_where_users_do_something_else(live: Bundle, whole: Snapshot) -> None:
    events, rng = whole.events, np.random.default_rng(0)
    since, anything = events.time > (live.snapshot.last_time or 0), rng.integers(0, 240, len(events.time))
    moved = np.where(since, anything, events.product).astype(np.int32)
    other = replace(whole, events=replace(events, product=moved))
    gate = replace(quick_config().gate, min_users=5, min_slice_of_live=1.0)

    assert "do not hold any more" in why_full(live, other, replace(quick_config(), gate=gate))


def test_the_live_model_is_asked_only_for_what_came_after_it(live: Bundle, whole: Snapshot) -> None:
    assert live_since(live, live.snapshot, min_users=1, k=10, seed=0) is None
    assert live_since(live, whole, min_users=10_000, k=10, seed=0) is None
    found = live_since(live, whole, min_users=1, k=10, seed=0)
    assert found is not None
    assert 0 < found.low <= found.mean <= found.high <= 1


def without_the_first_product(shop: Tables) -> Tables:
    first = min(shop.nodes["Product"].column(0).to_pylist())
    nodes = {label: table.filter(pc.not_equal(table.column(0), first)) for label, table in shop.nodes.items()}
    edges = {
        name: table.filter(pc.and_(pc.not_equal(table.column(0), first), pc.not_equal(table.column(1), first)))
        for name, table in shop.edges.items()
    }
    events = shop.events.filter(pc.not_equal(shop.events["product_id"], first))
    return replace(shop, nodes=nodes, edges=edges, events=events)


def test_what_a_node_had_learned_it_keeps_whatever_its_row() -> None:
    shop = random_shop(0, users=20, events=400)
    before, after = build_snapshot(shop), build_snapshot(without_the_first_product(shop))
    fresh = GraphAttentionNetwork(build_graph(after, drawn_vectors(after)), QUICK.model).state_dict()
    shape = GraphAttentionNetwork(build_graph(before, drawn_vectors(before)), QUICK.model).state_dict()
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=tuple(tensor.shape)).astype(np.float32) for name, tensor in shape.items()}

    found = carry_over(Warm(weights, before), after, fresh)

    assert {name: tensor.shape for name, tensor in fresh.items()} == {name: t.shape for name, t in found.items()}
    np.testing.assert_array_equal(weights["own_target.weight"][1:], found["own_target.weight"].numpy())
    np.testing.assert_array_equal(weights["bias"][1:], found["bias"].numpy())
    np.testing.assert_array_equal(weights["as_query.weight"], found["as_query.weight"].numpy())
    row = sum(before.num_nodes(label) for label in before.nodes if label != "User" and label < "Product") + 1
    now = sum(after.num_nodes(label) for label in after.nodes if label != "User" and label < "Product")
    np.testing.assert_array_equal(weights["own.weight"][row], found["own.weight"][now].numpy())


def test_a_network_that_goes_on_is_trained_shortly_and_begins_where_the_other_ended() -> None:
    snapshot = random_snapshot(0, users=20, events=400)
    vectors = drawn_vectors(snapshot)
    config = replace(QUICK, train=replace(QUICK.train, learning_rate=1e-9))
    tuned = decision_with_network()
    first, _ = finish(snapshot, vectors, tuned, config=QUICK, clock=Stopwatch())
    assert first.trained is not None
    weights = {name: tensor.numpy() for name, tensor in first.trained.weights.items()}

    again, _ = finish(snapshot, vectors, tuned, config=config, clock=Stopwatch(), warm=Warm(weights, snapshot))

    assert again.trained is not None
    assert len(again.trained.losses) <= 2
    for name, tensor in again.trained.weights.items():
        torch.testing.assert_close(tensor, first.trained.weights[name], atol=1e-4, rtol=1e-3)
    assert warm_config(QUICK.train).learning_rate < QUICK.train.learning_rate


def decision_with_network() -> Decision:
    blend = Blend((NETWORK,), (Decay("rank"),), np.ones((1, 1)), ("popular", "trending"), np.full(2, 1e-6))
    return Decision(exclude_seen=False, follows=True, epochs=1, blends={WHOLE: blend}, baselines={})
