"""Files that others wrote: recognised, written down as `[[input]]`, and read as the shop that they are."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kg.errors import SchemaError, TableError
from kg.foreign_entry import read_entries
from kg.input_toml import write_input_toml
from kg.layouts import recognise
from kg.reader import read_folder
from kg.schema import GraphSchema, declare
from serving.cli.main import app
from tests.support import foreign
from tests.support.foreign import LAYOUTS, Layout, events_of, names_of, products_of, read


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_recognised_and_its_folder_can_be_read(name: str, tmp_path: Path) -> None:
    expected, layout = LAYOUTS[name]

    report = read(tmp_path, layout)

    assert expected == recognise(sorted(path for path in tmp_path.iterdir() if path.name != "whycart.toml")).layout
    assert report.tables.events.num_rows > 1
    assert 0 == report.quarantined


def test_movielens_has_ratings_titles_and_genres(tmp_path: Path) -> None:
    report = read(tmp_path, foreign.movielens_latest)

    assert ("1", "1", "rated", 964982703000, 4.0) == events_of(report)[0]
    assert ("Grumpier, Old Men (1995)", None) == tuple(products_of(report)[key].get("title") for key in ("3", "9"))
    assert {("1", "Adventure"), ("1", "Animation"), ("3", "Comedy")} == names_of(report, "IN_CATEGORY", "Category")


@pytest.mark.parametrize("layout", [foreign.movielens_1m, foreign.movielens_100k])
def test_files_without_a_header_and_in_another_encoding_are_read(layout: Layout, tmp_path: Path) -> None:
    report = read(tmp_path, layout)

    titles = {key: row["title"] for key, row in products_of(report).items()}
    assert ({"1", "3"}, 3) == (set(titles), len(events_of(report)))
    assert titles["3"] in ("Les Misérables (1995)", "Café Noir (1995)")


def test_amazon_has_paths_prices_brands_and_known_relations(tmp_path: Path) -> None:
    report = read(tmp_path, foreign.amazon_2018)

    shampoo = products_of(report)["B01"]
    assert (1012.99, {"B01", "B02", "B09"}) == (shampoo["price"], set(products_of(report)))
    assert [("B01", "B02")] == [
        (row["from_id"], row["to_id"]) for row in report.tables.edges["ALSO_BOUGHT"].to_pylist()
    ]
    assert 3 == report.tables.nodes["Category"].num_rows
    assert {("B01", "Shampoo")} == names_of(report, "IN_CATEGORY", "Category")
    assert any("1 rows of relations name products that no file lists" in note for note in report.warnings)


def test_retailrocket_has_types_the_latest_category_and_the_tree(tmp_path: Path) -> None:
    report = read(tmp_path, foreign.retailrocket)

    assert ["bought", "viewed", "carted"] == [row[2] for row in events_of(report)]
    places = {(row["from_id"], row["to_id"]) for row in report.tables.edges["IN_CATEGORY"].to_pylist()}
    above = {(row["from_id"], row["to_id"]) for row in report.tables.edges["CHILD_OF"].to_pylist()}
    assert ({("355908", "1114"), ("1", "1338")}, {("1338", "1016"), ("1114", "1016")}) == (places, above)
    assert {"1", "248676", "355908"} == set(products_of(report))


def test_instacart_is_joined_from_five_files(tmp_path: Path) -> None:
    report = read(tmp_path, foreign.instacart)

    rows = [(row["user_id"], row["product_id"], row["position"]) for row in report.tables.events.to_pylist()]
    assert [("1", "14084", 2), ("1", "196", 1), ("1", "196", 2), ("2", "196", 1)] == sorted(rows)
    assert {("196", "soft drinks"), ("14084", "soy lactosefree")} == names_of(report, "IN_CATEGORY", "Category")
    assert "position" == report.tables.order


def test_ga4_takes_items_apart_and_leaves_other_events_out(tmp_path: Path) -> None:
    report = read(tmp_path, foreign.ga4)

    found = [
        (row["user_id"], row["product_id"], row["type"], row["at"], row["quantity"])
        for row in report.tables.events.to_pylist()
    ]
    assert [
        ("1.2", "T1", "viewed", 1704067200123, 2.0),
        ("3.4", "M1", "bought", 1704067300000, None),
        ("3.4", "T1", "bought", 1704067300000, 2.0),
    ] == sorted(found)
    assert ("Tea", 4.5) == tuple(products_of(report)["T1"][name] for name in ("title", "price"))
    assert any("1 rows are left out, as words of type do not have select_item" in note for note in report.warnings)


def test_a_shopify_export_is_put_together_by_handle_and_needs_events(tmp_path: Path) -> None:
    products, clicks = foreign.shopify(tmp_path)
    alone = recognise([products])
    assert ("Shopify product export", True) == (
        alone.layout,
        any("no file holds events" in note for note in alone.notes),
    )

    events = recognise([clicks])
    text = write_input_toml(alone) + write_input_toml(events)
    (tmp_path / "whycart.toml").write_text(text, encoding="utf-8")
    report = read_folder(tmp_path)

    tea, mug = (products_of(report)[key] for key in ("tea", "mug"))
    assert ("Green Tea", "Fine leaves", 4.5, True) == tuple(
        tea[name] for name in ("title", "description", "price", "available")
    )
    assert (8.0, False) == (mug["price"], mug["available"])
    assert {("tea", "Acme"), ("mug", "Bolt")} == names_of(report, "MADE_BY", "Brand")
    assert ["viewed", "bought"] == [row[2] for row in events_of(report)]


def test_an_unknown_file_is_guessed_and_says_what_to_look_at(tmp_path: Path) -> None:
    guess = recognise(foreign.unknown_shop(tmp_path))
    text = write_input_toml(guess)
    (tmp_path / "whycart.toml").write_text(text, encoding="utf-8")

    report = read_folder(tmp_path)

    assert [("17850", "71053", "bought", 1292228880000, None), ("17850", "85123A", "bought", 1291191960000, None)] == (
        events_of(report)
    )
    assert {"85123A": 2.55, "71053": 3.39} == {key: row["price"] for key, row in products_of(report).items()}
    assert "# Look at this: online_retail.csv: InvoiceDate is read as %d/%m/%Y %H:%M" in text
    assert "every row counts as bought" in text


def test_what_is_written_reads_back_as_the_same_entries(tmp_path: Path) -> None:
    for name, (_, layout) in LAYOUTS.items():
        folder = tmp_path / name
        folder.mkdir()
        guess = recognise(layout(folder))

        written = tomllib.loads(write_input_toml(guess))

        assert list(guess.entries) == written["input"]
        schema = declare(GraphSchema(), written, where="x")
        assert len(guess.entries) == len(read_entries(written, schema, where="x"))


def test_a_bad_row_is_named_by_its_place_in_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    foreign.movielens_latest(folder)
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,3,oops,964981247\n")
    CliRunner().invoke(app, ["init", "--from", str(folder / "ratings.csv"), str(folder / "movies.csv")])

    with pytest.raises(TableError, match=r"ratings\.csv, row 2, value = 'oops'"):
        read_folder(folder)


ENTRY = {"file": "a.csv", "table": "events", "columns": {"user_id": "u", "product_id": "p"}}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({**ENTRY, "colums": {}}, "unknown key 'colums'; did you mean 'columns'?"),
        ({"file": "a.csv", "table": "events"}, "columns is missing"),
        (
            {**ENTRY, "table": "orders"},
            "table is one of brands, categories, events, products, relations, users, got 'orders'",
        ),
        ({**ENTRY, "unit": {"at": "min"}}, "unit of at is one of s, ms, us, ns, got 'min'"),
        ({**ENTRY, "names": "a,b"}, "names is a list, got 'a,b'"),
        ({**ENTRY, "known": "yes"}, "known is true or false, got 'yes'"),
        ({**ENTRY, "words": ["x"]}, 'words is a table such as { ours = "theirs" }'),
    ],
)
def test_an_entry_that_cannot_be_is_refused(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError) as refused:
        read_entries({"input": [entry]}, GraphSchema(), where="whycart.toml")

    assert message in str(refused.value)
    assert str(refused.value).startswith("whycart.toml: [[input]] 1: ")


def test_a_missing_file_or_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("u,q\n1,2\n")
    text = '[[input]]\nfile = "a.csv"\ntable = "events"\ncolumns = { user_id = "u", product_id = "p" }\n'
    (tmp_path / "whycart.toml").write_text(text)

    with pytest.raises(
        TableError, match=r"a\.csv has no column 'p', which whycart\.toml names in \[\[input\]\]; it has u, q"
    ):
        read_folder(tmp_path)
    (tmp_path / "a.csv").unlink()
    with pytest.raises(TableError, match=r"has no file 'a\.csv'"):
        read_folder(tmp_path)


def test_files_of_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "weather.csv").write_text("day,rain\n2024-01-01,3\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.csv").write_text("a\n1\n")

    with pytest.raises(TableError, match=r"no column of weather\.csv looks like users and products"):
        recognise([tmp_path / "weather.csv"])
    with pytest.raises(TableError, match="lie in several folders"):
        recognise([tmp_path / "weather.csv", tmp_path / "other" / "b.csv"])
    with pytest.raises(TableError, match="is not a file"):
        recognise([tmp_path / "nothing.csv"])


def test_init_writes_beside_the_files_and_never_over_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "ml"
    folder.mkdir()
    files = list(map(str, foreign.movielens_latest(folder)))

    first = CliRunner().invoke(app, ["init", "--from", *files])
    again = CliRunner().invoke(app, ["init", "--from", *files])
    shown = CliRunner().invoke(app, ["init", "--print", "--from", *files])
    checked = CliRunner().invoke(app, ["validate", str(folder)])

    assert (0, True) == (first.exit_code, "layout: MovieLens" in first.stdout)
    assert "is there already and was not touched" in str(again.exception)
    assert (folder / "whycart.toml").read_text() == shown.stdout
    assert ["event", "rated", "4"] in [line.split() for line in checked.stdout.splitlines()]


def test_init_without_files_writes_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(app, ["init"])

    assert 0 == done.exit_code
    assert "[graph]" in (tmp_path / "whycart.toml").read_text()


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["$1,012.99", "$3", ""], [1012.99, 3.0, None]),
        (["1.012,99 \u20ac", "3,5 \u20ac", "7 \u20ac"], [1012.99, 3.5, 7.0]),
        (["USD 1,200", "USD 15"], [1200.0, 15.0]),
        (["-2.50", "10.00 kr"], [-2.5, 10.0]),
    ],
)
def test_currencies_and_thousands_leave_a_number(
    cells: list[str], expected: list[float | None], tmp_path: Path
) -> None:
    rows = "".join(f'p{number};x;"{cell}"\n' for number, cell in enumerate(cells))
    (tmp_path / "a.csv").write_text(f"id;name;cost\n{rows}", encoding="utf-8")
    (tmp_path / "b.csv").write_text("u,p\nu1,p0\n", encoding="utf-8")
    (tmp_path / "whycart.toml").write_text(
        '[[input]]\nfile = "a.csv"\ntable = "products"\ndelimiter = ";"\nnumber = ["amount"]\n'
        'columns = { product_id = "id", title = "name", amount = "cost" }\n'
        '[[input]]\nfile = "b.csv"\ntable = "events"\ncolumns = { user_id = "u", product_id = "p" }\n',
        encoding="utf-8",
    )

    found = [row["amount"] for row in read_folder(tmp_path).tables.nodes["Product"].to_pylist()]

    assert expected == [None if value is None else float(value) for value in found]
