"""Builds a frozen config dataclass out of one section: flag > environment > file > default.

The dataclass says everything: its fields are the keys, their types are checked, its own `__post_init__` checks values.
A field that holds another config is no key: that config has a section of its own.
This module knows no section by name, and reads neither the file nor the environment itself (`serving.settings` does).
"""

import dataclasses
import difflib
import types
import typing
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, TypeVar

from serving.errors import ConfigError

Config = TypeVar("Config")
PREFIX = "WHYCART_"
_SECRET_WORDS = ("password", "secret", "token")
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}


@dataclass(frozen=True, slots=True)
class Source:
    """What was read: the parsed `whycart.toml` and the environment."""

    file: Path | None
    """The `whycart.toml` in use; None: there is none."""
    tables: Mapping[str, Any] = field(repr=False)
    """The parsed file, empty without one."""
    environment: Mapping[str, str] = field(repr=False)
    """Environment variables; only those that begin with `WHYCART_` are looked at."""
    folder: Path
    """Folder that relative paths start from: the file's, else the current one."""


def read_section(
    source: Source,
    config_class: type[Config],
    *,
    section: str,
    flags: Mapping[str, object] | None = None,
    defaults: Mapping[str, object] | None = None,
    ignore: Collection[str] = (),
) -> Config:
    """Return the config of one section.

    Args:
        source: file and environment.
        config_class: frozen dataclass whose fields are the keys of the section.
        section: table of the file, and the middle of the environment names: `WHYCART_<SECTION>_<KEY>`.
        flags: values of the command line by key; None as a value means the flag was not given.
        defaults: values that stand in for the dataclass's own defaults (such as a path below the home folder, or a
            config that the dataclass holds).
        ignore: keys of the table that somebody else reads.

    Raises:
        ConfigError: an unknown key (the nearest one is offered), or a value of the wrong type.
    """
    kinds = _kinds(config_class)
    values = dict(defaults or {})
    values.update(_from_file(source, kinds, section=section, ignore=ignore))
    values.update(_from_environment(source, kinds, section=section))
    values.update({key: value for key, value in (flags or {}).items() if value is not None})
    missing = [f.name for f in keys_of(config_class) if f.name not in values and _is_required(f)]
    if missing:
        name = environment_name(section, missing[0])
        raise ConfigError(f"[{section}] {missing[0]} is not set; write it into whycart.toml or set {name}")
    return config_class(**values)


def environment_name(section: str, key: str) -> str:
    """Return the environment variable that sets a key: `WHYCART_SERVE_PORT`."""
    return f"{PREFIX}{section}_{key}".upper()


def keys_of(config_class: type) -> Sequence[dataclasses.Field[Any]]:
    """Return the fields of a config dataclass that are keys of its section, in order."""
    if not dataclasses.is_dataclass(config_class):
        raise TypeError(f"{config_class.__name__} is not a dataclass")
    hints = typing.get_type_hints(config_class)
    return [f for f in dataclasses.fields(config_class) if f.init and not dataclasses.is_dataclass(hints[f.name])]


def reject_unknown(given: Collection[str], known: Collection[str], *, where: str) -> None:
    """Refuse names that nobody reads.

    Raises:
        ConfigError: a name of `given` is not among `known`; the nearest one is offered.
    """
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known)) or 'none'}"
            raise ConfigError(f"{where}: unknown key {name!r}; {hint}")


def _from_file(source: Source, kinds: Mapping[str, Any], *, section: str, ignore: Collection[str]) -> dict[str, object]:
    where = f"{source.file.name if source.file else 'whycart.toml'}: [{section}]"
    table = source.tables.get(section, {})
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where} must be a table of keys, got {table!r}")
    given = {key: value for key, value in table.items() if key not in ignore}
    reject_unknown(list(given), list(kinds), where=where)
    values: dict[str, object] = {}
    for key, value in given.items():
        values[key] = _check(value, kinds[key], name=f"{where} {key}", folder=source.folder)
    return values


