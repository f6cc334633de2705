"""Tables, JSON and progress of the command line."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from kg.progress import silent
from serving.cli.output import print_json, print_table, progress_bars, say


@dataclass(frozen=True)
class Row:
    name: str
    at: datetime


def test_json_knows_dataclasses_times_paths_and_arrays(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"row": Row("café", datetime(2026, 1, 2, tzinfo=UTC)), "path": Path("a/b"), "scores": np.array([1, 2])})

    expected = {"row": {"name": "café", "at": "2026-01-02T00:00:00+00:00"}, "path": "a/b", "scores": [1, 2]}
    assert expected == json.loads(capsys.readouterr().out)


def test_json_writes_a_number_that_is_none_as_null(capsys: pytest.CaptureFixture[str]) -> None:
    print_json([float("nan"), float("inf"), 1.5])

    assert [None, None, 1.5] == json.loads(capsys.readouterr().out)


def test_json_refuses_what_it_has_no_word_for() -> None:
    with pytest.raises(TypeError):
        print_json(object())


def test_a_long_row_is_not_broken_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    title = "a very long title " * 20

    print_table(("product", "title"), [("p1", title)])

    assert title.strip() in capsys.readouterr().out


def test_brackets_in_a_value_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("title",), [("[red] shoes",)])
    say("[bold] move")

    out = capsys.readouterr().out
    assert ("[red] shoes" in out, "[bold] move" in out) == (True, True)


def test_an_empty_table_still_has_its_headings(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("product", "rank"), [])

    assert "product" in capsys.readouterr().out


def test_without_a_terminal_no_progress_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bars() as progress:
        progress("rows", 1, 10)

    assert (silent, "") == (progress, capsys.readouterr().err)


def test_progress_is_not_drawn_when_nobody_wants_it() -> None:
    with progress_bars(wanted=False) as progress:
        pass

    assert silent is progress
