"""docs/operations.md: the outcomes and commands it names are those there are, and what it shows can be read."""

import re
from configparser import ConfigParser
from pathlib import Path
from typing import get_args

from serving.cli.main import COMMANDS
from serving.runs import Outcome

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def rows_of(table: str) -> set[str]:
    """What the rows of the table begin with whose head begins with a word."""
    _, _, rest = PAGE.partition(f"\n| {table} |")
    return set(re.findall(r"^\| `(\w+)` \|", rest.partition("\n\n")[0], re.MULTILINE))


def test_every_outcome_of_a_run_is_on_the_page() -> None:
    assert set(get_args(Outcome)) - {"running"} == rows_of("outcome")


def test_every_stage_of_an_answer_and_of_a_write_is_on_the_page() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in (ROOT / "serving").rglob("*.py")}
    stages = {
        path: set(re.findall(r'\blap\("(\w+)"\)', text)) for path, text in texts.items() if "serving.stages" in text
    }
    of_writes = stages.pop(ROOT / "serving" / "api" / "applier.py")

    assert set().union(*stages.values()) == rows_of("stage")
    assert of_writes == set(re.findall(r"`(\w+)`", re.findall(r"`write to the graph`, with (.*?)\)", PAGE)[0]))


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
