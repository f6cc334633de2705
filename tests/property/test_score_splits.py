"""The score is a plain sum: it equals the sum of its parts for any history, and deleting an event is arithmetic."""

import functools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnn.closed_form import fit_ease
from gnn.fuse import default_decays
from gnn.kernels import PRIORS, build_priors
from gnn.learn import LearnConfig
from gnn.score import (
    Blend,
    Decay,
    History,
    Scorer,
    decayed,
    decayed_products,
    make_history,
    mass_of,
    stack_rows,
    top_products,
    user_history,
)
from kg.kernels import EmbeddingKernel, HabitKernel
from kg.operators import OperatorConfig, build_operators, interactions
from kg.snapshot import DAY_MS, Snapshot
from tests.support.random_shops import ORDERS, random_snapshot
from tests.worlds import MONDAY

NUM = 12
NOW = MONDAY + 14 * DAY_MS
EVERY = np.arange(NUM)
HISTORIES = st.lists(st.tuples(st.integers(0, NUM - 1), st.integers(0, 4), st.integers(0, 5)), max_size=10)


@functools.cache
def scorer_of(seed: int, mass_power: float = 1.0) -> tuple[Scorer, Snapshot]:
    """Return a scorer with every kernel, random weights and some kernels without any."""
    snapshot = random_snapshot(seed, order=ORDERS[seed % 3])
    rng = np.random.default_rng(seed)
    query, target = rng.normal(size=(2, NUM, 4)).astype(np.float32)
    kernels = (
        *build_operators(snapshot, OperatorConfig()),
        fit_ease(interactions(snapshot), regularisation=2.0),
        EmbeddingKernel("network", query, target),
        HabitKernel(NUM),
    )
    decays = default_decays(snapshot)
    weights = rng.random((len(kernels), len(decays))) * (rng.random((len(kernels), len(decays))) < 0.5)
    weights[1] = 0.0
    names = tuple(kernel.name for kernel in kernels)
    blend = Blend(names, decays, weights, PRIORS, np.array([0.3, 0.7]), mass_power)
    return Scorer(kernels, build_priors(snapshot, config=LearnConfig().kernels), blend), snapshot


def history_of(snapshot: Snapshot, rows: list[tuple[int, int, int]], *, waited: int = 0) -> History:
    """Return the history of (product, kind, day) rows, looked at some days after their two weeks."""
    rows = sorted(rows, key=lambda row: row[2])
    scale = {"clock": DAY_MS, "position": 1, "none": 0}[snapshot.order]
    start = MONDAY if snapshot.order == "clock" else 0
    products, kinds, days = (np.array([row[place] for row in rows], dtype=np.int64) for place in range(3))
    return make_history(
        products,
        kinds % len(snapshot.event_names),
        start + days * scale,
        snapshot=snapshot,
        now_ms=NOW + waited * DAY_MS,
    )


def slow_scores(scorer: Scorer, history: History) -> np.ndarray:
    """The formula of the module, event by event, with the normalisation written out."""
    blend = scorer.blend
    total = np.zeros(NUM)
    for row, kernel in enumerate(scorer.kernels):
        matrix = kernel.entries(EVERY, EVERY).astype(np.float64)
        floor = max(sum(abs(value) for value in row) for row in matrix) / 10_000
        for column, decay in enumerate(blend.decays):
            faded = [float(decay(history)[e] * history.weight[e]) for e in range(len(history))]
            mass = sum(abs(f) * abs(matrix[p]).sum() for f, p in zip(faded, history.product, strict=True))
            scale = max(mass, floor) ** blend.mass_power if floor > 0 else 1.0
            for f, product in zip(faded, history.product, strict=True):
                total += blend.weights[row, column] * f / scale * matrix[product]
    for weight, prior in zip(blend.prior_weights, scorer.priors, strict=True):
        total += weight * prior.astype(np.float64)
    return total


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 11),
    rows=HISTORIES,
    mass_power=st.sampled_from([0.0, 0.5, 1.0]),
    waited=st.sampled_from([0, 100, 500]),
)
def test_the_score_is_the_sum_of_its_parts(
    seed: int, rows: list[tuple[int, int, int]], mass_power: float, waited: int
) -> None:
    scorer, snapshot = scorer_of(seed, mass_power)
    history = history_of(snapshot, rows, waited=waited)

    scores = scorer.score(history)

    np.testing.assert_allclose(scores, scorer.split(history, EVERY).total, atol=1e-5)
    np.testing.assert_allclose(scores, slow_scores(scorer, history), atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 11), rows=HISTORIES)
