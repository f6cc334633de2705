"""What every recommender does, the simple ones and the learned one alike; each gives `make`."""

import numpy as np
import pytest

from gnn.baselines import make_baseline
from gnn.config import KernelConfig, ModelConfig, TrainConfig
from gnn.entrant import Recommender
from gnn.examples import make_examples
from gnn.graph import build_graph
from gnn.kernels import build_priors
from gnn.score import Blend, Decay, Scorer, top_products, user_history
from gnn.train import train_network
from kg.kernels import Kernel
from kg.operators import OperatorConfig, next_purchase, popularity
from kg.snapshot import Snapshot
from tests.support.checkerboard import Checkerboard, checkerboard
from tests.support.random_shops import random_snapshot


@pytest.fixture(scope="module")
def board() -> Checkerboard:
    return checkerboard()


def rank(recommender: Recommender, snapshot: Snapshot, user: int, *, k: int, exclude_seen: bool = True) -> list[str]:
    history = user_history(snapshot, user, now_ms=int(snapshot.events.time.max(initial=0)))
    allowed = np.ones(snapshot.num_nodes("Product"), dtype=bool)
    if exclude_seen:
        allowed[history.product] = False
    scores = recommender.score_users(np.array([user]), [history])[0]
    return [snapshot.ids("Product")[row] for row in top_products(scores, allowed, k=k)]


class RecommenderContract:
    """What every recommender does; subclasses give `make`."""

    def make(self, snapshot: Snapshot) -> Recommender:
        """Return the recommender fitted on a snapshot."""
        raise NotImplementedError

    def test_a_user_never_gets_a_product_already_bought(self, board: Checkerboard) -> None:
        recommender = self.make(board.snapshot)
        for user in range(8):
            bought = {
                board.snapshot.ids("Product")[row] for row in user_history(board.snapshot, user, now_ms=0).product
            }
            assert set() == bought & set(rank(recommender, board.snapshot, user, k=8))

    def test_a_user_without_history_gets_the_popular(self) -> None:
        snapshot = random_snapshot(3, events=12)
        histories = [user_history(snapshot, row, now_ms=0) for row in range(8)]
        without = [row for row in range(8) if not len(histories[row])]

        scores = self.make(snapshot).score_users(np.array(without), [histories[row] for row in without])

        assert without
        assert np.isfinite(scores).all()
        assert (scores[:, popularity(snapshot).argmax()] == scores.max(axis=1)).all()

    def test_users_asked_together_get_what_they_get_alone(self) -> None:
        snapshot = random_snapshot(2, events=60)
        recommender, users = self.make(snapshot), np.array([5, 0, 3])
        histories = [user_history(snapshot, int(user), now_ms=0) for user in users]

        together = recommender.score_users(users, histories)

        assert (3, 12) == together.shape
        for row, user in enumerate(users):
            alone = recommender.score_users(np.array([user]), [histories[row]])[0]
            np.testing.assert_allclose(alone, together[row], atol=1e-6)

    def test_the_same_history_gives_the_same_ranking(self, board: Checkerboard) -> None:
        first, second = (self.make(board.snapshot) for _ in range(2))

        assert [rank(first, board.snapshot, user, k=8) for user in range(8)] == [
            rank(second, board.snapshot, user, k=8) for user in range(8)
        ]


class PersonalContract(RecommenderContract):
    """What every recommender that looks at what users have in common does."""

    def test_the_withheld_product_comes_first(self, board: Checkerboard) -> None:
        recommender = self.make(board.snapshot)

        found = {user: rank(recommender, board.snapshot, row, k=1)[0] for row, user in enumerate(board.withheld)}

        assert board.withheld == found


def single(kernel: Kernel, snapshot: Snapshot, *, steps: float = float("inf")) -> Scorer:
    """Return a scorer of one kernel and a trace of popularity."""
    blend = Blend(
        (kernel.name,), (Decay("rank", steps),), np.ones((1, 1)), ("popular", "trending"), np.array([1e-6, 0.0])
    )
    return Scorer((kernel,), build_priors(snapshot, config=KernelConfig()), blend)


class TestPopularity(RecommenderContract):
    def make(self, snapshot: Snapshot) -> Recommender:
        return make_baseline("popularity", k=3, seed=0).fit(snapshot)

    def test_all_get_the_same_order(self) -> None:
        snapshot = random_snapshot(1, events=100)
        recommender = self.make(snapshot)

        orders = {tuple(rank(recommender, snapshot, user, k=12, exclude_seen=False)) for user in range(8)}

        assert 1 == len(orders)


class TestHabit(RecommenderContract):
    def make(self, snapshot: Snapshot) -> Recommender:
        return make_baseline("habit", k=3, seed=0).fit(snapshot)

    def test_what_was_bought_comes_first_again(self, board: Checkerboard) -> None:
        recommender, snapshot = self.make(board.snapshot), board.snapshot
        for user in range(8):
            bought = {snapshot.ids("Product")[row] for row in user_history(snapshot, user, now_ms=0).product}
            assert bought == set(rank(recommender, snapshot, user, k=len(bought), exclude_seen=False))


class TestItemKnn(PersonalContract):
    def make(self, snapshot: Snapshot) -> Recommender:
        return make_baseline("itemknn", k=3, seed=0).fit(snapshot)


class TestRp3Beta(PersonalContract):
    def make(self, snapshot: Snapshot) -> Recommender:
        return make_baseline("rp3beta", k=3, seed=0).fit(snapshot)


class TestEase(PersonalContract):
    def make(self, snapshot: Snapshot) -> Recommender:
        return make_baseline("ease", k=3, seed=0).fit(snapshot)


class TestIals(PersonalContract):
    def make(self, snapshot: Snapshot) -> Recommender:
        return make_baseline("ials", k=3, seed=0).fit(snapshot)


class TestLightGcn(PersonalContract):
    def make(self, snapshot: Snapshot) -> Recommender:
        return make_baseline("lightgcn", k=3, seed=0).fit(snapshot)


class TestNextPurchase(PersonalContract):
    def make(self, snapshot: Snapshot) -> Scorer:
        return single(next_purchase(snapshot, OperatorConfig()), snapshot)


class TestNetwork(PersonalContract):
    def make(self, snapshot: Snapshot) -> Scorer:
        vectors = {label: np.eye(table.num_rows, 4, dtype=np.float32) for label, table in snapshot.nodes.items()}
        data = build_graph(snapshot, vectors)
        config = TrainConfig(epochs=60, batch_size=32, min_steps=1, device="cpu", learning_rate=0.02)
        shape = ModelConfig(dim=8, heads=2, layers=1, id_dropout=0.0)
        kernel = train_network(data, make_examples(snapshot), model=shape, config=config).kernel
        return single(kernel, snapshot, steps=3.0)
