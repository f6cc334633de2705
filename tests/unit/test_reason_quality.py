"""The measures of reasons: an independent reader that notices lies, and deletions done again by hand."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gnn.bundle import Bundle
from gnn.measure import Measured
from gnn.score import Scorer
from kg.snapshot import build_snapshot
from serving.answer import Filter, PathEdge, RecommendRequest
from serving.gate.config import GateConfig
from serving.gate.reasons import reason_lines
from serving.history import NoEvents, read_history
from serving.ledger import Claim, false_claims
from serving.ready import Ready, prepare
from serving.reason_config import ReasonConfig
from serving.reason_quality import MEANS, ReasonReport, measure_reasons, reason_rows, reasons_to_json
from serving.reason_stability import agreement
from serving.recommend import recommend
from tests.support.claims import claims, lies
from tests.support.models import random_bundle
from tests.support.random_shops import random_shop


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    shop = random_shop(1, users=40, events=500)
    return prepare(random_bundle(build_snapshot(shop), tmp_path_factory.mktemp("reasons")))


@pytest.fixture(scope="module")
def report(ready: Ready) -> ReasonReport:
    return measure_reasons(ready, users=15, n=5)


def test_every_path_is_found_by_the_independent_reader(ready: Ready) -> None:
    shown = list(claims(ready))

    assert len(shown) > 300
    assert [] == false_claims(ready.bundle.snapshot, shown, bounds=ReasonConfig())


def test_the_independent_reader_notices_every_lie(ready: Ready) -> None:
    false = [lie for claim in claims(ready) for lie in lies(claim)]

    assert len(false) > 1000
    assert false == false_claims(ready.bundle.snapshot, false, bounds=ReasonConfig())


def test_people_that_are_too_few_or_miscounted_are_noticed(ready: Ready) -> None:
    crowded = [claim for claim in claims(ready) if any(node.id is None for node in claim.path.nodes)]
    assert crowded

    def miscounted(claim: Claim) -> Claim:
        edges = tuple(PathEdge(e.type, e.source, e.target, e.at_ms, 21.0) if e.source else e for e in claim.path.edges)
        return replace(claim, path=replace(claim.path, edges=edges))

    counted = [miscounted(claim) for claim in crowded]
    assert counted == false_claims(ready.bundle.snapshot, counted, bounds=ReasonConfig())
    assert crowded == false_claims(
        ready.bundle.snapshot, crowded, bounds=ReasonConfig(min_supporters=1000, count_from=1000)
    )


def test_a_deletion_is_scored_and_ranked_again(ready: Ready) -> None:
    """The falls of one user's items, by scoring the shortened history and counting who is ahead."""
    report = measure_reasons(ready, users=1, n=5, seed=3)
    snapshot, scorer = ready.bundle.snapshot, ready.bundle.scorer
    user = int(np.random.default_rng(3).choice(np.unique(snapshot.events.user), size=1, replace=False)[0])
    history = read_history(snapshot, user, ())
    allowed, _ = ready.allow(Filter(), history)
    falls = []

    for item in recommend(ready, NoEvents(), RecommendRequest(user_id=snapshot.ids("User")[user], n=5, paths=3)).items:
        target, start = (
            snapshot.row("Product", item.product_id),
            snapshot.row("Product", item.paths[0].nodes[1].id or ""),
        )
        assert None not in (target, start)
        before, after = rank(scorer, history, target, allowed), rank(scorer, history.without(start), target, allowed)
        falls.append(after - before)

    assert pytest.approx(np.mean(falls)) == report.drop_first.mean


def rank(scorer: Scorer, history: object, target: int, allowed: np.ndarray) -> int:
    scores = scorer.score(history)  # type: ignore[arg-type]
    return 1 + sum(score > scores[target] for score, fits in zip(scores, allowed, strict=True) if fits)


def test_the_report_holds_a_figure_for_every_meaning(report: ReasonReport) -> None:
    assert list(MEANS) == [name for name, _, _ in reason_rows(report)]
    assert (15, 75, 1.0, 0) == (report.num_users, report.num_items, report.validity, report.leaked)
    assert 0 < report.share <= 1
    assert report.moved_first.mean > report.moved_random.mean
    assert set(MEANS) <= set(json.loads(json.dumps(reasons_to_json(report), allow_nan=False)))


def measured(value: float) -> Measured:
    return Measured(value, value - 0.1, value + 0.1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"validity": 0.99}, "of the 218 paths shown are not in the graph"),
        ({"leaked": 2}, "name 2 other users"),
        ({"coverage": measured(0.5)}, "50.0% of the recommended items have a path, at least 60.0%"),
        ({"drop_first": measured(1.0), "drop_random": measured(2.0)}, "falls 1.0 ranks, without a random one 2.0"),
    ],
)
def test_the_gate_refuses_bad_reasons(changes: dict[str, object], words: str, report: ReasonReport) -> None:
    config = GateConfig(min_reason_coverage=0.6)
    good = replace(report, num_paths=218, coverage=measured(0.9))

    assert all(line.passed for line in reason_lines(good, None, config))
    (fault,) = [line for line in reason_lines(replace(good, **changes), None, config) if not line.passed]
    assert words in fault.sentence


def test_the_gate_wants_about_as_many_reasons_as_the_live_model_has(report: ReasonReport) -> None:
    few = replace(report, coverage=measured(0.4))
    passed = [line.passed for line in reason_lines(few, 0.7, GateConfig()) if line.name == "items with a path"]

    assert [True] == passed
    refused = [line.passed for line in reason_lines(few, 0.9, GateConfig()) if line.name == "items with a path"]
    assert [False] == refused


def test_a_model_agrees_with_itself(ready: Ready) -> None:
    found = agreement(ready, ready, users=10, n=5)

    assert (10, 1.0, 1.0, 1.0) == (found.num_users, found.products, found.first, found.jaccard)


def test_another_model_agrees_less(ready: Ready, tmp_path: Path) -> None:
    other: Bundle = random_bundle(ready.bundle.snapshot, tmp_path, seed=9)

    found = agreement(ready, prepare(other), users=10, n=5)

    assert 0 < found.products < 1
    assert 0 < found.jaccard < 1
