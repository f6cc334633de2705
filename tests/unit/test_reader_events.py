"""Times, order and ids of events."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kg.errors import RowsError
from kg.reader import read_folder
from tests.support.folders import EVENTS, write_shop

NOON = 1_704_110_400_000
"""2024-01-01T12:00:00Z in epoch milliseconds."""


def read_events(folder, *rows):
    return read_folder(write_shop(folder, events=rows)).tables


@pytest.mark.parametrize(
    "at",
    [
        "2024-01-01T12:00:00Z",
        "2024-01-01T12:00:00",
        "2024-01-01 12:00",
        "2024-01-01T13:00:00+01:00",
        "2024-01-01T13:00:00.000+0100",
        "1704110400",
        "1704110400000",
        "1.7041104e9",
    ],
)
def test_a_time_is_understood_however_it_is_written(tmp_path, at):
    tables = read_events(tmp_path, {"user_id": "u", "product_id": "p1", "at": at})

    assert tables.events["at"].to_pylist() == [NOON]
    assert tables.order == "clock"


def test_the_type_is_bought_when_none_is_given(tmp_path):
    tables = read_events(tmp_path, {"user_id": "u", "product_id": "p1"}, {"user_id": "v", "product_id": "p1"})

    assert tables.events["type"].to_pylist() == ["bought", "bought"]
    assert tables.order == "none"


def test_a_position_orders_events_without_a_time(tmp_path):
    rows = [{"user_id": "u", "product_id": f"p{place}", "position": place} for place in (1, 2)]

    tables = read_events(tmp_path, *rows)

    assert tables.order == "position"
    assert sorted(tables.events["position"].to_pylist()) == [1, 2]


def test_either_all_events_have_a_time_or_none(tmp_path):
    rows = [{"user_id": "u", "product_id": "p1", "at": "2024-01-01"}, {"user_id": "u", "product_id": "p2", "at": ""}]

    with pytest.raises(RowsError, match=r"events\.csv, line 3, at: is empty while other events have it"):
        read_events(tmp_path, *rows)


def test_reading_again_gives_the_same_event_ids(tmp_path):
    folder = write_shop(tmp_path)

    assert read_folder(folder).tables == read_folder(folder).tables


def test_true_repeats_stay_and_have_ids_of_their_own(tmp_path):
    tables = read_events(tmp_path, EVENTS[1], EVENTS[1], EVENTS[1])

    assert len(set(tables.events["event_id"].to_pylist())) == 3


def test_an_event_keeps_its_id_when_others_are_added(tmp_path):
    before = read_events(tmp_path / "a", *EVENTS[:2]).events["event_id"].to_pylist()
    after = read_events(tmp_path / "b", *EVENTS).events["event_id"].to_pylist()

    assert set(before) <= set(after)


def test_the_derived_id_is_a_promise_to_graphs_already_filled(tmp_path):
    tables = read_events(tmp_path, EVENTS[1])

    assert tables.events["event_id"].to_pylist() == ["b4f495a47b2557603a23a5ba"]


def test_a_given_event_id_is_kept_and_its_exact_repeat_dropped(tmp_path):
    row = {"event_id": "e1", **EVENTS[0]}

    assert read_events(tmp_path, row, row).events["event_id"].to_pylist() == ["e1"]


def test_rows_without_an_id_get_one_beside_rows_that_have_one(tmp_path):
    tables = read_events(tmp_path, {"event_id": "e1", **EVENTS[0]}, {"event_id": None, **EVENTS[1]})

    assert tables.events.num_rows == 2
    assert "e1" in tables.events["event_id"].to_pylist()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(picks=st.lists(st.integers(0, len(EVENTS) - 1), min_size=1, max_size=12), seed=st.integers(0, 1000))
def test_event_ids_do_not_depend_on_the_order_of_rows(tmp_path, picks, seed):
    rows = [EVENTS[pick] for pick in picks]
    shuffled = random.Random(seed).sample(rows, len(rows))

    assert read_events(tmp_path / "a", *rows) == read_events(tmp_path / "b", *shuffled)
