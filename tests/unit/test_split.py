"""The split never shows the future: invariants of each way to split, and what a planted leak does."""

from collections import Counter

import numpy as np
import pytest

from gnn.errors import TooLittleData
from gnn.measure import metric_values, rank_users
from gnn.score import Blend, Decay, Scorer
from gnn.split import DataSplit, SplitName, Targets, Trial, repeat_share, split_snapshot
from kg.errors import LeakageError
from kg.kernels import HabitKernel
from kg.snapshot import Snapshot, select_events
from kg.tables import Order
from tests.support.random_shops import random_snapshot
from tests.worlds import DAY_MS, MONDAY

CASES: tuple[tuple[SplitName, Order], ...] = (
    ("temporal", "clock"),
    ("leave-one-out", "clock"),
    ("leave-one-out", "position"),
    ("random", "clock"),
    ("random", "none"),
)
SEEDS = range(4)


def triples(snapshot: Snapshot) -> Counter[tuple[int, int, int, int]]:
    events = snapshot.events
    return Counter(
        zip(*(column.tolist() for column in (events.user, events.product, events.kind, events.time)), strict=True)
    )


def pairs(split: DataSplit, part: str) -> set[tuple[int, int]]:
    targets = getattr(split, part)
    return set(zip(targets.user.tolist(), targets.product.tolist(), strict=True))


@pytest.mark.parametrize(("name", "order"), CASES)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_event_is_in_one_part_and_parts_grow(seed: int, name: SplitName, order: Order) -> None:
    snapshot = random_snapshot(seed, events=120, order=order)
    split = split_snapshot(snapshot, name=name, share=0.2, seed=seed)
    train, both, whole = triples(split.train), triples(split.train_valid), triples(snapshot)
    weights = [snapshot.schema.events[kind].weight for kind in snapshot.event_names]

    assert train <= both <= whole
    for later, part in ((both - train, "valid"), (whole - both, "test")):
        assert {(user, product) for user, product, kind, _ in later if weights[kind] > 0} == pairs(split, part)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_temporal_split_puts_nothing_later_into_an_earlier_part(seed: int) -> None:
    snapshot = random_snapshot(seed, events=120)

    split = split_snapshot(snapshot, name="temporal", share=0.2)

    assert split.train.events.time.max() < split.valid.now_ms <= split.train_valid.events.time.max()
    assert split.train_valid.events.time.max() < split.test.now_ms <= snapshot.events.time.max()
    assert (split.valid.now_ms, split.test.now_ms) == (split.train.cutoff_ms, split.train_valid.cutoff_ms)


@pytest.mark.parametrize("seed", SEEDS)
def test_given_cuts_are_where_validation_and_test_begin(seed: int) -> None:
    snapshot = random_snapshot(seed, events=120)
    first, second = MONDAY + 6 * DAY_MS, MONDAY + 9 * DAY_MS

    split = split_snapshot(snapshot, cuts=(first, second))

    times = snapshot.events.time
    assert times[times < first].tolist() == split.train.events.time.tolist()
    assert times[times < second].tolist() == split.train_valid.events.time.tolist()
    assert (first, second) == (split.valid.now_ms, split.test.now_ms)
    assert (first, second) == (split.train.cutoff_ms, split.train_valid.cutoff_ms)


@pytest.mark.parametrize("cuts", [(MONDAY + DAY_MS, MONDAY), (MONDAY, MONDAY)], ids=["turned round", "the same"])
def test_cuts_in_the_wrong_order_are_refused(cuts: tuple[int, int]) -> None:
    with pytest.raises(TooLittleData, match=f"before test, got {cuts[0]} and {cuts[1]}"):
        split_snapshot(random_snapshot(0, events=120), cuts=cuts)


def test_cuts_that_leave_a_part_empty_are_refused() -> None:
    with pytest.raises(TooLittleData, match="leaves a part empty"):
        split_snapshot(random_snapshot(0, events=120), cuts=(MONDAY, MONDAY + DAY_MS))


def test_a_user_is_asked_at_the_first_of_the_targets_or_at_the_one_moment_of_all() -> None:
    user, product = np.array([1, 1, 4, 4, 4]), np.arange(5)
    users = np.array([4, 1])

    own = Targets(user, product, 77, at_ms=np.array([9, 5, 30, 20, 25]))

    assert [20, 5] == own.moments(users).tolist()
    assert [77, 77] == Targets(user, product, 77).moments(users).tolist()


@pytest.mark.parametrize("seed", SEEDS)
def test_who_is_left_one_out_is_asked_when_it_happened(seed: int) -> None:
    snapshot = random_snapshot(seed, events=120)
    split = split_snapshot(snapshot, name="leave-one-out")
    weights = [snapshot.schema.events[kind].weight for kind in snapshot.event_names]

    for targets, before, after in (
        (split.test, split.train_valid, snapshot),
        (split.valid, split.train, split.train_valid),
    ):
        held = {user: time for user, _, kind, time in triples(after) - triples(before) if weights[kind] > 0}
        assert held == dict(zip(targets.users.tolist(), targets.moments(targets.users).tolist(), strict=True))


