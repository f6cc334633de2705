"""Variety of a list: the best products, each a little worse the more it is like those above it."""

import numpy as np
from jaxtyping import Float, Int

from serving.ready import Ready

POOL = 200
"""Best products that a varied list is chosen from."""


def vary(
    ready: Ready,
    ranked: Int[np.ndarray, " candidate"],
    scores: Float[np.ndarray, " product"],
    *,
    diversity: float,
    k: int,
) -> Int[np.ndarray, " rank"]:
    """Return k candidates, chosen one by one: each time the one with the largest `(1 - diversity) * relevance -
    diversity * likeness`, where likeness is that to the most alike of those chosen before.

    Relevance is the score between the least and the best of the candidates, from 0 to 1. Likeness is the mean of two
    parts, each from 0 to 1: the cosine in text and use, and the categories that both are in or below in parts of those
    that either is. The first k' of k are the same whatever k is.

    Args:
        ready: the bundle.
        ranked: candidates, the best first.
        scores: of every product.
        diversity: 0 keeps the order, 1 looks at likeness alone once the best stands first.
        k: how many.

    Source: Carbonell and Goldstein, "The use of MMR", SIGIR 1998.
    """
    if not len(ranked):
        return ranked
    found = scores[ranked]
    reach = float(found.max() - found.min())
    relevance = (found - found.min()) / reach if reach > 0 else np.ones(len(found))
    likeness = liken(ready, ranked)
    chosen, closest = [0], likeness[0].copy()
    is_open = np.ones(len(ranked), dtype=bool)
    is_open[0] = False
    while len(chosen) < min(k, len(ranked)):
        value = np.where(is_open, (1.0 - diversity) * relevance - diversity * closest, -np.inf)
        best = int(value.argmax())
        chosen.append(best)
        is_open[best] = False
        np.maximum(closest, likeness[best], out=closest)
    return np.asarray(ranked[chosen])


def liken(ready: Ready, products: Int[np.ndarray, " candidate"]) -> Float[np.ndarray, "candidate candidate"]:
    """Return how alike some products are, each pair from 0 to 1: in text and use, and in their categories."""
    cosine = np.clip(ready.index.cosines(products), 0.0, 1.0)
    member = ready.shelf.in_category.tocsr()[products].astype(bool).astype(np.float32)
    shared = (member @ member.T).toarray()
    size = np.asarray(member.sum(axis=1)).ravel()
    either = size[:, None] + size[None, :] - shared
    overlap = np.divide(shared, either, out=np.zeros_like(shared), where=either > 0)
    return np.asarray((cosine + overlap) / 2.0, dtype=np.float64)
