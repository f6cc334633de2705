"""What a user likes, read off the user's own history: brands, categories and other kinds, and prices.

Every event counts what its type weighs and fades with its half-life, as it does for what is in demand; what the user
sent back counts against. The share of a brand is its part of all that counts, and its lift how many times that is of
what it has in the whole shop's demand.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Int

from cypher.errors import InputError
from gnn.score import History
from serving.ready import Ready

MOST = 50
"""Affinities of one kind that are told at most."""
_EVIDENCE = 3
_QUARTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True, slots=True)
class Affinity:
    """One brand, category or node of another kind, and how much the user has to do with it."""

    id: str
    name: str
    share: float
    """Part of all that counts of the history, 0 to 1."""
    lift: float | None
    """How many times its share of the shop's demand that is; None where nothing is in demand."""
    num_events: int
    last_at_ms: int | None
    """Epoch milliseconds of the latest of them; None where events have no clock."""
    product_ids: tuple[str, ...]
    """Products that speak for it most, at most three."""


@dataclass(frozen=True, slots=True)
class Prices:
    """What the user pays: quartiles of the prices of the history's products, by what their events count."""

    low: float
    median: float
    high: float
    num_products: int
    """Products with a price."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A user as the history shows."""

    events_used: int
    num_products: int
    """Different products of the history."""
    first_at_ms: int | None
    last_at_ms: int | None
    affinities: dict[str, tuple[Affinity, ...]]
    """By kind of node as filters call it (`brand`, `category`, a declared one), the largest share first."""
    prices: Prices | None
    """None without a product with a price."""


def profile_of(ready: Ready, history: History, *, n: int = 10) -> Profile:
    """Return what a history says of a user's likes; an empty one says nothing.

    Categories are those that products stand in themselves, not those above. Sensitive ones (`[reasons] never_mention`)
    and the products in them are left out.

    Args:
        ready: the bundle.
        history: what the user did.
        n: affinities of each kind at most, 1 to MOST.

    Raises:
        InputError: n out of range.
    """
    if not 1 <= n <= MOST:
        raise InputError(f"n must be between 1 and {MOST}, got {n}")
    history = history.where(~_sensitive(ready)[history.product])
    has_clock = ready.bundle.snapshot.order == "clock" and len(history) > 0
    return Profile(
        len(history),
        len(np.unique(history.product)),
        int(history.time.min()) if has_clock else None,
        int(history.time.max()) if has_clock else None,
        {kind: tuple(_affinities(ready, history, matrix, kind, n=n)) for kind, matrix in _members(ready).items()},
        _prices(ready, history),
    )


def weight_of(history: History) -> Float[np.ndarray, " event"]:
    """Return what each event counts now: by its type, faded by its age where there is one."""
    if history.age_days is None:
        return history.weight
    return np.asarray(history.weight * 0.5 ** (history.age_days / history.half_life_days))


def _sensitive(ready: Ready) -> Bool[np.ndarray, " product"]:
    found = np.zeros(len(ready.nameable), dtype=bool)
    found[ready.shelf.in_category[:, ready.hidden_categories].indices] = True
    return found


def _members(ready: Ready) -> dict[str, sp.csr_array]:
    """Which products have which nodes by kind, of categories only those they stand in themselves."""
    snapshot, found = ready.bundle.snapshot, {}
    for kind, links in ready.shelf.selection.links.items():
        found[kind] = sp.csr_array(links.member)
    if "category" in found:
        edges, shape = snapshot.edges["IN_CATEGORY"], found["category"].shape
        found["category"] = sp.csr_array((np.ones(len(edges), dtype=bool), (edges.source, edges.target)), shape=shape)
    return found


def _affinities(ready: Ready, history: History, member: sp.csr_array, kind: str, *, n: int) -> Iterator[Affinity]:
    snapshot, label = ready.bundle.snapshot, ready.shelf.selection.links[kind].label
    weight, total = weight_of(history), float(np.maximum(weight_of(history), 0.0).sum())
    if total <= 0:
        return
    rows = sp.csr_array(member[history.product], dtype=np.float64)
    counted, events = rows.T @ weight, np.asarray((rows != 0).sum(axis=0)).ravel()
    demand = sp.csr_array(member, dtype=np.float64).T @ ready.demand.heat
    whole, ids = float(ready.demand.heat.sum()), snapshot.ids(label)
    is_hidden = ready.hidden_categories if label == "Category" else np.zeros(len(ids), dtype=bool)
    order = np.lexsort((np.arange(len(ids)), -counted))
    for node in order[: n + int(is_hidden.sum())].tolist():
        if counted[node] <= 0 or is_hidden[node]:
            continue
        mine = np.flatnonzero(rows[:, [node]].toarray().ravel())
        share = float(counted[node]) / total
        lift = share / (float(demand[node]) / whole) if whole > 0 and demand[node] > 0 else None
        last = int(history.time[mine].max()) if snapshot.order == "clock" else None
        best = _products(history, weight, mine)
        products = tuple(snapshot.ids("Product")[row] for row in best)
        yield Affinity(ids[node], ready.shelf.label(label, node), share, lift, int(events[node]), last, products)


def _products(history: History, weight: Float[np.ndarray, " event"], events: Int[np.ndarray, " _"]) -> list[int]:
    """Products of some events that count most."""
    products, place = np.unique(history.product[events], return_inverse=True)
    counted = np.bincount(place, weights=weight[events])
    return [int(row) for row in products[np.lexsort((products, -counted))][:_EVIDENCE]]


def _prices(ready: Ready, history: History) -> Prices | None:
    price, weight = ready.shelf.price[history.product], np.maximum(weight_of(history), 0.0)
    known = np.isfinite(price) & (weight > 0)
    if not known.any():
        return None
    order = np.argsort(price[known], kind="stable")
    value, reached = price[known][order], np.cumsum(weight[known][order])
    low, median, high = (float(value[np.searchsorted(reached, part * reached[-1])]) for part in _QUARTILES)
    return Prices(low, median, high, len(np.unique(history.product[known])))