@pytest.mark.parametrize(("order", "name"), [("none", "random"), ("clock", "random"), ("position", "leave-one-out")])
def test_without_a_clock_or_an_order_of_targets_nobody_has_a_moment(order: Order, name: SplitName) -> None:
    split = split_snapshot(random_snapshot(1, events=120, order=order), name=name, share=0.2)

    for targets in (split.valid, split.test):
        assert {0} == set(targets.moments(targets.users).tolist())


@pytest.mark.parametrize(("name", "order"), CASES)
def test_it_is_known_whether_targets_follow_the_history(name: SplitName, order: Order) -> None:
    split = split_snapshot(random_snapshot(1, events=120, order=order), name=name, share=0.2)

    assert (name != "random", name != "random") == (split.valid.follows, split.test.follows)


@pytest.mark.parametrize("order", ["clock", "position"])
@pytest.mark.parametrize("seed", SEEDS)
def test_leave_one_out_holds_back_the_last_two_events_of_users_with_three(seed: int, order: Order) -> None:
    snapshot = random_snapshot(seed, events=40, order=order)
    split = split_snapshot(snapshot, name="leave-one-out")

    for user in range(snapshot.num_nodes("User")):
        count = len(range(*snapshot.user_events(user).indices(len(snapshot.events))))
        held = 2 if count >= 3 else 0
        kept = split.train.user_events(user)
        assert count - held == kept.stop - kept.start
        whole = snapshot.events.time[snapshot.user_events(user)]
        np.testing.assert_array_equal(whole[: count - held], split.train.events.time[kept])


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_split_holds_back_the_same_share_of_every_user(seed: int) -> None:
    snapshot = random_snapshot(seed, events=120, order="none")
    split = split_snapshot(snapshot, name="random", share=0.2, seed=seed)

    for user, count in Counter(snapshot.events.user.tolist()).items():
        held = int(count * 0.2 + 0.5)
        counts = [int((part.events.user == user).sum()) for part in (split.train, split.train_valid)]
        assert [count - 2 * held, count - held] == counts


def test_another_seed_splits_otherwise_and_the_same_seed_alike() -> None:
    snapshot = random_snapshot(0, events=120, order="none")
    hashes = [split_snapshot(snapshot, share=0.2, seed=seed).train.hash for seed in (0, 0, 1)]

    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize(("order", "name"), [("clock", "temporal"), ("position", "leave-one-out"), ("none", "random")])
def test_the_order_of_events_chooses_the_split(order: Order, name: SplitName) -> None:
    assert name == split_snapshot(random_snapshot(1, events=120, order=order), share=0.2).name


@pytest.mark.parametrize(
    ("order", "name", "words"),
    [
        ("position", "temporal", "needs event times"),
        ("none", "temporal", "needs event times"),
        ("none", "leave-one-out", "needs the order"),
    ],
)
def test_a_split_that_the_events_do_not_allow_is_refused(order: Order, name: SplitName, words: str) -> None:
    with pytest.raises(TooLittleData, match=words):
        split_snapshot(random_snapshot(1, order=order), name=name)


@pytest.mark.parametrize(("name", "order"), CASES)
@pytest.mark.parametrize("events", [0, 1, 2])
def test_too_few_events_are_said_to_be_too_few(name: SplitName, order: Order, events: int) -> None:
    with pytest.raises(TooLittleData):
        split_snapshot(random_snapshot(1, events=events, order=order), name=name)


def test_the_share_of_repeats_is_counted_over_pairs() -> None:
    snapshot = random_snapshot(3, events=150)
    split = split_snapshot(snapshot, share=0.2)
    had = set(zip(split.train.events.user.tolist(), split.train.events.product.tolist(), strict=True))
    wanted = pairs(split, "valid")

    assert pytest.approx(len(wanted & had) / len(wanted)) == repeat_share(split.train, split.valid)
    assert 0 < repeat_share(split.train, split.valid) < 1


def test_histories_that_hold_the_test_events_give_themselves_away() -> None:
    """A planted leak: a recommender that only repeats finds everything when the snapshot was not cut."""
    snapshot = random_snapshot(2, users=20, products=40, events=200)
    split = split_snapshot(snapshot, share=0.2)
    blend = Blend(("habit",), (Decay("rank", 1.0),), np.ones((1, 1)), (), np.zeros(0))
    scorer = Scorer((HabitKernel(40),), np.zeros((0, 40), dtype=np.float32), blend)

    hits = {}
    for name, seen in (("cut", split.train_valid), ("leaking", snapshot)):
        ranked = rank_users(scorer, Trial(seen, split.test, exclude_seen=False), users=split.test.users, k=20)
        hits[name] = float(metric_values(ranked, 20)["recall@20"].mean())

    assert hits["leaking"] > 0.95
    assert hits["cut"] < 0.6


def test_keeping_a_test_event_in_the_training_part_is_leakage() -> None:
    snapshot = random_snapshot(2, events=120)
    split = split_snapshot(snapshot, share=0.2)
    leak = snapshot.events.time < split.valid.now_ms
    leak[np.flatnonzero(~leak)[0]] = True

    with pytest.raises(LeakageError):
        select_events(snapshot, leak, cutoff_ms=split.valid.now_ms)
