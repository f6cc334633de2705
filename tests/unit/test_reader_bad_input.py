"""What is wrong with an input folder is said in one clear sentence, or row by row."""

import gzip
import json

import pyarrow as pa
import pytest

from kg.errors import RowsError, SchemaError, TableError
from kg.reader import read_folder
from kg.schema import GraphSchema
from kg.validate import check_tables
from tests.support.folders import EVENTS, PRODUCTS, write_shop

BOUGHT = {"user_id": "u1", "product_id": "p1"}


def test_an_empty_folder_says_what_belongs_there(tmp_path):
    with pytest.raises(TableError, match="is empty; it needs products and events"):
        read_folder(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(TableError, match="does not exist"):
        read_folder(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["products", "events"])
def test_a_required_table_must_be_there(tmp_path, name):
    folder = write_shop(tmp_path)
    (folder / f"{name}.csv").unlink()

    with pytest.raises(TableError, match=f"table '{name}' is missing"):
        read_folder(folder)


def test_two_files_for_one_table_are_named(tmp_path):
    folder = write_shop(tmp_path)
    (folder / "events.jsonl").write_text("{}")

    with pytest.raises(TableError, match=r"events\.csv and events\.jsonl both hold the table 'events'"):
        read_folder(folder)


def test_an_unknown_ending_is_refused_with_the_known_ones(tmp_path):
    folder = write_shop(tmp_path)
    (folder / "users.xlsx").write_bytes(b"PK")

    with pytest.raises(TableError, match=r"users\.xlsx: ending \.xlsx is not read; allowed are \.csv, \.jsonl"):
        read_folder(folder)


def test_a_broken_gzip_file_is_named(tmp_path):
    folder = write_shop(tmp_path)
    (folder / "events.csv").unlink()
    (folder / "events.csv.gz").write_bytes(gzip.compress(b"user_id,product_id\nu1,p1\n" * 50)[:-9])

    with pytest.raises(TableError, match=r"events\.csv\.gz is not a complete gzip file"):
        read_folder(folder)


@pytest.mark.parametrize("name", ["products.csv", "products.jsonl"])
def test_a_byte_that_is_not_utf8_is_named_with_its_line(tmp_path, name):
    folder = write_shop(tmp_path)
    (folder / "products.csv").unlink()
    text = b"product_id\np1\np\xff2\n" if name.endswith("csv") else b'{"product_id": 1}\n{}\n{"product_id": "\xff"}\n'
    (folder / name).write_bytes(text)

    with pytest.raises(TableError, match=rf"{name}, line 3: byte 0xff is not UTF-8; save the file as UTF-8"):
        read_folder(folder)


def test_a_file_that_is_not_parquet_is_named(tmp_path):
    folder = write_shop(tmp_path)
    (folder / "users.parquet").write_bytes(b"no parquet")

    with pytest.raises(TableError, match=r"users\.parquet is not a Parquet file"):
        read_folder(folder)


@pytest.mark.parametrize("text", ["", "product_id,title\n"])
def test_a_table_without_rows_is_refused(tmp_path, text):
    folder = write_shop(tmp_path)
    (folder / "products.csv").write_text(text)

    with pytest.raises(TableError, match=r"products\.csv (is empty|has no rows)"):
        read_folder(folder)


def test_a_missing_column_is_named_beside_those_that_are_there(tmp_path):
    folder = write_shop(tmp_path, events=[{"user": "u1", "product_id": "p1"}])

    with pytest.raises(
        TableError, match=r"events\.csv: column 'user_id' is missing \(columns there: user, product_id\)"
    ):
        read_folder(folder)


def test_a_column_name_that_no_property_can_have_is_refused_with_a_better_one(tmp_path):
    folder = write_shop(tmp_path, products=[{"product_id": "p1", "Unit Price": 3}])

    with pytest.raises(TableError, match=r"column 'Unit Price' is not snake_case .* for example to 'unit_price'"):
        read_folder(folder)


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    folder = write_shop(tmp_path)
    (folder / "events.csv").write_text("user_id,product_id,user_id\nu1,p1,u1\n")

    with pytest.raises(TableError, match="column 'user_id' is there twice"):
        read_folder(folder)


def test_a_flat_list_of_categories_is_refused(tmp_path):
    folder = write_shop(tmp_path, form="jsonl", products=[{"product_id": "p1", "categories": ["Drinks", "Tea"]}])

    with pytest.raises(TableError, match="'categories' holds list<item: string>; allowed is A > B > C"):
        read_folder(folder)


def test_a_category_tree_with_a_cycle_is_shown(tmp_path):
    parents = {"a": "b", "b": "c", "c": "a", "d": None}
    rows = [{"category_id": child, "name": child, "parent_id": parent} for child, parent in parents.items()]

    with pytest.raises(TableError, match="the category tree has a cycle: a > b > c > a"):
        read_folder(write_shop(tmp_path, categories=rows))


def test_a_declaration_that_is_not_toml_is_named(tmp_path):
    folder = write_shop(tmp_path)
    (folder / "whycart.toml").write_text("[graph")

    with pytest.raises(SchemaError, match=r"whycart\.toml is not a TOML file"):
        read_folder(folder)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"price": "-1"}, r"price = '-1': must be at least 0"),
        ({"price": "NaN"}, r"price = 'NaN': must be a finite number"),
        ({"price": "inf"}, r"price = 'inf': must be a finite number"),
        ({"price": "1e999"}, r"price = '1e999': must be a finite number"),
        ({"price": "12,50"}, r"price = '12,50': must be a finite number"),
        ({"created_at": "yesterday"}, r"created_at = 'yesterday': must be an ISO 8601 time"),
        ({"created_at": "2024-02-30"}, r"created_at = '2024-02-30': must be an ISO 8601 time"),
        ({"available": "maybe"}, r"available = 'maybe': must be true or false"),
        ({"categories": "A >  > B"}, r"categories = 'A >  > B': has an empty name in a path"),
        ({"categories": "['A', 'B']"}, r"categories = .*: looks like a list written as text"),
        ({"brand": "x" * 201}, r"brand = 'x{60}\.\.\.': is longer than the 200 characters"),
    ],
)
def test_a_broken_product_cell_is_named_with_file_line_column_and_value(tmp_path, row, message):
    products = [{**dict.fromkeys(row, ""), "product_id": "p0"}, {**row, "product_id": "p1"}]

    with pytest.raises(RowsError, match=r"1 row is broken(?s:.*)products\.csv, line 3, " + message):
        read_folder(write_shop(tmp_path, products=products, events=[BOUGHT]))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"user_id": ""}, r"user_id: is empty; an id is required"),
        ({"user_id": "u\t1"}, r"user_id = 'u\\t1': holds a control character"),
        ({"user_id": "u" * 201}, r"user_id = 'u+\.\.\.': is longer than the 200 characters an id"),
        ({"product_id": "p9"}, r"product_id = 'p9': is not in products\.csv"),
        ({"type": "bougt"}, r"type = 'bougt': is no event type; did you mean 'bought'\?"),
        ({"at": "12:30"}, r"at = '12:30': must be an ISO 8601 time"),
        ({"at": "2500-01-01"}, r"at = '2500-01-01': is outside the years 1900 to 2199"),
        ({"position": "1.5"}, r"position = '1\.5': must be a whole number"),
        ({"quantity": "-1"}, r"quantity = '-1': must be at least 0"),
        ({"value": "much"}, r"value = 'much': must be a finite number"),
    ],
)
def test_a_broken_event_cell_is_named_with_file_line_column_and_value(tmp_path, row, message):
    with pytest.raises(RowsError, match=r"1 row is broken(?s:.*)events\.csv, line 2, " + message):
        read_folder(write_shop(tmp_path, events=[{**BOUGHT, **row}]))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"relation": "ALSO_BOUGT"}, r"is no relation; did you mean 'ALSO_BOUGHT'\?"),
        ({"relation": "MADE_BY"}, r"comes from the columns brand, categories and parent_id"),
        ({"to_id": "p9"}, r"to_id = 'p9': is not in the table 'products'"),
        ({"weight": "nan"}, r"weight = 'nan': must be a finite number"),
    ],
)
def test_a_broken_relation_is_named(tmp_path, row, message):
    good = {"from_id": "p1", "relation": "ALSO_BOUGHT", "to_id": "p2"}

    with pytest.raises(RowsError, match=r"relations\.csv, line 2, .*" + message):
        read_folder(write_shop(tmp_path, relations=[{**good, **row}]))


