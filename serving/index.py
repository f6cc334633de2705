"""Nearest products by vector: text and use side by side, searched by FAISS. The only module that imports faiss.

The vector of a product is its text vector beside its vector in each kernel of low rank that the model has, scaled so
that the inner product of two products is the mean of their cosines; the score of a neighbour therefore splits into
these parts exactly.
"""

import faiss
import numpy as np
from jaxtyping import Bool, Float, Int

from gnn.bundle import Bundle
from kg.kernels import EmbeddingKernel


class ProductIndex:
    """An exact inner-product index over the products of one bundle."""

    def __init__(self, bundle: Bundle) -> None:
        parts = {"text": _unit(np.asarray(bundle.text_vectors, dtype=np.float32))}
        for kernel in bundle.scorer.kernels:
            if isinstance(kernel, EmbeddingKernel):
                parts[kernel.name] = _unit(np.asarray(kernel.target, dtype=np.float32))
        weight = np.float32(1.0 / np.sqrt(len(parts)))
        self.parts = {name: part * weight for name, part in parts.items()}
        vectors = np.ascontiguousarray(np.hstack(list(self.parts.values())))
        self._vectors = vectors
        self._index = faiss.IndexFlatIP(vectors.shape[1])
        self._index.add(vectors)

    def nearest(self, product: int, allowed: Bool[np.ndarray, " product"], *, k: int) -> Int[np.ndarray, " rank"]:
        """Return the nearest allowed products, best first.

        Args:
            product: row of the product.
            allowed: which products may come out.
            k: how many at most.
        """
        num_allowed = int(np.count_nonzero(allowed))
        if not num_allowed:
            return np.zeros(0, dtype=np.int64)
        bits = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))  # type: ignore[arg-type, call-arg]
        wish = faiss.SearchParameters(sel=bits)  # type: ignore[call-arg]  # added at import
        _, found = self._index.search(self._vectors[product : product + 1], min(k, num_allowed), params=wish)
        return np.asarray(found[0][found[0] >= 0])

    def split(self, product: int, others: Int[np.ndarray, " other"]) -> Float[np.ndarray, "part other"]:
        """Return what each part adds to the similarity of a product and some others."""
        similarity = [part[others] @ part[product] for part in self.parts.values()]
        return np.stack(similarity).astype(np.float64)

    def similarity(self, product: int) -> Float[np.ndarray, " product"]:
        """Return how alike a product and every product are."""
        return np.asarray(self._vectors @ self._vectors[product], dtype=np.float64)

    def cosines(self, products: Int[np.ndarray, " candidate"]) -> Float[np.ndarray, "candidate candidate"]:
        """Return the similarity of each pair of some products: the mean of their cosines."""
        vectors = self._vectors[products]
        return np.asarray(vectors @ vectors.T)


def _unit(vectors: Float[np.ndarray, "product dim"]) -> Float[np.ndarray, "product dim"]:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1.0), dtype=np.float32)
