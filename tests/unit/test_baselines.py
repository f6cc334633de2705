"""Each baseline of one kernel against a public implementation or the formula written out."""

import warnings

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from gnn import baselines as module
from gnn.baselines import fit_ease_baseline, fit_itemknn, fit_rp3beta, make_baseline, popular_scorer
from gnn.climb import make_judge
from gnn.history_baseline import describe, pairs, singles
from gnn.score import Decay, user_history
from gnn.split import Trial, split_snapshot
from kg.operators import interactions
from kg.schema import GraphSchema
from kg.snapshot import Snapshot, build_snapshot
from tests.support.random_shops import random_snapshot
from tests.worlds import DAY_MS, MONDAY, make_tables

SHOP = random_snapshot(0, users=40, products=30, events=500)


def dense(snapshot: Snapshot) -> np.ndarray:
    return interactions(snapshot).toarray().astype(np.float64)


def test_the_plain_cosine_has_the_neighbours_and_values_of_implicit() -> None:
    nearest = pytest.importorskip("implicit.nearest_neighbours", reason="needs the extra 'bench'")
    public = nearest.CosineRecommender(K=31, num_threads=1)
    with threadpool_limits(limits=1, user_api="blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # implicit warns of a conversion of its own
        public.fit(interactions(SHOP).astype(np.float64), show_progress=False)
    expected = public.similarity.toarray()
    np.fill_diagonal(expected, 0.0)

    found = fit_itemknn(SHOP, neighbours=30, shrink=0.0).matrix.toarray()

    np.testing.assert_allclose(expected, found, atol=1e-6)


@pytest.mark.parametrize("entries", [16_000_000, 70], ids=["one block", "blocks of two rows"])
def test_the_shrunk_cosine_keeps_the_largest_of_each_row(entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK_ENTRIES", entries)
    matrix = dense(SHOP)
    fans = matrix.sum(axis=0)
    cosine = (matrix.T @ matrix) / (np.sqrt(np.outer(fans, fans)) + 5.0)
    np.fill_diagonal(cosine, 0.0)

    found = fit_itemknn(SHOP, neighbours=4, shrink=5.0).matrix.toarray()

    for row, values in enumerate(cosine):
        np.testing.assert_allclose(np.sort(values)[::-1][:4], np.sort(found[row])[::-1][:4], rtol=1e-5)
        np.testing.assert_allclose(values[found[row] > 0], found[row][found[row] > 0], rtol=1e-5)


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (0.6, 0.3), (1.3, 0.7)])
def test_the_walk_is_the_product_of_its_dense_transitions(alpha: float, beta: float) -> None:
    matrix = dense(SHOP)
    to_user = (matrix.T / np.maximum(matrix.T.sum(axis=1, keepdims=True), 1)) ** alpha
    to_product = (matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)) ** alpha
    expected = (to_user @ to_product) / np.maximum(matrix.sum(axis=0), 1) ** beta
    np.fill_diagonal(expected, 0.0)

    found = fit_rp3beta(SHOP, neighbours=30, alpha=alpha, beta=beta).matrix.toarray()

    np.testing.assert_allclose(expected, found, rtol=1e-4)


def test_ease_ranks_as_its_closed_form_does() -> None:
    matrix = dense(SHOP)
    precision = np.linalg.inv(matrix.T @ matrix + 300.0 * np.eye(30))
    weights = -precision / np.diag(precision)
    np.fill_diagonal(weights, 0.0)

    np.testing.assert_allclose(weights, fit_ease_baseline(SHOP, regularisation=300.0).matrix.toarray(), atol=1e-5)


def test_ease_keeps_every_entry_of_a_small_catalogue_and_not_of_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = random_snapshot(0, users=60, products=300, events=4000)
    whole = fit_ease_baseline(shop, regularisation=1.0).matrix
    monkeypatch.setattr(module, "_EASE_ENTRIES", 1)

    part = fit_ease_baseline(shop, regularisation=1.0).matrix

    assert np.diff(whole.indptr).max() > 290
    assert 200 == np.diff(part.indptr).max()


def lately(now: str, then: str) -> Snapshot:
    """A shop in which many had one product long ago and few another one just now."""
    rows = [("a", then, 0), ("b", then, 0), ("c", then, 1), ("d", now, 400), ("e", now, 400)]
    events = [
        {"event_id": f"e{place}", "user_id": user, "product_id": product, "type": "bought", "at": MONDAY + day * DAY_MS}
        for place, (user, product, day) in enumerate(rows)
    ]
    nodes = {"User": [{"user_id": key} for key in "abcde"], "Product": [{"product_id": key} for key in "pq"]}
    return build_snapshot(make_tables(GraphSchema(), nodes, edges={}, events=events))


def test_popularity_counts_users_or_what_is_recent() -> None:
    shop = lately(now="q", then="p")
    nobody = [user_history(shop, 0, now_ms=0)]

    always = popular_scorer(shop).score_users(np.array([0]), nobody)[0]
    recent = popular_scorer(shop, half_life_days=7.0).score_users(np.array([0]), nobody)[0]

    assert pytest.approx([0.6, 0.4]) == always.tolist()
    assert recent[1] > 0.99


def test_habit_follows_how_often_and_then_how_popular() -> None:
    shop = random_snapshot(9, users=30, products=12, events=200)
    recommender = make_baseline("habit", k=5, seed=0).fit(shop)
    popular = dense(shop).sum(axis=0)
    for user in range(30):
        history = user_history(shop, user, now_ms=0)
        own = np.bincount(history.product, weights=history.weight, minlength=12)
        scores = recommender.score_users(np.array([user]), [history])[0]
        expected = sorted(range(12), key=lambda row: (-round(own[row], 6), -popular[row]))  # used at once
        keys = [(-round(float(own[row]), 6), -popular[row]) for row in np.argsort(-scores, kind="stable")]
        assert [(-round(float(own[row]), 6), -popular[row]) for row in expected] == keys


@pytest.mark.parametrize("name", ["itemknn", "rp3beta", "ease"])
def test_tuning_is_never_worse_than_no_tuning(name: str) -> None:
    split = split_snapshot(random_snapshot(2, users=60, products=40, events=2500), share=0.15)
    trial = Trial(split.train, split.valid, False)
    entrant = make_baseline(name, k=10, seed=0)  # type: ignore[arg-type]  # parametrised
    judge = make_judge(trial, k=10, seed=0)
    before = judge(entrant.fit(trial.seen))

    chosen = entrant.tune(trial)

    assert chosen["value"] >= before
    assert pytest.approx(chosen["value"]) == judge(entrant.fit(trial.seen))


def test_decays_are_tried_alone_and_with_the_best_one() -> None:
    alone = list(singles(SHOP))
    best = alone[1][0]

    together = list(pairs(best, SHOP))

    assert len(alone) - 1 == len(together)
    assert all(best == pair[0] and pair[1] != best for pair in together)
    assert [(Decay("rank"),)] == list(singles(random_snapshot(0, order="none")))


def test_decays_are_described_in_words() -> None:
    assert "declared + rank inf" == describe((Decay("declared"), Decay("rank")))
