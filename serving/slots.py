"""Places of a list that are kept for products which are so new that nobody had them: how else would anybody get to.

The best list stays the best list; every so many places one new product stands, the one that its texts, brand and
categories bring nearest to the user. A place is kept only where no new product came as far by itself.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from gnn.score import top_products
from serving.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class ListsConfig:
    """What lists hold beside the best."""

    new_every: int = 10
    """One of so many places is kept for a product that is new and that nobody had yet; 0: none."""

    def __post_init__(self) -> None:
        if self.new_every < 0:
            raise ConfigError(f"[lists] new_every must be 0 or more, got {self.new_every}")


def with_new(
    ranked: Int[np.ndarray, " place"],
    scores: Float[np.ndarray, " product"],
    *,
    new: Bool[np.ndarray, " product"],
    every: int,
) -> tuple[Int[np.ndarray, " place"], set[int]]:
    """Return a list of the same length with its kept places taken, and the products that took them.

    Args:
        ranked: product rows, the best first, from rank 1 on.
        scores: of every product.
        new: new products that may be recommended.
        every: the places kept are those whose rank is a multiple of it; 0: none.
    """
    if not every or len(ranked) < every or not new.any():
        return ranked, set()
    waiting = top_products(scores, new, k=len(ranked) // every + int(new[ranked].sum())).tolist()
    rest, found, kept = iter(ranked.tolist()), list[int](), set[int]()
    for rank in range(1, len(ranked) + 1):
        is_due = rank % every == 0 and not any(new[row] for row in found[rank - every :])
        if is_due and (row := next((row for row in waiting if row not in found), None)) is not None:
            found.append(row)
            kept.add(row)
        else:
            found.append(next(row for row in rest if row not in kept))
    return np.array(found, dtype=ranked.dtype), kept
