"""The smallest entrants there can be, for tests of what measures them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gnn.score import History
from gnn.split import DataSplit, Trial
from kg.operators import interactions
from kg.snapshot import Snapshot


@dataclass(frozen=True)
class Table:
    """A fitted model whose scores stand in a table, [user product]."""

    scores: np.ndarray

    def score_users(self, users: np.ndarray, histories: Sequence[History]) -> np.ndarray:
        """Return the rows of some users."""
        assert len(users) == len(histories)
        return self.scores[users]


@dataclass
class Popular:
    """Gives everybody what most users have; remembers what it was handed."""

    name: str = "popularity"
    handed: list[Snapshot] = field(default_factory=list)

    def tune(self, trial: Trial) -> Mapping[str, Any]:
        """Choose nothing."""
        self.handed.append(trial.seen)
        return {"exclude_seen": trial.exclude_seen}

    def fit(self, seen: Snapshot) -> Table:
        """Count."""
        self.handed.append(seen)
        return Table(np.tile(np.asarray(interactions(seen).sum(axis=0)), (seen.num_nodes("User"), 1)))


@dataclass
class Noisy:
    """Gives everybody something else at random: the worst there is, and it depends on the seed."""

    seed: int
    name: str = "noise"

    def tune(self, trial: Trial) -> Mapping[str, Any]:
        """Choose nothing."""
        return {"seed": self.seed}

    def fit(self, seen: Snapshot) -> Table:
        """Draw."""
        return Table(np.random.default_rng(self.seed).random((seen.num_nodes("User"), seen.num_nodes("Product"))))


def make_simple(names: Sequence[str], split: DataSplit, seed: int) -> list[Popular | Noisy]:
    """Return `popularity`, and for any other name a random one."""
    return [Popular() if name == "popularity" else Noisy(seed + len(name), name) for name in names]
