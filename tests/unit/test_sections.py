"""Building a config dataclass from file, environment and flags."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pytest

from serving.errors import ConfigError
from serving.sections import Source, read_section


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


@dataclass(frozen=True, slots=True, kw_only=True)
class OvenConfig:
    """How the oven bakes."""

    heat: int = 180
    """Degrees Celsius."""
    hours: float = 1.5
    """How long it bakes."""
    fan: bool = False
    """Whether the fan runs."""
    mode: Literal["top", "bottom"] = "top"
    """Which side heats."""
    size: Size = Size.SMALL
    """How large it is."""
    trays: tuple[int, ...] = (1,)
    """Slots in use."""
    recipe: Path | None = None
    """What to bake; None: nothing."""
    password: str | None = field(default=None, repr=False)
    """Opens the door."""


def read(
    table: dict[str, Any] | None = None, *, environment: dict[str, str] | None = None, **flags: object
) -> OvenConfig:
    source = Source(Path("/shop/whycart.toml"), {"oven": table or {}}, environment or {}, Path("/shop"))
    return read_section(source, OvenConfig, section="oven", flags=flags)


def test_nothing_said_gives_the_defaults() -> None:
    assert OvenConfig() == read()


def test_the_file_beats_the_default() -> None:
    assert OvenConfig(heat=200, fan=True) == read({"heat": 200, "fan": True})


def test_the_environment_beats_the_file() -> None:
    assert OvenConfig(heat=210) == read({"heat": 200}, environment={"WHYCART_OVEN_HEAT": "210"})


def test_a_flag_beats_the_environment() -> None:
    assert OvenConfig(heat=220) == read(environment={"WHYCART_OVEN_HEAT": "210"}, heat=220)


def test_a_flag_that_was_not_given_changes_nothing() -> None:
    assert OvenConfig(heat=200) == read({"heat": 200}, heat=None)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("HOURS", "2", OvenConfig(hours=2.0)),
        ("FAN", "yes", OvenConfig(fan=True)),
        ("FAN", "0", OvenConfig(fan=False)),
        ("MODE", "bottom", OvenConfig(mode="bottom")),
        ("SIZE", "large", OvenConfig(size=Size.LARGE)),
        ("TRAYS", "1, 3", OvenConfig(trays=(1, 3))),
        ("PASSWORD", "123", OvenConfig(password="123")),
        ("HEAT", "", OvenConfig()),
    ],
)
def test_the_environment_spells_every_kind_of_value(name: str, text: str, expected: OvenConfig) -> None:
    assert expected == read(environment={f"WHYCART_OVEN_{name}": text})


def test_a_path_in_the_file_starts_at_the_file() -> None:
    assert Path("/shop/cake.txt") == read({"recipe": "cake.txt"}).recipe


def test_a_path_in_the_environment_starts_at_the_current_folder() -> None:
    assert Path.cwd() / "cake.txt" == read(environment={"WHYCART_OVEN_RECIPE": "cake.txt"}).recipe


def test_a_whole_number_is_good_enough_for_a_number() -> None:
    assert 2.0 == read({"hours": 2}).hours


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"heet": 1}, "whycart.toml: [oven]: unknown key 'heet'; did you mean 'heat'?"),
        ({"heat": "hot"}, "whycart.toml: [oven] heat must be a whole number, got 'hot'"),
        ({"heat": True}, "whycart.toml: [oven] heat must be a whole number, got True"),
        ({"mode": "side"}, "whycart.toml: [oven] mode must be one of top, bottom, got 'side'"),
        ({"size": "huge"}, "whycart.toml: [oven] size must be one of small, large, got 'huge'"),
        ({"trays": ["a"]}, "whycart.toml: [oven] trays must be a list, each a whole number, got ['a']"),
        ({"recipe": 3}, "whycart.toml: [oven] recipe must be a path, got 3"),
        ({"password": 3}, "whycart.toml: [oven] password must be a text, got a value that is not shown"),
    ],
)
def test_a_wrong_key_or_value_is_named(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(table)

    assert message == str(caught.value)


def test_a_wrong_value_of_the_environment_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^WHYCART_OVEN_HEAT must be a whole number, got 'hot'$"):
        read(environment={"WHYCART_OVEN_HEAT": "hot"})


def test_an_unknown_variable_of_the_section_is_refused() -> None:
    with pytest.raises(ConfigError, match="did you mean 'WHYCART_OVEN_HEAT'"):
        read(environment={"WHYCART_OVEN_HEET": "1"})


def test_a_section_that_is_no_table_is_refused() -> None:
    source = Source(None, {"oven": 3}, {}, Path("/shop"))

    with pytest.raises(ConfigError, match=r"\[oven\] must be a table of keys, got 3"):
        read_section(source, OvenConfig, section="oven")


def test_a_key_without_default_has_to_be_set() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Door:
        colour: str

    with pytest.raises(ConfigError, match="WHYCART_DOOR_COLOUR"):
        read_section(Source(None, {}, {}, Path("/")), Door, section="door")
