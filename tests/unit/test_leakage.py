"""The guard sees every planted leak, and lets every honest split pass."""

from dataclasses import replace

import numpy as np
import pytest

from gnn.leakage import check_split
from gnn.split import SplitName, split_snapshot
from kg.errors import LeakageError
from kg.snapshot import select_events
from kg.tables import Order
from tests.support.random_shops import random_snapshot

CASES: tuple[tuple[SplitName, Order], ...] = (
    ("temporal", "clock"),
    ("leave-one-out", "position"),
    ("random", "clock"),
    ("random", "none"),
)
SEEDS = range(4)


@pytest.mark.parametrize(("name", "order"), CASES)
@pytest.mark.parametrize("seed", SEEDS)
def test_an_honest_split_passes(seed: int, name: SplitName, order: Order) -> None:
    whole = random_snapshot(seed, events=120, order=order)

    check_split(split_snapshot(whole, name=name, share=0.2, seed=seed), whole)


@pytest.mark.parametrize(("name", "order"), CASES)
@pytest.mark.parametrize("part", ["train", "train_valid"])
def test_one_planted_event_is_seen(name: SplitName, order: Order, part: str) -> None:
    whole = random_snapshot(0, events=120, order=order)
    split = split_snapshot(whole, name=name, share=0.2)
    targets = split.valid if part == "train" else split.test
    pair = whole.events.user.astype(np.int64) * 12 + whole.events.product
    honest = getattr(split, part)
    kept = np.isin(pair, honest.events.user.astype(np.int64) * 12 + honest.events.product)
    leaked = replace(honest, events=whole.events.select(kept | (pair == targets.user[0] * 12 + targets.product[0])))

    with pytest.raises(LeakageError, match="such as user"):
        check_split(replace(split, **{part: leaked}), whole)


def test_the_whole_data_in_place_of_a_part_is_seen() -> None:
    whole = random_snapshot(1, events=120)
    split = split_snapshot(whole, name="temporal", share=0.2)

    with pytest.raises(LeakageError, match=f"of {len(split.test.user)} test targets"):
        check_split(replace(split, train_valid=whole), whole)


def test_an_event_after_the_cutoff_is_seen_even_when_it_is_no_target() -> None:
    whole = random_snapshot(2, events=120)
    split = split_snapshot(whole, name="temporal", share=0.2)
    returned = whole.events.kind == whole.event_names.index("returned")
    late = returned & (whole.events.time >= split.test.now_ms)
    assert late.any()
    leaky = select_events(whole, late | (whole.events.time < split.test.now_ms))

    with pytest.raises(LeakageError, match="at or after the test cutoff"):
        check_split(replace(split, train_valid=leaky), whole)
