"""`spread`, `entries` and `mass` of a kernel are three views of one matrix: they agree on any shop."""

import functools
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from gnn.closed_form import fit_ease, nearest_texts
from gnn.score import stack_rows
from kg.errors import SnapshotError
from kg.kernel_files import load_kernel, save_kernel
from kg.kernels import EmbeddingKernel, EntityKernel, HabitKernel, Kernel, NeighbourKernel
from kg.operators import OperatorConfig, build_operators, interactions, strongest, top_k_product
from kg.stack import KernelStack, Spoken
from tests.support.random_shops import ORDERS, random_snapshot

NUM_PRODUCTS = 12
SEEDS = st.integers(0, 30)
KINDS = (NeighbourKernel, EntityKernel, EmbeddingKernel, HabitKernel)


@functools.cache
def kernels_of(seed: int) -> tuple[Kernel, ...]:
    """Return one kernel of every kind and type, fitted on a random shop."""
    snapshot = random_snapshot(seed, order=ORDERS[seed % 3])
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(NUM_PRODUCTS, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    query, target = rng.normal(size=(2, NUM_PRODUCTS, 5)).astype(np.float32)
    return (
        *build_operators(snapshot, OperatorConfig(top_k=5)),
        fit_ease(interactions(snapshot), regularisation=3.0, top_k=6),
        nearest_texts(vectors, np.ones(NUM_PRODUCTS, dtype=np.float32), top_k=4, floor=0.0),
        EmbeddingKernel("network", query, target),
        HabitKernel(NUM_PRODUCTS),
    )


def full_matrix(kernel: Kernel) -> np.ndarray:
    """Write the matrix out from its definition, not by the kernel's own methods."""
    if isinstance(kernel, NeighbourKernel):
        return np.asarray(kernel.matrix.todense(), dtype=np.float64)
    if isinstance(kernel, EntityKernel):
        left, right = kernel.left.todense(), kernel.right.todense()
        found = np.zeros((NUM_PRODUCTS, NUM_PRODUCTS))
        for j in range(NUM_PRODUCTS):
            for i in range(NUM_PRODUCTS):
                found[j, i] = (
                    0.0 if i == j else sum(float(a) * float(b) for a, b in zip(left[j], right[i], strict=True))
                )
        return found
    if isinstance(kernel, EmbeddingKernel):
        return np.array([[float(q @ t) for t in kernel.target] for q in kernel.query])
    return np.eye(NUM_PRODUCTS)


@settings(max_examples=60, deadline=None)
@given(
    seed=SEEDS,
    history=st.lists(st.integers(0, NUM_PRODUCTS - 1), max_size=9),
    columns=st.integers(1, 3),
    draw=st.integers(0, 1000),
)
def test_spread_is_the_weighted_sum_of_the_entries(seed: int, history: list[int], columns: int, draw: int) -> None:
    products = np.array(history, dtype=np.int64)
    weights = np.random.default_rng(draw).normal(size=(columns, len(products))).astype(np.float32)
    rows = stack_rows([products] * columns, list(weights), NUM_PRODUCTS)
    targets = np.arange(NUM_PRODUCTS)

    for kernel in kernels_of(seed):
        spread = kernel.spread(rows)
        summed = weights @ kernel.entries(products, targets).astype(np.float64)
        np.testing.assert_allclose(spread, summed, atol=2e-5, err_msg=kernel.name)
        np.testing.assert_allclose(spread, weights @ full_matrix(kernel)[products], atol=2e-5, err_msg=kernel.name)


@settings(max_examples=60, deadline=None)
@given(
    seed=SEEDS,
    several=st.lists(st.sets(st.integers(0, NUM_PRODUCTS - 1), max_size=9), max_size=4),
    targets=st.lists(st.integers(0, NUM_PRODUCTS - 1), max_size=5, unique=True),
    only=st.sampled_from([*KINDS, None]),
    draw=st.integers(0, 1000),
)
def test_a_stack_says_what_its_kernels_say(
    seed: int, several: list[set[int]], targets: list[int], only: type | None, draw: int
) -> None:
    rng = np.random.default_rng(draw)
    kernels = [kernel for kernel in kernels_of(seed) if only is None or isinstance(kernel, only)]
    stack = KernelStack(kernels, NUM_PRODUCTS)
    spoken = [
        Spoken(np.array(sorted(products), dtype=np.int64), rng.normal(size=(len(kernels), len(products))))
        for products in several
    ]

    reached = list(stack.spread(spoken))

    assert len(spoken) == len(reached)
    np.testing.assert_array_equal(stack.mass, np.stack([kernel.mass for kernel in kernels], axis=1))
    for one, reach in zip(spoken, reached, strict=True):
        entries = stack.entries(one.products, np.array(targets, dtype=np.int64), neighbours=reach.neighbours)
        for row, kernel in enumerate(kernels):
            rows = stack_rows([one.products], [one.weights[row]], NUM_PRODUCTS)
            alone = kernel.entries(one.products, np.array(targets, dtype=np.int64))
            np.testing.assert_allclose(reach.by_kernel[row], kernel.spread(rows)[0], atol=1e-5, err_msg=kernel.name)
            np.testing.assert_allclose(entries[row], alone, rtol=1e-6, err_msg=kernel.name)


def test_a_stack_takes_no_kernel_of_an_unknown_type() -> None:
    with pytest.raises(TypeError, match="unknown type"):
        KernelStack([cast(Kernel, object())], NUM_PRODUCTS)


@settings(max_examples=30, deadline=None)
@given(
    seed=SEEDS,
    history=st.lists(st.integers(0, NUM_PRODUCTS - 1), max_size=6),
    targets=st.lists(st.integers(0, NUM_PRODUCTS - 1), max_size=6),
)
def test_entries_are_those_of_the_matrix(seed: int, history: list[int], targets: list[int]) -> None:
    rows, columns = np.array(history, dtype=np.int64), np.array(targets, dtype=np.int64)

    for kernel in kernels_of(seed):
        found = kernel.entries(rows, columns)
        assert (len(rows), len(columns)) == found.shape
        np.testing.assert_allclose(found, full_matrix(kernel)[np.ix_(rows, columns)], atol=1e-5, err_msg=kernel.name)


@pytest.mark.parametrize("seed", range(6))
def test_mass_is_the_sum_of_the_absolute_entries(seed: int) -> None:
    for kernel in kernels_of(seed):
        expected = [sum(abs(value) for value in row) for row in full_matrix(kernel)]
        np.testing.assert_allclose(kernel.mass, expected, rtol=1e-4, atol=1e-5, err_msg=kernel.name)


@pytest.mark.parametrize("seed", range(6))
def test_no_product_speaks_for_itself_except_by_habit_and_in_the_network(seed: int) -> None:
    every = np.arange(NUM_PRODUCTS)

    for kernel in kernels_of(seed):
        diagonal = np.diag(kernel.entries(every, every))
        if isinstance(kernel, HabitKernel):
            assert np.ones(NUM_PRODUCTS).tolist() == diagonal.tolist()
        elif not isinstance(kernel, EmbeddingKernel):
            assert [0.0] * NUM_PRODUCTS == diagonal.tolist()


@pytest.mark.parametrize("seed", range(6))
def test_the_shares_of_an_entity_kernel_add_up_to_the_entry(seed: int) -> None:
    for kernel in kernels_of(seed):
        if not isinstance(kernel, EntityKernel):
            continue
        for product, target in ((0, 1), (1, 0), (3, 7), (11, 4)):
            shares = kernel.shared(product, target)
            entry = kernel.entries(np.array([product]), np.array([target]))[0, 0]
            assert pytest.approx(float(entry), abs=1e-6) == sum(share for _, share in shares)
            assert sorted(shares, key=lambda pair: (-pair[1], pair[0])) == shares


@pytest.mark.parametrize("seed", range(3))
def test_a_kernel_read_from_disk_is_the_kernel_that_was_written(seed: int, tmp_path: Path) -> None:
    every = np.arange(NUM_PRODUCTS)
    weights = sp.csr_array(np.linspace(-1, 1, 2 * NUM_PRODUCTS, dtype=np.float32).reshape(2, NUM_PRODUCTS))

    for kernel in kernels_of(seed):
        save_kernel(kernel, tmp_path / kernel.name)
        loaded = load_kernel(tmp_path / kernel.name)
        assert (kernel.name, type(kernel)) == (loaded.name, type(loaded))
        np.testing.assert_array_equal(kernel.mass, loaded.mass)
        np.testing.assert_array_equal(kernel.entries(every, every), loaded.entries(every, every))
        np.testing.assert_array_equal(kernel.spread(weights), loaded.spread(weights))
        if isinstance(kernel, EntityKernel) and isinstance(loaded, EntityKernel):
            assert (kernel.relation, kernel.label, kernel.shared(0, 1)) == (
                loaded.relation, loaded.label, loaded.shared(0, 1)
            )  # fmt: skip


def test_an_empty_kernel_survives_the_disk(tmp_path: Path) -> None:
    save_kernel(NeighbourKernel("ease", sp.csr_array((3, 3), dtype=np.float32)), tmp_path / "k")

    loaded = load_kernel(tmp_path / "k")

    assert np.zeros((3, 3)).tolist() == loaded.entries(np.arange(3), np.arange(3)).tolist()


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "does not hold a kernel"), ("{", "does not hold a kernel"), ('{"name": "k", "type": "Magic"}', "'Magic'")],
)
def test_a_folder_without_a_known_kernel_is_refused(text: str | None, words: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "kernel.json").write_text(text)

    with pytest.raises(SnapshotError, match=words):
        load_kernel(tmp_path)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.integers(1, 7),
    columns=st.integers(1, 9),
    top_k=st.integers(1, 10),
    first_row=st.integers(0, 3),
    draw=st.integers(0, 10_000),
)
def test_the_strongest_entries_are_those_of_a_sorted_row(
    rows: int, columns: int, top_k: int, first_row: int, draw: int
) -> None:
    rng = np.random.default_rng(draw)
    dense = rng.integers(-2, 4, size=(rows, columns)).astype(np.float32)  # few values: many ties
    expected = np.zeros_like(dense)
    for row in range(rows):
        candidates = [c for c in range(columns) if c != row + first_row and dense[row, c] > 0]
        for column in sorted(candidates, key=lambda c, row=row: (-dense[row, c], c))[:top_k]:  # type: ignore[misc]
            expected[row, column] = dense[row, column]

    kept = strongest(sp.csr_array(dense), top_k=top_k, first_row=first_row)

    assert expected.tolist() == kept.toarray().tolist()


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 9), inner=st.integers(1, 5), top_k=st.integers(1, 9), draw=st.integers(0, 10_000))
def test_the_strongest_of_a_product_are_those_of_the_dense_product(
    size: int, inner: int, top_k: int, draw: int
) -> None:
    rng = np.random.default_rng(draw)
    left = rng.integers(0, 3, size=(size, inner)).astype(np.float32)
    right = rng.integers(-1, 3, size=(inner, size)).astype(np.float32)
    dense = np.array([[sum(left[r, e] * right[e, c] for e in range(inner)) for c in range(size)] for r in range(size)])
    expected = np.zeros_like(dense)
    for row in range(size):
        candidates = [c for c in range(size) if c != row and dense[row, c] > 0]
        for column in sorted(candidates, key=lambda c, row=row: (-dense[row, c], c))[:top_k]:  # type: ignore[misc]
            expected[row, column] = dense[row, column]

    kept = top_k_product(sp.csr_array(left), sp.csr_array(right), top_k=top_k)

    assert expected.tolist() == kept.toarray().tolist()


def test_a_product_in_many_blocks_equals_the_product_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    left, right = sp.csr_array(rng.random((40, 6))), sp.csr_array(rng.random((6, 40)))
    whole = top_k_product(left, right, top_k=7)

    monkeypatch.setattr("kg.operators._BLOCK_ENTRIES", 500)

    np.testing.assert_allclose(whole.toarray(), top_k_product(left, right, top_k=7).toarray(), rtol=1e-6)
