"""What of a table is not in the graph yet."""

from typing import Any

import pyarrow as pa
import pytest

from kg.difference import changed_rows, new_rows

THERE = pa.table({"id": ["a", "b", "c"], "x": pa.array([1, None, 3])})


def ids(table: pa.Table) -> list[str]:
    return [str(value) for value in table["id"].to_pylist()]


def test_rows_with_an_unknown_key_are_new() -> None:
    wanted = pa.table({"id": ["d", "a", "e"], "x": [1, 1, 1]})

    assert ids(new_rows(wanted, THERE, key=("id",))) == ["d", "e"]


@pytest.mark.parametrize(
    ("x", "expected"),
    [([1, None, 3], []), ([2, None, 3], ["a"]), ([1, 5, 3], ["b"]), ([1, None, None], ["c"])],
)
def test_rows_with_another_value_are_changed(x: list[Any], expected: list[str]) -> None:
    wanted = pa.table({"id": ["a", "b", "c"], "x": pa.array(x, pa.int64())})

    assert expected == ids(changed_rows(wanted, THERE, key=("id",)))


def test_a_column_that_is_not_there_counts_as_null() -> None:
    wanted = pa.table({"id": ["a", "b"], "y": ["new", None]})

    assert ids(changed_rows(wanted, THERE, key=("id",))) == ["a"]


def test_a_value_of_another_type_is_changed() -> None:
    wanted = pa.table({"id": ["a", "b"], "x": ["1", None]})

    assert ids(changed_rows(wanted, THERE, key=("id",))) == ["a"]


def test_a_new_row_is_not_a_changed_one() -> None:
    wanted = pa.table({"id": ["z"], "x": [1]})

    assert ids(changed_rows(wanted, THERE, key=("id",))) == []


def test_a_key_may_have_two_columns() -> None:
    there = pa.table({"id": ["a", "a"], "to": ["x", "y"]})
    wanted = pa.table({"id": ["a", "ax"], "to": ["y", ""]})

    assert ids(new_rows(wanted, there, key=("id", "to"))) == ["ax"]


def test_nothing_differs_from_an_empty_graph_but_everything_is_new() -> None:
    empty = THERE.slice(0, 0)

    assert ids(new_rows(THERE, empty, key=("id",))) == ["a", "b", "c"]
    assert ids(changed_rows(THERE, empty, key=("id",))) == []
