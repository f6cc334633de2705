"""The score, written once: evaluation, the release gate and the API all call this module.

`s(u, i) = sum over history j, kernels r of  a_r(j) * W_r[j, i]  +  sum over priors p of  b_p * prior_p[i]`

where `a_r(j) = type weight * sum over decays d of w_rd * decay_d(j)`. The score is a plain sum, so it splits exactly
(event, kernel) and deleting an event is arithmetic. Pure numpy; learning the weights is `gnn.fuse`, and laying
kernels side by side is `kg.stack`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Int

from gnn.errors import ConfigError
from kg.kernels import Kernel
from kg.snapshot import DAY_MS, Snapshot
from kg.stack import KernelStack, Reach, Spoken

DecayUnit = Literal["rank", "age", "declared"]
MAX_HISTORY = 1000
"""Latest events of a user that take part in a score; older ones carry next to nothing and cost the same."""

_LEAST_MASS = 1e-4
"""Least mass of a history in parts of the mass of the product that has most to say."""
_BLOCK = 32
"""Products whose best stands for all of them while the best of all are looked for."""


@dataclass(frozen=True, slots=True)
class History:
    """What a user (or a session) did, oldest first; parallel arrays."""

    product: Int[np.ndarray, " event"]
    """Product row of each event."""
    weight: Float[np.ndarray, " event"]
    """Declared weight of the event type; negative for a dislike or a return."""
    rank: Int[np.ndarray, " event"]
    """How many later steps the user took: 0 for the latest; events of one moment share a rank."""
    age_days: Float[np.ndarray, " event"] | None
    """Days before now; None where events have no time."""
    half_life_days: Float[np.ndarray, " event"]
    """Declared half-life of the event type."""
    kind: Int[np.ndarray, " event"]
    """Row of the event type in `Snapshot.event_names`."""
    time: Int[np.ndarray, " event"]
    """Epoch milliseconds, position or 0, as `Snapshot.order` says."""

    def __len__(self) -> int:
        return len(self.product)

    def without(self, *products: int) -> "History":
        """Return the history with some products taken out; the steps they were in stay, so every other rank stays."""
        return self.where(~np.isin(self.product, products))

    def where(self, keep: Bool[np.ndarray, " event"]) -> "History":
        """Return the events where `keep` holds; the ranks of the others stay as they are."""
        age = None if self.age_days is None else self.age_days[keep]
        others = (self.half_life_days[keep], self.kind[keep], self.time[keep])
        return History(self.product[keep], self.weight[keep], self.rank[keep], age, *others)


@dataclass(frozen=True, slots=True)
class Decay:
    """How an event's say fades: with the steps since (`rank`), with time (`age`), or as its type declares."""

    unit: DecayUnit
    scale: float = float("inf")
    """Steps after which it falls to 1/e, or days after which it halves; inf: it never fades."""

    def __post_init__(self) -> None:
        if not self.scale > 0:
            raise ConfigError(f"a decay's scale must be above 0, got {self.scale}")

    def __call__(self, history: History) -> Float[np.ndarray, " event"]:
        """Return the weight of each event in [0, 1]; 1 where the unit is time and there is none."""
        if self.unit == "rank":
            return np.asarray(np.exp(-history.rank / self.scale), dtype=np.float64)
        if history.age_days is None:
            return np.ones(len(history))
        half_life = history.half_life_days if self.unit == "declared" else self.scale
        return np.asarray(0.5 ** (history.age_days / half_life), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Blend:
    """The learned numbers of the score: few, and all of them readable."""

    kernels: tuple[str, ...]
    """Kernel names in the order of `weights`."""
    decays: tuple[Decay, ...]
    """Decays in the order of the columns of `weights`."""
    weights: Float[np.ndarray, "kernel decay"]
    """What each kernel adds under each decay; 0 or more, float64."""
    priors: tuple[str, ...]
    """Names of scores that do not depend on the user."""
    prior_weights: Float[np.ndarray, " prior"]
    """What each prior adds; 0 or more, float64."""
    mass_power: float = 1.0
    """Each kernel's sum over a history is divided by all it gives to the whole catalogue, to this power: with 1 every
    kernel hands out one unit a user, whatever the length of the history, with 0 long histories shout louder."""


@dataclass(frozen=True, slots=True)
class Split:
    """One user's score for some products, taken apart. Summing everything gives the score."""

    products: Int[np.ndarray, " history"]
    """Distinct products of the history, by the second axis of `parts`."""
    parts: Float[np.ndarray, "kernel history target"]
    """What each product of the history adds to each target through each kernel; float64."""
    priors: Float[np.ndarray, "prior target"]
    """What each prior adds to each target; float64."""

    @property
    def total(self) -> Float[np.ndarray, " target"]:
        """The score of each target."""
        return np.asarray(self.parts.sum(axis=(0, 1)) + self.priors.sum(axis=0))


class Heard(NamedTuple):
    """A history by product."""

    products: Int[np.ndarray, " history"]
    """Distinct products of the history, sorted."""
    said: Float[np.ndarray, "history decay"]
    """Summed weight of the events of each under each decay."""
    loud: Float[np.ndarray, "history decay"]
    """The same with absolute weights: what it counts for in a kernel's mass."""


@dataclass(frozen=True, slots=True)
class Spread:
    """One history spread over the catalogue: what each product of it counts for, and what all together say."""

    history: History
    heard: Heard
    """The history by product."""
    weights: Float[np.ndarray, "kernel history"]
    """How much each product counts for each kernel; float64."""
    reach: Reach
    """What it says for every product through each kernel that carries weight."""
    scores: Float[np.ndarray, " product"]
    """The score of every product, priors counted; float64."""


@dataclass(frozen=True)
class Scorer:
    """Kernels, priors and the blend that joins them: the whole model as the API sees it.

    The first score lays the kernels that carry weight side by side (`stack`), which copies the sparse ones.
    """

    kernels: tuple[Kernel, ...]
    priors: Float[np.ndarray, "prior product"]
    """Scores that do not depend on the user, a row each; float32."""
    blend: Blend

    def __post_init__(self) -> None:
        names = tuple(kernel.name for kernel in self.kernels)
        if names != self.blend.kernels:
            raise ConfigError(f"the blend was learned for kernels {self.blend.kernels}, got {names}")

    @cached_property
    def stack(self) -> KernelStack:
        """The kernels that carry weight, side by side."""
        return KernelStack([self.kernels[row] for row in self._used], self.priors.shape[1])

    @cached_property
    def _used(self) -> Int[np.ndarray, " used"]:
        """Rows of the kernels that carry weight."""
        return np.flatnonzero(self.blend.weights.any(axis=1))

    @cached_property
    def _floors(self) -> Float[np.ndarray, " used"]:
        """Least mass of a history in each kernel that carries weight."""
        return np.array([mass_floor(self.kernels[row]) for row in self._used])

    @cached_property
    def _prior(self) -> Float[np.ndarray, " product"]:
        """What all priors together add to each product."""
        return np.asarray(self.blend.prior_weights @ self.priors, dtype=np.float64)

    def spread(self, history: History) -> Spread:
        """Return what a history says for the whole catalogue; with an empty one only the priors speak."""
        heard = decayed_products(history, self.blend.decays)
        spoken = self._speak(heard)
        (reach,) = self.stack.spread([spoken])
        return Spread(history, heard, self._whole(spoken.weights), reach, self._add_up(reach))

    def by_kernel(self, spread: Spread, targets: Int[np.ndarray, " target"]) -> Float[np.ndarray, "kernel target"]:
        """Return what a history that was spread says for some products through each kernel; float64."""
        return self._whole(spread.reach.by_kernel[:, targets].astype(np.float64))

    def score(self, history: History) -> Float[np.ndarray, " product"]:
        """Return the score of every product; with an empty history only the priors speak. float64."""
        return self.spread(history).scores

    def score_users(
        self, users: Int[np.ndarray, " user"], histories: Sequence[History]
    ) -> Float[np.ndarray, "user product"]:
        """Return the score of every product for some users; who they are does not matter, only what they did."""
        return self.score_histories(histories)

    def score_histories(self, histories: Sequence[History]) -> Float[np.ndarray, "history product"]:
        """Return the score of every product for each history. float64."""
        total = np.empty((len(histories), len(self._prior)))
        spoken = [self._speak(decayed_products(history, self.blend.decays)) for history in histories]
        for row, reach in enumerate(self.stack.spread(spoken)):
            total[row] = self._add_up(reach)
        return total

    def _speak(self, heard: Heard) -> Spoken:
        """How much each product of a history counts for each kernel that carries weight."""
        mass = np.maximum(heard.loud.T @ self.stack.mass[heard.products], self._floors)
        scale = self.blend.weights[self._used].T / mass**self.blend.mass_power
        # Added up in one order for all: products that were treated alike weigh the same to the last digit.
        return Spoken(heard.products, (scale[:, :, None] * heard.said.T[:, None, :]).sum(axis=0))

    def _add_up(self, reach: Reach) -> Float[np.ndarray, " product"]:
        return np.asarray(self._prior + reach.by_kernel.sum(axis=0, dtype=np.float64))

    def _whole(self, used: Float[np.ndarray, "used ..."]) -> Float[np.ndarray, "kernel ..."]:
        """An array over the kernels that carry weight as one over all."""
        if len(used) == len(self.kernels):
            return used
        found = np.zeros((len(self.kernels), *used.shape[1:]))
        found[self._used] = used
        return found

    def entries(
        self, products: Int[np.ndarray, " history"], targets: Int[np.ndarray, " target"]
    ) -> Float[np.ndarray, "kernel history target"]:
        """Return what each product says for each target in each kernel, before any weight; no row stands twice."""
        return self._whole(self.stack.entries(products, targets))

    def entries_of(
        self, spread: Spread, targets: Int[np.ndarray, " target"]
    ) -> Float[np.ndarray, "kernel history target"]:
        """Return the `entries` of the products of a history that was spread; quicker."""
        return self._whole(self.stack.entries(spread.heard.products, targets, neighbours=spread.reach.neighbours))

    def split(self, history: History, targets: Int[np.ndarray, " target"]) -> Split:
        """Return the score of some products by product of the history and kernel."""
        heard = decayed_products(history, self.blend.decays)
        weights, entries = self._whole(self._speak(heard).weights), self.entries(heard.products, targets)
        return Split(heard.products, weights[:, :, None] * entries, self.prior_parts(targets))

    def totals_without(
        self, heard: Heard, entries: Float[np.ndarray, "kernel history target"]
    ) -> Float[np.ndarray, "history target"]:
        """Return the scores of some targets without each product of the history in turn, priors left out.

        The same as scoring `history.without(product)` anew, for all products at once: each kernel's sum and its mass
        lose what the product gave, and nothing else changes.

        Args:
            heard: the history by product; its products are the first axis of the result.
            entries: of these products for the targets, as `entries` returns them.
        """
        total = np.zeros(entries.shape[1:])
        for place, row in enumerate(self._used):
            weights, entry = self.blend.weights[row], entries[row]
            given = heard.loud * self.stack.mass[heard.products, place][:, None]
            mass = np.maximum(given.sum(axis=0) - given, self._floors[place])
            scale = weights / mass**self.blend.mass_power
            total += scale @ (heard.said.T @ entry)
            total -= (scale * heard.said).sum(axis=1)[:, None] * entry
        return total

    def prior_parts(self, targets: Int[np.ndarray, " target"]) -> Float[np.ndarray, "prior target"]:
        """Return what each prior adds to each target."""
        return np.asarray(self.blend.prior_weights[:, None] * self.priors[:, targets].astype(np.float64))

    def without_idle_kernels(self) -> "Scorer":
        """Return the same model without the kernels that validation gave no weight; every score stays."""
        kernels = tuple(self.kernels[row] for row in self._used)
        names = tuple(kernel.name for kernel in kernels)
        return Scorer(kernels, self.priors, replace(self.blend, kernels=names, weights=self.blend.weights[self._used]))


def scorer_of(blend: Blend, kernels: Iterable[Kernel], priors: Float[np.ndarray, "prior product"]) -> Scorer:
    """Return a blend on kernels fitted anew.

    A kernel that the blend does not know has no weight; one that came out empty and is not there adds nothing.
    """
    known = {kernel.name: kernel for kernel in kernels}
    rows = [row for row, name in enumerate(blend.kernels) if name in known]
    names = tuple(blend.kernels[row] for row in rows)
    fitted = replace(blend, kernels=names, weights=blend.weights[rows])
    return Scorer(tuple(known[name] for name in names), priors, fitted)


def stack_rows(
    products: Sequence[Int[np.ndarray, " event"]], weights: Sequence[Float[np.ndarray, " event"]], num_products: int
) -> sp.csr_array:
    """Return one sparse row a history: how much each product counts, its events added up; [history product], float32.

    Args:
        products: product rows of each history's events.
        weights: how much each event counts.
        num_products: width of the result.
    """
    ends = np.cumsum([0, *(len(part) for part in products)])
    column = np.concatenate([*products, np.zeros(0, dtype=np.int64)])
    data = np.concatenate([*weights, np.zeros(0)]).astype(np.float32)
    matrix = sp.csr_array((data, column.astype(np.int64), ends), shape=(len(products), num_products))
    matrix.sum_duplicates()
    return matrix


def decayed(history: History, decays: Sequence[Decay]) -> Float[np.ndarray, "decay event"]:
    """Return the weight of every event under each decay."""
    return np.asarray(np.stack([decay(history) for decay in decays]) * history.weight)


def decayed_products(history: History, decays: Sequence[Decay]) -> Heard:
    """Return a history by product: the summed and the summed absolute weight of the events of each."""
    if not len(history):
        return Heard(history.product, *np.zeros((2, 0, len(decays))))
    order = np.argsort(history.product, kind="stable")
    products = history.product[order]
    firsts = np.flatnonzero(np.concatenate([[True], products[1:] != products[:-1]]))
    faded = decayed(history, decays)[:, order]
    said, loud = (np.add.reduceat(weight, firsts, axis=1) for weight in (faded, np.abs(faded)))
    return Heard(products[firsts], said.T, loud.T)


def mass_of(kernel: Kernel, history: History, faded: Float[np.ndarray, "decay event"]) -> Float[np.ndarray, " decay"]:
    """Return what a kernel gives to the whole catalogue for a history under each decay, not below its floor."""
    return np.asarray(np.maximum(np.abs(faded) @ kernel.mass[history.product], mass_floor(kernel)))


def mass_floor(kernel: Kernel) -> float:
    """Return the least mass a history is credited with: a faint old event must not speak as loudly as a fresh one."""
    largest = float(kernel.mass.max(initial=0.0))
    return _LEAST_MASS * largest if largest > 0 else 1.0


def make_history(
    products: Int[np.ndarray, " event"],
    kinds: Int[np.ndarray, " event"],
    times: Int[np.ndarray, " event"],
    *,
    snapshot: Snapshot,
    now_ms: int,
) -> History:
    """Return the history of one user from raw event columns in order of time.

    Args:
        products: product row of each event.
        kinds: row of each event type in `snapshot.event_names`.
        times: epoch milliseconds, positions or zeros, as `snapshot.order` says; not falling.
        snapshot: gives the declared weights and half-lives.
        now_ms: the moment for which ages are counted; ignored where events have no clock.
    """
    products, kinds, times = products[-MAX_HISTORY:], kinds[-MAX_HISTORY:], times[-MAX_HISTORY:]
    types = [snapshot.schema.events[name] for name in snapshot.event_names]
    weight = np.array([kind.weight for kind in types])[kinds]
    top = np.abs(weight).max(initial=0.0)
    rank = np.zeros(len(times), dtype=np.int64)
    rank[:-1] = np.cumsum((times[1:] != times[:-1])[::-1])[::-1]
    if snapshot.order == "none":
        rank = np.zeros(len(products), dtype=np.int64)
    age = np.maximum(now_ms - times, 0) / DAY_MS if snapshot.order == "clock" else None
    half_life = np.array([kind.half_life_days for kind in types])[kinds]
    return History(products, weight / (top if top > 0 else 1.0), rank, age, half_life, kinds, times)


def user_history(snapshot: Snapshot, user: int, *, now_ms: int) -> History:
    """Return the history that a snapshot holds of a user."""
    events, place = snapshot.events, snapshot.user_events(user)
    return make_history(events.product[place], events.kind[place], events.time[place], snapshot=snapshot, now_ms=now_ms)


def top_products(
    scores: Float[np.ndarray, " product"], allowed: Bool[np.ndarray, " product"], *, k: int
) -> Int[np.ndarray, " rank"]:
    """Return the rows of the best allowed products, best first; equal scores in order of their row."""
    candidates = np.flatnonzero(allowed)
    found = scores[candidates]
    if len(found) > k:
        # All that tie with the k-th stay in, so that the rule for ties decides and not the partition.
        limit = np.partition(_best_of_blocks(found, k), -k)[-k]
        candidates = candidates[found >= limit]
        found = scores[candidates]
    order = np.lexsort((candidates, -found))
    return np.asarray(candidates[order[:k]])


def _best_of_blocks(found: Float[np.ndarray, " candidate"], k: int) -> Float[np.ndarray, " block"]:
    """The best of each of at least k blocks of the scores: the k-th best of these is at most the k-th best of all."""
    size = max(1, min(_BLOCK, len(found) // k))
    even = len(found) // size * size
    return np.concatenate([found[:even].reshape(-1, size).max(axis=1), found[even:]])
