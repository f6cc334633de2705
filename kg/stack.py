"""Kernels laid side by side, so that a history is spread by one product a type of kernel and not by one a kernel.

Says what `kg.kernels` says, kernel by kernel, to the last digits of float32; tests hold the two together. What a
history counts for in each kernel is `gnn.score`'s.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int

from kg.files import release_pages
from kg.kernels import EmbeddingKernel, EntityKernel, HabitKernel, Kernel, NeighbourKernel

_BLOCK = 64
"""Histories whose low-rank parts are multiplied at once."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one history says: its distinct products and how much each counts for each kernel."""

    products: Int[np.ndarray, " history"]
    """Product rows, sorted."""
    weights: Float[np.ndarray, "kernel history"]
    """In the order of the kernels."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What one history says for the whole catalogue."""

    by_kernel: Float[np.ndarray, "kernel product"]
    """What it says for every product through each kernel; float32."""
    neighbours: sp.csr_array
    """Rows of the stacked neighbours of its products: spares `entries` taking them again."""


class KernelStack:
    """Some kernels side by side; made once and then only read.

    Neighbours are copied into one matrix (8 bytes an entry, where a bundle has 12), entities into two, and the mapped
    pages of what was copied are let go; the vectors of embeddings stay where they are. A block of the matrix is a
    kernel, so that what each says comes out apart.
    """

    def __init__(self, kernels: Sequence[Kernel], num_products: int) -> None:
        """Lay kernels side by side.

        Args:
            kernels: in the order of the weights.
            num_products: products of each.

        Raises:
            TypeError: a kernel of another type.
        """
        self._num_kernels, self._num_products = len(kernels), num_products
        neighbours = [(row, kernel) for row, kernel in enumerate(kernels) if isinstance(kernel, NeighbourKernel)]
        entities = [(row, kernel) for row, kernel in enumerate(kernels) if isinstance(kernel, EntityKernel)]
        self._embeddings = [(row, kernel) for row, kernel in enumerate(kernels) if isinstance(kernel, EmbeddingKernel)]
        self._habits = [row for row, kernel in enumerate(kernels) if isinstance(kernel, HabitKernel)]
        if len(neighbours) + len(entities) + len(self._embeddings) + len(self._habits) < len(kernels):
            raise TypeError(f"kernels of an unknown type among {[type(kernel).__name__ for kernel in kernels]}")
        self._neighbour_rows = np.array([row for row, _ in neighbours], dtype=np.int64)
        self._entity_rows = np.array([row for row, _ in entities], dtype=np.int64)
        self._neighbours = _beside([kernel.matrix for _, kernel in neighbours])
        self._left = _beside([kernel.left for _, kernel in entities])
        self._right = _beside([kernel.right for _, kernel in entities])
        self.mass: Float[np.ndarray, "product kernel"] = np.ones((num_products, len(kernels)), dtype=np.float32)
        """Sum of the absolute entries of each row of each kernel."""
        self._own = np.zeros((num_products, len(entities)), dtype=np.float32)
        for row, kernel in enumerate(kernels):
            self.mass[:, row] = kernel.mass
        for place, (_, kernel) in enumerate(entities):
            self._own[:, place] = kernel.own

    def spread(self, spoken: Sequence[Spoken]) -> Iterator[Reach]:
        """Yield, for each history, what it says for every product through each kernel."""
        for first in range(0, len(spoken), _BLOCK):
            block = spoken[first : first + _BLOCK]
            learned = [self._by_vectors(row, kernel, block) for row, kernel in self._embeddings]
            for place, one in enumerate(block):
                found = np.zeros((self._num_kernels, self._num_products), dtype=np.float32)
                for (row, _), said in zip(self._embeddings, learned, strict=True):
                    found[row] = said[place]
                yield Reach(found, self._add_sparse(found, one))

    def entries(
        self,
        products: Int[np.ndarray, " history"],
        targets: Int[np.ndarray, " target"],
        *,
        neighbours: sp.csr_array | None = None,
    ) -> Float[np.ndarray, "kernel history target"]:
        """Return the weight with which each product of a history speaks for each target in each kernel; float32.

        Args:
            products: distinct ones of a history, sorted.
            targets: distinct product rows.
            neighbours: what `spread` took of these products; None: it is taken.
        """
        found = np.zeros((self._num_kernels, len(products), len(targets)), dtype=np.float32)
        rows = self._take(products) if neighbours is None else neighbours
        self._set_neighbours(found, rows, targets)
        left = self._left[self._places(len(self._entity_rows), products)]
        shared = left @ self._right[self._places(len(self._entity_rows), targets)].T
        line, column = np.repeat(np.arange(shared.shape[0]), np.diff(shared.indptr)), shared.indices
        if len(line):
            kernel, start = self._entity_rows[line // len(products)], line % len(products)
            found[kernel, start, column % len(targets)] = shared.data
        starts, places = np.nonzero(products[:, None] == targets)
        found[self._entity_rows[:, None], starts, places] = 0.0
        for row, kernel_of in self._embeddings:
            found[row] = kernel_of.entries(products, targets)
        for row in self._habits:
            found[row, starts, places] = 1.0
        return found

    def _set_neighbours(
        self,
        found: Float[np.ndarray, "kernel history target"],
        rows: sp.csr_array,
        targets: Int[np.ndarray, " target"],
    ) -> None:
        """Write the entries of some rows for the targets: one look at every entry, for they are in no order."""
        num_kernels, num_history = len(self._neighbour_rows), found.shape[1]
        wanted = np.zeros(rows.shape[1], dtype=bool)
        wanted[self._places(num_kernels, targets)] = True
        hits = np.flatnonzero(wanted.take(rows.indices))
        line = np.repeat(np.arange(rows.shape[0]), np.diff(np.searchsorted(hits, rows.indptr)))
        if len(hits):
            place = np.empty(self._num_products, dtype=np.int64)
            place[targets] = np.arange(len(targets))
            column = place[rows.indices[hits] % self._num_products]
            found[self._neighbour_rows[line // num_history], line % num_history, column] = rows.data[hits]

    @staticmethod
    def _by_vectors(row: int, kernel: EmbeddingKernel, block: Sequence[Spoken]) -> Float[np.ndarray, "history product"]:
        said = [one.weights[row].astype(np.float32) @ kernel.query[one.products] for one in block]
        return np.asarray(np.stack(said) @ kernel.target.T)

    def _add_sparse(self, found: Float[np.ndarray, "kernel product"], one: Spoken) -> sp.csr_array:
        """Write what kernels of neighbours, of entities and of own habit say into their rows; return the neighbours."""
        near, shared, rows = self._neighbour_rows, self._entity_rows, self._take(one.products)
        if len(near):
            found[near] = (rows.T @ one.weights[near].ravel().astype(np.float32)).reshape(len(near), -1)
        if len(shared):
            weights = one.weights[shared].astype(np.float32)
            reached = self._left[self._places(len(shared), one.products)].T @ weights.ravel()
            found[shared] = (self._right @ reached).reshape(len(shared), -1)
            found[shared[:, None], one.products] -= self._own[one.products].T * weights
        for row in self._habits:
            found[row, one.products] += one.weights[row]
        return rows

    def _take(self, products: Int[np.ndarray, " history"]) -> sp.csr_array:
        """The rows of some products in every block of the neighbours; of all products, as they lie."""
        if len(products) == self._num_products:
            return self._neighbours
        return self._neighbours[self._places(len(self._neighbour_rows), products)]

    def _places(self, num_kernels: int, products: Int[np.ndarray, " product"]) -> Int[np.ndarray, " place"]:
        """Rows, or columns, of some products in every block of a stacked matrix."""
        starts = self._num_products * np.arange(num_kernels, dtype=np.int32)
        return (starts[:, None] + products.astype(np.int32)).ravel()


def _beside(matrices: Sequence[sp.csr_array]) -> sp.csr_array:
    """Matrices as the blocks of one along its diagonal; indices of 32 bits as long as they suffice."""
    if not matrices:
        return sp.csr_array((0, 0), dtype=np.float32)
    num_entries, width = sum(matrix.nnz for matrix in matrices), sum(matrix.shape[1] for matrix in matrices)
    dtype = np.int32 if max(num_entries, width) <= np.iinfo(np.int32).max else np.int64
    data, indices = np.empty(num_entries, dtype=np.float32), np.empty(num_entries, dtype=dtype)
    ends, entry, column = [np.zeros(1, dtype=dtype)], 0, 0
    for matrix in matrices:
        data[entry : entry + matrix.nnz] = matrix.data
        np.add(matrix.indices, column, out=indices[entry : entry + matrix.nnz], casting="unsafe")
        ends.append((np.asarray(matrix.indptr[1:]) + entry).astype(dtype))
        entry, column = entry + matrix.nnz, column + matrix.shape[1]
        release_pages(matrix.data)
        release_pages(matrix.indices)
    return sp.csr_array((data, indices, np.concatenate(ends)), shape=(sum(len(end) for end in ends) - 1, width))
