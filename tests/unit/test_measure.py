"""Rankings against a slow loop: ties, what was seen, what cannot be recommended, and prescribed candidates."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from gnn import measure
from gnn.measure import intervals, metric_values, paired_difference, rank_users, summarise
from gnn.score import History
from gnn.split import Targets, Trial
from kg.snapshot import Snapshot
from tests.support.random_shops import random_snapshot

SEEDS = range(6)


@dataclass(frozen=True)
class Fixed:
    """A recommender whose scores stand in a table; remembers nothing and looks at no history."""

    scores: np.ndarray

    def score_users(self, users: np.ndarray, histories: Sequence[History]) -> np.ndarray:
        assert len(users) == len(histories)
        return self.scores[users]


def coarse_scores(seed: int, snapshot: Snapshot) -> np.ndarray:
    """Scores with many ties and some products that cannot be recommended."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, size=(snapshot.num_nodes("User"), snapshot.num_nodes("Product"))).astype(np.float64)
    scores[rng.random(scores.shape) < 0.1] = -np.inf
    return scores


def drawn_targets(seed: int, snapshot: Snapshot, *, candidates: bool = False) -> Targets:
    """About three targets for most users, none for user 0."""
    rng = np.random.default_rng(100 + seed)
    users, products = np.nonzero(rng.random((snapshot.num_nodes("User"), snapshot.num_nodes("Product"))) < 0.25)
    keep = users > 0
    pairs = users[keep].astype(np.int64), products[keep].astype(np.int64)
    given = rng.integers(-2, snapshot.num_nodes("Product"), size=(int(keep.sum()), 9)) if candidates else None
    return Targets(*pairs, now_ms=0, candidates=given)


def slow_rank(scores: dict[int, float], target: int) -> float:
    """Mean place of the target over all orders of equal scores; inf where it is not among the scores."""
    if target not in scores:
        return math.inf
    better = sum(score > scores[target] for score in scores.values())
    equal = sum(score == scores[target] for score in scores.values())
    places = range(better + 1, better + equal + 1)
    return sum(places) / len(places)


def slow_list(scores: dict[int, float], k: int) -> list[int]:
    best = sorted(scores, key=lambda product: (-scores[product], product))[:k]
    return best + [-1] * (k - len(best))


@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize("seed", SEEDS)
def test_ranks_and_lists_equal_the_slow_loop(seed: int, exclude_seen: bool) -> None:
    snapshot = random_snapshot(seed)
    scores, targets = coarse_scores(seed, snapshot), drawn_targets(seed, snapshot)

    found = rank_users(Fixed(scores), Trial(snapshot, targets, exclude_seen), users=targets.users, k=5)

    assert targets.users.tolist() == found.users.tolist()
    for row, user in enumerate(targets.users):
        seen = set(snapshot.events.product[snapshot.user_events(int(user))].tolist()) if exclude_seen else set()
        allowed = {p: float(s) for p, s in enumerate(scores[user]) if np.isfinite(s) and p not in seen}
        wanted = targets.product[targets.user == user].tolist()
        assert slow_list(allowed, 5) == found.products[row].tolist()
        assert [slow_rank(allowed, product) for product in wanted] == found.ranks[row, : len(wanted)].tolist()
        assert (wanted, len(wanted)) == (found.targets[row, : len(wanted)].tolist(), found.num_relevant[row])
        assert (found.targets[row, len(wanted) :] < 0).all()
        assert np.isinf(found.ranks[row, len(wanted) :]).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_each_pair_is_ranked_among_its_candidates_whatever_was_seen(seed: int) -> None:
    snapshot = random_snapshot(seed)
    scores, targets = coarse_scores(seed, snapshot), drawn_targets(seed, snapshot, candidates=True)
    assert targets.candidates is not None

    found = rank_users(Fixed(scores), Trial(snapshot, targets, exclude_seen=True), users=targets.users, k=5)

    assert (targets.user.tolist(), [1] * len(targets.user)) == (found.users.tolist(), found.num_relevant.tolist())
    for row, (user, product) in enumerate(zip(targets.user, targets.product, strict=True)):
        asked = {int(entry) for entry in targets.candidates[row] if entry >= 0} | {int(product)}
        allowed = {entry: float(scores[user, entry]) for entry in asked if np.isfinite(scores[user, entry])}
        assert (slow_list(allowed, 5), [slow_rank(allowed, int(product))]) == (
            found.products[row].tolist(),
            found.ranks[row].tolist(),
        )


def test_a_target_named_again_among_its_candidates_counts_once() -> None:
    snapshot = random_snapshot(0)
    targets = Targets(np.array([1]), np.array([3]), 0, np.array([[3, 4, 4, 3, -1]]))

    found = rank_users(Fixed(np.zeros((8, 12))), Trial(snapshot, targets, False), users=targets.users, k=3)

    assert ([1.5], [3, 4, -1]) == (found.ranks[0].tolist(), found.products[0].tolist())


