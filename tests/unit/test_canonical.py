"""The canonical form: equal shops are equal values, whatever they were read from."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from kg.canonical import canonical_edges, canonical_events, canonical_nodes
from kg.errors import TableError
from kg.schema import GraphSchema
from kg.tables import EDGE_COLUMNS, EVENT_COLUMNS

SCHEMA = GraphSchema()
PRODUCT, BRAND = SCHEMA.nodes["Product"], SCHEMA.nodes["Brand"]
ALSO, TOGETHER = SCHEMA.relation("ALSO_BOUGHT"), SCHEMA.relation("BOUGHT_TOGETHER")


def edges(*rows: tuple[Any, ...]) -> pa.Table:
    names = ("from_id", "to_id", "at", "weight")
    return pa.table({name: [row[i] for row in rows] for i, name in enumerate(names)})


def test_the_key_comes_first_and_the_rest_by_name() -> None:
    table = pa.table({"weight": [1], "name": ["A"], "brand_id": ["a"]})

    assert canonical_nodes(BRAND, table).column_names == ["brand_id", "name", "weight"]


def test_rows_are_sorted_by_key_in_one_chunk() -> None:
    table = pa.concat_tables([pa.table({"brand_id": ["b"]}), pa.table({"brand_id": ["a"]})])

    canonical = canonical_nodes(BRAND, table)

    assert canonical["brand_id"].to_pylist() == ["a", "b"]
    assert canonical["brand_id"].num_chunks == 1


def test_a_column_without_a_value_is_left_out() -> None:
    table = pa.table({"brand_id": ["a"], "name": pa.nulls(1), "score": [float("nan")]})

    assert canonical_nodes(BRAND, table).column_names == ["brand_id"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (pa.array([1], pa.int8()), pa.int64()),
        (pa.array([1.5], pa.float32()), pa.float64()),
        (pa.array(["x"], pa.large_string()), pa.string()),
        (pa.array(["x"]).dictionary_encode(), pa.string()),
        (pa.array([datetime(2024, 1, 1, tzinfo=UTC)]), pa.int64()),
        (pa.array([True]), pa.bool_()),
    ],
)
def test_a_property_gets_the_type_the_graph_holds(given: pa.Array, expected: pa.DataType) -> None:
    table = pa.table({"brand_id": ["a"], "extra": given})

    assert expected == canonical_nodes(BRAND, table)["extra"].type


def test_a_time_is_in_epoch_milliseconds() -> None:
    table = pa.table({"brand_id": ["a"], "since": [datetime(2024, 1, 1, tzinfo=UTC)]})

    assert canonical_nodes(BRAND, table)["since"].to_pylist() == [1_704_067_200_000]


def test_a_built_in_property_gets_its_own_type() -> None:
    table = pa.table({"product_id": ["a"], "price": [3]})

    assert pa.float64() == canonical_nodes(PRODUCT, table)["price"].type


def test_a_type_the_graph_cannot_hold_is_refused() -> None:
    table = pa.table({"brand_id": ["a"], "tags": [["x"]]})

    with pytest.raises(TableError, match=r"column brands\.tags is list"):
        canonical_nodes(BRAND, table)


def test_a_value_that_does_not_fit_is_refused() -> None:
    table = pa.table({"product_id": ["a"], "price": ["cheap"]})

    with pytest.raises(TableError, match=r"column products\.price is string and cannot become double"):
        canonical_nodes(PRODUCT, table)


def test_the_canonical_form_is_a_fixed_point() -> None:
    once = canonical_nodes(PRODUCT, pa.table({"title": ["b", "a"], "product_id": ["2", "1"], "price": [1, None]}))

    assert once.equals(canonical_nodes(PRODUCT, once))


def test_edges_are_sorted_with_all_their_columns() -> None:
    table = pa.table({"to_id": ["x", "y"], "from_id": ["b", "a"]})

    canonical = canonical_edges(ALSO, table)

    assert canonical.schema == EDGE_COLUMNS
    assert [(row["from_id"], row["to_id"]) for row in canonical.to_pylist()] == [("a", "y"), ("b", "x")]


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([("a", "b", 2, 1.0), ("a", "b", 1, 1.0)], ("a", "b", 1, 1.0)),
        ([("a", "b", 2, 1.0), ("a", "b", None, 0.5)], ("a", "b", None, 0.5)),
        ([("a", "b", 2, 1.0), ("a", "b", 2, 3.0)], ("a", "b", 2, 3.0)),
    ],
)
def test_of_repeated_edges_the_earliest_and_heaviest_stays(rows: list[tuple[Any, ...]], kept: tuple[Any, ...]) -> None:
    assert [kept] == [tuple(row.values()) for row in canonical_edges(ALSO, edges(*rows)).to_pylist()]


def test_a_symmetric_relation_starts_at_the_smaller_id() -> None:
    canonical = canonical_edges(TOGETHER, edges(("b", "a", 1, None), ("a", "b", 1, None)))

    assert [(row["from_id"], row["to_id"]) for row in canonical.to_pylist()] == [("a", "b")]


def test_a_directed_relation_keeps_its_direction() -> None:
    canonical = canonical_edges(ALSO, edges(("b", "a", 1, None), ("a", "b", 1, None)))

    assert canonical.num_rows == 2


def test_events_have_their_columns_and_then_further_ones_by_name() -> None:
    given = {"shop": ["s"], "clicks": [1], "event_id": ["e"], "user_id": ["u"], "product_id": ["p"], "type": ["bought"]}

    canonical = canonical_events(pa.table(given))

    assert [*EVENT_COLUMNS.names, "clicks", "shop"] == canonical.column_names


def test_no_event_is_an_empty_table_of_the_same_columns() -> None:
    empty = canonical_events(EVENT_COLUMNS.empty_table())

    assert empty.schema == EVENT_COLUMNS
