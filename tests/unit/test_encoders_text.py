"""Sentences of nodes: what is said, in which order, and that nothing is left dangling."""

import pyarrow as pa
import pytest

from encoders.text import MAX_CHARS, product_links, sentences


def _products(**columns):
    size = len(next(iter(columns.values())))
    return pa.table({"product_id": [f"p{row}" for row in range(size)], **columns})


def test_a_product_is_said_as_title_then_brand_then_categories_then_description():
    table = _products(title=["Whole milk"], description=["One gallon."])

    said = sentences(table, ["title", "description"], linked={"p0": ["Alba", "Milk", "Dairy"]})

    assert said == ["Whole milk. Alba, Milk, Dairy. One gallon."]


@pytest.mark.parametrize(
    ("title", "description", "links", "expected"),
    [
        (None, None, [], ""),
        ("  ", "", [""], ""),
        ("Milk", None, [], "Milk"),
        (None, "From the hills", [], "From the hills"),
        (None, None, ["Alba"], "Alba"),
        ("Milk!", "Fresh", [], "Milk! Fresh"),
        ("Milk,", "Fresh", [], "Milk. Fresh"),
        ("Milk", "-", [" Alba ", "Alba", ""], "Milk. Alba"),
        ("有机牛奶。", "一升", [], "有机牛奶。 一升"),
        ("Milk\n 1\tl", None, [], "Milk 1 l"),
    ],
)
def test_missing_parts_leave_no_stray_punctuation(title, description, links, expected):
    table = _products(title=pa.array([title], pa.string()), description=pa.array([description], pa.string()))

    assert sentences(table, ["title", "description"], linked={"p0": links}) == [expected]


def test_a_property_without_a_column_is_left_out():
    assert sentences(_products(title=["Milk"]), ["title", "description"]) == ["Milk"]


def test_a_node_kind_without_text_properties_gives_empty_texts():
    assert sentences(_products(title=["Milk", "Tea"]), []) == ["", ""]


def test_numbers_and_flags_are_said_in_words():
    table = _products(size=[2.0, 1.5], organic=[True, False], year=[1999, 2001])

    assert sentences(table, ["size", "organic", "year"]) == ["2. organic. 1999", "1.5. 2001"]


@pytest.mark.parametrize("long", ["word " * 400, "长" * 2000])
def test_a_long_description_is_cut(long):
    [said] = sentences(_products(title=["T"], description=[long]), ["title", "description"])

    assert MAX_CHARS - 10 < len(said) <= MAX_CHARS + 3


def test_links_name_the_brand_and_the_categories_from_the_leaf_up():
    nodes = {
        "Brand": pa.table({"brand_id": ["b1"], "name": ["Alba"]}),
        "Category": pa.table({"category_id": ["c1", "c2"], "name": ["Dairy", "Milk"]}),
    }
    edges = {
        "MADE_BY": pa.table({"from_id": ["p1"], "to_id": ["b1"]}),
        "IN_CATEGORY": pa.table({"from_id": ["p1", "p2"], "to_id": ["c2", "c1"]}),
        "CHILD_OF": pa.table({"from_id": ["c2"], "to_id": ["c1"]}),
    }

    assert product_links(nodes, edges) == {"p1": ["Alba", "Milk", "Dairy"], "p2": ["Dairy"]}


def test_a_cycle_of_categories_is_walked_once():
    nodes = {"Category": pa.table({"category_id": ["a", "b"], "name": ["A", "B"]})}
    edges = {
        "IN_CATEGORY": pa.table({"from_id": ["p1"], "to_id": ["a"]}),
        "CHILD_OF": pa.table({"from_id": ["a", "b"], "to_id": ["b", "a"]}),
    }

    assert product_links(nodes, edges) == {"p1": ["A", "B"]}