@pytest.mark.parametrize("candidates", [True, False])
def test_only_some_products_can_be_asked_for(candidates: bool) -> None:
    snapshot = random_snapshot(1)
    scores, targets = coarse_scores(1, snapshot), drawn_targets(1, snapshot, candidates=candidates)
    among = np.arange(snapshot.num_nodes("Product")) % 2 == 0
    trial = Trial(snapshot, targets, exclude_seen=False)

    found = rank_users(Fixed(scores), trial, users=targets.users, k=5, among=among)
    masked = rank_users(Fixed(np.where(among, scores, -np.inf)), trial, users=targets.users, k=5)

    assert (masked.ranks.tolist(), masked.products.tolist()) == (found.ranks.tolist(), found.products.tolist())


@pytest.mark.parametrize("candidates", [True, False])
def test_the_size_of_a_block_changes_nothing(candidates: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = random_snapshot(2)
    targets = drawn_targets(2, snapshot, candidates=candidates)
    trial, scorer = Trial(snapshot, targets, exclude_seen=True), Fixed(coarse_scores(2, snapshot))
    whole = rank_users(scorer, trial, users=targets.users, k=4)
    calls: list[tuple[str, int, int | None]] = []

    monkeypatch.setattr(measure, "BLOCK_BYTES", 3 * 8 * snapshot.num_nodes("Product"))
    blocks = rank_users(
        scorer, trial, users=targets.users, k=4, progress=lambda step, done, total: calls.append((step, done, total))
    )

    assert (whole.ranks.tolist(), whole.products.tolist()) == (blocks.ranks.tolist(), blocks.products.tolist())
    assert ("rank", len(whole.users), len(whole.users)) == calls[-1]
    assert len(calls) == math.ceil(len(whole.users) / 3)


def test_scores_of_the_recommender_stay_as_they_are() -> None:
    snapshot, scores = random_snapshot(3), np.ones((8, 12))
    targets = drawn_targets(3, snapshot)

    class Same:
        def score_users(self, users: np.ndarray, histories: Sequence[History]) -> np.ndarray:
            return scores[: len(users)]

    rank_users(Same(), Trial(snapshot, targets, exclude_seen=True), users=targets.users, k=3)

    assert (scores == 1).all()


def test_a_user_with_nothing_left_to_recommend_counts_as_zero() -> None:
    snapshot, targets = random_snapshot(0), Targets(np.array([1, 1]), np.array([2, 5]), 0)

    found = rank_users(Fixed(np.full((8, 12), np.nan)), Trial(snapshot, targets, False), users=targets.users, k=3)

    assert {0.0} == {float(values[0]) for values in metric_values(found, 3).values()}
    assert [-1, -1, -1] == found.products[0].tolist()


def test_only_users_asked_for_are_ranked() -> None:
    snapshot = random_snapshot(4)
    for candidates in (True, False):
        targets = drawn_targets(4, snapshot, candidates=candidates)
        some = targets.users[::2]

        found = rank_users(Fixed(coarse_scores(4, snapshot)), Trial(snapshot, targets, False), users=some, k=3)

        assert some.tolist() == np.unique(found.users).tolist()


def test_equal_scores_get_what_chance_gives() -> None:
    """With one target among 12 products of one score, its rank is the middle, not the row it happens to have."""
    snapshot = random_snapshot(0)
    for product in range(12):
        targets = Targets(np.array([1]), np.array([product]), 0)
        found = rank_users(Fixed(np.zeros((8, 12))), Trial(snapshot, targets, False), users=targets.users, k=12)
        assert [6.5] == found.ranks[0].tolist()


def test_a_summary_holds_every_metric_with_its_interval() -> None:
    snapshot = random_snapshot(5)
    targets = drawn_targets(5, snapshot)
    ranking = rank_users(Fixed(coarse_scores(5, snapshot)), Trial(snapshot, targets, False), users=targets.users, k=5)

    found = summarise(ranking, 3, num_products=12)

    names = {f"{name}@3" for name in ("recall", "ndcg", "hit", "precision", "mrr", "map", "coverage", "gini")}
    assert names == set(found)
    values = metric_values(ranking, 3)
    for name in values:
        assert pytest.approx(values[name].mean()) == found[name].mean
        assert found[name].low <= found[name].mean <= found[name].high
    assert found["coverage@3"].low == found["coverage@3"].high


def test_the_difference_of_a_model_to_itself_is_zero_and_to_a_better_one_below() -> None:
    rng = np.random.default_rng(0)
    better, worse = {"ndcg@5": rng.random(200) + 0.2}, {"ndcg@5": rng.random(200)}

    same = paired_difference(worse, worse, metric="ndcg@5")
    below = paired_difference(worse, better, metric="ndcg@5")

    assert (0.0, 0.0, 0.0) == (same.mean, same.low, same.high)
    assert below.low < below.mean < below.high < 0


def test_no_metric_has_no_interval() -> None:
    assert {} == intervals({})


def test_a_longer_table_of_candidates_is_only_padding() -> None:
    snapshot = random_snapshot(2)
    targets = drawn_targets(2, snapshot, candidates=True)
    assert targets.candidates is not None
    wider = replace(targets, candidates=np.pad(targets.candidates, ((0, 0), (0, 4)), constant_values=-1))
    scorer = Fixed(coarse_scores(2, snapshot))

    narrow, wide = (
        rank_users(scorer, Trial(snapshot, part, False), users=part.users, k=4).ranks.tolist()
        for part in (targets, wider)
    )

    assert narrow == wide
