"""The stages of learning fit together: each later one sees more, and what validation chose still applies."""

import numpy as np
import pytest

from gnn.config import FuseConfig, LearnConfig, ModelConfig, TrainConfig
from gnn.learn import finish, measure, tune
from gnn.report import WHOLE, WITHOUT_NETWORK, report_to_json
from gnn.score import user_history
from gnn.stopwatch import Stopwatch
from kg.schema import GraphSchema
from kg.snapshot import Snapshot, build_snapshot
from tests.support.random_shops import random_shop, random_snapshot
from tests.worlds import DAY_MS, MONDAY, make_tables

CONFIG = LearnConfig(
    fuse=FuseConfig(max_users=50, candidates=10, mass_powers=(1.0,), k=5),
    model=ModelConfig(dim=8, heads=2, layers=1),
    train=TrainConfig(epochs=1, device="cpu"),
    k=5,
    share=0.15,
)


def vectors_of(snapshot: Snapshot) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    vectors = {label: rng.normal(size=(table.num_rows, 4)) for label, table in snapshot.nodes.items()}
    return {
        label: (table / np.linalg.norm(table, axis=1, keepdims=True)).astype(np.float32)
        for label, table in vectors.items()
    }


def late_relations() -> Snapshot:
    """A shop that learns of the relations between its products only in its last days."""
    shop = random_shop(3, users=20, events=400)
    nodes = {label: table.to_pylist() for label, table in shop.nodes.items()}
    edges = {name: [tuple(row.values()) for row in table.to_pylist()] for name, table in shop.edges.items()}
    edges["ALSO_VIEWED"] = [("p00", "p01", MONDAY + 11 * DAY_MS, None), ("p02", "p01", MONDAY + 11 * DAY_MS, None)]
    return build_snapshot(make_tables(shop.schema, nodes, edges=edges, events=shop.events.to_pylist()))


@pytest.mark.parametrize(
    "make",
    [
        lambda: random_snapshot(0, users=20, events=400),
        lambda: random_snapshot(1, users=20, events=400, order="position"),
        lambda: random_snapshot(2, users=20, events=400, order="none"),
        late_relations,
    ],
    ids=["clock", "position", "none", "relations of the last days"],
)
def test_a_model_is_tuned_measured_and_finished(make: object) -> None:
    snapshot: Snapshot = make()  # type: ignore[operator]  # parametrised
    vectors, clock = vectors_of(snapshot), Stopwatch()

    tuned = tune(snapshot, vectors, config=CONFIG, clock=clock)
    stage, report = measure(tuned, vectors, config=CONFIG, clock=clock)
    _, scorer = finish(snapshot, vectors, tuned, stage, config=CONFIG, clock=clock)

    assert {WHOLE, WITHOUT_NETWORK, "popularity", "habit", "itemknn", "rp3beta", "ease"} == {
        row.name for row in report.models
    }
    assert len(snapshot.events) > len(tuned.split.train_valid.events) > len(tuned.split.train.events)
    for row in report.models:
        for metric in row.metrics.values():
            assert 0 <= metric.low <= metric.mean <= metric.high <= 1
    assert np.isfinite(scorer.score(user_history(snapshot, 0, now_ms=0))).all()
    assert [*report.sentences()] == report_to_json(report)["says"]


def test_a_kernel_that_appears_only_later_has_no_weight_and_breaks_nothing() -> None:
    snapshot = late_relations()
    vectors, clock = vectors_of(snapshot), Stopwatch()
    tuned = tune(snapshot, vectors, config=CONFIG, clock=clock)
    stage, _ = measure(tuned, vectors, config=CONFIG, clock=clock)

    final, scorer = finish(snapshot, vectors, tuned, stage, config=CONFIG, clock=clock)

    assert "also_viewed" in {kernel.name for kernel in final.kernels}
    assert "also_viewed" not in {kernel.name for kernel in scorer.kernels}


def test_a_shop_in_which_nobody_shares_anything_can_be_learned_from() -> None:
    events = [
        {"event_id": f"e{user}{day}", "user_id": f"u{user}", "product_id": f"p{user}", "type": "bought",
         "at": MONDAY + day * DAY_MS}
        for user in range(6) for day in range(10)
    ]  # fmt: skip
    nodes = {
        "User": [{"user_id": f"u{user}"} for user in range(6)],
        "Product": [{"product_id": f"p{user}", "title": f"Thing {user}"} for user in range(6)],
    }
    snapshot = build_snapshot(make_tables(GraphSchema(), nodes, edges={}, events=events))
    vectors, clock = vectors_of(snapshot), Stopwatch()

    tuned = tune(snapshot, vectors, config=CONFIG, clock=clock)
    _, report = measure(tuned, vectors, config=CONFIG, clock=clock)

    assert not tuned.exclude_seen
    assert 1.0 == report.result("habit").metrics["recall@5"].mean
