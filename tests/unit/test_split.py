"""The split never shows the future: invariants of each way to split, and what a planted leak does."""

from collections import Counter

import numpy as np
import pytest

from gnn.errors import TooLittleData
from gnn.measure import metric_values, rank_users
from gnn.score import Blend, Decay, Scorer
from gnn.split import DataSplit, SplitName, Trial, repeat_share, split_snapshot
from kg.errors import LeakageError
from kg.kernels import HabitKernel
from kg.snapshot import Snapshot, select_events
from kg.tables import Order
from tests.support.random_shops import random_snapshot

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
