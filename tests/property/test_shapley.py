"""Shapley values share out the whole score fairly, equal a slow oracle, and equal contributions where they must."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cypher.errors import InputError
from gnn.score import History, Scorer, make_history
from serving.shapley import Shapley, explain_by_shapley, shapley_values
from tests.support.models import random_scorer
from tests.support.random_shops import ORDERS, random_snapshot
from tests.worlds import DAY_MS, MONDAY

NUM = 12
SCALE = {"clock": DAY_MS, "position": 1, "none": 0}
EVENTS = st.lists(st.tuples(st.integers(0, NUM - 1), st.integers(0, 3), st.integers(0, 6)), min_size=1, max_size=9)
WORTHS = st.integers(1, 5).flatmap(lambda num: st.lists(st.floats(-5, 5), min_size=2**num, max_size=2**num))


def case(seed: int, rows: list[tuple[int, int, int]], *, power: float = 1.0) -> tuple[Scorer, History]:
    """Return a random model that divides by the mass to a power, and a history of (product, kind, day) rows."""
    snapshot = random_snapshot(seed, order=ORDERS[seed % 3])
    scorer = random_scorer(snapshot, seed)
    scorer = replace(scorer, blend=replace(scorer.blend, mass_power=power))
    start = MONDAY if snapshot.order == "clock" else 0
    ordered = sorted(rows, key=lambda row: row[2])
    products, kinds, days = (np.array([row[place] for row in ordered], dtype=np.int64) for place in range(3))
    times = start + days * SCALE[snapshot.order]
    kinds %= len(snapshot.event_names)
    return scorer, make_history(products, kinds, times, snapshot=snapshot, now_ms=MONDAY + 9 * DAY_MS)


def only(history: History, products: tuple[int, ...]) -> History:
    """Return a history with nothing but some of its products."""
    for product in set(history.product.tolist()) - set(products):
        history = history.without(product)
    return history


def slow_values(scorer: Scorer, history: History, target: int, players: list[tuple[int, ...]]) -> list[float]:
    """Return the mean of what each player adds to the score over every order in which players may come."""
    orders = list(itertools.permutations(players))
    total = dict.fromkeys(players, 0.0)
    for order in orders:
        before = float(scorer.score(only(history, ()))[target])
        for place, player in enumerate(order, start=1):
            there = tuple(itertools.chain.from_iterable(order[:place]))
            after = float(scorer.score(only(history, there))[target])
            total[player] += after - before
            before = after
    return [total[player] / len(orders) for player in players]


def near(values: object, found: Shapley) -> object:
    """Return values to compare with up to the float32 arithmetic of the kernels."""
    return pytest.approx(values, rel=1e-4, abs=1e-5 * max(1.0, float(np.abs(found.values).sum())))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 8), EVENTS, st.integers(0, NUM - 1), st.sampled_from([0.0, 0.5, 1.0]))
def test_the_values_share_out_what_the_history_adds(
    seed: int, rows: list[tuple[int, int, int]], target: int, power: float
) -> None:
    scorer, history = case(seed, rows, power=power)

    found = explain_by_shapley(scorer, history, target)

    added = scorer.score(history)[target] - scorer.score(only(history, ()))[target]
    assert near(added, found) == found.by_player.sum()


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_values_are_the_mean_over_every_order_of_the_products(seed: int, power: float) -> None:
    scorer, history = case(seed, [(1, 0, 0), (4, 1, 2), (7, 1, 3), (4, 1, 4), (2, 0, 6)], power=power)

    found = explain_by_shapley(scorer, history, 5)

    assert near(slow_values(scorer, history, 5, list(found.players)), found) == found.by_player.tolist()


def test_weak_products_that_share_a_seat_get_the_exact_value_of_them_together() -> None:
    scorer, history = case(0, [(product, 1, product % 5) for product in range(9)])

    found = explain_by_shapley(scorer, history, 10, most=4)

    assert [1, 1, 1, 6] == [len(player) for player in found.players]
    assert near(slow_values(scorer, history, 10, list(found.players)), found) == found.by_player.tolist()


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 8), EVENTS, st.integers(0, NUM - 1), st.sampled_from([0.0, 0.5, 1.0]))
def test_with_the_weights_held_fixed_the_values_are_the_contributions(
    seed: int, rows: list[tuple[int, int, int]], target: int, power: float
) -> None:
    scorer, history = case(seed, rows, power=power)

    found = explain_by_shapley(scorer, history, target, game="fixed")

    split = scorer.split(history, np.array([target]))
    by_product = dict(zip(split.products.tolist(), split.parts[:, :, 0].T, strict=True))
    expected = np.concatenate([by_product[player] for (player,) in found.players])
    assert near(expected.tolist(), found) == found.values.T.ravel().tolist()


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 8), EVENTS, st.integers(0, NUM - 1))
def test_the_value_of_a_kernel_is_its_contribution_however_coalitions_are_scored(
    seed: int, rows: list[tuple[int, int, int]], target: int
) -> None:
    scorer, history = case(seed, rows)

    found = explain_by_shapley(scorer, history, target)

    split = scorer.split(history, np.array([target]))
    assert near(split.parts[:, :, 0].sum(axis=1).tolist(), found) == found.by_kernel.tolist()


def test_a_model_that_does_not_divide_by_mass_gives_each_product_its_contribution() -> None:
    scorer, history = case(3, [(1, 0, 0), (4, 1, 2), (7, 1, 3)], power=0.0)

    rescored = explain_by_shapley(scorer, history, 5)

    assert near(explain_by_shapley(scorer, history, 5, game="fixed").by_player.tolist(), rescored) == (
        rescored.by_player.tolist()
    )


@given(WORTHS)
def test_the_values_of_any_game_add_up_to_what_all_players_add(worth: list[float]) -> None:
    values = shapley_values(np.array(worth))

    assert pytest.approx(worth[-1] - worth[0], abs=1e-9) == values.sum()


@given(WORTHS, st.data())
def test_players_that_may_be_swapped_get_the_same(worth: list[float], data: st.DataObject) -> None:
    num = len(worth).bit_length() - 1
    one, two = data.draw(st.integers(0, num - 1)), data.draw(st.integers(0, num - 1))
    numbers = np.arange(len(worth))
    swapped = numbers & ~(1 << one | 1 << two) | (numbers >> one & 1) << two | (numbers >> two & 1) << one
    fair = np.array(worth) + np.array(worth)[swapped]

    values = shapley_values(fair)

    assert pytest.approx(values[one], abs=1e-9) == values[two]


@given(WORTHS, st.data())
def test_a_player_that_changes_nothing_gets_nothing(worth: list[float], data: st.DataObject) -> None:
    idle = data.draw(st.integers(0, len(worth).bit_length() - 2))
    without = np.array(worth)[np.arange(len(worth)) & ~(1 << idle)]

    values = shapley_values(without)

    assert pytest.approx(0.0, abs=1e-12) == values[idle]


def test_an_empty_history_has_no_player() -> None:
    scorer, history = case(0, [(1, 0, 0)])

    found = explain_by_shapley(scorer, history.without(1), 5)

    assert ((), 0.0) == (found.players, found.score - found.empty)


@pytest.mark.parametrize("most", [1, 21])
def test_a_number_of_players_that_cannot_be_played_is_refused(most: int) -> None:
    scorer, history = case(0, [(1, 0, 0)])

    with pytest.raises(InputError, match=f"must be 2 to 20, got {most}"):
        explain_by_shapley(scorer, history, 5, most=most)


@pytest.mark.slow
@pytest.mark.parametrize("power", [0.0, 1.0])
def test_the_exact_explainer_of_shap_finds_the_same(power: float) -> None:
    import shap

    rows = [(1, 0, 0), (4, 1, 2), (7, 1, 3), (4, 1, 4), (2, 0, 6), (9, 2, 6)]
    scorer, history = case(0, rows, power=power)
    found = explain_by_shapley(scorer, history, 5)

    def score(there: np.ndarray) -> np.ndarray:
        kept = [tuple(player for (player,), is_in in zip(found.players, row, strict=True) if is_in) for row in there]
        return np.array([scorer.score(only(history, players))[5] for players in kept])

    nobody, everybody = np.zeros((1, len(found.players))), np.ones((1, len(found.players)))
    explainer = shap.explainers.Exact(score, shap.maskers.Independent(nobody))

    assert near(explainer(everybody).values[0].tolist(), found) == found.by_player.tolist()
