"""Shapley values of one score: what each product of a history adds through each kernel, whatever else is there.

Two games are played. In the rescored one a coalition of products is worth the score that a history of nothing else
would get, so what a kernel hands out is divided anew among those who are left; this is what deletion in
`serving.explain` does, for every subset and not for one product alone. In the fixed one the weights stay those of the
whole history, so the game is a sum and its values are the contributions that an answer shows. Pure numpy; exact, by all
coalitions; nothing is sampled.

Source: Shapley, "A value for n-person games", 1953.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from cypher.errors import InputError
from gnn.score import History, Scorer, decayed_products, mass_floor

MOST_PLAYERS = 12
"""Players of a game unless told otherwise: 4,096 coalitions."""
_LIMIT = 20
Game = Literal["rescored", "fixed"]
"""Whether a coalition is scored like a history of its own, or with the weights of the whole one."""


@dataclass(frozen=True, slots=True)
class Shapley:
    """The Shapley values of one product's score for one history."""

    players: tuple[tuple[int, ...], ...]
    """Product rows of each player; the last one holds several where weak products were merged into one player."""
    values: Float[np.ndarray, "kernel player"]
    """What each player adds through each kernel. Kernels do not share anything, so summing over kernels gives the value
    of a product, over players that of a kernel, and a pair of both is worth its own entry; float64."""
    score: float
    """Score with the whole history."""
    empty: float
    """Score with an empty history: what the priors say."""

    @property
    def by_player(self) -> Float[np.ndarray, " player"]:
        """The value of each product, or of several together; they add up to `score - empty`."""
        return np.asarray(self.values.sum(axis=0))

    @property
    def by_kernel(self) -> Float[np.ndarray, " kernel"]:
        """The value of each kernel, which is its contribution: no kernel changes what another one says."""
        return np.asarray(self.values.sum(axis=1))

    @property
    def num_merged(self) -> int:
        """Products that share the last player; 0 when each has its own."""
        return len(self.players[-1]) if self.players and len(self.players[-1]) > 1 else 0


def explain_by_shapley(
    scorer: Scorer, history: History, target: int, *, game: Game = "rescored", most: int = MOST_PLAYERS
) -> Shapley:
    """Return the exact Shapley values of the score of one product.

    With more products than players, those with the smallest contributions are merged into one player, which gets the
    exact value of them together.

    Args:
        scorer: the model.
        history: what the user did; its distinct products are the players.
        target: row of the product whose score is explained.
        game: what a coalition is worth.
        most: players at most, 2 to 20; time and memory double with each.

    Raises:
        InputError: `most` is out of range.
    """
    if not 2 <= most <= _LIMIT:
        raise InputError(f"the number of players must be 2 to {_LIMIT}, got {most}; {MOST_PLAYERS} take milliseconds")
    targets = np.array([target])
    split = scorer.split(history, targets)
    parts = split.parts[:, :, 0]
    merged = _merge(parts, most=most)
    num = int(merged.max(initial=-1)) + 1
    coalitions = _coalitions(num)
    if game == "fixed":
        worth = [coalitions @ _added(part, merged, num=num) for part in parts]
    else:
        worth = _rescored(scorer, history, target=target, merged=merged, coalitions=coalitions)
    values = np.stack([shapley_values(part) for part in worth]) if worth else np.zeros((0, num))
    empty = float(split.priors.sum())
    players = tuple(tuple(split.products[merged == player].tolist()) for player in range(num))
    return Shapley(players, values, float(split.total[0]), empty)


def shapley_values(worth: Float[np.ndarray, " coalition"]) -> Float[np.ndarray, " player"]:
    """Return the exact Shapley value of each player of a game.

    Args:
        worth: what each coalition is worth; player `i` is in coalition number `c` when bit `i` of `c` is set, so there
            are `2 ** players` of them, the empty one first.
    """
    num = len(worth).bit_length() - 1
    numbers = np.arange(len(worth))
    size = np.bitwise_count(numbers)
    odds = np.array([1 / (num * math.comb(num - 1, others)) for others in range(num)])
    values = np.zeros(num)
    for player in range(num):
        without = numbers[numbers >> player & 1 == 0]
        values[player] = odds[size[without]] @ (worth[without | 1 << player] - worth[without])
    return values


def _rescored(
    scorer: Scorer,
    history: History,
    *,
    target: int,
    merged: Int[np.ndarray, " history"],
    coalitions: Float[np.ndarray, "coalition player"],
) -> list[Float[np.ndarray, " coalition"]]:
    """What each kernel gives the target for a history of each coalition's products, divided by its mass anew."""
    num = coalitions.shape[1]
    products, said, loud = decayed_products(history, scorer.blend.decays)
    entries = scorer.entries(products, np.array([target]))[:, :, 0]
    worth = []
    for kernel, weights, entry in zip(scorer.kernels, scorer.blend.weights, entries, strict=True):
        given = coalitions @ _added(loud * kernel.mass[products][:, None], merged, num=num)
        heard = coalitions @ _added(said * entry[:, None], merged, num=num)
        mass = np.maximum(given, mass_floor(kernel)) ** scorer.blend.mass_power
        worth.append((heard / mass) @ weights)
    return worth


def _merge(parts: Float[np.ndarray, "kernel history"], *, most: int) -> Int[np.ndarray, " history"]:
    """The player of each product: the strongest first, all that are too weak for a seat in the last one."""
    order = np.argsort(-np.abs(parts).sum(axis=0), kind="stable")
    player = np.empty(len(order), dtype=np.int64)
    player[order] = np.minimum(np.arange(len(order)), most - 1)
    return player


def _coalitions(num: int) -> Float[np.ndarray, "coalition player"]:
    """Which players are in which coalition: 1 or 0, a row each."""
    return np.asarray(np.arange(2**num)[:, None] >> np.arange(num) & 1, dtype=np.float64)


def _added(values: np.ndarray, merged: Int[np.ndarray, " history"], *, num: int) -> np.ndarray:
    """Rows of products added up by player."""
    found = np.zeros((num, *values.shape[1:]))
    np.add.at(found, merged, values)
    return found
