"""docs/cli.md names every command with an example, and every command's help has one."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.cli.main import COMMANDS, load_entry

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command with its subcommands: name after `whycart`, and what click knows of it."""
    for entry in COMMANDS:
        command = load_entry(entry)
        below = getattr(command, "commands", None)
        if below is None:
            yield entry.name, command
        else:
            yield from ((f"{entry.name} {name}", part) for name, part in below.items())


ALL = dict(commands())


@pytest.mark.parametrize("name", ALL)
def test_every_command_is_on_the_page_with_an_example(name: str) -> None:
    assert re.search(rf"^\| `whycart {name}` \|.+\| `whycart {name}\b.*` \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("name", ALL)
def test_every_command_has_an_example_in_its_help(name: str) -> None:
    assert f"Example: whycart {name}" in (ALL[name].help or "")


def test_the_page_names_no_command_that_does_not_exist() -> None:
    assert set(ALL) == set(re.findall(r"^\| `whycart ([a-z ]+)` \|", PAGE, re.MULTILINE))


@pytest.mark.parametrize("name", ALL)
def test_the_options_of_an_example_exist(name: str) -> None:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `whycart {name}` |"))
    example = row.split("|")[3]

    known = {option for param in ALL[name].params for option in (*param.opts, *param.secondary_opts)}
    assert set() == set(re.findall(r"(?<=\s)--[a-z-]+", example)) - known
