"""What the network is trained on: batches against a slow loop over users; no future in any history."""

import numpy as np
import pytest

from gnn.examples import Batch, cut_batch, make_examples
from kg.snapshot import Snapshot
from kg.tables import Order
from tests.support.random_shops import random_snapshot


def steps_by_user(snapshot: Snapshot) -> dict[int, list[list[int]]]:
    """Products of positive events, a list a moment, oldest first; moments without such an event are left out."""
    found: dict[int, dict[int, list[int]]] = {}
    events = snapshot.events
    for place in range(len(events)):
        if snapshot.schema.events[snapshot.event_names[events.kind[place]]].weight > 0:
            moments = found.setdefault(int(events.user[place]), {})
            moments.setdefault(int(events.step[place]), []).append(int(events.product[place]))
    return {user: [moments[step] for step in sorted(moments)] for user, moments in found.items()}


def whole_batch(snapshot: Snapshot, *, repeat_weight: float = 1.0, length: int = 100, max_targets: int = 100) -> Batch:
    examples = make_examples(snapshot)
    rng = np.random.default_rng(0)
    return cut_batch(
        examples, np.arange(len(examples)), length=length, max_targets=max_targets, repeat_weight=repeat_weight, rng=rng
    )


def histories(batch: Batch) -> list[list[int]]:
    return [row[present > 0].tolist() for row, present in zip(batch.history, batch.present, strict=True)]


def targets(batch: Batch) -> list[list[int]]:
    return [row[share > 0].tolist() for row, share in zip(batch.target, batch.share, strict=True)]


@pytest.mark.parametrize("order", ["clock", "position"])
@pytest.mark.parametrize("seed", range(4))
def test_each_step_is_predicted_from_all_that_was_before_and_nothing_else(seed: int, order: Order) -> None:
    snapshot = random_snapshot(seed, order=order)
    expected = [
        ([product for step in steps[:place] for product in step], steps[place])
        for _, steps in sorted(steps_by_user(snapshot).items())
        for place in range(1, len(steps))
    ]

    batch = whole_batch(snapshot)

    assert [before for before, _ in expected] == [found[::-1] for found in histories(batch)]
    assert [wanted for _, wanted in expected] == targets(batch)


@pytest.mark.parametrize("seed", range(4))
def test_only_the_latest_events_are_kept(seed: int) -> None:
    snapshot = random_snapshot(seed)

    whole, cut = histories(whole_batch(snapshot)), histories(whole_batch(snapshot, length=3))

    assert [history[:3] for history in whole] == cut


@pytest.mark.parametrize("seed", range(4))
def test_the_rank_counts_the_steps_between_an_event_and_the_target(seed: int) -> None:
    snapshot = random_snapshot(seed)
    events, batch, row = snapshot.events, whole_batch(snapshot), 0
    for user in range(snapshot.num_nodes("User")):
        mine = [
            (int(events.step[place]), int(events.product[place]))
            for place in range(*snapshot.user_events(user).indices(len(events)))
            if snapshot.schema.events[snapshot.event_names[events.kind[place]]].weight > 0
        ]
        for step in sorted({step for step, _ in mine})[1:]:
            expected = [step - before - 1 for before, _ in reversed(mine) if before < step]
            assert expected == batch.rank[row][batch.present[row] > 0].tolist()
            row += 1

    assert len(batch.rank) == row


@pytest.mark.parametrize("seed", range(6))
def test_without_an_order_all_other_events_are_history_and_the_target_is_not(seed: int) -> None:
    snapshot = random_snapshot(seed, order="none")
    expected = [
        (sorted(products[:place] + products[place + 1 :]), [products[place]])
        for _, (products,) in sorted(steps_by_user(snapshot).items())
        for place in range(len(products))
        if len(products) > 1
    ]

    batch = whole_batch(snapshot)

    assert expected == [
        (sorted(history), wanted) for history, wanted in zip(histories(batch), targets(batch), strict=True)
    ]
    assert not batch.rank.any()


def test_shares_add_up_to_one_and_a_repeat_counts_less() -> None:
    snapshot = random_snapshot(0, events=150)

    batch = whole_batch(snapshot, repeat_weight=0.25)

    assert pytest.approx(np.ones(len(batch.share)), abs=1e-6) == batch.share.sum(axis=1)
    for history, wanted, share in zip(histories(batch), targets(batch), batch.share, strict=True):
        weights = np.array([0.25 if product in history else 1.0 for product in wanted])
        np.testing.assert_allclose(weights / weights.sum(), share[share > 0], rtol=1e-5)


def test_a_repeat_may_count_for_nothing() -> None:
    batch = whole_batch(random_snapshot(0, events=150), repeat_weight=0.0)

    for history, wanted in zip(histories(batch), targets(batch), strict=True):
        assert set() == set(history) & set(wanted)
    assert set(np.round(batch.share.sum(axis=1), 5).tolist()) <= {0.0, 1.0}


def test_of_large_steps_a_part_is_drawn() -> None:
    snapshot = random_snapshot(0, events=300)

    whole, part = targets(whole_batch(snapshot)), targets(whole_batch(snapshot, max_targets=2))

    assert max(map(len, whole)) > 2
    for every, drawn in zip(whole, part, strict=True):
        assert min(len(every), 2) == len(drawn)
        assert set(drawn) <= set(every)


@pytest.mark.parametrize("order", ["clock", "none"])
def test_without_events_there_is_no_example(order: Order) -> None:
    assert 0 == len(make_examples(random_snapshot(0, events=0, order=order)))
