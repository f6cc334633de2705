"""Metrics against naive loops and values worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnn.metrics import (
    coverage,
    gini,
    hit_rate_at_k,
    map_at_k,
    mean_interval,
    mrr_at_k,
    ndcg_at_k,
    precision_at_k,
    recall_at_k,
)

HITS = np.array([[True, False, True], [False, False, False], [False, True, False]])
RELEVANT = np.array([2, 1, 5])


def slow_metrics(hits: list[bool], relevant: int) -> dict[str, float]:
    k = len(hits)
    gain = sum(1 / math.log2(rank + 1) for rank, hit in enumerate(hits, start=1) if hit)
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(relevant, k) + 1))
    first = next((rank for rank, hit in enumerate(hits, start=1) if hit), None)
    precisions = [sum(hits[:rank]) / rank for rank, hit in enumerate(hits, start=1) if hit]
    return {
        "recall": sum(hits) / relevant,
        "precision": sum(hits) / k,
        "hit": float(any(hits)),
        "ndcg": gain / ideal,
        "mrr": 1 / first if first else 0.0,
        "map": sum(precisions) / min(relevant, k),
    }


def fast_metrics(hits: np.ndarray, relevant: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "recall": recall_at_k(hits, relevant),
        "precision": precision_at_k(hits),
        "hit": hit_rate_at_k(hits),
        "ndcg": ndcg_at_k(hits, relevant),
        "mrr": mrr_at_k(hits),
        "map": map_at_k(hits, relevant),
    }


@settings(max_examples=200, deadline=None)
@given(
    rows=st.integers(1, 6).flatmap(
        lambda k: st.lists(
            st.tuples(st.lists(st.booleans(), min_size=k, max_size=k), st.integers(0, 8)), min_size=1, max_size=5
        )
    )
)
def test_every_metric_equals_its_slow_loop(rows: list[tuple[list[bool], int]]) -> None:
    hits = np.array([row[0] for row in rows])
    relevant = np.array([max(1, sum(row[0]), row[1]) for row in rows])

    found = fast_metrics(hits, relevant)

    for place in range(len(rows)):
        expected = slow_metrics(rows[place][0], int(relevant[place]))
        assert pytest.approx(expected) == {name: float(values[place]) for name, values in found.items()}


def test_every_metric_has_the_value_worked_out_by_hand() -> None:
    ideal_two, ideal_three = 1 + 1 / math.log2(3), 1 + 1 / math.log2(3) + 0.5
    expected = {
        "recall": [1.0, 0.0, 0.2],
        "precision": [2 / 3, 0.0, 1 / 3],
        "hit": [1.0, 0.0, 1.0],
        "ndcg": [1.5 / ideal_two, 0.0, 1 / math.log2(3) / ideal_three],
        "mrr": [1.0, 0.0, 0.5],
        "map": [(1 + 2 / 3) / 2, 0.0, 0.5 / 3],
    }

    found = fast_metrics(HITS, RELEVANT)

    for name, values in expected.items():
        assert pytest.approx(values) == found[name].tolist()


def test_coverage_counts_each_recommended_product_once_and_no_empty_place() -> None:
    assert 0.3 == coverage(np.array([[1, 2, -1], [2, 5, -1]]), num_products=10)


def slow_gini(counts: list[int]) -> float:
    """Half the mean absolute difference of all pairs, divided by the mean."""
    pairs = sum(abs(a - b) for a in counts for b in counts)
    return pairs / (2 * len(counts) ** 2 * (sum(counts) / len(counts)))


@settings(max_examples=100, deadline=None)
@given(ranking=st.lists(st.integers(-1, 5), min_size=1, max_size=20))
def test_gini_is_the_mean_difference_of_all_pairs(ranking: list[int]) -> None:
    counts = [ranking.count(product) for product in range(6)]

    found = gini(np.array([ranking]), num_products=6)

    assert pytest.approx(slow_gini(counts) if any(counts) else 0.0) == found


def test_gini_is_zero_where_all_products_are_alike() -> None:
    assert pytest.approx(0.0) == gini(np.array([[0, 1], [2, 3]]), num_products=4)


def test_the_interval_holds_the_mean_and_shrinks_with_more_users() -> None:
    rng = np.random.default_rng(0)
    few, many = rng.random(50), rng.random(5000)

    (mean, low, high), (_, low_many, high_many) = (
        mean_interval(values, rng=np.random.default_rng(1)) for values in (few, many)
    )

    assert low < mean < high
    assert pytest.approx(few.mean()) == mean
    assert (high_many - low_many) * 5 < high - low


def test_the_interval_is_near_the_one_of_the_normal_distribution() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, size=400)
    half = 1.96 * values.std(ddof=1) / 20

    mean, low, high = mean_interval(values, rng=np.random.default_rng(0), resamples=4000)

    assert pytest.approx((mean - half, mean + half), abs=0.03) == (low, high)


def test_the_interval_of_equal_values_is_a_point_and_of_none_is_zero() -> None:
    assert (0.25, 0.25, 0.25) == mean_interval(np.full(9, 0.25), rng=np.random.default_rng(0))
    assert (0.0, 0.0, 0.0) == mean_interval(np.zeros(0), rng=np.random.default_rng(0))


def test_the_same_generator_gives_the_same_interval() -> None:
    values = np.random.default_rng(0).random(30)

    assert mean_interval(values, rng=np.random.default_rng(3)) == mean_interval(values, rng=np.random.default_rng(3))
