"""Metrics against naive loops, values worked out by hand, and an independent library."""

import itertools
import math

import ir_measures
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import AP, RR, P, R, Success, nDCG

from gnn.metrics import (
    calibration,
    coverage,
    diversity,
    gini,
    hit_rate_at_k,
    map_at_k,
    mean_interval,
    mean_intervals,
    mrr_at_k,
    ndcg_at_k,
    novelty,
    popularity_lift,
    precision_at_k,
    recall_at_k,
)

INF = math.inf
RANKS = np.array([[3.0, 1.0, INF], [INF, INF, INF], [2.0, 7.0, 9.0]])
RELEVANT = np.array([2, 1, 5])
K = 3


def slow_metrics(ranks: list[float], relevant: int, k: int) -> dict[str, float]:
    """Walk down the list place by place; only for ranks without ties."""
    hits = [place in ranks for place in range(1, k + 1)]
    gain = sum(1 / math.log2(place + 1) for place, hit in enumerate(hits, start=1) if hit)
    ideal = sum(1 / math.log2(place + 1) for place in range(1, min(relevant, k) + 1))
    first = next((place for place, hit in enumerate(hits, start=1) if hit), None)
    precisions = [sum(hits[:place]) / place for place, hit in enumerate(hits, start=1) if hit]
    return {
        "recall": sum(hits) / relevant,
        "precision": sum(hits) / k,
        "hit": float(any(hits)),
        "ndcg": gain / ideal,
        "mrr": 1 / first if first else 0.0,
        "map": sum(precisions) / min(relevant, k),
    }


def fast_metrics(ranks: np.ndarray, relevant: np.ndarray, k: int) -> dict[str, np.ndarray]:
    return {
        "recall": recall_at_k(ranks, relevant, k=k),
        "precision": precision_at_k(ranks, k=k),
        "hit": hit_rate_at_k(ranks, k=k),
        "ndcg": ndcg_at_k(ranks, relevant, k=k),
        "mrr": mrr_at_k(ranks, k=k),
        "map": map_at_k(ranks, relevant, k=k),
    }


def padded(rows: list[list[float]]) -> np.ndarray:
    width = max(map(len, rows))
    return np.array([row + [INF] * (width - len(row)) for row in rows]).reshape(len(rows), width)


DISTINCT_RANKS = st.lists(
    st.lists(st.integers(1, 12), min_size=0, max_size=8, unique=True), min_size=1, max_size=5
)  # of each user


@settings(max_examples=200, deadline=None)
@given(rows=DISTINCT_RANKS, unfound=st.integers(0, 3), k=st.integers(1, 9))
def test_every_metric_equals_its_slow_loop(rows: list[list[int]], unfound: int, k: int) -> None:
    relevant = np.array([max(1, len(row) + unfound) for row in rows])

    found = fast_metrics(padded([list(map(float, row)) for row in rows]), relevant, k)

    for place, row in enumerate(rows):
        expected = slow_metrics([float(rank) for rank in row], int(relevant[place]), k)
        assert pytest.approx(expected) == {name: float(values[place]) for name, values in found.items()}


@settings(max_examples=60, deadline=None)
@given(rows=DISTINCT_RANKS, unfound=st.integers(0, 3), k=st.integers(1, 9))
def test_every_metric_equals_the_one_of_ir_measures(rows: list[list[int]], unfound: int, k: int) -> None:
    relevant = np.array([max(1, len(row) + unfound) for row in rows])
    qrels, run = [], []
    for user, row in enumerate(rows):
        named = [f"p{rank}" for rank in row] + [f"lost{number}" for number in range(int(relevant[user]) - len(row))]
        qrels += [ir_measures.Qrel(f"u{user}", product, 1) for product in named]
        run += [ir_measures.ScoredDoc(f"u{user}", f"p{rank}", 100.0 - rank) for rank in range(1, 13)]
    measures = {"recall": R @ k, "precision": P @ k, "hit": Success @ k, "ndcg": nDCG @ k, "mrr": RR @ k, "map": AP @ k}

    found = fast_metrics(padded([list(map(float, row)) for row in rows]), relevant, k)

    # Their average precision is divided by all that is relevant, even where fewer fit into the list.
    found["map"] = found["map"] * np.minimum(relevant, k) / relevant
    theirs = {
        (entry.query_id, entry.measure): entry.value
        for entry in ir_measures.iter_calc([*measures.values()], qrels, run)
    }
    for name, measure in measures.items():
        expected = [theirs[f"u{user}", measure] for user in range(len(rows))]
        assert pytest.approx(expected, abs=1e-6) == found[name].tolist(), name


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

    found = fast_metrics(RANKS, RELEVANT, K)

    for name, values in expected.items():
        assert pytest.approx(values) == found[name].tolist()


