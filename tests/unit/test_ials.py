"""The factorisation scores as `implicit` itself does, and says what is missing when it is not there."""

import sys

import numpy as np
import pytest
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from gnn.baselines import make_baseline, popular_scorer
from gnn.climb import make_judge
from gnn.errors import ConfigError
from gnn.ials import confidence, fit_ials
from gnn.score import user_history
from kg.operators import interactions
from kg.snapshot import Snapshot
from tests.support.entrants import Table
from tests.support.random_shops import random_snapshot
from tests.support.tastes import taste_trial

als = pytest.importorskip("implicit.cpu.als", reason="needs the extra 'bench'")


def public_model(snapshot: Snapshot, **settings: float) -> object:
    with threadpool_limits(limits=1, user_api="blas"):
        model = als.AlternatingLeastSquares(random_state=0, **settings)
        shape = interactions(snapshot).shape
        counts = np.zeros(shape)
        declared = [snapshot.schema.events[name].weight for name in snapshot.event_names]
        used = max(abs(declared[kind]) for kind in set(snapshot.events.kind.tolist()))
        for user, product, kind in zip(
            snapshot.events.user, snapshot.events.product, snapshot.events.kind, strict=True
        ):
            counts[user, product] += declared[kind] / used
        model.fit(sp.csr_matrix(np.log2(1 + np.maximum(counts, 0)), dtype=np.float32), show_progress=False)
    return model


def test_a_user_is_scored_as_implicit_scores_a_user_anew() -> None:
    snapshot = random_snapshot(0, users=40, products=30, events=500)
    public = public_model(snapshot, factors=64, regularization=3.0, alpha=10.0)
    users = np.arange(20)
    counts = np.zeros((20, snapshot.num_nodes("Product")))
    for user in users:
        history = user_history(snapshot, int(user), now_ms=0)
        np.add.at(counts[user], history.product, history.weight)
    rows = sp.csr_matrix(np.log2(1 + np.maximum(counts, 0)), dtype=np.float32)
    with threadpool_limits(limits=1, user_api="blas"):
        expected = public.recalculate_user(users, rows) @ public.item_factors.T  # type: ignore[attr-defined]

    recommender = make_baseline("ials", k=10, seed=0).fit(snapshot)
    found = recommender.score_users(users, [user_history(snapshot, int(user), now_ms=0) for user in users])

    np.testing.assert_allclose(expected, found, atol=1e-4)


def test_it_ranks_as_well_as_the_factors_that_implicit_fitted() -> None:
    trial = taste_trial()
    public = public_model(trial.seen, factors=64, regularization=3.0, alpha=10.0)
    judge = make_judge(trial, k=10, seed=0)
    fitted = judge(Table(public.user_factors @ public.item_factors.T))  # type: ignore[attr-defined]

    found = judge(make_baseline("ials", k=10, seed=0).fit(trial.seen))

    assert found >= 0.98 * fitted
    assert found > 2 * judge(popular_scorer(trial.seen))


def test_confidence_is_one_for_one_event_and_grows_slowly() -> None:
    weights = sp.csr_array(np.array([[1.0, 3.0, 0.0, -2.0]]))

    found = confidence(weights)

    assert ([1.0, 2.0], [0, 1]) == (found.data.tolist(), found.indices.tolist())


def test_the_same_seed_gives_the_same_factors_and_another_one_others() -> None:
    shop = random_snapshot(1, events=100)
    first, second, other = (
        fit_ials(shop, factors=4, regularisation=1.0, alpha=2.0, seed=seed).item_factors for seed in (0, 0, 1)
    )

    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "implicit.cpu.als", None)

    with pytest.raises(ConfigError, match="extra 'bench'"):
        make_baseline("ials", k=10, seed=0).fit(random_snapshot(1))