def test_leaving_out_idle_kernels_keeps_every_score(seed: int, rows: list[tuple[int, int, int]]) -> None:
    scorer, snapshot = scorer_of(seed)
    history = history_of(snapshot, rows)

    lean = scorer.without_idle_kernels()

    assert len(lean.kernels) < len(scorer.kernels)
    np.testing.assert_array_equal(scorer.score(history), lean.score(history))


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 8), rows=HISTORIES, product=st.integers(0, NUM - 1))
def test_taking_a_product_out_of_a_history_changes_nothing_about_the_other_events(
    seed: int, rows: list[tuple[int, int, int]], product: int
) -> None:
    _, snapshot = scorer_of(seed)
    history = history_of(snapshot, rows)

    rest = history.without(product)

    kept = [place for place in range(len(history)) if history.product[place] != product]
    for name in ("product", "weight", "rank", "half_life_days", "kind", "time"):
        np.testing.assert_array_equal(getattr(history, name)[kept], getattr(rest, name), err_msg=name)
    if history.age_days is not None and rest.age_days is not None:
        np.testing.assert_array_equal(history.age_days[kept], rest.age_days)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 3),
    rows=HISTORIES,
    mass_power=st.sampled_from([0.0, 0.5, 1.0]),
    waited=st.sampled_from([0, 100, 500]),
)
def test_the_scores_without_each_product_are_the_scores_of_the_history_without_it(
    seed: int, rows: list[tuple[int, int, int]], mass_power: float, waited: int
) -> None:
    scorer, snapshot = scorer_of(seed, mass_power)
    history = history_of(snapshot, rows, waited=waited)
    products = np.unique(history.product)

    found = scorer.totals_without(
        decayed_products(history, scorer.blend.decays), scorer.entries(products, EVERY)
    ) + scorer.prior_parts(EVERY).sum(axis=0)

    for place, product in enumerate(products):
        expected = scorer.score(history.without(int(product)))
        np.testing.assert_allclose(found[place], expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 8), several=st.lists(HISTORIES, max_size=4))
def test_histories_scored_together_get_what_each_gets_alone(
    seed: int, several: list[list[tuple[int, int, int]]]
) -> None:
    scorer, snapshot = scorer_of(seed)
    histories = [history_of(snapshot, rows) for rows in several]

    together = scorer.score_histories(histories)

    assert (len(several), NUM) == together.shape
    for history, scores in zip(histories, together, strict=True):
        np.testing.assert_allclose(scorer.score(history), scores, atol=1e-6)
    np.testing.assert_array_equal(scorer.score_users(np.arange(len(several)), histories), together)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 11),
    several=st.lists(HISTORIES, min_size=1, max_size=3),
    mass_power=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_kernels_side_by_side_give_the_sum_of_what_each_spreads(
    seed: int, several: list[list[tuple[int, int, int]]], mass_power: float
) -> None:
    scorer, snapshot = scorer_of(seed, mass_power)
    histories = [history_of(snapshot, rows) for rows in several]

    together = scorer.score_histories(histories)

    for history, scores in zip(histories, together, strict=True):
        spread = scorer.spread(history)
        by_kernel = np.stack([spread_alone(scorer, row, history) for row in range(len(scorer.kernels))])
        expected = by_kernel.sum(axis=0) + scorer.prior_parts(EVERY).sum(axis=0)
        digits = 1e-6 * max(1.0, np.abs(by_kernel).sum(axis=0).max())  # of float32, where large terms cancel
        np.testing.assert_allclose(scores, expected, rtol=0, atol=digits)
        np.testing.assert_allclose(spread.scores, expected, rtol=0, atol=digits)
        np.testing.assert_allclose(scorer.by_kernel(spread, EVERY), by_kernel, rtol=0, atol=digits)
        np.testing.assert_array_equal(
            scorer.entries_of(spread, EVERY[::2]), scorer.entries(spread.heard.products, EVERY[::2])
        )