def test_a_product_given_twice_with_different_content_is_a_bad_row(tmp_path):
    products = [*PRODUCTS, {"product_id": "p1", "title": "Red tea"}]

    with pytest.raises(RowsError, match=r"products\.csv, line 5, product_id = 'p1': was already given in line 2"):
        read_folder(write_shop(tmp_path, products=products))


def test_an_unknown_parent_category_is_a_bad_row(tmp_path):
    rows = [{"category_id": "a", "name": "A", "parent_id": "z"}]

    with pytest.raises(RowsError, match=r"categories\.csv, line 2, parent_id = 'z': is no category_id"):
        read_folder(write_shop(tmp_path, categories=rows))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{oops", "is not JSON"),
        ("[1]", "is not a JSON object"),
        ('{"product_id": "p9", "size": {"a": 1}}', 'size = \'{"a": "1"}\': is nested'),
        ('{"product_id": "p9", "categories": [["A"], "B"]}', "must be a list of paths"),
    ],
)
def test_a_broken_json_line_is_named(tmp_path, line, message):
    folder = write_shop(tmp_path)
    (folder / "products.csv").unlink()
    lines = ["".join(f'{{"product_id": "p{number}", "size": 3}}\n' for number in (1, 2, 3)), "\n", line, "\n"]
    (folder / "products.jsonl").write_text("".join(lines))

    with pytest.raises(RowsError, match=r"products\.jsonl, line 5.*") as caught:
        read_folder(folder)
    assert message in str(caught.value)


