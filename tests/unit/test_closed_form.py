"""EASE and the nearest texts against the textbook and against brute force."""

import numpy as np
import pytest
import scipy.sparse as sp

from gnn import closed_form
from gnn.closed_form import fit_ease, fit_smooth, nearest_texts
from gnn.errors import ConfigError
from kg.operators import interactions
from tests.support.random_shops import random_snapshot


def random_interactions(seed: int, *, users: int, products: int) -> sp.csr_array:
    rng = np.random.default_rng(seed)
    return sp.csr_array((rng.random((users, products)) < 0.3).astype(np.float32))


def textbook_ease(matrix: sp.csr_array, regularisation: float, *, also: np.ndarray | None = None) -> np.ndarray:
    """B = I - P diag(1 / diag P) with P the inverse of the regularised Gram matrix; float64 all the way.

    `also` are vectors whose inner products join the Gram matrix, as loud as the mean of its diagonal.
    """
    dense = matrix.toarray().astype(np.float64)
    gram = dense.T @ dense
    if also is not None:
        gram = gram + np.trace(gram) / len(gram) * (also.astype(np.float64) @ also.astype(np.float64).T)
    precision = np.linalg.inv(gram + regularisation * np.eye(dense.shape[1]))
    weights = np.eye(len(precision)) - precision / np.diag(precision)
    np.fill_diagonal(weights, 0.0)
    return weights


@pytest.mark.parametrize(("users", "products"), [(30, 12), (5, 40)], ids=["primal", "dual"])
@pytest.mark.parametrize("regularisation", [0.5, 20.0])
def test_ease_is_the_textbook_formula(users: int, products: int, regularisation: float) -> None:
    matrix = random_interactions(1, users=users, products=products)

    found = fit_ease(matrix, regularisation=regularisation, top_k=products).matrix.toarray()

    np.testing.assert_allclose(found, textbook_ease(matrix, regularisation), atol=2e-5)


