"""`whycart rules`: written, tried, listed and deleted on a terminal."""

import json
from pathlib import Path

import pytest

from serving.cli.main import main
from serving.rule_log import RuleLog
from tests.support.tiny_bundle import publish_tiny_bundle

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "whycart.toml").write_text("", encoding="utf-8")
    publish_tiny_bundle(tmp_path / ".whycart" / "bundles")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as left:
        main(["rules", *arguments])
    assert 0 == left.value.code
    return capsys.readouterr().out


def test_a_rule_goes_through_its_life(capsys: pytest.CaptureFixture[str]) -> None:
    assert "there are no rules" in run(capsys, "list")

    said = run(capsys, "put", "spring-tea", "boost", "--filter", 'category = "Tea"', "--until", "2100-04-01")
    assert "the rule spring-tea is new: boost of" in said
    assert "in force" in said
    again = run(capsys, "put", "spring-tea", "bury", "--filter", 'category = "Tea"', "--note", "Too much of it")
    assert "took the place of the one before" in again

    told = run(capsys, "list")
    assert all(word in told for word in ("spring-tea", "bury", 'category = "Tea"', "all lists", "Too much of it"))
    (rule,) = json.loads(run(capsys, "list", "--json"))["rules"]
    assert ("spring-tea", "bury", None) == (rule["name"], rule["action"], rule["ends_at"])
    assert "the rule spring-tea (bury) is deleted" in run(capsys, "delete", "spring-tea")
    assert "there are no rules" in run(capsys, "list")


def test_a_preview_shows_what_moves(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "put", "first", "pin", "--product", "p10", "--position", "2", "--from", "2100-01-01")

    told = run(capsys, "preview", "first", "--user", "u1", "-n", "4")
    facts = json.loads(run(capsys, "preview", "first", "--user", "u1", "-n", "4", "--json"))

    assert "moved by" in told
    assert "the rule first is about 1 product\n" in told
    assert "p10" == facts["after"][1]["product_id"]
    assert (None, ["first"]) == (facts["after"][1]["rank_before"], facts["after"][1]["rules"])
    assert facts["left"] == facts["before"][-1:]


def test_lists_on_a_terminal_go_by_it(capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "put", "no-tea", "hide", "--filter", 'category = "Tea"')

    with pytest.raises(SystemExit):
        main(["recommend", "u1", "--json"])
    assert ["no-tea"] == json.loads(capsys.readouterr().out)["rules"]
    run(capsys, "put", "first", "pin", "--product", "p10")
    with pytest.raises(SystemExit):
        main(["recommend", "u1"])
    told = capsys.readouterr().out
    assert "moved by" in told
    assert "Promoted by the shop" in told
    with pytest.raises(SystemExit):
        main(["search", "tea", "--json"])
    assert ["first", "no-tea"] == json.loads(capsys.readouterr().out)["rules"]
    alone = json.loads(run(capsys, "preview", "no-tea", "--list", "search", "--query", "tea", "--json"))
    assert alone["left"]
    with pytest.raises(SystemExit):
        main(["explain", "u2", "p02", "--json"])
    assert "rule" == json.loads(capsys.readouterr().out)["removed_by"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["put", "x", "shout", "--product", "p01"], "action must be one of pin, boost, bury, hide, cap, got 'shout'"),
        (["put", "x", "hide", "--filter", 'category = "Cars"'], "no category 'Cars' in this shop"),
        (["put", "x", "hide", "--product", "p01", "--from", "soon"], "--from must be a time in ISO 8601"),
        (["put", "x", "cap"], "a cap needs most"),
        (["delete", "x"], "no rule is named 'x'; there are none"),
        (["preview", "x"], "no rule is named 'x'; there are none"),
        (["preview", "x", "--list", "home"], "--list must be one of recommend, similar"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: list[str], why: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == main(["rules", *arguments])

    assert why in capsys.readouterr().err
    with RuleLog.open(project / ".whycart" / "state.db") as log:
        assert () == log.all()
