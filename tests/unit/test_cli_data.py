"""`whycart validate` and `whycart ingest --dry-run`; importing into a graph is tested in tests/integration."""

import json

import pytest
from typer.testing import CliRunner

from serving.cli.main import app, main
from tests.support.folders import EVENTS, PRODUCTS, write_shop


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


def test_validate_counts_what_the_folder_holds(tmp_path):
    result = CliRunner().invoke(app, ["validate", str(write_shop(tmp_path / "in")), "--json"])

    summary = json.loads(result.stdout)
    assert result.exit_code == 0
    assert summary["nodes"] == {"User": 2, "Product": 3, "Brand": 2, "Category": 3}
    assert summary["relations"]["IN_CATEGORY"] == 3
    assert summary["events"] == {"bought": 3, "viewed": 1}
    assert summary["order"] == "clock"


def test_validate_says_for_people_what_is_there(tmp_path):
    result = CliRunner().invoke(app, ["validate", str(write_shop(tmp_path / "in"))])

    assert "can be imported" in result.stdout


def test_a_broken_folder_ends_with_exit_code_two_and_names_the_row(tmp_path, capsys):
    folder = write_shop(tmp_path / "in", events=[{**EVENTS[0], "product_id": "p9"}])

    assert main(["validate", str(folder)]) == 2
    assert "events.csv, line 2, product_id = 'p9'" in capsys.readouterr().err


def test_a_dry_run_counts_and_leaves_the_graph_alone(tmp_path):
    folder = write_shop(tmp_path / "in", events=[*EVENTS, {**EVENTS[0], "product_id": "p9"}])
    bad = tmp_path / "bad.jsonl"

    result = CliRunner().invoke(app, ["ingest", str(folder), "--dry-run", "--quarantine", str(bad), "--json"])

    summary = json.loads(result.stdout)
    assert summary["written"] is None
    assert summary["quarantined"] == 1
    assert len(bad.read_text().splitlines()) == 1
    assert list((tmp_path / "cwd").iterdir()) == []


def test_validate_tells_what_makes_little_sense_together(tmp_path):
    folder = write_shop(tmp_path / "in")
    page = tmp_path / "shop.html"

    result = CliRunner().invoke(app, ["validate", str(folder), "--json", "--html", str(page)])

    findings = {(one["table"], one["check"]): one for one in json.loads(result.stdout)["findings"]}
    assert (0, 1) == (result.exit_code, findings["products", "without a price"]["count"])
    assert "What was looked at" in page.read_text(encoding="utf-8")
    assert 2 == main(["validate", str(folder), "--html", str(tmp_path / "nowhere" / "shop.html")])


def test_validate_ends_with_code_two_when_the_data_cannot_be_used(tmp_path):
    bare = [{**row, "title": ""} for row in PRODUCTS]
    folder = write_shop(tmp_path / "in", products=bare)

    result = CliRunner().invoke(app, ["validate", str(folder)])

    assert (2, True, False) == (result.exit_code, "FAIL" in result.stdout, "can be imported" in result.stdout)


def test_a_folder_becomes_files_for_the_import_of_neo4j_without_any_graph(tmp_path):
    folder = write_shop(tmp_path / "in")

    result = CliRunner().invoke(app, ["ingest", str(folder), "--neo4j-admin", str(tmp_path / "out")])

    command = next(line for line in result.stdout.splitlines() if line.startswith("neo4j-admin database import full"))
    assert f"--nodes=Product={tmp_path / 'out' / 'nodes-Product.csv'}" in command
    header, first = (tmp_path / "out" / "relationships-BOUGHT.csv").read_text().splitlines()[:2]
    assert header == "event_id:string,:START_ID(User),:END_ID(Product),at:long,quantity:double"
    assert first.count(",") == header.count(",")
    assert list((tmp_path / "cwd").iterdir()) == []


def test_what_is_to_be_done_with_conflicts_is_one_of_two_words(tmp_path, capsys):
    assert main(["ingest", str(write_shop(tmp_path / "in")), "--on-conflict", "merge"]) == 2
    assert "--on-conflict takes replace or keep, got 'merge'" in capsys.readouterr().err


@pytest.fixture
def doubled(tmp_path):
    """Give a folder with a product under two ids."""
    products = [{**PRODUCTS[0], "gtin": "A"}, {**PRODUCTS[1], "gtin": "a"}, {**PRODUCTS[2], "gtin": None}]
    folder = write_shop(tmp_path / "in", products=products)
    (folder / "whycart.toml").write_text('[merge.products]\nsame = ["gtin"]\n')
    return folder


@pytest.mark.parametrize("command", [["validate"], ["ingest", "--dry-run"]], ids=["validate", "dry run"])
def test_products_are_merged_and_that_is_told(doubled, command):
    facts = json.loads(CliRunner().invoke(app, [*command, str(doubled), "--json"]).stdout)
    told = CliRunner().invoke(app, [*command, str(doubled)]).stdout

    expected = {"num_products": 2, "num_kept": 1, "examples": [{"kept": "p1", "others": ["p2"]}]}
    assert (expected, 2) == (facts["merged"], facts["nodes"]["Product"])
    assert "2 products with the same gtin were merged into 1, for example p1 (also p2)" in told


def test_files_for_the_import_of_neo4j_hold_every_product_once(doubled, tmp_path):
    CliRunner().invoke(app, ["ingest", str(doubled), "--neo4j-admin", str(tmp_path / "out")])

    header, *rows = (tmp_path / "out" / "nodes-Product.csv").read_text().splitlines()
    assert ("merged_ids:string" in header, 2) == (True, len(rows))


def test_a_rule_of_the_project_holds_where_the_folder_has_none(doubled, tmp_path):
    (tmp_path / "cwd" / "whycart.toml").write_text('[merge.products]\nsame = ["gtni"]\n')
    by_folder = json.loads(CliRunner().invoke(app, ["validate", str(doubled), "--json"]).stdout)
    (doubled / "whycart.toml").unlink()

    by_project = CliRunner().invoke(app, ["validate", str(doubled)]).stdout

    assert 1 == by_folder["merged"]["num_kept"]
    assert "no products were merged: none have the same gtni" in by_project
    assert "note: [merge.products] same names 'gtni'" in by_project


def test_without_a_rule_nothing_is_said_of_merging(tmp_path):
    folder = write_shop(tmp_path / "in")

    assert None is json.loads(CliRunner().invoke(app, ["validate", str(folder), "--json"]).stdout)["merged"]
    assert "merged" not in CliRunner().invoke(app, ["ingest", str(folder), "--dry-run"]).stdout


def test_a_rule_that_cannot_be_ends_with_exit_code_two(doubled, capsys):
    (doubled / "whycart.toml").write_text('[merge.products]\nsme = ["gtin"]\n')

    assert main(["validate", str(doubled)]) == 2
    assert "whycart.toml: [merge.products]: unknown key 'sme'; did you mean 'same'?" in capsys.readouterr().err
