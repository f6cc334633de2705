"""`whycart uptake`: what came of lists, as a table and as JSON."""

import contextlib
import json
from pathlib import Path

import pytest

from serving.cli.main import main
from tests.support.seen_lists import T0, SeenLists, recorded

SPAN = ("--since", "2023-11-14T00:00:00Z", "--until", "2023-11-20T00:00:00Z")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SeenLists:
    monkeypatch.setenv("WHYCART_HOME", str(tmp_path))
    filled = SeenLists(tmp_path / "state.db")
    filled.show(recorded(1, ["p1", "p2"], placement="home_top"), recorded(2, ["p1"], user=None))
    filled.do("p1", kind="bought", named=1)
    return filled


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with contextlib.suppress(SystemExit):
        main(("uptake", *arguments))
    return capsys.readouterr().out


def test_a_table_has_a_row_for_each_position(shop: SeenLists, capsys: pytest.CaptureFixture[str]) -> None:
    lines = run(capsys, "--by", "position", "--by", "placement", *SPAN).splitlines()

    assert "lists from 2023-11-14 00:00 to 2023-11-20 00:00, with 95% intervals" == lines[0]
    assert ["1 home_top 1 1 1 100.0%", "1 none 1 1 0 0.0%", "2 home_top 1 1 0 0.0%"] == [
        " ".join(line.split()[:6]) for line in lines[4:]
    ]


def test_events_that_name_no_list_are_a_table_of_their_own(shop: SeenLists, capsys: pytest.CaptureFixture[str]) -> None:
    shop.show(recorded(3, ["p1"], user="u7"))
    shop.do("p1", user="u7", at_ms=T0 + 5)

    told = run(capsys, *SPAN)

    assert "lists of users that no event names, by events within 7 days that name no list" in told
    assert ["1", "1", "1", "100.0%"] == told.splitlines()[-1].split()[:4]


def test_json_is_that_of_the_api(shop: SeenLists, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(run(capsys, "--json", "--by", "placement", "--days", "2", *SPAN))

    assert (["placement"], 2.0, "2023-11-14T00:00:00.000Z") == (found["by"], found["days"], found["since"])
    assert [("home_top", None, 1), (None, None, 0)] == [
        (row["placement"], row["position"], row["clicks"]) for row in found["rows"]
    ]


def test_days_without_lists_say_so(shop: SeenLists, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no list was recorded from" in run(capsys, "--by", "position")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--since", "2026-01-31"), "--since needs a time zone"),
        (("--since", "2026-01-31T00:00:00Z", "--until", "2026-01-30T00:00:00Z"), "since must lie before until"),
        (("--days", "0"), "days must be from 0.01 to 365, got 0"),
        (("--by", "colour"), "--by must be one of surface, placement, position, model_version, got 'colour'"),
    ],
)
def test_what_makes_no_sense_is_bad_input(
    arguments: tuple[str, ...], words: str, shop: SeenLists, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(("uptake", *arguments))

    assert (2, True) == (code, words in capsys.readouterr().err)
