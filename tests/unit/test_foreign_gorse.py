"""Files of Gorse, as its versions write them, read as the shop that they are."""

import json
from pathlib import Path
from typing import Any

import pytest

from kg.errors import RowsError, TableError
from kg.input_toml import write_input_toml
from kg.layouts import recognise
from kg.reader import read_folder
from tests.support import foreign
from tests.support.foreign import Layout, events_of, names_of, products_of, read

MILLISECONDS_2022_03_01 = 1646092800000
HOUR = 3_600_000


def users_of(folder: Path) -> dict[str, dict[str, Any]]:
    return {row["user_id"]: row for row in read_folder(folder).tables.nodes["User"].to_pylist()}


def test_an_old_export_has_times_of_go_types_and_only_known_feedback(tmp_path: Path) -> None:
    report = read(tmp_path, foreign.gorse_text)

    day = MILLISECONDS_2022_03_01
    assert [
        ("01", "1", "liked", day + 24 * HOUR, None),
        ("01", "4", "viewed", day + 23 * HOUR + HOUR // 2, None),
        ("u1", "1", "viewed", day + 8 * HOUR, None),
        ("u1", "2", "bought", day + 8 * HOUR + 500, None),
    ] == events_of(report)
    assert any("1 rows are left out, as words of type do not have frown" in note for note in report.warnings)
    assert {"01", "u1"} == set(users_of(tmp_path))


def test_an_old_export_has_hidden_items_categories_and_tags(tmp_path: Path) -> None:
    report = read(tmp_path, foreign.gorse_text)

    found = products_of(report)
    assert {"1": True, "2": False, "3": True, "4": None} == {key: row["available"] for key, row in found.items()}
    assert {"1": "Tea, green", "2": 'A "fine" mug', "3": "Spoon", "4": None} == {
        key: row["title"] for key, row in found.items()
    }
    assert [1577840461000, 1609462861250, None, None] == [found[key]["created_at"] for key in "1234"]
    assert {("1", "Food"), ("2", "Food"), ("2", "Gifts")} == names_of(report, "IN_CATEGORY", "Category")
    assert {("1", "green"), ("1", "loose"), ("2", "green")} == names_of(report, "HAS_TAG", "Tag")


@pytest.mark.parametrize("layout", [foreign.gorse_lines, foreign.gorse_api])
def test_objects_of_json_are_read_one_a_line_in_pages_and_in_lists(layout: Layout, tmp_path: Path) -> None:
    report = read(tmp_path, layout)

    first, second = (products_of(report)[key] for key in "12")
    assert ("Green tea", "Fine leaves", 4.5, True, 1577840461000) == tuple(
        first[name] for name in ("title", "description", "price", "available", "created_at")
    )
    assert ("Mug", None, False, None, True) == tuple(
        second[name] for name in ("title", "description", "available", "created_at", "is_organic")
    )
    assert {("1", "Food"), ("1", "Gifts")} == names_of(report, "IN_CATEGORY", "Category")
    assert {("1", "Acme")} == names_of(report, "MADE_BY", "Brand")
    assert {("1", "mild"), ("1", "fresh"), ("2", "mild")} == names_of(report, "HAS_TASTE", "Taste")
    assert [
        ("u1", "1", "viewed", 1709280000000, 2.5),
        ("u2", "1", "liked", 1709280000000, 0.0),
        ("u2", "2", "disliked", 1709366400500, 0.0),
    ] == events_of(report)


def test_labels_of_users_are_properties_but_for_lists_and_who_they_are(tmp_path: Path) -> None:
    guess = recognise(foreign.gorse_lines(tmp_path))
    (tmp_path / "whycart.toml").write_text(write_input_toml(guess), encoding="utf-8")

    assert {"user_id": "u1", "gender": "f", "age": 31} == users_of(tmp_path)["u1"]
    assert "users.jsonl: not read of the labels: likes, Email (lists, and who somebody is)" in guess.notes
    assert any(note.startswith("items.jsonl: not read of the labels: vector") for note in guess.notes)


def test_what_has_to_be_declared_is_written_with_its_worth(tmp_path: Path) -> None:
    report = read(tmp_path, foreign.gorse_lines)

    events = report.tables.schema.events
    assert (3.0, -3.0) == (events["liked"].weight, events["disliked"].weight)
    assert "with taste {name}" == report.tables.schema.relation("HAS_TASTE").reason
    text = (tmp_path / "whycart.toml").read_text()
    assert "# dislike of feedback.jsonl speaks against a product, and so its weight is below 0" in text


def test_types_far_down_in_a_file_are_seen(tmp_path: Path) -> None:
    rows = "".join(f"click,u{number},1,2022-03-01 08:00:00 +0000 UTC\n" for number in range(300))
    rows += "Wish List,u1,1,2022-03-01 08:00:00 +0000 UTC\nyawn,u1,1,2022-03-01 08:00:00 +0000 UTC\n"
    (tmp_path / "feedback.csv").write_text(f"feedback_type,user_id,item_id,time_stamp\n{rows}")

    guess = recognise([tmp_path / "feedback.csv"])

    assert {"Wish List": "liked", "click": "viewed"} == guess.entries[0]["words"]["type"]
    assert ["events.liked"] == [kind.section for kind in guess.kinds]
    assert any("rows of type yawn are left out" in note for note in guess.notes)


def test_tables_of_its_database_hold_json_within_cells(tmp_path: Path) -> None:
    report = read(tmp_path, foreign.gorse_database)

    found = products_of(report)
    assert [(True, "red"), (False, "blue")] == [(found[key]["available"], found[key]["colour"]) for key in "12"]
    assert {("1", "Food"), ("1", "Gifts")} == names_of(report, "IN_CATEGORY", "Category")
    assert {("1", "mild"), ("1", "fresh")} == names_of(report, "HAS_TASTE", "Taste")


def test_feedback_without_any_time_has_none_and_with_some_is_refused(tmp_path: Path) -> None:
    head, none, some = (
        "feedback_type,user_id,item_id,time_stamp\n",
        "0001-01-01 00:00:00 +0000 UTC",
        "2022-03-01 08:00:00",
    )
    file = tmp_path / "feedback.csv"
    file.write_text(f"{head}click,0,2,{none}\nread,2,6,{none}\n")
    assert [("0", "2", "viewed", None, None), ("2", "6", "viewed", None, None)] == events_of(
        read(tmp_path, lambda folder: [folder / "feedback.csv"])
    )

    file.write_text(f"{head}click,0,2,{none}\nread,2,6,{some}\n")
    with pytest.raises(RowsError, match=r"feedback\.csv, row 1, at"):
        read_folder(tmp_path)
    file.write_text(f"{head}click,0,2,{some}\nread,2,6,yesterday\n")
    with pytest.raises(RowsError, match=r"feedback\.csv, row 2, at = 'yesterday'"):
        read_folder(tmp_path)


def test_labels_with_names_of_built_in_kinds_and_categories_with_semicolons(tmp_path: Path) -> None:
    items = 'itemId,ishidden,Categories,Labels\n1,False,a;b,"{""brand"":[""x"",""y""]}"\n'
    feedback = "FeedbackType,UserId,ItemId\nbuy,u1,1\nbuy,u2,1\n"
    (tmp_path / "i.csv").write_text(items)
    (tmp_path / "f.csv").write_text(feedback)

    report = read(tmp_path, lambda folder: [folder / "i.csv", folder / "f.csv"])

    assert {("1", "x"), ("1", "y")} == names_of(report, "HAS_ITEM_BRAND", "ItemBrand")
    assert {("1", "a"), ("1", "b")} == names_of(report, "IN_CATEGORY", "Category")
    assert True is products_of(report)["1"]["available"]


def test_users_with_labels_and_more_are_of_nobody_known(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("user_id,labels,sku,shoe size\nu1,a,s1,40\n")

    assert "Gorse" != recognise([tmp_path / "users.csv"]).layout


def test_a_list_of_other_things_than_objects_is_refused(tmp_path: Path) -> None:
    (tmp_path / "items.json").write_text(json.dumps([1, 2]))

    with pytest.raises(TableError, match=r"items\.json cannot be read: its list holds other things than objects"):
        recognise([tmp_path / "items.json"])


def test_times_that_are_numbers_are_left_to_be_numbers(tmp_path: Path) -> None:
    rows = "click,u1,1,1646121600\nclick,u2,1,1646121601\n"
    (tmp_path / "feedback.csv").write_text(f"FeedbackType,UserId,ItemId,Timestamp\n{rows}")

    found = events_of(read(tmp_path, lambda folder: [folder / "feedback.csv"]))

    assert [1646121600000, 1646121601000] == [row[3] for row in found]


@pytest.mark.parametrize("name", ["event", "user", "relation", "graph format"])
def test_a_label_is_never_taken_for_a_table_of_ours(name: str, tmp_path: Path) -> None:
    item = {"ItemId": "1", "IsHidden": False, "Labels": {name: ["x", "y"]}}
    (tmp_path / "items.jsonl").write_text(json.dumps(item))
    (tmp_path / "feedback.csv").write_text("FeedbackType,UserId,ItemId\nbuy,u1,1\nbuy,u2,1\n")

    report = read(tmp_path, lambda folder: [folder / "items.jsonl", folder / "feedback.csv"])

    kind = "Item" + "".join(map(str.capitalize, name.split()))
    assert {"x", "y"} == {row["name"] for row in report.tables.nodes[kind].to_pylist()}


def test_a_file_of_json_that_is_broken_is_named(tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text('{"ItemId": "1"}\n{"ItemId": \n')

    with pytest.raises(TableError, match=r"items\.jsonl cannot be read"):
        recognise([tmp_path / "items.jsonl"])
