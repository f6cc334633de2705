"""How a shop's cost grows: every stage is measured, exponents are those of known curves, and the page shows them."""

import json
import math
from pathlib import Path

import pytest

from bench.scale import STAGES, exponents, extrapolate, main, measure_size
from bench.speed_page import speed_page


def test_every_stage_of_a_small_shop_is_measured() -> None:
    found = measure_size(1250, STAGES)

    assert list(STAGES) == list(found)
    assert 0 < sum(row["cpu_s"] for row in found.values())
    assert all(math.isfinite(row["grown_mb"]) for row in found.values())


def test_a_stage_that_is_left_out_is_not_measured() -> None:
    assert ["tables", "snapshot", "operators"] == list(measure_size(1250, ["operators"]))


def test_exponents_are_those_of_the_curve_and_reach_out_along_it() -> None:
    sizes = {n: {"operators": {"cpu_s": 3e-6 * n**1.5, "grown_mb": 2.0 * n}} for n in (100, 1000, 10_000)}

    slope = exponents(sizes, "cpu_s")

    assert {"operators": 1.5} == slope
    assert {"operators": 3000.0} == extrapolate(sizes, slope, "cpu_s", 1_000_000)
    assert {"operators": 1.0} == exponents(sizes, "grown_mb")
    assert {} == exponents({100: sizes[100]}, "cpu_s")


def test_the_command_adds_sizes_to_a_file_and_the_page_shows_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "scale.json"
    for events in ("1250", "2500"):
        assert main(["--events", events, "--stages", "operators", "--to", "1000000", "--json", str(figures)]) == 0

    found = json.loads(figures.read_text())
    assert ["1250", "2500"] == list(found["scale"])
    assert set(found["cpu_s"]["exponents"]) <= {"tables", "snapshot", "operators"}
    assert "CPU s at 1,000,000 events" in capsys.readouterr().out
    page = speed_page([figures])
    assert "| stage | 1,250 | 2,500 | exponent | 1,000,000 (fitted) |" in page


def test_an_unknown_stage_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--stages", "magic"])
    assert "got magic" in capsys.readouterr().err
