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
        sources = {"text": bundle.text_vectors} | {
            kernel.name: kernel.target for kernel in bundle.scorer.kernels if isinstance(kernel, EmbeddingKernel)
        }
        ends = np.cumsum([0, *(source.shape[1] for source in sources.values())]).tolist()
        vectors = np.empty((len(bundle.text_vectors), ends[-1]), dtype=np.float32)
        for source, first, last in zip(sources.values(), ends, ends[1:], strict=False):
            _write_unit(source, vectors[:, first:last], length=len(sources) ** -0.5)
        self._index = faiss.IndexFlatIP(vectors.shape[1])
        self._index.add(vectors)
        self._vectors = faiss.rev_swig_ptr(self._index.get_xb(), vectors.size).reshape(vectors.shape)
        """What the index holds, not a second copy."""
        self.parts = {
            name: self._vectors[:, first:last] for name, first, last in zip(sources, ends, ends[1:], strict=False)
        }

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


def _write_unit(
    source: Float[np.ndarray, "product dim"], target: Float[np.ndarray, "product dim"], *, length: float
) -> None:
    """Write vectors with one length into others; a vector of zeros stays one."""
    norm = np.sqrt(np.einsum("pd,pd->p", source, source))
    np.multiply(source, (length / np.where(norm > 0, norm, 1.0))[:, None], out=target, casting="same_kind")
