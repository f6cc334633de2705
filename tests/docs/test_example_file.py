"""The example settings file is written from the config dataclasses and is up to date."""

import re
import tomllib
from pathlib import Path

from serving.cli.config import CONFIGS, DEFAULTS
from serving.example import field_sentences, write_example
from serving.settings import SECTIONS, load_settings

EXAMPLE = Path(__file__).parents[2] / "docs" / "whycart.example.toml"


def test_the_example_file_is_what_the_program_writes() -> None:
    expected = write_example(CONFIGS, defaults=DEFAULTS)

    assert expected == EXAMPLE.read_text(encoding="utf-8"), "run: whycart config example > docs/whycart.example.toml"


def test_the_example_file_as_it_stands_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "whycart.toml").write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")

    assert load_settings(environment={}, folder=tmp_path).serve == load_settings(environment={}, folder=Path("/")).serve


def test_every_default_of_the_example_can_be_switched_on(tmp_path: Path) -> None:
    switched_on = re.sub(r"(?m)^# (\w+ = (?!\.\.\.)|\[)", r"\1", EXAMPLE.read_text(encoding="utf-8"))
    (tmp_path / "whycart.toml").write_text(switched_on, encoding="utf-8")

    settings = load_settings(environment={}, folder=tmp_path)

    for section, config_class in CONFIGS.items():
        settings.section(section, config_class) if section != "graph" else settings.graph
    assert {"Material", "MADE_OF", "returned"} <= {
        *settings.schema.nodes,
        *settings.schema.relations,
        *settings.schema.events,
    }


def test_every_setting_says_what_it_means() -> None:
    silent = [
        f"{section}.{name}"
        for section, config_class in CONFIGS.items()
        for name in config_class.__dataclass_fields__
        if name not in field_sentences(config_class)
    ]

    assert [] == silent


def test_the_example_holds_every_section_that_settings_know() -> None:
    assert {*CONFIGS, "events"} == set(SECTIONS)


def test_the_example_file_is_toml() -> None:
    assert set(CONFIGS) == set(tomllib.loads(EXAMPLE.read_text(encoding="utf-8")))
