"""A published split is taken as it stands: which event goes where, what is asked, and what is refused."""

from collections import Counter, defaultdict

import numpy as np
import pyarrow as pa
import pytest

from gnn.errors import TooLittleData
from gnn.split import DataSplit, Targets, split_snapshot
from kg.schema import GraphSchema
from kg.snapshot import Snapshot, build_snapshot
from kg.tables import Order
from tests.worlds import DAY_MS, MONDAY, make_tables

Pair = tuple[str, str]
Row = tuple[str, str, int]
"""User, product and day of an event."""


def shop(rows: list[Row], order: Order = "clock") -> Snapshot:
    """Return the snapshot of some purchases; product `never` is bought by nobody."""
    events = []
    for number, (user, product, day) in enumerate(rows):
        when = {"clock": {"at": MONDAY + day * DAY_MS}, "position": {"position": day}, "none": {}}[order]
        events.append({"event_id": f"e{number:03d}", "user_id": user, "product_id": product, "type": "bought"} | when)
    nodes = {
        "User": [{"user_id": key} for key in sorted({user for user, _, _ in rows})],
        "Product": [{"product_id": key} for key in sorted({product for _, product, _ in rows} | {"never"})],
    }
    return build_snapshot(make_tables(GraphSchema(), nodes, edges={}, events=events))


def table(pairs: list[Pair], candidates: list[list[str] | None] | None = None) -> pa.Table:
    columns = {"user_id": pa.array([user for user, _ in pairs]), "product_id": pa.array([key for _, key in pairs])}
    if candidates is not None:
        columns["candidates"] = pa.array(candidates, type=pa.list_(pa.string()))
    return pa.table(columns)


def split_of(snapshot: Snapshot, *, share: float = 0.1, seed: int = 0, **parts: pa.Table) -> DataSplit:
    given = {f"split_{name}": rows for name, rows in parts.items()}
    return split_snapshot(snapshot, given=given, share=share, seed=seed)


def events_of(snapshot: Snapshot) -> Counter[tuple[str, str, int]]:
    """Count user, product and time of the events of a snapshot."""
    users, products, events = snapshot.ids("User"), snapshot.ids("Product"), snapshot.events
    return Counter(
        (users[user], products[product], time)
        for user, product, time in zip(events.user.tolist(), events.product.tolist(), events.time.tolist(), strict=True)
    )


def pairs_of(snapshot: Snapshot, targets: Targets) -> list[Pair]:
    users, products = snapshot.ids("User"), snapshot.ids("Product")
    return [(users[user], products[key]) for user, key in zip(targets.user, targets.product, strict=True)]


def drawn(seed: int) -> tuple[list[Row], dict[str, list[Pair]]]:
    """Purchases with many repeats, and rows of three parts; some pairs have too few rows, some too many, some none."""
    rng = np.random.default_rng(seed)
    days = rng.permutation(80).tolist()
    rows = [(f"u{rng.integers(5)}", f"p{rng.integers(6)}", day) for day in days]
    parts: dict[str, list[Pair]] = {"train": [], "valid": [], "test": []}
    for user, product, _ in rows:
        if rng.random() < 0.85:
            parts[str(rng.choice(["train", "valid", "test"], p=[0.6, 0.2, 0.2]))].append((user, product))
    return rows, parts | {"train": [*parts["train"], *parts["train"][:4]]}


def slow_parts(rows: list[Row], parts: dict[str, list[Pair]]) -> dict[str, Counter[tuple[str, str, int]]]:
    """Deal the events of each pair, oldest first, to as many rows as each part has of it; what is left stays out."""
    times: dict[Pair, list[int]] = defaultdict(list)
    for user, product, day in sorted(rows, key=lambda row: row[2]):
        times[user, product].append(MONDAY + day * DAY_MS)
    dealt: dict[str, Counter[tuple[str, str, int]]] = {name: Counter() for name in parts}
    for pair, moments in times.items():
        counts = {name: sum(row == pair for row in part) for name, part in parts.items()}
        there = [name for name, count in counts.items() if count]
        if there:
            counts[there[0]] += max(len(moments) - sum(counts.values()), 0)
        places = [name for name, count in counts.items() for _ in range(count)]
        for name, moment in zip(places, moments, strict=False):
            dealt[name][(*pair, moment)] += 1
    return dealt


@pytest.mark.parametrize("seed", range(6))
def test_each_event_goes_to_the_part_that_has_a_row_for_it_the_earliest_first(seed: int) -> None:
    rows, parts = drawn(seed)
    expected = slow_parts(rows, parts)

    split = split_of(shop(rows), **{name: table(part) for name, part in parts.items()})

    assert expected["train"] == events_of(split.train)
    assert expected["train"] + expected["valid"] == events_of(split.train_valid)
    assert "given" == split.name