def _from_environment(source: Source, kinds: Mapping[str, Any], *, section: str) -> dict[str, object]:
    start = environment_name(section, "")
    given = {name: value for name, value in source.environment.items() if name.startswith(start) and value != ""}
    by_name = {environment_name(section, key): key for key in kinds}
    reject_unknown(list(given), list(by_name), where="environment")
    values: dict[str, object] = {}
    for name, text in given.items():
        kind = kinds[by_name[name]]
        values[by_name[name]] = _check(_parse(text, kind), kind, name=name, folder=Path.cwd())
    return values


def _kinds(config_class: type) -> dict[str, Any]:
    hints = typing.get_type_hints(config_class)
    return {given.name: hints[given.name] for given in keys_of(config_class)}


def _is_required(given: dataclasses.Field[Any]) -> bool:
    return given.default is dataclasses.MISSING and given.default_factory is dataclasses.MISSING


def _check(value: object, kind: Any, *, name: str, folder: Path) -> object:
    for option in _options(kind):
        found, result = _fit(value, option, folder)
        if found:
            return result
    shown = "a value that is not shown" if any(word in name.lower() for word in _SECRET_WORDS) else repr(value)
    raise ConfigError(f"{name} must be {_words(kind)}, got {shown}")


def _fit(value: object, kind: Any, folder: Path) -> tuple[bool, object]:
    """Return whether the value is of this kind, and the value as the dataclass wants it."""
    if typing.get_origin(kind) is Literal:
        return value in typing.get_args(kind), value
    if typing.get_origin(kind) is tuple:
        return _fit_tuple(value, kind, folder)
    if typing.get_origin(kind) is Mapping:
        return _fit_table(value, kind, folder)
    if kind is Path:
        return isinstance(value, str), (folder / str(value)) if str(value)[:1] != "~" else Path(str(value)).expanduser()
    if kind is float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number, float(typing.cast(float, value)) if is_number else value
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return value in list(kind), kind(str(value)) if value in list(kind) else value
    return type(value) is kind, value


def _fit_tuple(value: object, kind: Any, folder: Path) -> tuple[bool, object]:
    item_kind = typing.get_args(kind)[0]
    if not isinstance(value, list | tuple):
        return False, value
    fitted = [_fit(item, item_kind, folder) for item in value]
    return all(found for found, _ in fitted), tuple(item for _, item in fitted)


def _fit_table(value: object, kind: Any, folder: Path) -> tuple[bool, object]:
    if not isinstance(value, Mapping):
        return False, value
    options = _options(typing.get_args(kind)[1])
    found: dict[str, object] = {}
    for key, item in value.items():
        fitting = (result for fits, result in (_fit(item, option, folder) for option in options) if fits)
        found[key] = next(fitting, None)
        if found[key] is None:
            return False, value
    return True, found


def _options(kind: Any) -> tuple[Any, ...]:
    """Return the kinds a union allows, None left out: a file cannot say None, leaving the key out does."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return tuple(option for option in typing.get_args(kind) if option is not types.NoneType)
    return (kind,)


def _parse(text: str, kind: Any) -> object:
    """Return the value an environment variable spells, or the text itself when it does not spell one."""
    for option in _options(kind):
        if typing.get_origin(option) is tuple:
            return [_parse(part.strip(), typing.get_args(option)[0]) for part in text.split(",")]
        if option is bool and text.lower() in _TRUE + _FALSE:
            return text.lower() in _TRUE
        if option in (int, float):
            try:
                return option(text)
            except ValueError:
                continue
    return text


def _words(kind: Any) -> str:
    """Return what a kind allows, in words."""
    options = []
    for option in _options(kind):
        if typing.get_origin(option) is Literal:
            options.append("one of " + ", ".join(map(str, typing.get_args(option))))
        elif typing.get_origin(option) is tuple:
            options.append(f"a list, each {_words(typing.get_args(option)[0])}")
        elif typing.get_origin(option) is Mapping:
            options.append(f"a table, each value {_words(typing.get_args(option)[1])}")
        elif isinstance(option, type) and issubclass(option, StrEnum):
            options.append("one of " + ", ".join(option))
        else:
            options.append(_WORDS.get(option, getattr(option, "__name__", str(option))))
    return " or ".join(options)