def spread_alone(scorer: Scorer, row: int, history: History) -> np.ndarray:
    """What one kernel adds to every product, by its own `spread`."""
    kernel, blend = scorer.kernels[row], scorer.blend
    faded = decayed(history, blend.decays)
    weights = blend.weights[row] @ (faded / mass_of(kernel, history, faded)[:, None] ** blend.mass_power)
    return np.asarray(kernel.spread(stack_rows([history.product], [weights], NUM))[0], dtype=np.float64)


def test_products_that_were_treated_alike_weigh_the_same_to_the_last_digit() -> None:
    """Otherwise which of two equal reasons is told would be left to rounding."""
    scorer, snapshot = scorer_of(3)
    history = history_of(snapshot, [(product, 0, 2) for product in range(NUM)])

    weights = scorer.spread(history).weights

    assert [1] * len(scorer.kernels) == [len(set(row.tolist())) for row in weights]


def test_a_faint_old_event_does_not_speak_as_loudly_as_a_fresh_one() -> None:
    """Every kernel hands out one unit a history, but not for next to nothing: the mass has a floor."""
    snapshot = random_snapshot(0)
    kernel = fit_ease(interactions(snapshot), regularisation=2.0)
    blend = Blend(("ease",), (Decay("age", 7.0),), np.ones((1, 1)), (), np.zeros(0), 1.0)
    scorer = Scorer((kernel,), np.zeros((0, NUM), dtype=np.float32), blend)
    product = int(kernel.mass.argmax())

    fresh, recent, old = (
        np.abs(scorer.score(history_of(snapshot, [(product, 0, 0)], waited=days))).sum() for days in (0, 50, 500)
    )

    assert pytest.approx((1.0, 1.0), abs=1e-5) == (fresh, recent)
    assert 0 < old < 1e-12


@pytest.mark.parametrize("seed", range(3))
def test_with_an_empty_history_only_the_priors_speak(seed: int) -> None:
    scorer, snapshot = scorer_of(seed)
    nothing = history_of(snapshot, [])

    expected = 0.3 * scorer.priors[0].astype(np.float64) + 0.7 * scorer.priors[1]

    np.testing.assert_allclose(scorer.score(nothing), expected, atol=1e-9)
    np.testing.assert_allclose(scorer.split(nothing, EVERY).total, expected, atol=1e-9)


def test_with_neither_history_nor_priors_every_score_is_zero() -> None:
    scorer, snapshot = scorer_of(0)
    bare = Scorer(scorer.kernels, scorer.priors[:0], replace(scorer.blend, priors=(), prior_weights=np.zeros(0)))

    assert [0.0] * NUM == bare.score(history_of(snapshot, [])).tolist()


@settings(max_examples=150, deadline=None)
@given(
    scores=st.lists(st.sampled_from([0.0, 0.5, 1.0, -2.0]), min_size=1, max_size=12),
    k=st.integers(1, 14),
    draw=st.integers(0, 100),
)
def test_equal_scores_are_ranked_by_row(scores: list[float], k: int, draw: int) -> None:
    allowed = np.random.default_rng(draw).random(len(scores)) < 0.7
    expected = sorted((row for row in range(len(scores)) if allowed[row]), key=lambda row: (-scores[row], row))[:k]

    assert expected == top_products(np.array(scores), allowed, k=k).tolist()


@pytest.mark.parametrize("seed", range(3))
def test_the_history_of_a_user_counts_steps_from_the_latest(seed: int) -> None:
    snapshot = random_snapshot(seed)

    for user in range(snapshot.num_nodes("User")):
        history = user_history(snapshot, user, now_ms=NOW)
        times = history.time.tolist()
        assert [len({later for later in times if later > time}) for time in times] == history.rank.tolist()
        assert history.age_days is not None
        assert pytest.approx([(NOW - time) / DAY_MS for time in times]) == history.age_days.tolist()