def test_a_target_that_ties_counts_at_its_mean_rank() -> None:
    found = fast_metrics(np.array([[1.5]]), np.array([1]), 2)

    expected = {"recall": 1.0, "precision": 0.5, "hit": 1.0, "ndcg": 1 / math.log2(2.5), "mrr": 1 / 1.5, "map": 1 / 1.5}
    assert pytest.approx(expected) == {name: float(values[0]) for name, values in found.items()}


@settings(max_examples=200, deadline=None)
@given(
    scores=st.lists(st.integers(0, 2), min_size=1, max_size=10),
    wanted=st.lists(st.booleans(), min_size=10, max_size=10),
    k=st.integers(1, 6),
)
def test_no_metric_passes_one_whatever_ties(scores: list[int], wanted: list[bool], k: int) -> None:
    targets = [score for score, is_target in zip(scores, wanted, strict=False) if is_target] or [scores[0]]
    ranks = [1 + sum(o > s for o in scores) + (sum(o == s for o in scores) - 1) / 2 for s in targets]

    found = fast_metrics(np.array([ranks]), np.array([len(targets)]), k)

    assert {name: float(values[0]) for name, values in found.items() if not 0 <= values[0] <= 1 + 1e-12} == {}


def test_three_targets_that_share_a_rank_are_not_all_in_the_top_two() -> None:
    assert [2 / 3] == pytest.approx(recall_at_k(np.array([[2.0, 2.0, 2.0]]), np.array([3]), k=2).tolist())


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


def drawn_lists(seed: int) -> np.ndarray:
    """Lists of distinct products of 8, shorter ones padded, one of them empty."""
    rng = np.random.default_rng(seed)
    lists = np.stack([rng.permutation(8)[:4] for _ in range(6)])
    for user in range(1, 6):
        lists[user, 5 - user :] = -1
    lists[5] = -1
    return lists


@pytest.mark.parametrize("seed", range(5))
def test_novelty_is_the_mean_information_of_a_list(seed: int) -> None:
    lists, popularity = drawn_lists(seed), np.random.default_rng(seed).integers(0, 20, size=8)
    expected = []
    for row in lists.tolist():
        bits = [-math.log2(max(int(popularity[product]), 1) / 20) for product in row if product >= 0]
        expected.append(sum(bits) / len(bits) if bits else 0.0)

    assert pytest.approx(expected) == novelty(lists, popularity, num_users=20).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_popularity_lift_is_the_ratio_of_two_means(seed: int) -> None:
    lists, popularity = drawn_lists(seed), np.random.default_rng(seed).integers(0, 20, size=8)
    before = np.array([2.0, np.nan, 5.0, 8.0, 1.0, 3.0])
    lists[3] = lists[0]
    after = []
    for user in (0, 2, 3, 4):
        shown = [int(popularity[product]) for product in lists[user].tolist() if product >= 0]
        after.append(sum(shown) / len(shown) if shown else None)
    kept = [(mean, before[user]) for user, mean in zip((0, 2, 3, 4), after, strict=True) if mean is not None]

    found = popularity_lift(lists, popularity, history_popularity=before)

    assert pytest.approx(sum(mean for mean, _ in kept) / sum(old for _, old in kept)) == found


