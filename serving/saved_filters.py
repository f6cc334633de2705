"""Filters that a shop wrote down once and calls by name: `@cheap_tea(most=8) and not brand = "Acme"`.

They stand in the table `[filters]` of `whycart.toml`, with `$name` for each value that the caller gives. A call is
replaced by the filter's own words before anybody reads them, so lists, records and reasons know plain filters only.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from serving.errors import ConfigError, FilterError
from serving.filters import parse_filter

MAX_SAVED = 200
"""Most filters that a shop may save."""
_TEXT = r'"(?:[^"\\]|\\["\\])*"|\'(?:[^\'\\]|\\[\'\\])*\''
_NAME = r"[a-z][a-z0-9_]{0,62}"
_VALUE = rf"(?:{_TEXT}|[+-]?[0-9]{{1,15}}(?:\.[0-9]{{1,15}})?|(?i:true|false)\b)"
_GIVEN = rf"\s*{_NAME}\s*=\s*{_VALUE}\s*"
_CALL = re.compile(rf"(?P<text>{_TEXT})|@(?P<name>{_NAME})(?:\((?P<given>{_GIVEN}(?:,{_GIVEN})*)?\s*\))?")
_PAIR = re.compile(rf"\s*(?P<name>{_NAME})\s*=\s*(?P<value>{_VALUE})\s*(?:,|$)")
_SLOT = re.compile(rf"(?P<text>{_TEXT})|\$(?P<name>{_NAME})")
_ANYTHING = "a=1"


@dataclass(frozen=True, slots=True)
class SavedFilters:
    """The saved filters of a shop, checked."""

    texts: Mapping[str, str]
    """Words by name."""

    def __post_init__(self) -> None:
        if len(self.texts) > MAX_SAVED:
            raise ConfigError(f"[filters] may hold {MAX_SAVED} filters, got {len(self.texts)}; delete some")
        for name, text in self.texts.items():
            _check(name, text)

    def expand(self, text: str) -> str:
        """Return a filter with the words of saved ones in place of their calls.

        Raises:
            FilterError: no such filter is saved, a value is missing or not asked for, or what stands around a call
                cannot be read.
        """
        if "@" not in text:
            return text
        parse_filter(_CALL.sub(_stand_in, text))  # says at which character of what was typed something is wrong
        return _CALL.sub(self._words, text)

    def _words(self, call: re.Match[str]) -> str:
        if call["name"] is None:
            return call[0]
        name = call["name"]
        if name not in self.texts:
            near = difflib.get_close_matches(name, self.texts, n=1)
            hint = f"did you mean @{near[0]}?" if near else f"there are {', '.join(sorted(self.texts)) or 'none'}"
            raise FilterError(f"no filter is saved as @{name}; {hint} ([filters] in whycart.toml)")
        wanted = parameters(self.texts[name])
        given = {pair["name"]: pair["value"] for pair in _PAIR.finditer(call["given"] or "")}
        for odd in given.keys() - wanted:
            raise FilterError(f"the filter @{name} takes no {odd}; it takes {', '.join(wanted) or 'nothing'}")
        for missing in (one for one in wanted if one not in given):
            raise FilterError(f"the filter @{name} needs {missing}; write @{name}({missing}=...)")
        return f"({_filled(self.texts[name], given)})"


def parameters(text: str) -> tuple[str, ...]:
    """Return the values that a saved filter asks for, in order."""
    return tuple(dict.fromkeys(slot["name"] for slot in _SLOT.finditer(text) if slot["name"] is not None))


def read_saved_filters(tables: Mapping[str, Any], *, where: str) -> SavedFilters:
    """Return the saved filters of a parsed `whycart.toml`.

    Args:
        tables: of the file.
        where: its name, for errors.

    Raises:
        ConfigError: a filter has no plain name, is no text, or cannot be read.
    """
    table = tables.get("filters", {})
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where}: [filters] must be a table of names and filters, got {table!r}")
    return SavedFilters(dict(table))


def _check(name: str, text: object) -> None:
    if not re.fullmatch(_NAME, name) or len(name) < 2:
        raise ConfigError(f"[filters] {name!r}: a filter is called by 2 to 63 small letters, digits and _")
    if not isinstance(text, str):
        raise ConfigError(f"[filters] {name} must be a filter in quotes, got {text!r}")
    try:
        parse_filter(_filled(text, dict.fromkeys(parameters(text), "1")))
    except FilterError as err:
        raise ConfigError(f"[filters] {name}: {err}") from err


def _filled(text: str, given: Mapping[str, str]) -> str:
    return _SLOT.sub(lambda slot: slot[0] if slot["name"] is None else given[slot["name"]], text)


def _stand_in(call: re.Match[str]) -> str:
    """A comparison as long as the call, so that what stands behind it keeps its place."""
    return call[0] if call["name"] is None else _ANYTHING.ljust(len(call[0]))
