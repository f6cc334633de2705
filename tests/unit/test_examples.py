"""What the network is trained on: batches against a slow loop over users; no future in any history."""

import numpy as np
import pytest
import torch

from gnn.batches import Batch, cut_batch, place
from gnn.examples import Examples, make_examples, shuffle_events
from kg.schema import GraphSchema
from kg.snapshot import Snapshot, build_snapshot
from kg.tables import Order
from tests.support.random_shops import random_snapshot
from tests.worlds import make_tables


def steps_by_user(snapshot: Snapshot) -> dict[int, list[list[int]]]:
    """Products of positive events, a list a moment, oldest first; moments without such an event are left out."""
    found: dict[int, dict[int, list[int]]] = {}
    events = snapshot.events
    for row in range(len(events)):
        if snapshot.schema.events[snapshot.event_names[events.kind[row]]].weight > 0:
            moments = found.setdefault(int(events.user[row]), {})
            moments.setdefault(int(events.step[row]), []).append(int(events.product[row]))
    return {user: [moments[step] for step in sorted(moments)] for user, moments in found.items()}


def whole_batch(
    snapshot: Snapshot,
    *,
    repeat_weight: float = 1.0,
    length: int = 100,
    max_targets: int = 100,
    follows: bool = True,
) -> Batch:
    examples = make_examples(snapshot, follows=follows)
    return all_of(examples, length=length, max_targets=max_targets, repeat_weight=repeat_weight)