def test_popularity_lift_without_any_history_is_zero() -> None:
    assert 0.0 == popularity_lift(np.array([[0]]), np.array([3]), history_popularity=np.array([np.nan]))


@pytest.mark.parametrize("seed", range(5))
def test_diversity_is_the_mean_distance_of_all_pairs(seed: int) -> None:
    lists, vectors = drawn_lists(seed), np.random.default_rng(seed).normal(size=(8, 3))
    vectors[2] = 0.0
    expected = []
    for row in lists.tolist():
        distances = []
        for first, second in itertools.combinations([product for product in row if product >= 0], 2):
            length = np.linalg.norm(vectors[first]) * np.linalg.norm(vectors[second])
            distances.append(1 - float(vectors[first] @ vectors[second]) / length if length else 1.0)
        expected.append(sum(distances) / len(distances) if distances else 0.0)

    assert pytest.approx(expected) == diversity(lists, vectors).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_calibration_is_the_divergence_of_two_distributions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lists = drawn_lists(seed)
    member, had = (rng.random((8, 3)) < 0.5).astype(float), (rng.random((6, 8)) < 0.4).astype(float)
    member[6], had[4] = 0.0, 0.0

    def distribution(products: list[int]) -> list[float]:
        total = [0.0] * 3
        for product in products:
            for category in range(3):
                total[category] += member[product][category] / max(member[product].sum(), 1)
        return [part / sum(total) for part in total] if sum(total) else total

    expected = []
    for user, row in enumerate(lists.tolist()):
        p = distribution([product for product in range(8) if had[user][product]])
        q = distribution([product for product in row if product >= 0])
        mixed = [0.99 * b + 0.01 * a for a, b in zip(p, q, strict=True)]
        parts = [a * math.log(a / b) for a, b in zip(p, mixed, strict=True) if a > 0]
        expected.append(sum(parts) if sum(p) else math.nan)

    found = calibration(lists, sp.csr_array(member), history=sp.csr_array(had))

    assert pytest.approx(expected, nan_ok=True) == found.tolist()


def test_a_list_of_the_categories_of_the_history_is_perfectly_calibrated() -> None:
    member, had = sp.csr_array(np.eye(3)), sp.csr_array(np.array([[1.0, 1.0, 0.0]]))

    alike, apart = (calibration(np.array([row]), member, history=had)[0] for row in ([0, 1], [2, 2]))

    assert pytest.approx((0.0, -math.log(0.01))) == (alike, apart)


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


def test_the_interval_is_the_one_of_a_plain_loop_over_resamples() -> None:
    values, rng = np.random.default_rng(0).random(20), np.random.default_rng(5)
    means = [values[rng.integers(0, 20, 20)].mean() for _ in range(250)]

    found = mean_interval(values, rng=np.random.default_rng(5), resamples=250)

    assert pytest.approx((values.mean(), *np.quantile(means, [0.025, 0.975]))) == found


def test_several_metrics_get_the_interval_that_each_gets_alone() -> None:
    values = np.random.default_rng(0).random((40, 3))

    together = mean_intervals(values, rng=np.random.default_rng(2))

    for place in range(3):
        assert (
            pytest.approx(mean_interval(values[:, place], rng=np.random.default_rng(2))) == together[:, place].tolist()
        )


def test_the_interval_of_equal_values_is_a_point_and_of_none_is_zero() -> None:
    assert (0.25, 0.25, 0.25) == mean_interval(np.full(9, 0.25), rng=np.random.default_rng(0))
    assert (0.0, 0.0, 0.0) == mean_interval(np.zeros(0), rng=np.random.default_rng(0))


def test_the_same_generator_gives_the_same_interval() -> None:
    values = np.random.default_rng(0).random(30)

    assert mean_interval(values, rng=np.random.default_rng(3)) == mean_interval(values, rng=np.random.default_rng(3))
