"""Reading the same shop from every format, and what the tables become."""

import gzip
from itertools import product

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kg.reader import read_folder, read_splits
from tests.support.folders import EVENTS, PRODUCTS, write_shop

FORMS = [(form, zipped) for form, zipped in product(("csv", "jsonl", "parquet"), (False, True))]
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), min_size=1, max_size=12)
NUMBER = st.none() | st.integers(0, 10**6) | st.floats(0, 1e6, allow_nan=False)


@pytest.mark.parametrize(("form", "zipped"), FORMS)
def test_a_shop_reads_the_same_from_every_format(tmp_path, form, zipped):
    expected = read_folder(write_shop(tmp_path / "csv")).tables

    actual = read_folder(write_shop(tmp_path / "other", form=form, zipped=zipped)).tables

    assert expected == actual


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {
                "user_id": st.sampled_from(["u1", "u2"]),
                "product_id": st.sampled_from(["p1", "p2", "p3"]),
                "value": NUMBER,
                "place": st.none() | TEXT,
            }
        ),
        min_size=1,
        max_size=8,
    )
)
def test_any_events_read_the_same_from_every_format(tmp_path, rows):
    tables = [
        read_folder(write_shop(tmp_path / form, form=form, events=rows)).tables for form in ("csv", "jsonl", "parquet")
    ]

    assert tables[0] == tables[1]
    assert tables[0] == tables[2]


def test_brand_names_become_brands_and_edges(tmp_path):
    tables = read_folder(write_shop(tmp_path)).tables

    names = dict(zip(*(tables.nodes["Brand"][column].to_pylist() for column in ("brand_id", "name")), strict=True))
    made_by = {edge["from_id"]: names[edge["to_id"]] for edge in tables.edges["MADE_BY"].to_pylist()}

    assert made_by == {"p1": "Acme", "p2": "雀巢"}
    assert "brand" not in tables.nodes["Product"].column_names


def test_category_paths_become_a_tree(tmp_path):
    tables = read_folder(write_shop(tmp_path)).tables

    names = dict(
        zip(*(tables.nodes["Category"][column].to_pylist() for column in ("category_id", "name")), strict=True)
    )
    inside = {(edge["from_id"], names[edge["to_id"]]) for edge in tables.edges["IN_CATEGORY"].to_pylist()}
    above = {(names[edge["from_id"]], names[edge["to_id"]]) for edge in tables.edges["CHILD_OF"].to_pylist()}

    assert inside == {("p1", "Tea"), ("p2", "Tea"), ("p2", "Gifts")}
    assert above == {("Tea", "Drinks")}


def test_a_category_table_gives_the_paths_their_ids(tmp_path):
    categories = [
        {"category_id": "c1", "name": "Drinks", "parent_id": None, "rank": 1},
        {"category_id": "c2", "name": "Tea", "parent_id": "c1", "rank": 2},
    ]

    tables = read_folder(write_shop(tmp_path, categories=categories)).tables

    edges = {(edge["from_id"], edge["to_id"]) for edge in tables.edges["IN_CATEGORY"].to_pylist()}
    assert {("p1", "c2"), ("p2", "c2")} <= edges
    assert {"from_id": "c2", "to_id": "c1", "at": None, "weight": None} in tables.edges["CHILD_OF"].to_pylist()
    assert tables.nodes["Category"].column_names == ["category_id", "name", "rank"]


def test_a_brand_table_gives_the_names_their_ids(tmp_path):
    folder = write_shop(tmp_path, brands=[{"brand_id": "b7", "name": "Acme", "country": "FR"}])

    edges = read_folder(folder).tables.edges["MADE_BY"].to_pylist()

    assert ("p1", "b7") in {(edge["from_id"], edge["to_id"]) for edge in edges}


def test_names_that_differ_in_signs_only_stay_two_brands(tmp_path):
    rows = [{"product_id": "p1", "brand": "L'Oreal"}, {"product_id": "p2", "brand": "L Oreal"}]
    events = [{"user_id": "u1", "product_id": "p1"}]

    tables = read_folder(write_shop(tmp_path, products=rows, events=events)).tables

    assert sorted(tables.nodes["Brand"]["name"].to_pylist()) == ["L Oreal", "L'Oreal"]


def test_html_entities_in_texts_become_signs_and_ids_stay(tmp_path):
    rows = [{"product_id": "a&amp;b", "title": "Soft &amp; mild", "image_url": "http://x/?a=1&amp;b=2"}]

    tables = read_folder(write_shop(tmp_path, products=rows, events=[{"user_id": "u", "product_id": "a&amp;b"}])).tables

    expected = {"product_id": "a&amp;b", "title": "Soft & mild", "image_url": "http://x/?a=1&amp;b=2"}
    assert tables.nodes["Product"].to_pylist()[0] == expected


def test_unknown_columns_become_properties_of_the_narrowest_type(tmp_path):
    row = {"product_id": "p1", "stock": "12", "rating": "4.5", "vegan": "True", "zip": "01234"}

    table = read_folder(
        write_shop(tmp_path, products=[row], events=[{"user_id": "u", "product_id": "p1"}])
    ).tables.nodes["Product"]

    assert table.to_pylist()[0] == {"product_id": "p1", "stock": 12, "rating": 4.5, "vegan": True, "zip": "01234"}


