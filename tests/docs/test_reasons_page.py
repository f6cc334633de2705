"""docs/reasons.md names every message that a shop can word anew, with its placeholders; its settings can be used."""

import re
from pathlib import Path

import pytest

from serving.language import REFERENCE, placeholders, read_messages
from serving.reason_config import read_reasons
from serving.settings import load_settings

PAGE = (Path(__file__).parents[2] / "docs" / "reasons.md").read_text(encoding="utf-8")
TABLE = PAGE[PAGE.index("| Key |") : PAGE.index("Relations and event types that you declare")]
MESSAGES = read_messages(REFERENCE)
SETTINGS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_names_every_message_and_no_other() -> None:
    keys = {key for row in TABLE.splitlines()[2:] if row for key in re.findall(r"`(\w+)`", row.split("|")[1])}

    assert set(MESSAGES) == keys


@pytest.mark.parametrize("key", [key for key in MESSAGES if not key.startswith("because_")])
def test_the_page_names_the_placeholders_of_every_message(key: str) -> None:
    row = next(row for row in TABLE.splitlines() if f"`{key}`" in row.split("|")[1:2][0])

    assert set[str]().union(*map(placeholders, MESSAGES[key])) <= placeholders(row.split("|")[2])


def test_the_settings_on_the_page_can_be_used(tmp_path: Path) -> None:
    material = "[graph.nodes.Material]\n"
    read = []
    for number, text in enumerate(SETTINGS):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "whycart.toml").write_text(material + text, encoding="utf-8")
        read.append(sorted(read_reasons(load_settings(environment={}, folder=folder)).wording))

    assert [["en", "zh"], ["zh"]] == read