def all_of(examples: Examples, *, length: int, max_targets: int, repeat_weight: float = 1.0) -> Batch:
    placed = place(examples, torch.device("cpu"))
    return cut_batch(
        placed,
        torch.arange(len(placed)),
        length=length,
        max_targets=max_targets,
        repeat_weight=repeat_weight,
        generator=torch.Generator().manual_seed(0),
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


def others(snapshot: Snapshot) -> list[tuple[list[int], list[int]]]:
    """Each quarter of a user's events beside all the rest, sorted; whoever has one event has nothing beside it."""
    found = []
    for _, steps in sorted(steps_by_user(snapshot).items()):
        products = [product for step in steps for product in step]
        size = min(max(len(products) // 4, 1), 64)
        for start in range(0, len(products) if len(products) > 1 else 0, size):
            part = products[start : start + size]
            found.append((sorted(products[:start] + products[start + size :]), part))
    return found


@pytest.mark.parametrize("events", [30, 60, 400])
@pytest.mark.parametrize("seed", range(3))
def test_without_an_order_each_part_is_predicted_from_all_other_events(seed: int, events: int) -> None:
    snapshot = random_snapshot(seed, order="none", events=events)

    batch = whole_batch(snapshot)

    assert others(snapshot) == [
        (sorted(history), wanted) for history, wanted in zip(histories(batch), targets(batch), strict=True)
    ]
    assert not batch.rank.any()


@pytest.mark.parametrize("order", ["clock", "position"])
def test_where_targets_do_not_follow_the_order_says_nothing(order: Order) -> None:
    snapshot = random_snapshot(0, order=order, events=200)

    batch = whole_batch(snapshot, follows=False)

    assert others(snapshot) == [
        (sorted(history), wanted) for history, wanted in zip(histories(batch), targets(batch), strict=True)
    ]
    assert not batch.rank.any()


def long_lists(size: int, *, users: int = 4) -> Snapshot:
    """A shop without order in which nobody has anything twice; the last user has `size` events, each other one less."""
    products = [{"product_id": f"p{number:04d}"} for number in range(size)]
    pairs = [(user, number) for user in range(users) for number in range(size - users + 1 + user)]
    events = [
        {"event_id": f"e{place:05d}", "user_id": f"u{user}", "product_id": f"p{number:04d}", "type": "bought"}
        for place, (user, number) in enumerate(pairs)
    ]
    nodes = {"User": [{"user_id": f"u{user}"} for user in range(users)], "Product": products}
    return build_snapshot(make_tables(GraphSchema(), nodes, edges={}, events=events))


@pytest.mark.parametrize("size", [4, 7, 8, 30, 300])
@pytest.mark.parametrize("shuffles", [0, 1, 3])
def test_a_pass_without_order_predicts_every_event_once_and_never_from_itself(size: int, shuffles: int) -> None:
    snapshot, rng = long_lists(size), np.random.default_rng(0)
    examples = make_examples(snapshot)
    for _ in range(shuffles):
        examples = shuffle_events(examples, rng)

    batch = all_of(examples, length=size, max_targets=64)

    predicted: dict[int, list[int]] = {}
    for first, history, wanted in zip(examples.first.tolist(), histories(batch), targets(batch), strict=True):
        predicted.setdefault(first, []).extend(wanted)
        assert set() == set(history) & set(wanted)
        assert len(history) + len(wanted) == len(set(history) | set(wanted))
    sizes = [count for count in range(size - 3, size + 1) if count > 1]
    assert [list(range(count)) for count in sizes] == [sorted(found) for found in predicted.values()]
    # Whoever has one event has nothing beside it; all others are known whole, part and history together.
    owner = np.searchsorted(np.unique(examples.first), examples.first)
    assert [sizes[row] for row in owner] == [
        len(history) + len(wanted) for history, wanted in zip(histories(batch), targets(batch), strict=True)
    ]
    assert 64 >= max(map(len, targets(batch)))


def test_shuffled_events_stay_with_their_user() -> None:
    """Users with a single event, of which there is no example, keep it to themselves too."""
    snapshot = random_snapshot(0, users=30, events=60, order="none")
    counts = [len(range(*snapshot.user_events(user).indices(60))) for user in range(30)]
    examples, rng = make_examples(snapshot), np.random.default_rng(0)
    assert 1 in counts

    known = others(snapshot)
    for _ in range(5):
        examples = shuffle_events(examples, rng)
        batch = all_of(examples, length=60, max_targets=64)
        assert [sorted(before + wanted) for before, wanted in known] == [
            sorted(before + wanted) for before, wanted in zip(histories(batch), targets(batch), strict=True)
        ]


def test_another_pass_cuts_other_parts_and_the_same_seed_the_same() -> None:
    examples = make_examples(long_lists(40))

    first, again, other = (shuffle_events(examples, np.random.default_rng(seed)).product for seed in (0, 0, 1))

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, examples.product)


def test_of_a_long_history_without_order_only_so_many_events_are_kept() -> None:
    snapshot = long_lists(40)
    whole, cut = whole_batch(snapshot), whole_batch(snapshot, length=5)

    assert [5] * len(cut.history) == list(map(len, histories(cut)))
    assert targets(whole) == targets(cut)
    for every, kept in zip(histories(whole), histories(cut), strict=True):
        assert set(kept) <= set(every)


def test_shares_add_up_to_one_and_a_repeat_counts_less() -> None:
    snapshot = random_snapshot(0, events=150)

    batch = whole_batch(snapshot, repeat_weight=0.25)

    assert pytest.approx(np.ones(len(batch.share)), abs=1e-6) == batch.share.sum(dim=1).numpy()
    for history, wanted, share in zip(histories(batch), targets(batch), batch.share, strict=True):
        weights = np.array([0.25 if product in history else 1.0 for product in wanted])
        np.testing.assert_allclose(weights / weights.sum(), share[share > 0].numpy(), rtol=1e-5)


def test_a_repeat_may_count_for_nothing() -> None:
    batch = whole_batch(random_snapshot(0, events=150), repeat_weight=0.0)

    for history, wanted in zip(histories(batch), targets(batch), strict=True):
        assert set() == set(history) & set(wanted)
    assert set(np.round(batch.share.sum(dim=1).numpy(), 5).tolist()) <= {0.0, 1.0}


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
