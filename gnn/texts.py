"""What the kernels over texts make of how near two texts are; no learning library is loaded here."""

import numpy as np
from jaxtyping import Float

from kg.operators import popularity
from kg.snapshot import Snapshot

FLOOR = 0.3
"""Cosine of two text vectors that counts as nothing; vectors of one encoder share a common part."""
_POWER = 0.3


def text_boost(snapshot: Snapshot) -> Float[np.ndarray, " product"]:
    """Return the factor of each product as a candidate: of texts that are as near, the more popular one's counts."""
    return boost_of(popularity(snapshot))


def boost_of(users: Float[np.ndarray, " product"]) -> Float[np.ndarray, " product"]:
    """Return the factor of products with so many users."""
    return np.asarray(np.log(2.0 + users) ** _POWER)
