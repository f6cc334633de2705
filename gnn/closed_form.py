"""Kernels with a closed form that need dense algebra: EASE, the smooth kernels and the nearest texts.

Dense blocks go through torch, which is the fastest linear algebra at hand; what comes out is sparse and numpy.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse as sp
import torch
from jaxtyping import Float
from scipy.sparse.linalg import svds

from gnn.errors import ConfigError
from gnn.texts import FLOOR
from kg.kernels import EmbeddingKernel, NeighbourKernel

_PRIMAL_LIMIT = 16_000
"""Products of a system that is solved whole: 1 GB, and its cost grows with their cube."""
_DUAL_CELLS = 600_000_000
"""Numbers of a user-by-user system and what it is solved for, at most."""
_BLOCK_BYTES = 256 * 2**20


def fit_ease(
    interactions: sp.csr_array,
    *,
    regularisation: float = 200.0,
    top_k: int = 200,
    name: str = "ease",
    also: Float[np.ndarray, "product dim"] | None = None,
) -> NeighbourKernel:
    """Return EASE, the linear model whose zero diagonal forbids a product to predict itself.

    The product-by-product system is solved where it is small; where users are fewer, the Woodbury identity gives the
    same matrix from a user-by-user system, row block by row block, and the dense matrix never exists. Where both are
    large, the products that most users have to do with get the system of their own, and the others get no entry: they
    are bought too seldom for a linear model to tell them apart.

    Args:
        interactions: [user product], 0 or a positive weight.
        regularisation: ridge on the squared weights; above 0.
        top_k: entries kept a row, by absolute value.
        name: name of the kernel.
        also: vector of each product whose inner products join the Gram matrix, scaled to its mean diagonal: products
            that read alike count as if they had been bought together (primal form only).

    Source: Steck, "Embarrassingly shallow autoencoders for sparse data", WWW 2019.
    """
    if regularisation <= 0:
        raise ConfigError(f"EASE needs a regularisation above 0, got {regularisation}")
    num_users, num_products = interactions.shape
    if also is not None or (num_products <= _PRIMAL_LIMIT and num_products <= 4 * num_users):
        rows = _primal_rows(interactions, regularisation, also)
    elif num_users * (num_users + 2 * num_products) <= _DUAL_CELLS:
        rows = _dual_rows(interactions, regularisation)
    else:
        return NeighbourKernel(name, _among_popular(interactions, regularisation, top_k=top_k))
    return NeighbourKernel(name, _stack_strongest(rows, num_products, top_k=top_k, by_size=True))


def fit_smooth(interactions: sp.csr_array, filters: Sequence[tuple[str, int, float]]) -> list[EmbeddingKernel]:
    """Return low-pass filters of the interactions: what many users' tastes have in common, noise left out.

    `W = D^-p V V^T D^p` with the first right singular vectors V of `D_user^-1/2 X D_product^-1/2`. It knows what EASE
    does not: products that are never bought together but by the same kind of people. One decomposition serves all.

    Args:
        interactions: [user product], 0 or 1.
        filters: name of each kernel; singular vectors kept, a quarter of the smaller side at most; and p, how much
            popularity returns in the candidates.

    Returns:
        The kernels; one with too few interactions for two singular vectors is left out.

    Source: Shen et al., "How powerful is graph convolution for recommendation?", CIKM 2021 (GF-CF, the ideal low-pass
    filter; there p is 1/2).
    """
    most = min(interactions.shape) // 4
    able = [(name, min(rank, most), power) for name, rank, power in filters if 2 <= min(rank, most) < interactions.nnz]
    if not able:
        return []
    per_user = np.maximum(np.asarray(interactions.sum(axis=1)).ravel(), 1.0)
    per_product = np.maximum(np.asarray(interactions.sum(axis=0)).ravel(), 1.0)
    scaled = sp.diags_array(per_user**-0.5) @ interactions @ sp.diags_array(per_product**-0.5)
    largest = max(rank for _, rank, _ in able)
    start = np.ones(min(scaled.shape))
    _, size, vectors = svds(sp.csr_array(scaled, dtype=np.float64), k=largest, v0=start, tol=1e-3)
    order = np.argsort(-size)
    basis = vectors[order[size[order] > 1e-6]].T
    found = []
    for name, rank, power in able:
        kept, weight = basis[:, :rank], per_product[:, None] ** power
        query, target = (np.ascontiguousarray(table, dtype=np.float32) for table in (kept / weight, kept * weight))
        found.append(EmbeddingKernel(name, query, target))
    return found


def nearest_texts(
    vectors: Float[np.ndarray, "product dim"],
    boost: Float[np.ndarray, " product"],
    *,
    top_k: int = 100,
    floor: float = FLOOR,
) -> NeighbourKernel:
    """Return the products with the nearest texts, weighted by cosine above `floor` and by a boost of the candidate.

    Args:
        vectors: L2-normalised; a zero vector has no text and no neighbour.
        boost: factor of each candidate, for example a power of its popularity.
        top_k: entries kept a row.
        floor: cosine that counts as nothing; vectors of one encoder share a common part.
    """
    table = torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32))
    factor = torch.from_numpy(np.ascontiguousarray(boost, dtype=np.float32))
    has_text = table.abs().sum(dim=1) > 0

    def rows() -> Iterator[torch.Tensor]:
        for block in _blocks(table):
            cosine = block @ table.T
            yield (cosine - floor).clamp_min_(0.0).mul_(factor).mul_(has_text)

    return NeighbourKernel("text", _stack_strongest(rows(), len(table), top_k=top_k, by_size=False))


def _primal_rows(
    interactions: sp.csr_array, regularisation: float, also: Float[np.ndarray, "product dim"] | None = None
) -> Iterator[torch.Tensor]:
    gram = torch.from_numpy(np.asarray((interactions.T @ interactions).toarray(), dtype=np.float32))
    if also is not None:
        vectors = torch.from_numpy(np.ascontiguousarray(also, dtype=np.float32))
        gram.addmm_(vectors, vectors.T, alpha=float(gram.diagonal().mean()))
    gram.diagonal().add_(regularisation)
    factor = torch.linalg.cholesky(gram)
    del gram
    precision = torch.cholesky_inverse(factor)
    del factor
    scale = -1.0 / precision.diagonal()
    for block in _blocks(precision):
        yield block * scale


def _among_popular(interactions: sp.csr_array, regularisation: float, *, top_k: int) -> sp.csr_array:
    """EASE among the _PRIMAL_LIMIT products with most users, in the rows and columns of the whole catalogue."""
    num_products = interactions.shape[1]
    order = np.argsort(-np.asarray(interactions.sum(axis=0)).ravel(), kind="stable")
    kept = np.sort(order[:_PRIMAL_LIMIT])
    rows = _primal_rows(sp.csr_array(interactions[:, kept]), regularisation)
    found = sp.coo_array(_stack_strongest(rows, len(kept), top_k=top_k, by_size=True))
    places = (kept[found.coords[0]], kept[found.coords[1]])
    return sp.csr_array((found.data, places), shape=(num_products, num_products), dtype=np.float32)


def _dual_rows(interactions: sp.csr_array, regularisation: float) -> Iterator[torch.Tensor]:
    dense = torch.from_numpy(np.asarray(interactions.toarray(), dtype=np.float32))
    gram = torch.from_numpy(np.asarray((interactions @ interactions.T).toarray(), dtype=np.float32))
    gram.diagonal().add_(regularisation)
    inverse = torch.cholesky_solve(dense, torch.linalg.cholesky(gram))
    inverse *= 1.0 / (1.0 - (dense * inverse).sum(dim=0)).clamp_min(1e-6)
    solved, num_products = inverse.numpy(), dense.shape[1]
    del dense
    by_product, size = sp.csr_array(interactions.T, dtype=np.float32), _block_size(num_products)
    for start in range(0, num_products, size):
        # Most of a row is zero: the sparse product is hundreds of times less work than the dense one.
        yield torch.from_numpy(by_product[start : start + size] @ solved)


def _stack_strongest(rows: Iterator[torch.Tensor], num_products: int, *, top_k: int, by_size: bool) -> sp.csr_array:
    """Keep the strongest entries of each row of dense row blocks; the diagonal is dropped."""
    k = min(top_k, num_products - 1)
    first, parts = 0, []
    for block in rows:
        number = torch.arange(len(block))
        block[number, number + first] = 0.0
        column = torch.topk(block.abs() if by_size else block, k, dim=1, sorted=False).indices
        value = block.gather(1, column)
        row = number.repeat_interleave(k).numpy()
        part = sp.csr_array(
            (value.numpy().ravel(), (row, column.numpy().ravel())), shape=(len(block), num_products), dtype=np.float32
        )
        part.eliminate_zeros()
        part.sort_indices()
        parts.append(part)
        first += len(block)
    return sp.csr_array(sp.vstack(parts, format="csr"), dtype=np.float32)


def _blocks(table: torch.Tensor) -> Iterator[torch.Tensor]:
    """Row blocks whose products with the whole table stay below a bound."""
    size = _block_size(len(table))
    return (table[start : start + size] for start in range(0, len(table), size))


def _block_size(num_columns: int) -> int:
    """Rows of float32 whose block stays below a bound."""
    return max(1, _BLOCK_BYTES // (4 * max(1, num_columns)))
