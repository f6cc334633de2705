"""How the data of one import is spread, and whether that of the next is spread otherwise.

A shift is the population stability index, PSI = sum((new - old) * ln(new / old)) over shares of parts, which is usually
called large from 0.25 on and worth a look from 0.1 on (Siddiqi, "Credit Risk Scorecards", 2006). What is kept of an
import are counts of parts, never a row.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from kg.health import Shop

LOOK, LARGE = 0.1, 0.25
"""PSI from which a shift is worth a look, and from which it is large."""
LEAST = 100
"""Values on each side below which nothing is said."""
_FLOOR = 1e-4
"""Least share: a part that is empty on one side would make the index endless."""
_BANDS, _NAMES = 10, 50
"""Bands of numbers, and most named parts; the rest is one part."""
_REST = "(others)"


@dataclass(frozen=True, slots=True)
class Shift:
    """How far one thing has moved since an earlier import."""

    name: str
    """What is spread: `prices`."""
    psi: float
    most: str
    """The part whose share moved most, in words."""

    @property
    def verdict(self) -> str:
        """`large`, `some` or `none`."""
        return "large" if self.psi >= LARGE else "some" if self.psi >= LOOK else "none"


def psi(before: Float[np.ndarray, " part"], after: Float[np.ndarray, " part"]) -> float:
    """Return the population stability index of two distributions over the same parts.

    Args:
        before: counts or shares, not all 0.
        after: the same.
    """
    old = np.maximum(before / before.sum(), _FLOOR)
    new = np.maximum(after / after.sum(), _FLOOR)
    return float(((new - old) * np.log(new / old)).sum())


def spread_of(shop: Shop) -> dict[str, Any]:
    """Return how a shop's data is spread as plain values: of numbers edges and counts, of words counts by name."""
    found: dict[str, Any] = {}
    for name, take in _NUMBERS.items():
        values = take(shop)
        if len(values):
            edges = np.unique(np.quantile(values, np.linspace(0, 1, _BANDS + 1)[1:-1]))
            found[name] = {"edges": edges.tolist(), "counts": _in_bands(values, edges).tolist()}
    for name, words in _words(shop):
        counts = words.value_counts()
        kept = {str(word): int(count) for word, count in counts[:_NAMES].items()}
        rest = int(counts[_NAMES:].sum())
        found[name] = {"counts": kept | ({_REST: rest} if rest else {})}
    return found


def shifts(before: Mapping[str, Any], shop: Shop) -> list[Shift]:
    """Return how far a shop's data has moved since an earlier import, the farthest first.

    Args:
        before: what `spread_of` gave then.
        shop: of now.
    """
    found = []
    for name, take in _NUMBERS.items():
        if name in before:
            edges = np.array(before[name]["edges"])
            found.append(_shift(name, before[name]["counts"], _in_bands(take(shop), edges), _bands(edges)))
    for name, words in _words(shop):
        if name in before:
            old = before[name]["counts"]
            parts = list(dict.fromkeys([*old, _REST]))
            known = words.where(words.isin(parts), _REST).value_counts()
            counts = np.array([int(known.get(part, 0)) for part in parts])
            found.append(_shift(name, [old.get(part, 0) for part in parts], counts, parts))
    return sorted((one for one in found if one is not None), key=lambda one: -one.psi)


def _shift(name: str, before: Sequence[int], after: np.ndarray, parts: Sequence[str]) -> Shift | None:
    old, new = np.array(before, dtype=float), after.astype(float)
    if min(old.sum(), new.sum()) < LEAST:
        return None
    shares = old / old.sum(), new / new.sum()
    most = int(np.abs(shares[1] - shares[0]).argmax())
    told = f"{parts[most]}: {shares[0][most]:.0%} before, {shares[1][most]:.0%} now"
    return Shift(name, psi(old, new), told)


def _in_bands(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)


def _bands(edges: np.ndarray) -> list[str]:
    if not len(edges):
        return ["all"]
    between = [f"{low:.4g} to {high:.4g}" for low, high in itertools.pairwise(edges)]
    return [f"below {edges[0]:.4g}", *between, f"{edges[-1]:.4g} or more"]


def _events_of(column: str) -> Callable[[Shop], np.ndarray]:
    return lambda shop: shop.events.groupby(column).size().to_numpy(float)


_NUMBERS: Mapping[str, Callable[[Shop], np.ndarray]] = {
    "prices": lambda shop: shop.products["price"].dropna().to_numpy(float),
    "lengths of titles": lambda shop: shop.products["title"].dropna().str.len().to_numpy(float),
    "quantities": lambda shop: shop.events["quantity"].dropna().to_numpy(float),
    "values": lambda shop: shop.events["value"].dropna().to_numpy(float),
    "events of a user": _events_of("user_id"),
    "events of a product": _events_of("product_id"),
    "hours of the day (UTC)": lambda shop: (shop.timed["at"] // 3_600_000 % 24).to_numpy(float),
}


def _words(shop: Shop) -> Iterator[tuple[str, "pd.Series[str]"]]:
    yield "event types", shop.events["type"].astype(str)
    yield "brands of products", shop.ends("MADE_BY")["to_id"].astype(str)
    yield "categories of products", shop.ends("IN_CATEGORY")["to_id"].astype(str)
