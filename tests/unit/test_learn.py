"""The stages of learning fit together: each later one sees more, and what validation chose still applies."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gnn.baselines import CHEAP_BASELINES
from gnn.decision import Decision, decision_from_json, decision_to_json
from gnn.examples import Examples
from gnn.learn import (
    NETWORK,
    NetworkPlan,
    finish,
    fit_stage,
    later_plan,
    measure,
    network_epochs,
    network_scorer,
    split_for,
    tune,
    tune_kernels,
)
from gnn.report import WHOLE, WITHOUT_NETWORK, report_to_json
from gnn.score import user_history
from gnn.split import Targets, Trial, split_snapshot
from gnn.stopwatch import Stopwatch
from gnn.train import Trained, train_network
from kg.kernels import EmbeddingKernel
from kg.schema import GraphSchema
from kg.snapshot import Snapshot, build_snapshot
from tests.support.learning import QUICK, drawn_vectors
from tests.support.random_shops import random_shop, random_snapshot
from tests.worlds import DAY_MS, MONDAY, make_tables


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
    vectors, clock = drawn_vectors(snapshot), Stopwatch()

    tuned = tune(snapshot, vectors, config=QUICK, clock=clock)
    _, report = measure(tuned.split, tuned.decision, vectors, config=QUICK, clock=clock)
    _, scorer = finish(snapshot, vectors, tuned.decision, config=QUICK, clock=clock)

    assert {WHOLE, WITHOUT_NETWORK, "popularity", "habit", "itemknn", "rp3beta", "ease"} == {
        row.name for row in report.models
    }
    assert len(snapshot.events) > len(tuned.split.train_valid.events) > len(tuned.split.train.events)
    for row in report.models:
        for name, metric in row.metrics.items():
            most = np.inf if name.startswith("popularity_lift") else 1
            assert 0 <= metric.low <= metric.mean <= metric.high <= most
    assert np.isfinite(scorer.score(user_history(snapshot, 0, now_ms=0))).all()
    assert [*report.sentences()] == report_to_json(report)["says"]


def test_every_baseline_says_what_it_chose() -> None:
    snapshot = random_snapshot(0, users=20, events=400)
    vectors, clock = drawn_vectors(snapshot), Stopwatch()

    tuned = tune(snapshot, vectors, config=QUICK, clock=clock)
    _, report = measure(tuned.split, tuned.decision, vectors, config=QUICK, clock=clock)

    assert list(CHEAP_BASELINES) == list(tuned.decision.baselines)
    assert tuned.decision.baselines == {name: report.result(name).chosen for name in CHEAP_BASELINES}
    for name in (WHOLE, WITHOUT_NETWORK):
        assert {"kernels", "priors"} == set(report.result(name).chosen)


def trial_of(snapshot: Snapshot) -> Trial:
    split = split_snapshot(snapshot, share=QUICK.share)
    return Trial(split.train, split.valid, exclude_seen=False)


def test_without_a_network_none_is_trained_and_both_blends_are_one() -> None:
    snapshot = random_snapshot(0, users=20, events=400)

    stage, blends = tune_kernels(
        trial_of(snapshot), drawn_vectors(snapshot), config=QUICK, clock=Stopwatch(), with_network=False
    )

    assert stage.trained is None
    assert NETWORK not in {kernel.name for kernel in stage.kernels}
    assert blends[WHOLE] is blends[WITHOUT_NETWORK]


def test_the_network_is_the_last_kernel_and_the_plain_blend_does_without_it() -> None:
    snapshot = random_snapshot(0, users=20, events=400)

    stage, blends = tune_kernels(trial_of(snapshot), drawn_vectors(snapshot), config=QUICK, clock=Stopwatch())

    assert stage.trained is not None
    assert stage.kernels[-1] is stage.trained.kernel
    names = tuple(kernel.name for kernel in stage.kernels)
    assert NETWORK == names[-1]
    for fused in blends.values():
        assert names == fused.blend.kernels
    assert not blends[WITHOUT_NETWORK].blend.weights[-1].any()


def test_other_targets_judge_another_training(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot, told = random_snapshot(0, users=20, events=400), []

    def spied(*args: Any, **kwargs: Any) -> Trained:
        told.append(kwargs["files"].judged_by)
        return train_network(*args, **kwargs)

    monkeypatch.setattr("gnn.learn.train_network", spied)
    trial = trial_of(snapshot)
    other = replace(trial, targets=replace(trial.targets, product=trial.targets.product[::-1].copy()))
    for one, config in ((trial, QUICK), (trial, QUICK), (other, QUICK), (trial, replace(QUICK, k=QUICK.k + 1))):
        tune_kernels(one, drawn_vectors(snapshot), config=config, clock=Stopwatch())

    assert told[0] == told[1]
    assert 3 == len(set(told))


def test_a_later_stage_trains_the_network_anew_as_long_as_was_best(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot, told = random_snapshot(0, users=20, events=400), []

    def spied(*args: Any, **kwargs: Any) -> Trained:
        told.append((kwargs["config"], kwargs["stop_after"]))
        return train_network(*args, **kwargs)

    monkeypatch.setattr("gnn.learn.train_network", spied)
    vectors, clock = drawn_vectors(snapshot), Stopwatch()
    config = replace(QUICK, train=replace(QUICK.train, epochs=3))
    stage = fit_stage(snapshot, vectors, config=config, clock=clock, network=NetworkPlan(follows=True, epochs=2))

    assert stage.trained is not None
    assert 2 == len(stage.trained.losses)
    assert [(config.train, 2)] == told


def test_a_later_stage_has_no_network_where_validation_gave_it_no_weight() -> None:
    snapshot = random_snapshot(0, users=20, events=400)
    vectors, clock = drawn_vectors(snapshot), Stopwatch()
    trial = Trial(snapshot, Targets(np.array([0]), np.array([1]), 0), exclude_seen=False)
    stage, blends = tune_kernels(trial, vectors, config=QUICK, clock=clock)
    network = np.array([name == "network" for name in blends[WHOLE].blend.kernels])
    blend = blends[WHOLE].blend
    weights = {flag: np.where(network[:, None], flag, blend.weights) for flag in (0.0, 1.0)}

    epochs = [network_epochs(stage, replace(blend, weights=weights[flag])) for flag in (0.0, 1.0)]
    plans = [later_plan(decision_with(found)) for found in epochs]

    assert stage.trained is not None
    assert [None, stage.trained.best_epoch] == epochs
    assert [None, NetworkPlan(follows=True, epochs=stage.trained.best_epoch)] == plans


def decision_with(epochs: int | None) -> Decision:
    return Decision(exclude_seen=False, follows=True, epochs=epochs, blends={}, baselines={})


@pytest.mark.parametrize("order", ["clock", "position"])
def test_a_decision_that_was_written_down_gives_the_same_report(order: str) -> None:
    snapshot = random_snapshot(4, users=20, events=400, order=order)
    vectors = drawn_vectors(snapshot)
    decision = tune(snapshot, vectors, config=QUICK, clock=Stopwatch()).decision

    read = decision_from_json(json.loads(json.dumps(decision_to_json(decision))))
    split = split_for(snapshot, config=QUICK)
    first, again = (measure(split, one, vectors, config=QUICK, clock=Stopwatch())[1] for one in (decision, read))

    assert [(row.name, row.metrics) for row in first.models] == [(row.name, row.metrics) for row in again.models]
    assert [row.chosen for row in first.models] == [row.chosen for row in again.models]
    assert first.paired == again.paired


def test_targets_between_the_events_of_a_history_are_learned_from_all_other_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    snapshot, seen = random_snapshot(0, users=20, events=400), []

    def spied(data: Any, examples: Examples, **kwargs: Any) -> Trained:
        seen.append(examples.ordered)
        return train_network(data, examples, **kwargs)

    monkeypatch.setattr("gnn.learn.train_network", spied)
    for follows in (True, False):
        fit_stage(
            snapshot,
            drawn_vectors(snapshot),
            config=QUICK,
            clock=Stopwatch(),
            network=NetworkPlan(follows=follows),
        )

    assert [True, False] == seen


@pytest.mark.parametrize("follows", [True, False])
def test_the_network_alone_fades_a_history_only_where_targets_follow_it(follows: bool) -> None:
    rng = np.random.default_rng(0)
    kernel = EmbeddingKernel("network", *rng.random((2, 12, 3)).astype(np.float32))
    snapshot = random_snapshot(0, users=20, events=400)
    history = user_history(snapshot, 0, now_ms=0)
    fade = np.exp(-history.rank / 3.0) if follows else np.ones(len(history))
    weights = fade * history.weight
    mass = np.abs(weights) @ kernel.mass[history.product]
    expected = weights @ (kernel.query[history.product] @ kernel.target.T) / mass

    scorer = network_scorer(kernel, np.zeros((2, 12), dtype=np.float32), follows=follows)

    np.testing.assert_allclose(scorer.score(history), expected, rtol=1e-4)


def test_the_network_alone_gives_the_popular_to_whoever_has_no_history() -> None:
    kernel = EmbeddingKernel("network", *np.ones((2, 12, 3), dtype=np.float32))
    priors = np.random.default_rng(0).random((2, 12)).astype(np.float32)
    nobody = user_history(random_snapshot(0, events=0), 0, now_ms=0)

    scores = network_scorer(kernel, priors, follows=True).score(nobody)

    assert np.argsort(-priors[0]).tolist() == np.argsort(-scores).tolist()


def test_a_kernel_that_appears_only_later_has_no_weight_and_breaks_nothing() -> None:
    snapshot = late_relations()
    vectors, clock = drawn_vectors(snapshot), Stopwatch()
    tuned = tune(snapshot, vectors, config=QUICK, clock=clock)
    final, scorer = finish(snapshot, vectors, tuned.decision, config=QUICK, clock=clock)

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
    vectors, clock = drawn_vectors(snapshot), Stopwatch()

    tuned = tune(snapshot, vectors, config=QUICK, clock=clock)
    _, report = measure(tuned.split, tuned.decision, vectors, config=QUICK, clock=clock)

    assert not tuned.decision.exclude_seen
    assert 1.0 == report.result("habit").metrics["recall@5"].mean