@pytest.mark.parametrize(("users", "products"), [(30, 12), (5, 40)], ids=["many users", "few users"])
def test_vectors_join_the_gram_matrix(users: int, products: int) -> None:
    """Also where users are few, for which the Woodbury identity would be taken otherwise."""
    matrix = random_interactions(1, users=users, products=products)
    vectors = np.random.default_rng(0).normal(size=(products, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    kernel = fit_ease(matrix, regularisation=5.0, top_k=products, name="ease_text", also=vectors)

    assert "ease_text" == kernel.name
    np.testing.assert_allclose(kernel.matrix.toarray(), textbook_ease(matrix, 5.0, also=vectors), atol=2e-5)


def test_vectors_of_zero_change_nothing() -> None:
    matrix = random_interactions(1, users=30, products=12)

    found = fit_ease(matrix, regularisation=5.0, top_k=12, also=np.zeros((12, 5), dtype=np.float32))

    np.testing.assert_allclose(found.matrix.toarray(), textbook_ease(matrix, 5.0), atol=2e-5)


def test_both_ways_to_ease_give_the_same_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = random_interactions(2, users=20, products=15)
    primal = fit_ease(matrix, regularisation=5.0, top_k=15).matrix.toarray()

    monkeypatch.setattr(closed_form, "_PRIMAL_LIMIT", 0)

    np.testing.assert_allclose(primal, fit_ease(matrix, regularisation=5.0, top_k=15).matrix.toarray(), atol=1e-5)


@pytest.mark.parametrize("products", [15, 60], ids=["primal", "dual"])
def test_small_blocks_give_the_same_matrix(products: int, monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = random_interactions(3, users=10, products=products)
    whole = fit_ease(matrix, regularisation=5.0, top_k=4).matrix.toarray()

    monkeypatch.setattr(closed_form, "_BLOCK_BYTES", 4 * products * 4)

    np.testing.assert_allclose(whole, fit_ease(matrix, regularisation=5.0, top_k=4).matrix.toarray(), atol=1e-5)


def test_ease_keeps_the_largest_entries_whatever_their_sign() -> None:
    matrix = random_interactions(4, users=30, products=10)
    full = textbook_ease(matrix, 2.0)

    found = fit_ease(matrix, regularisation=2.0, top_k=3).matrix.toarray()

    for row in range(10):
        kept = set(np.flatnonzero(found[row]).tolist())
        assert set(sorted(range(10), key=lambda column, row=row: -abs(full[row, column]))[:3]) == kept  # type: ignore[misc]
    assert found.min() < 0


def test_a_product_nobody_had_neither_speaks_nor_is_spoken_for() -> None:
    matrix = random_interactions(5, users=20, products=8).toarray()
    matrix[:, 3] = 0

    found = fit_ease(sp.csr_array(matrix), regularisation=5.0, top_k=8).matrix.toarray()

    assert (0.0, 0.0) == (abs(found[3]).sum(), abs(found[:, 3]).sum())


@pytest.mark.parametrize("regularisation", [0.0, -1.0])
def test_ease_without_a_ridge_is_refused(regularisation: float) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        fit_ease(random_interactions(0, users=3, products=3), regularisation=regularisation)


def test_a_catalogue_of_one_product_has_an_empty_ease() -> None:
    assert 0 == fit_ease(sp.csr_array(np.ones((3, 1), dtype=np.float32))).matrix.nnz


@pytest.mark.parametrize("block_bytes", [2**28, 4 * 20 * 3])
def test_the_nearest_texts_are_those_of_brute_force(block_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closed_form, "_BLOCK_BYTES", block_bytes)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(20, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[7] = 0.0
    boost = rng.random(20).astype(np.float32) + 0.5
    expected = np.zeros((20, 20))
    for j in range(20):
        near = {i: (float(vectors[j] @ vectors[i]) - 0.1) * float(boost[i]) for i in range(20) if i not in (j, 7)}
        for i in sorted(near, key=lambda i, near=near: -near[i])[:5]:  # type: ignore[misc]
            expected[j, i] = 0.0 if j == 7 else max(near[i], 0.0)

    found = nearest_texts(vectors, boost, top_k=5, floor=0.1).matrix.toarray()

    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(("rank", "power"), [(2, 0.5), (5, 0.3), (99, 0.0)])
def test_the_smooth_kernel_is_the_low_pass_filter_by_a_dense_decomposition(rank: int, power: float) -> None:
    matrix = interactions(random_snapshot(3, users=40, products=28, events=500))
    dense = matrix.toarray().astype(np.float64)
    users, products = (np.maximum(dense.sum(axis=axis), 1.0) for axis in (1, 0))
    vectors = np.linalg.svd(dense / np.sqrt(np.outer(users, products)))[2][: min(rank, 28 // 4)].T
    expected = np.diag(products**-power) @ vectors @ vectors.T @ np.diag(products**power)

    found, again = (fit_smooth(matrix, [("wide", 7, 0.1), ("smooth", rank, power)]) for _ in range(2))
    kernel = found[1]

    assert ["wide", "smooth"] == [each.name for each in found]
    every = np.arange(28)
    np.testing.assert_allclose(expected, kernel.entries(every, every), atol=1e-2)
    np.testing.assert_array_equal(kernel.query, again[1].query)


def test_too_little_data_has_no_smooth_kernel() -> None:
    for snapshot in (random_snapshot(3, users=7, products=28), random_snapshot(3, users=40, products=28, events=0)):
        assert fit_smooth(interactions(snapshot), [("smooth", 8, 0.3)]) == []


def test_where_both_systems_are_too_large_the_most_bought_products_have_one_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    matrix = random_interactions(2, users=40, products=9)
    matrix = sp.csr_array(matrix @ sp.diags_array([1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0])).astype(np.float32)
    matrix.eliminate_zeros()
    monkeypatch.setattr(closed_form, "_PRIMAL_LIMIT", 6)
    monkeypatch.setattr(closed_form, "_DUAL_CELLS", 100)
    count = np.asarray(matrix.sum(axis=0)).ravel()
    kept = np.sort(np.argsort(-count, kind="stable")[:6])
    expected = np.zeros((9, 9))
    expected[np.ix_(kept, kept)] = textbook_ease(sp.csr_array(matrix[:, kept]), 3.0)

    found = fit_ease(matrix, regularisation=3.0, top_k=9).matrix

    np.testing.assert_allclose(found.toarray(), expected, atol=2e-5)
    assert {2, 6}.isdisjoint(kept.tolist())