def test_numbers_may_be_quoted_or_in_scientific_form(tmp_path):
    text = '{"product_id": 1, "price": "1.5e1"}\n{"product_id": 2, "price": 2}\n'
    write_shop(tmp_path, events=[{"user_id": "u", "product_id": "1"}])
    (tmp_path / "products.csv").unlink()
    (tmp_path / "products.jsonl").write_text(text)

    assert read_folder(tmp_path).tables.nodes["Product"]["price"].to_pylist() == [15.0, 2.0]


def test_a_long_numeric_id_keeps_all_its_digits(tmp_path):
    write_shop(tmp_path, events=[{"user_id": "u", "product_id": "12345678901234567890"}])
    (tmp_path / "products.csv").unlink()
    (tmp_path / "products.jsonl").write_text('{"product_id": 12345678901234567890}\n')

    assert read_folder(tmp_path).tables.nodes["Product"]["product_id"].to_pylist() == ["12345678901234567890"]


def test_category_names_in_lists_may_hold_the_signs_of_the_csv_form(tmp_path):
    write_shop(tmp_path)
    (tmp_path / "products.csv").unlink()
    lines = ['{"product_id": "p1", "categories": [["A > B|C"]]}', '{"product_id": "p2"}', '{"product_id": "p3"}']
    for extra, file in (([], "a"), (['{"product_id": 4}'], "b")):
        (tmp_path / "products.jsonl").write_text("\n".join([*lines, *extra]))

        assert read_folder(tmp_path).tables.nodes["Category"]["name"].to_pylist() == ["A > B|C"], file


def test_a_byte_order_mark_and_blank_lines_do_no_harm(tmp_path):
    write_shop(tmp_path)
    (tmp_path / "events.csv").write_bytes(b"\xef\xbb\xbfuser_id,product_id\n\nu1,p1\n\n")

    assert read_folder(tmp_path).tables.events.num_rows == 1


def test_equal_product_rows_are_one_product(tmp_path):
    tables = read_folder(write_shop(tmp_path, products=[*PRODUCTS, PRODUCTS[0]])).tables

    assert tables.nodes["Product"].num_rows == 3


def test_declared_kinds_come_from_the_folders_own_file(tmp_path):
    write_shop(
        tmp_path,
        materials=[{"material_id": "m1", "name": "Cotton"}],
        relations=[{"from_id": "p1", "relation": "MADE_OF", "to_id": "m1"}],
    )
    (tmp_path / "whycart.toml").write_text(
        '[graph.nodes.Material]\ntext = ["name"]\n[graph.relations.MADE_OF]\nfrom = "Product"\nto = "Material"\n'
    )

    tables = read_folder(tmp_path).tables

    assert tables.nodes["Material"].to_pylist() == [{"material_id": "m1", "name": "Cotton"}]
    assert tables.edges["MADE_OF"].num_rows == 1


def test_nodes_of_a_kind_without_a_table_come_from_the_relations(tmp_path):
    write_shop(tmp_path, relations=[{"from_id": "p1", "relation": "MADE_OF", "to_id": "m1"}])
    (tmp_path / "whycart.toml").write_text(
        '[graph.nodes.Material]\n[graph.relations.MADE_OF]\nfrom = "Product"\nto = "Material"\n'
    )

    assert read_folder(tmp_path).tables.nodes["Material"]["material_id"].to_pylist() == ["m1"]


def test_users_who_are_only_in_events_are_created(tmp_path):
    tables = read_folder(
        write_shop(tmp_path, users=[{"user_id": "u1", "age": 30}, {"user_id": "u9", "age": 40}])
    ).tables

    assert tables.nodes["User"].to_pylist() == [
        {"user_id": "u1", "age": 30},
        {"user_id": "u2", "age": None},
        {"user_id": "u9", "age": 40},
    ]


def test_a_relation_from_a_product_to_itself_is_left_out_and_said(tmp_path):
    rows = [{"from_id": "p1", "relation": "ALSO_BOUGHT", "to_id": to} for to in ("p1", "p2")]

    report = read_folder(write_shop(tmp_path, relations=rows))

    assert report.tables.edges["ALSO_BOUGHT"].num_rows == 1
    assert any("to itself" in warning for warning in report.warnings)


def test_a_file_nobody_reads_is_named(tmp_path):
    write_shop(tmp_path)
    (tmp_path / "user.csv").write_text("user_id\nu1\n")

    assert read_folder(tmp_path).warnings[0] == "user.csv is not read: no table has this name; users?"


def test_splits_keep_the_order_of_the_file(tmp_path):
    write_shop(tmp_path)
    (tmp_path / "split_test.csv.gz").write_bytes(
        gzip.compress(b"user_id,product_id,candidates\nu2,p1,p2 p3\nu1,p2,p1 p3\n")
    )

    splits = read_splits(tmp_path)

    assert list(splits) == ["split_test"]
    assert splits["split_test"].to_pylist() == [
        {"user_id": "u2", "product_id": "p1", "candidates": ["p2", "p3"]},
        {"user_id": "u1", "product_id": "p2", "candidates": ["p1", "p3"]},
    ]


def test_times_from_parquet_are_epoch_milliseconds(tmp_path):
    write_shop(
        tmp_path, form="parquet", events=[{**EVENTS[0], "at": pa.scalar(1_700_000_000_000, pa.timestamp("ms")).as_py()}]
    )

    assert read_folder(tmp_path).tables.events["at"].to_pylist() == [1_700_000_000_000]