def test_a_line_with_too_many_values_is_named_and_later_lines_keep_their_numbers(tmp_path):
    folder = write_shop(tmp_path)
    (folder / "events.csv").write_text('user_id,product_id,note\nu1,p1,"two\nlines"\nu1,p1\n\nu1,p9,x\n')

    with pytest.raises(RowsError) as caught:
        read_folder(folder)

    assert "events.csv, line 4: has 2 values where the header names 3 columns" in str(caught.value)
    assert "events.csv, line 6, product_id = 'p9'" in str(caught.value)


def test_a_value_over_two_lines_moves_the_numbers_of_later_lines(tmp_path):
    folder = write_shop(tmp_path)
    (folder / "events.csv").write_text('user_id,product_id,note\nu1,p1,"two\nlines"\nu1,p9,x')

    with pytest.raises(RowsError, match=r"events\.csv, line 4, product_id = 'p9'"):
        read_folder(folder)


def test_only_the_first_bad_rows_are_shown_and_all_are_counted(tmp_path):
    events = [{"user_id": "u1", "product_id": f"x{number}"} for number in range(30)]

    with pytest.raises(RowsError) as caught:
        read_folder(write_shop(tmp_path, events=events))

    lines = str(caught.value).splitlines()
    assert lines[0].startswith("30 rows are broken and nothing was imported")
    assert len(lines) == 22
    assert lines[-1] == "  ... and 10 more"


def test_events_of_a_broken_product_are_not_reported_a_second_time(tmp_path):
    products = [{"product_id": "p1", "price": "-1"}, {"product_id": "p2", "price": "1"}]

    with pytest.raises(RowsError, match="1 row is broken"):
        read_folder(write_shop(tmp_path, products=products, events=[BOUGHT]))


def test_quarantine_sets_bad_rows_aside_with_those_that_refer_to_them(tmp_path):
    products = [*PRODUCTS, {"product_id": "p4", "price": "-1"}]
    events = [*EVENTS, {"user_id": "u1", "product_id": "p4", "at": "2024-01-05"}]
    relations = [{"from_id": "p1", "relation": "ALSO_BOUGHT", "to_id": to} for to in ("p2", "p4")]
    folder = write_shop(tmp_path / "in", products=products, events=events, relations=relations)

    report = read_folder(folder, quarantine=tmp_path / "bad.jsonl")

    rows = [json.loads(line) for line in (tmp_path / "bad.jsonl").read_text().splitlines()]
    assert report.quarantined == 3
    assert [(row["file"], row["line"], row["column"], row["value"]) for row in rows] == [
        ("products.csv", 5, "price", "-1"),
        ("events.csv", 6, "product_id", "p4"),
        ("relations.csv", 3, "to_id", "p4"),
    ]
    assert rows[0]["row"]["product_id"] == "p4"
    assert report.tables == read_folder(write_shop(tmp_path / "clean", relations=relations[:1])).tables


def test_children_of_a_quarantined_category_go_with_it(tmp_path):
    parents = {"a": "gone", "b": "a", "c": "b", "d": ""}
    rows = [{"category_id": child, "name": child, "parent_id": parent} for child, parent in parents.items()]

    report = read_folder(write_shop(tmp_path, categories=rows), quarantine=tmp_path / "bad.out")

    assert report.quarantined == 3


def test_a_clean_folder_leaves_no_quarantine_file(tmp_path):
    read_folder(write_shop(tmp_path / "in"), quarantine=tmp_path / "bad.jsonl")

    assert not (tmp_path / "bad.jsonl").exists()


def test_the_quarantine_never_overwrites_an_input_file(tmp_path):
    folder = write_shop(tmp_path)

    with pytest.raises(TableError, match="is an input file; name another one"):
        read_folder(folder, quarantine=folder / "events.csv")


def test_a_quarantine_file_in_no_folder_is_said(tmp_path):
    folder = write_shop(tmp_path, events=[BOUGHT, {"user_id": "u", "product_id": "x"}])

    with pytest.raises(TableError, match="cannot write the quarantine file"):
        read_folder(folder, quarantine=tmp_path / "none" / "bad.jsonl")


def test_a_shop_of_which_nothing_is_left_is_refused(tmp_path):
    folder = write_shop(tmp_path, events=[{"user_id": "u1", "product_id": "x"}])

    with pytest.raises(TableError, match="no event is left"):
        read_folder(folder, quarantine=tmp_path / "bad.out")


def test_numbers_that_are_not_finite_are_refused_from_parquet_too():
    raw = {
        "products": pa.table({"product_id": ["p1"], "score": [float("nan")]}),
        "events": pa.table({"user_id": ["u1"], "product_id": ["p1"]}),
    }

    with pytest.raises(RowsError, match="products, row 1, score = 'nan': must be a finite number"):
        check_tables(raw, GraphSchema())


def test_a_property_that_is_a_list_is_refused():
    raw = {
        "products": pa.table({"product_id": ["p1"], "sizes": [["S", "M"]]}),
        "events": pa.table({"user_id": ["u1"], "product_id": ["p1"]}),
    }

    with pytest.raises(TableError, match="column 'sizes' holds list<item: string>"):
        check_tables(raw, GraphSchema())
