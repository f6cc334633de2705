"""`whycart validate` and `whycart ingest --dry-run`; importing into a graph is tested in tests/integration."""

import json

import pytest
from typer.testing import CliRunner

from serving.cli.main import app, main
from tests.support.folders import EVENTS, write_shop


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