@pytest.mark.parametrize("seed", range(6))
def test_the_rows_of_a_part_are_what_is_asked_each_pair_once(seed: int) -> None:
    rows, parts = drawn(seed)
    snapshot = shop(rows)

    split = split_of(snapshot, **{name: table(part) for name, part in parts.items()})

    assert sorted(set(parts["valid"])) == pairs_of(snapshot, split.valid)
    assert sorted(set(parts["test"])) == pairs_of(snapshot, split.test)


def test_of_a_pair_in_two_parts_the_earlier_event_is_learned_from() -> None:
    snapshot = shop([("u", "p", 3), ("u", "p", 1), ("u", "p", 9), ("u", "q", 5)])
    train, test = [("u", "p"), ("u", "p")], [("u", "p")]

    split = split_of(snapshot, train=table(train), valid=table([("u", "q")]), test=table(test))

    days = sorted((time - MONDAY) // DAY_MS for _, _, time in events_of(split.train))
    assert ([1, 3], [("u", "p")]) == (days, pairs_of(snapshot, split.test))


def test_events_of_no_part_are_in_none() -> None:
    snapshot = shop([("u", "a", 0), ("u", "b", 1), ("u", "c", 2), ("u", "never asked", 3)])

    split = split_of(snapshot, train=table([("u", "a")]), valid=table([("u", "b")]), test=table([("u", "c")]))

    assert {"a", "b"} == {product for _, product, _ in events_of(split.train_valid)}


@pytest.mark.parametrize(
    ("part", "pair", "words"),
    [
        ("train", ("nobody", "a"), r"split_train names user_id 'nobody', .* 1 rows of 3 are like that"),
        ("valid", ("u", "nothing"), r"split_valid names product_id 'nothing', .* 1 rows of 2 are like that"),
        ("test", ("u", "nothing"), r"split_test names product_id 'nothing', .* take them out of split_test"),
    ],
)
def test_a_row_that_the_tables_do_not_know_is_named(part: str, pair: Pair, words: str) -> None:
    snapshot = shop([("u", "a", 0), ("u", "b", 1), ("u", "c", 2), ("u", "d", 3)])
    rows = {"train": [("u", "a"), ("u", "b")], "valid": [("u", "c")], "test": [("u", "d")]}
    rows[part].append(pair)

    with pytest.raises(TooLittleData, match=words):
        split_of(snapshot, **{name: table(part) for name, part in rows.items()})


@pytest.mark.parametrize("missing", ["train", "test"])
def test_a_published_split_needs_train_and_test(missing: str) -> None:
    rows = {name: table([("u", "a")]) for name in ("train", "valid", "test") if name != missing}

    with pytest.raises(TooLittleData, match=f"needs split_train and split_test; split_{missing} is missing"):
        split_of(shop([("u", "a", 0)]), **rows)


def test_a_published_split_that_is_not_there_cannot_be_taken() -> None:
    with pytest.raises(TooLittleData, match="needs split_train and split_test"):
        split_snapshot(shop([("u", "a", 0)]), name="given")


def test_another_split_can_be_asked_for_all_the_same() -> None:
    rows = [("u", key, day) for day, key in enumerate("abcdef")]
    given = {"split_train": table([("u", "a")]), "split_test": table([("u", "f")])}

    assert "temporal" == split_snapshot(shop(rows), name="temporal", share=0.2, given=given).name


def test_without_a_validation_part_the_last_training_event_of_each_user_is_asked_where_the_test_asks_the_last() -> None:
    rows = [("u", key, day) for day, key in enumerate("abcd")] + [("v", key, day) for day, key in enumerate("abc")]
    snapshot = shop(rows)
    train = [("u", "a"), ("u", "b"), ("u", "c"), ("v", "a"), ("v", "b")]

    split = split_of(snapshot, train=table(train), test=table([("u", "d"), ("v", "c")]))

    assert [("u", "c")] == pairs_of(snapshot, split.valid), "v has too little left"
    assert {("u", "a"), ("u", "b"), ("v", "a"), ("v", "b")} == {(user, key) for user, key, _ in events_of(split.train)}
    assert set(train) == {(user, key) for user, key, _ in events_of(split.train_valid)}
    assert split.valid.follows


@pytest.mark.parametrize("order", ["clock", "none"])
def test_without_a_validation_part_some_are_drawn_where_the_test_is_drawn_too(order: Order) -> None:
    keys = [f"p{number:02d}" for number in range(12)]
    snapshot = shop([(user, key, day) for user in "uv" for day, key in enumerate(keys)], order)
    test = [(user, key) for user in "uv" for key in keys[:2]]
    train = [(user, key) for user in "uv" for key in keys[2:]]

    first, again, other = (
        split_of(snapshot, share=0.3, seed=seed, train=table(train), test=table(test)) for seed in (0, 0, 1)
    )

    asked = pairs_of(snapshot, first.valid)
    assert {"u": 3, "v": 3} == Counter(user for user, _ in asked)
    assert set(asked) <= set(train)
    assert set(train) - set(asked) == {(user, key) for user, key, _ in events_of(first.train)}
    assert asked == pairs_of(snapshot, again.valid) != pairs_of(snapshot, other.valid)
    assert not first.valid.follows


def test_prescribed_candidates_stand_beside_their_pair_and_unknown_ones_are_left_out() -> None:
    snapshot = shop([("u", "a", 0), ("u", "b", 1), ("u", "c", 2), ("v", "a", 0), ("v", "b", 3)])
    test = table([("v", "b"), ("u", "c"), ("v", "b")], [["c", "never"], ["b", "gone", "a", "c"], ["a"]])

    split = split_of(snapshot, train=table([("u", "a"), ("v", "a")]), valid=table([("u", "b")]), test=test)

    ids = snapshot.ids("Product")
    assert split.test.candidates is not None
    named = [[ids[row] for row in rows if row >= 0] for rows in split.test.candidates]
    assert [("u", "c"), ("v", "b")] == pairs_of(snapshot, split.test)
    assert [["b", "a", "c"], ["c", "never"]] == named
    assert [[True, True, True], [True, True, False]] == (split.test.candidates >= 0).tolist()
    assert split.valid.candidates is None


def test_a_pair_without_candidates_has_none() -> None:
    snapshot = shop([("u", "a", 0), ("u", "b", 1), ("u", "c", 2)])
    test = table([("u", "c")], [None])

    split = split_of(snapshot, train=table([("u", "a")]), valid=table([("u", "b")]), test=test)

    assert split.test.candidates is not None
    assert (1, 0) == split.test.candidates.shape


@pytest.mark.parametrize("order", ["clock", "position", "none"])
@pytest.mark.parametrize(("early", "follows"), [(0, True), (1, True), (2, False), (20, False)])
def test_targets_follow_the_history_when_nearly_all_of_them_come_after_it(
    order: Order, early: int, follows: bool
) -> None:
    """Of twenty users, some have a training event after their test event."""
    users = [f"u{number:02d}" for number in range(20)]
    rows = [(user, key, day) for user in users for day, key in enumerate("abc")]
    test = [(user, "b" if place < early else "c") for place, user in enumerate(users)]
    train = [(user, key) for user in users for key in "ab" if (user, key) not in test]
    valid = [(user, "c") for user in users[:early]] or [(users[0], "a")]

    split = split_of(shop(rows, order), train=table(train), valid=table(valid), test=table(test))

    expected = follows and order != "none"
    assert (expected, expected) == (split.test.follows, split.valid.follows)


def test_each_user_is_asked_at_the_time_of_the_first_target() -> None:
    snapshot = shop([("u", "a", 0), ("u", "b", 1), ("u", "c", 6), ("u", "d", 4), ("v", "a", 0), ("v", "b", 9)])
    test = [("u", "c"), ("u", "d"), ("v", "b")]

    split = split_of(snapshot, train=table([("u", "a"), ("v", "a")]), valid=table([("u", "b")]), test=table(test))

    days = (split.test.moments(split.test.users) - MONDAY) // DAY_MS
    assert [4, 9] == days.tolist()


def test_a_target_without_an_event_of_its_own_does_not_say_when() -> None:
    """The pair stands in two parts and happened once: that is learned from, and the row is asked all the same."""
    snapshot = shop([("u", "a", 0), ("u", "b", 1), ("u", "c", 6)])
    test = [("u", "a"), ("u", "c")]

    split = split_of(snapshot, train=table([("u", "a")]), valid=table([("u", "b")]), test=table(test))

    assert test == pairs_of(snapshot, split.test)
    assert [6] == ((split.test.moments(split.test.users) - MONDAY) // DAY_MS).tolist()


def test_a_user_of_whom_no_target_says_when_is_asked_at_the_end() -> None:
    snapshot = shop([("u", "a", 0), ("u", "b", 1), ("u", "c", 6), ("v", "a", 2), ("v", "b", 3)])
    train, test = [("u", "a"), ("v", "a"), ("v", "b")], [("u", "c"), ("v", "a")]

    split = split_of(snapshot, train=table(train), valid=table([("u", "b")]), test=table(test))

    assert [6, 6] == ((split.test.moments(split.test.users) - MONDAY) // DAY_MS).tolist()


def test_a_part_whose_rows_are_all_learned_from_already_is_asked_all_the_same() -> None:
    snapshot = shop([("u", "a", 0), ("u", "c", 6)])

    split = split_of(snapshot, train=table([("u", "a")]), valid=table([("u", "a")]), test=table([("u", "c")]))

    assert [("u", "a")] == pairs_of(snapshot, split.valid)


def test_a_published_split_without_a_test_row_is_too_little() -> None:
    with pytest.raises(TooLittleData, match="leaves a part empty"):
        split_of(
            shop([("u", "a", 0), ("u", "b", 1), ("u", "c", 2), ("u", "d", 3)]),
            train=table([("u", "a"), ("u", "b"), ("u", "c")]),
            test=pa.table({"user_id": pa.array([], pa.string()), "product_id": pa.array([], pa.string())}),
        )
