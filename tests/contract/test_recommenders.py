"""What every recommender does, the simple ones and the learned one alike; each gives `make`."""

from collections.abc import Callable

import numpy as np
import pytest

from gnn.baselines import baseline_blends, fit_itemknn
from gnn.closed_form import fit_ease
from gnn.config import KernelConfig, ModelConfig, TrainConfig
from gnn.fuse import default_decays
from gnn.graph import build_graph
from gnn.kernels import build_priors
from gnn.score import Blend, Decay, Scorer, scorer_of, top_products, user_history
from gnn.train import train_network
from kg.kernels import HabitKernel, Kernel
from kg.operators import OperatorConfig, co_purchase, interactions, next_purchase
from kg.snapshot import Snapshot
from tests.support.checkerboard import Checkerboard, checkerboard
from tests.support.random_shops import random_snapshot


@pytest.fixture(scope="module")
def board() -> Checkerboard:
    return checkerboard()


def rank(scorer: Scorer, snapshot: Snapshot, user: int, *, k: int, exclude_seen: bool = True) -> list[str]:
    history = user_history(snapshot, user, now_ms=int(snapshot.events.time.max(initial=0)))
    allowed = np.ones(snapshot.num_nodes("Product"), dtype=bool)
    if exclude_seen:
        allowed[history.product] = False
    return [snapshot.ids("Product")[row] for row in top_products(scorer.score(history), allowed, k=k)]


class RecommenderContract:
    """What every recommender does; subclasses give `make`."""

    def make(self, snapshot: Snapshot) -> Scorer:
        """Return the recommender fitted on a snapshot."""
        raise NotImplementedError

    def test_a_user_never_gets_a_product_already_bought(self, board: Checkerboard) -> None:
        scorer = self.make(board.snapshot)
        for user in range(8):
            bought = {
                board.snapshot.ids("Product")[row] for row in user_history(board.snapshot, user, now_ms=0).product
            }
            assert set() == bought & set(rank(scorer, board.snapshot, user, k=8))

    def test_a_user_without_history_gets_the_popular(self, board: Checkerboard) -> None:
        snapshot = random_snapshot(3, events=12)
        scorer = self.make(snapshot)
        without = [row for row in range(8) if not len(user_history(snapshot, row, now_ms=0))]

        assert without
        for user in without:
            scores = scorer.score(user_history(snapshot, user, now_ms=0))
            assert np.isfinite(scores).all()
            assert scores[scorer.priors[0].argmax()] == scores.max()

    def test_the_same_history_gives_the_same_ranking(self, board: Checkerboard) -> None:
        first, second = (self.make(board.snapshot) for _ in range(2))

        assert [rank(first, board.snapshot, user, k=8) for user in range(8)] == [
            rank(second, board.snapshot, user, k=8) for user in range(8)
        ]


class PersonalContract(RecommenderContract):
    """What every recommender that looks at what users have in common does."""

    def test_the_withheld_product_comes_first(self, board: Checkerboard) -> None:
        scorer = self.make(board.snapshot)

        found = {user: rank(scorer, board.snapshot, row, k=1)[0] for row, user in enumerate(board.withheld)}

        assert board.withheld == found


def single(kernel: Kernel, snapshot: Snapshot, *, steps: float = float("inf")) -> Scorer:
    """Return a scorer of one kernel and a trace of popularity."""
    blend = Blend(
        (kernel.name,), (Decay("rank", steps),), np.ones((1, 1)), ("popular", "trending"), np.array([1e-6, 0.0])
    )
    return Scorer((kernel,), build_priors(snapshot, config=KernelConfig()), blend)


def baseline(name: str, kernels: Callable[[Snapshot], tuple[Kernel, ...]], snapshot: Snapshot) -> Scorer:
    blend = baseline_blends(name, default_decays(snapshot))[0]  # type: ignore[arg-type]  # a name of BASELINES
    return scorer_of(blend, kernels(snapshot), build_priors(snapshot, config=KernelConfig()))


class TestPopularity(RecommenderContract):
    def make(self, snapshot: Snapshot) -> Scorer:
        return baseline("popularity", lambda snapshot: (), snapshot)

    def test_all_get_the_same_order(self) -> None:
        snapshot = random_snapshot(1, events=100)
        scorer = self.make(snapshot)

        orders = {tuple(rank(scorer, snapshot, user, k=12, exclude_seen=False)) for user in range(8)}

        assert 1 == len(orders)


class TestHabit(RecommenderContract):
    def make(self, snapshot: Snapshot) -> Scorer:
        return baseline("habit", lambda snapshot: (HabitKernel(snapshot.num_nodes("Product")),), snapshot)

    def test_what_was_bought_most_lately_comes_first_again(self, board: Checkerboard) -> None:
        scorer, snapshot = self.make(board.snapshot), board.snapshot
        for user in range(8):
            latest = snapshot.ids("Product")[int(user_history(snapshot, user, now_ms=0).product[-1])]
            assert latest == rank(scorer, snapshot, user, k=1, exclude_seen=False)[0]


class TestItemKnn(PersonalContract):
    def make(self, snapshot: Snapshot) -> Scorer:
        return baseline("itemknn", lambda snapshot: (fit_itemknn(snapshot),), snapshot)


class TestRp3Beta(PersonalContract):
    def make(self, snapshot: Snapshot) -> Scorer:
        return baseline("rp3beta", lambda snapshot: (co_purchase(snapshot, OperatorConfig()),), snapshot)


class TestEase(PersonalContract):
    def make(self, snapshot: Snapshot) -> Scorer:
        return baseline("ease", lambda snapshot: (fit_ease(interactions(snapshot), regularisation=1.0),), snapshot)


class TestNextPurchase(PersonalContract):
    def make(self, snapshot: Snapshot) -> Scorer:
        return single(next_purchase(snapshot, OperatorConfig()), snapshot)


class TestNetwork(PersonalContract):
    def make(self, snapshot: Snapshot) -> Scorer:
        vectors = {label: np.eye(table.num_rows, 4, dtype=np.float32) for label, table in snapshot.nodes.items()}
        data = build_graph(snapshot, vectors, [co_purchase(snapshot, OperatorConfig())])
        config = TrainConfig(epochs=60, batch_size=32, device="cpu", learning_rate=0.02)
        shape = ModelConfig(dim=8, heads=2, layers=1, id_dropout=0.0)
        kernel = train_network(data, snapshot, model=shape, config=config).kernel
        return single(kernel, snapshot, steps=3.0)
