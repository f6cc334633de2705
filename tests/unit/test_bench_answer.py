"""The steps of an answer are timed on real answers, and those without paths make up the whole."""

import json
from pathlib import Path

import pytest

from bench.answer import STEPS, main
from tests.support.tiny_bundle import publish_tiny_bundle


def test_every_step_of_an_answer_is_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish_tiny_bundle(tmp_path / "bundles")
    figures = tmp_path / "figures.json"

    code = main(["--home", str(tmp_path), "--users", "2", "--rounds", "2", "-n", "3", "--json", str(figures)])

    found = json.loads(figures.read_text())
    shown = capsys.readouterr().out
    assert (0, list(STEPS)) == (code, [step["step"] for step in found["steps"]])
    assert all(0 < step["p50_ms"] <= step["p99_ms"] for step in found["steps"])
    assert all(step in shown for step in STEPS)


def test_no_users_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--home", str(tmp_path), "--users", "0"])
