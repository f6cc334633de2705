"""Lists of the terminal: recorded, shown again by their id, computed again, and forgotten."""

import contextlib
import json
import re
from pathlib import Path

import pytest

from serving.api.recorded import RecordAnswer
from serving.audit_config import AuditConfig
from serving.cli.main import main
from serving.records import RecordLog
from tests.support.tiny_bundle import publish_tiny_bundle


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    publish_tiny_bundle(tmp_path / "bundles")
    monkeypatch.setenv("WHYCART_HOME", str(tmp_path))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with contextlib.suppress(SystemExit):
        main(arguments)
    return capsys.readouterr().out


def recorded_id(capsys: pytest.CaptureFixture[str], user: str = "u1") -> str:
    list_id: str = json.loads(run(capsys, "recommend", user, "-n", "3", "--json"))["recommendation_id"]
    return list_id


def test_recommend_says_in_its_last_line_how_to_look_the_list_up(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = run(capsys, "recommend", "u1", "-n", "3").splitlines()[-1]

    assert re.fullmatch(r"recommendation ([0-9a-f]{32}): look it up with 'whycart explain --id \1'", last)


def test_a_list_is_shown_again_with_what_it_was_made_from(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    list_id = recorded_id(capsys)

    lines = run(capsys, "explain", "--id", list_id).splitlines()

    assert [["list", list_id], ["for", "u1"], ["kind", "recommend"]] == [
        next(line.split() for line in lines if line.startswith(name)) for name in ("list", "for", "kind")
    ]
    assert ["1", "2", "3"] == [line.split()[0] for line in lines[lines.index("") + 2 :]][:3]


def test_a_list_computed_again_is_the_same(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    last = run(capsys, "explain", "--id", recorded_id(capsys), "--replay").splitlines()[-1]

    assert "computed again, the list is the same: 3 products in the same order" == last


def test_a_list_is_given_as_the_json_of_the_api(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    list_id = recorded_id(capsys)

    found = RecordAnswer.model_validate_json(run(capsys, "explain", "--id", list_id, "--json", "--replay"))

    assert (list_id, True) == (found.recommendation_id, found.replay is not None and found.replay.same)


@pytest.mark.parametrize(
    "arguments",
    [[], ["u1"], ["u1", "p01", "--id", "x"], ["u1", "--id", "x"], ["u1", "p01", "--replay"], ["--replay"]],
)
def test_neither_or_both_ways_to_explain_are_bad_usage(
    arguments: list[str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["explain", *arguments])

    assert (2, True) == (code, "give USER and PRODUCT, or --id" in capsys.readouterr().err)


def test_an_unknown_list_is_bad_input(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["explain", "--id", "nope"])

    assert (2, True) == (code, "no list is recorded under the id 'nope'" in capsys.readouterr().err)


def test_switched_off_no_list_is_recorded_and_none_is_offered(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHYCART_AUDIT_ENABLED", "false")

    text = run(capsys, "recommend", "u1", "-n", "3")

    with RecordLog.open(home / "state.db", AuditConfig()) as records:
        assert (0, False) == (records.count_of("u1"), "recommendation" in text)


def test_forgetting_a_user_deletes_its_lists_and_a_dry_run_none(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for user in ("u1", "u1", "u2"):
        recorded_id(capsys, user)

    said = [
        run(capsys, "recommendations", "forget", "u1", *flags).strip() for flags in (["--dry-run"], [], ["--dry-run"])
    ]

    assert [
        "2 recorded lists of u1 would be deleted",
        "2 recorded lists of u1 were deleted",
        "0 recorded lists of u1 would be deleted",
    ] == said
