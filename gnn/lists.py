"""The candidates that compete when a blend is learned, with what every kernel says of each under every decay.

Features are kept in one large table; the lists of one trial are collected once, whatever is tried on them afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from gnn.config import FuseConfig
from gnn.score import Blend, History, decayed, mass_of, stack_rows, user_history
from gnn.split import Trial
from kg.kernels import Kernel
from kg.progress import Progress

_BLOCK_CELLS = 64_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """The competitors of one list."""

    features: Float[np.ndarray, "candidate feature"]
    """Raw features; float32."""
    target: Bool[np.ndarray, " candidate"]
    """Whether a candidate is what the user did next."""
    num_targets: int
    """Targets in the whole catalogue."""
    mass: Float[np.ndarray, " feature"]
    """What each kernel gives to the whole catalogue for the user; 1 for priors."""


@dataclass(frozen=True, slots=True)
class Lists:
    """Candidates of many users with their features, padded to one width."""

    features: Float[np.ndarray, "user candidate feature"]
    """Standardised features; float32, 0 in the padding."""
    target: Bool[np.ndarray, "user candidate"]
    """Whether a candidate is what the user did next."""
    present: Bool[np.ndarray, "user candidate"]
    """False in the padding."""
    num_targets: Int[np.ndarray, " user"]
    """Targets of each user in the whole catalogue."""
    scale: Float[np.ndarray, " feature"]
    """What each feature was divided by."""
    mass: Float[np.ndarray, "user feature"]
    """What each kernel gives to the whole catalogue for a user under each decay; 1 for priors."""
    mass_power: float = 0.0
    """Power of the mass that the features are divided by."""

    def part(self, rows: slice) -> "Lists":
        """Return some of the lists, as views."""
        return replace(
            self,
            features=self.features[rows],
            target=self.target[rows],
            present=self.present[rows],
            num_targets=self.num_targets[rows],
            mass=self.mass[rows],
        )

    def divided(self, mass_power: float) -> "Lists":
        """Return the lists under another power of the mass. The features are large and changed in place: the old value
        must not be used any more."""
        if mass_power == self.mass_power:
            return self
        features = self.features
        for row, mass in zip(features, self.mass, strict=True):
            row *= (self.scale * mass ** (self.mass_power - mass_power)).astype(np.float32)
        scale = _spread_of(features, self.present)
        features /= scale.astype(np.float32)
        return replace(self, features=features, scale=scale, mass_power=mass_power)


def collect_lists(
    kernels: Sequence[Kernel],
    priors: Float[np.ndarray, "prior product"],
    blend: Blend,
    *,
    users: Int[np.ndarray, " user"],
    trial: Trial,
    config: FuseConfig,
    progress: Progress,
) -> Lists:
    """Return the competing candidates of each user: the best of every kernel, and the targets.

    Where a published split prescribes the candidates, they are the competitors, and each target is a list of its own.
    """
    rows: list[Row] = []
    moments = dict(zip(users.tolist(), trial.targets.moments(users).tolist(), strict=True))
    size = max(1, _BLOCK_CELLS // (trial.seen.num_nodes("Product") * (blend.weights.size + len(blend.priors))))
    for start in range(0, len(users), size):
        block = users[start : start + size]
        histories = [user_history(trial.seen, int(user), now_ms=moments[int(user)]) for user in block]
        features, masses = _features(kernels, priors, blend, histories)
        for user, history, table, mass in zip(block, histories, features, masses, strict=True):
            found = _competitors(table, history, int(user), trial=trial, blend=blend, config=config)
            rows += [Row(table[chosen], hits, num, mass) for chosen, hits, num in found]
        progress("learn the blend", start + len(block), len(users))
    return _pad(rows)


def _competitors(
    table: Float[np.ndarray, "product feature"],
    history: History,
    user: int,
    *,
    trial: Trial,
    blend: Blend,
    config: FuseConfig,
) -> list[tuple[Int[np.ndarray, " candidate"], Bool[np.ndarray, " candidate"], int]]:
    """Return the candidates of each of a user's lists, which of them are targets, and how many targets there are."""
    targets = trial.targets
    place = slice(*np.searchsorted(targets.user, (user, user + 1)))
    wanted = targets.product[place]
    if targets.candidates is not None:
        lists = [np.union1d(row[row >= 0], own) for row, own in zip(targets.candidates[place], wanted, strict=True)]
        return [(chosen, chosen == own, 1) for chosen, own in zip(lists, wanted, strict=True)]
    allowed = np.ones(len(table), dtype=bool)
    if trial.exclude_seen:
        allowed[history.product] = False
    num_decays = len(blend.decays)
    # What is freshest, what is most in all and what the declared decays say: without rivals of every kind a weight is
    # learned that does not hold against them.
    telling = sorted({0, min(3, num_decays - 1), num_decays - 1})
    leading = [start + place for start in range(0, blend.weights.size, num_decays) for place in telling]
    leading += range(blend.weights.size, table.shape[1])
    shown = np.where(allowed[:, None], table[:, leading], -np.inf)
    bound = min(config.candidates, len(table) - 1)
    best = np.argpartition(-shown, bound, axis=0)[:bound].ravel()
    chosen = np.union1d(best, wanted)
    chosen = chosen[allowed[chosen]]
    return [(chosen, np.isin(chosen, wanted), len(wanted))]


