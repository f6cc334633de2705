"""Data sets of Amazon Personalize, read as the shop that they are."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from kg.layouts import recognise
from kg.reader import read_folder
from serving.cli.main import app
from tests.support import foreign
from tests.support.foreign import events_of, names_of, products_of, read


def test_data_sets_of_a_shop_have_events_in_seconds_with_our_types(tmp_path: Path) -> None:
    report = read(tmp_path, foreign.personalize_shop)

    assert [
        ("u1", "p1", "bought", 1699124000000, 19.9),
        ("u1", "p1", "carted", 1699123789000, None),
        ("u1", "p1", "viewed", 1699123456000, None),
    ] == events_of(report)
    assert any("1 rows are left out, as words of type do not have Checkout Started" in note for note in report.warnings)


def test_levels_of_categories_are_one_path_and_own_columns_are_properties(tmp_path: Path) -> None:
    report = read(tmp_path, foreign.personalize_shop)

    found = products_of(report)
    assert {"p1", "p2", "p3"} == set(found)
    assert ("Warm, dry", 19.9, 1609459200000, "unisex", "adults") == tuple(
        found["p1"][name] for name in ("title", "price", "created_at", "gender", "age_group")
    )
    assert {("p1", "Boots"), ("p2", "Tea")} == names_of(report, "IN_CATEGORY", "Category")
    categories = {row["category_id"]: row["name"] for row in report.tables.nodes["Category"].to_pylist()}
    above = report.tables.edges["CHILD_OF"].to_pylist()
    assert {("Shoes", "Clothing"), ("Boots", "Shoes"), ("Tea", "Food")} == {
        (categories[row["from_id"]], categories[row["to_id"]]) for row in above
    }
    assert {("p1", "Acme")} == names_of(report, "MADE_BY", "Brand")


def test_users_keep_their_properties_but_not_who_they_are(tmp_path: Path) -> None:
    report = read(tmp_path, foreign.personalize_shop)

    assert [
        {"user_id": "007", "age": None, "gender": "m"},
        {"user_id": "u1", "age": 31, "gender": "f"},
    ] == report.tables.nodes["User"].to_pylist()
    text = (tmp_path / "whycart.toml").read_text()
    assert "# Look at this: users.csv: not read: EMAIL" in text
    assert "# Look at this: interactions.csv: not read: IMPRESSION, RECOMMENDATION_ID, DEVICE" in text
    assert "# Look at this: interactions.csv: rows of type Checkout Started are left out" in text


def test_a_schema_of_ones_own_in_small_letters_is_known_by_the_files_together(tmp_path: Path) -> None:
    report = read(tmp_path, foreign.personalize_own)

    assert [("1", "10", "rated", 881250949000, 4.0), ("2", "10", "rated", 891717742000, 2.5)] == events_of(report)
    heat = products_of(report)["10"]
    assert ("Heat", False, 1995, 880000000000) == tuple(
        heat[name] for name in ("title", "available", "year", "created_at")
    )
    assert {("10", "Crime"), ("10", "Drama")} == names_of(report, "IN_CATEGORY", "Category")
    assert ["f", "m"] == [row["gender"] for row in report.tables.nodes["User"].to_pylist()]


def test_validate_takes_a_folder_that_init_wrote(tmp_path: Path) -> None:
    files = list(map(str, foreign.personalize_shop(tmp_path)))
    first = CliRunner().invoke(app, ["init", "--from", *files])
    checked = CliRunner().invoke(app, ["validate", str(tmp_path)])

    assert (0, 0) == (first.exit_code, checked.exit_code)
    assert "layout: Amazon Personalize" in first.stdout
    lines = [line.split() for line in checked.stdout.splitlines()]
    assert all(["event", name, "1"] in lines for name in ("bought", "carted", "viewed"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("users.csv", "user_id,age\n1,2\n"),
        ("sales.csv", "user_id,item_id,timestamp,action\n1,2,2024-01-01,buy\n"),
        ("ratings.csv", "USER_ID,ITEM_ID,RATING\n1,2,3\n"),
    ],
)
def test_ids_alone_do_not_make_it_personalize(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    (tmp_path / "more.csv").write_text("customer,sku\n1,2\n")

    assert "Amazon Personalize" != recognise([tmp_path / name, tmp_path / "more.csv"]).layout


def test_several_names_in_one_level_are_taken_apart_only_where_there_is_one_level(tmp_path: Path) -> None:
    events = "USER_ID,ITEM_ID,TIMESTAMP\nu1,p1,1699123456\nu2,p1,1699123457\n"
    (tmp_path / "interactions.csv").write_text(events)
    (tmp_path / "items.csv").write_text("ITEM_ID,PRICE,CATEGORY_L1\np1,1,Food|Gifts\n")
    files = [tmp_path / "interactions.csv", tmp_path / "items.csv"]

    assert {("p1", "Food"), ("p1", "Gifts")} == names_of(read(tmp_path, lambda _: files), "IN_CATEGORY", "Category")
    (tmp_path / "items.csv").write_text("ITEM_ID,PRICE,CATEGORY_L1,CATEGORY_L2\np1,1,Food,Tea|Gifts\n")
    guess = recognise(files)
    assert any("CATEGORY_L2 hold several names with | between" in note for note in guess.notes)
    assert any("every row counts as bought, as there is no EVENT_TYPE" in note for note in guess.notes)
    assert 2 == read_folder(tmp_path).tables.events.num_rows
