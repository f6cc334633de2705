"""docs/operations.md: the outcomes and commands it names are those there are, and what it shows can be read."""

import re
from configparser import ConfigParser
from pathlib import Path
from typing import get_args

from serving.cli.main import COMMANDS
from serving.runs import Outcome

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")


def test_every_outcome_of_a_run_is_on_the_page() -> None:
    assert set(get_args(Outcome)) - {"running"} == set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))


def test_the_commands_it_names_exist() -> None:
    named = set(re.findall(r"whycart\"?,? (?:\"?--log-json\"?,? )?\"?([a-z]+)\"?", PAGE))

    assert {"retrain", "runs"} <= named & {entry.name for entry in COMMANDS}


def test_the_units_of_systemd_can_be_read() -> None:
    units = re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)
    parsers = [ConfigParser(strict=True) for _ in units]
    for parser, unit in zip(parsers, units, strict=True):
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read_string(unit)

    assert "oneshot" == parsers[0]["Service"]["Type"]
    assert "3" == parsers[0]["Service"]["SuccessExitStatus"]
    assert "OnCalendar" in parsers[1]["Timer"]


def test_the_page_is_linked_from_the_readme() -> None:
    root = Path(__file__).parents[2]

    assert "docs/operations.md" in (root / "README.md").read_text(encoding="utf-8")