def _features(
    kernels: Sequence[Kernel],
    priors: Float[np.ndarray, "prior product"],
    blend: Blend,
    histories: Sequence[History],
) -> tuple[Float[np.ndarray, "user product feature"], Float[np.ndarray, "user feature"]]:
    """Raw features in the order kernel by decay, then priors, and the mass of each; float32."""
    num_users, num_decays, num_products = len(histories), len(blend.decays), priors.shape[1]
    faded = [decayed(history, blend.decays) for history in histories]
    products = [history.product for history in histories for _ in blend.decays]
    rows = stack_rows(products, [row for table in faded for row in table], num_products)
    table = np.empty((num_users, num_products, blend.weights.size + len(blend.priors)), dtype=np.float32)
    mass = np.ones((num_users, table.shape[2]))
    for number, kernel in enumerate(kernels):
        place = slice(number * num_decays, (number + 1) * num_decays)
        spread = kernel.spread(rows).reshape(num_users, num_decays, num_products)
        table[:, :, place] = spread.transpose(0, 2, 1)
        mass[:, place] = [mass_of(kernel, *pair) for pair in zip(histories, faded, strict=True)]
    table[:, :, blend.weights.size :] = priors.T
    return table, mass


def _pad(rows: Sequence[Row]) -> Lists:
    width, num_features = max(len(row.features) for row in rows), rows[0].features.shape[1]
    features = np.zeros((len(rows), width, num_features), dtype=np.float32)
    target = np.zeros((len(rows), width), dtype=bool)
    present = np.zeros((len(rows), width), dtype=bool)
    for index, row in enumerate(rows):
        features[index, : len(row.features)] = row.features
        target[index, : len(row.target)] = row.target
        present[index, : len(row.target)] = True
    scale = _spread_of(features, present)
    features /= scale.astype(np.float32)
    num_targets, mass = np.array([row.num_targets for row in rows]), np.stack([row.mass for row in rows])
    return Lists(features, target, present, num_targets, scale, mass)


def _spread_of(
    features: Float[np.ndarray, "user candidate feature"], present: Bool[np.ndarray, "user candidate"]
) -> Float[np.ndarray, " feature"]:
    """Standard deviation of each feature over the candidates, 1 where all are equal; the padding adds nothing."""
    first, second = np.zeros(features.shape[2]), np.zeros(features.shape[2])
    for block in features:
        first += block.sum(axis=0, dtype=np.float64)
        second += np.square(block, dtype=np.float64).sum(axis=0)
    num = present.sum()
    spread = np.sqrt(np.maximum(second / num - (first / num) ** 2, 0.0))
    return np.where(spread > 1e-12 * np.abs(first / num).max(initial=0.0), spread, 1.0)
