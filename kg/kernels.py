"""Product-to-product matrices as values that spread a history over the catalogue and say what each entry rests on.

A kernel `W` answers two questions without building a dense matrix: `spread` (how much does this history speak for
every product) and `entries` (how much does one product of the history speak for one candidate). Both must agree, for
the second is the explanation of the first. How the matrices come about is `kg.operators` and `gnn.kernels`; how several
are spread at once is `kg.stack`.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int

TEXT_KERNELS = frozenset({"text", "words"})
"""Names of the kernels over what products say of themselves: they are content, and no path of the graph shows them."""
USE_KERNELS = frozenset(
    {
        "co_purchase",
        "next_purchase",
        "next_step",
        "next_twice",
        "next_words",
        "same_basket",
        "ease",
        "ease_loose",
        "ease_strict",
        "ease_text",
        "smooth",
        "smooth_fine",
        "network",
    }
)
"""Names of the kernels that rest on what users did: a path over other users shows them where it exists."""


class Kernel(Protocol):
    """A product-to-product matrix with zero weight where a product would speak for itself, own habit apart."""

    @property
    def name(self) -> str:
        """Unique name within a bundle: `brand`, `co_purchase`."""

    @property
    def mass(self) -> Float[np.ndarray, " product"]:
        """Sum of the absolute entries of each row: how much a product of the history has to say at all; float32."""

    def spread(self, weights: sp.csr_array) -> Float[np.ndarray, "row product"]:
        """Return, for every product, the weighted sum of the kernel's rows; float32.

        Args:
            weights: [row product], how much each product of a history counts; a row a user, or a decay of a user.
        """

    def entries(
        self, products: Int[np.ndarray, " history"], targets: Int[np.ndarray, " target"]
    ) -> Float[np.ndarray, "history target"]:
        """Return the weight with which each product of the history speaks for each target."""


@dataclass(frozen=True)
class NeighbourKernel:
    """A sparse matrix whose rows keep the strongest neighbours of each product."""

    name: str
    matrix: sp.csr_array
    """Row: product of the history; column: candidate; float32."""

    @cached_property
    def mass(self) -> Float[np.ndarray, " product"]:
        """Sum of the absolute entries of each row."""
        return np.asarray(abs(self.matrix).sum(axis=1), dtype=np.float32)

    def spread(self, weights: sp.csr_array) -> Float[np.ndarray, "row product"]:
        """Return, for every product, the weighted sum of the kernel's rows."""
        return np.asarray((weights @ self.matrix).toarray(), dtype=np.float32)

    def entries(
        self, products: Int[np.ndarray, " history"], targets: Int[np.ndarray, " target"]
    ) -> Float[np.ndarray, "history target"]:
        """Return the weight with which each product of the history speaks for each target."""
        if len(products) < self.matrix.shape[0]:
            return np.asarray(self.matrix[products][:, targets].toarray())
        # Of the whole catalogue a few columns are asked for: taking those first leaves the large matrix where it is.
        return np.asarray(self.matrix[:, targets][products].toarray())


@dataclass(frozen=True)
class EntityKernel:
    """`left @ right.T` over shared entities (brand, category, material) without a product's link to itself.

    Kept in factors: no entry is cut off, and each splits exactly over the entities that two products share.
    """

    name: str
    relation: str
    """The relation both products have to the entity: `MADE_BY`."""
    label: str
    """Node kind of the entity: `Brand`."""
    left: sp.csr_array
    """How strongly a product of the history points to an entity; [product entity], float32."""
    right: sp.csr_array
    """How strongly an entity points to a candidate; [product entity], float32."""

    @cached_property
    def mass(self) -> Float[np.ndarray, " product"]:
        """Sum of the absolute entries of each row."""
        return np.asarray(self.left @ np.asarray(self.right.sum(axis=0)) - self.own, dtype=np.float32)

    def spread(self, weights: sp.csr_array) -> Float[np.ndarray, "row product"]:
        """Return, for every product, the weighted sum of the kernel's rows."""
        # Nearly every product has an entity: a dense product is quicker here than a sparse one that comes out full.
        result = np.asarray(self.right @ (weights @ self.left).toarray().T, dtype=np.float32).T.copy()
        row = np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))
        np.subtract.at(result, (row, weights.indices), (self.own[weights.indices] * weights.data).astype(np.float32))
        return result

    @cached_property
    def own(self) -> Float[np.ndarray, " product"]:
        """What each product would say for itself."""
        return np.asarray(self.left.multiply(self.right).sum(axis=1))

    def entries(
        self, products: Int[np.ndarray, " history"], targets: Int[np.ndarray, " target"]
    ) -> Float[np.ndarray, "history target"]:
        """Return the weight with which each product of the history speaks for each target."""
        found = np.asarray((self.left[products] @ self.right[targets].T).toarray())
        found[products[:, None] == targets[None, :]] = 0.0
        return found

    def shared(self, product: int, target: int) -> list[tuple[int, float]]:
        """Return (entity row, share of the entry) for every entity the two products share, strongest first."""
        left, right = _row(self.left, product), _row(self.right, target)
        pairs = [(entity, value * right[entity]) for entity, value in left.items() if entity in right]
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))


@dataclass(frozen=True)
class EmbeddingKernel:
    """`<query_j, target_i>`: a kernel of low rank, of a network or a low-pass filter, kept as two tables of vectors."""

    name: str
    query: Float[np.ndarray, "product dim"]
    """Vector of a product as part of a history; float32."""
    target: Float[np.ndarray, "product dim"]
    """Vector of a product as a candidate; float32."""

    @cached_property
    def mass(self) -> Float[np.ndarray, " product"]:
        """Sum of the absolute entries of each row."""
        blocks = np.array_split(self.query, max(1, len(self.query) // 1024))
        return np.concatenate([np.abs(block @ self.target.T).sum(axis=1) for block in blocks]).astype(np.float32)

    def spread(self, weights: sp.csr_array) -> Float[np.ndarray, "row product"]:
        """Return, for every product, the weighted sum of the kernel's rows."""
        return np.asarray((weights @ self.query).astype(np.float32) @ self.target.T)

    def entries(
        self, products: Int[np.ndarray, " history"], targets: Int[np.ndarray, " target"]
    ) -> Float[np.ndarray, "history target"]:
        """Return the weight with which each product of the history speaks for each target."""
        return np.asarray(self.query[products] @ self.target[targets].T)


@dataclass(frozen=True)
class HabitKernel:
    """The identity: a product of the history speaks for itself. People buy the same things again."""

    num_products: int
    name: str = "habit"

    @cached_property
    def mass(self) -> Float[np.ndarray, " product"]:
        """Sum of the absolute entries of each row: 1."""
        return np.ones(self.num_products, dtype=np.float32)

    def spread(self, weights: sp.csr_array) -> Float[np.ndarray, "row product"]:
        """Return, for every product, the weight its own events carry."""
        return np.asarray(weights.toarray(), dtype=np.float32)

    def entries(
        self, products: Int[np.ndarray, " history"], targets: Int[np.ndarray, " target"]
    ) -> Float[np.ndarray, "history target"]:
        """Return 1 where the product of the history is the target."""
        return np.asarray(products[:, None] == targets[None, :], dtype=np.float32)


def _row(matrix: sp.csr_array, row: int) -> dict[int, float]:
    """Entries of one row by column; rows of memberships are short."""
    place = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return dict(zip(matrix.indices[place].tolist(), matrix.data[place].tolist(), strict=True))
