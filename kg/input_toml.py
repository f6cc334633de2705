"""`[[input]]` entries as the text of a `whycart.toml` with comments."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kg.layouts import Guess

_FIRST = ("file", "table", "columns")


def write_input_toml(guess: Guess) -> str:
    """Return the text of a `whycart.toml` that reads files as they were recognised."""
    lines = [
        f"# How the files of this folder are read: {guess.layout}.",
        "# Left of = is a column of Whycart, right of it one of the file; whether it holds says 'whycart validate'.",
        "# Every word that an entry may have: docs/foreign-files.md",
    ]
    lines += [f"# Look at this: {note}" for note in guess.notes]
    for entry in guess.entries:
        lines += ["", "[[input]]", *_entry(entry)]
    for kind in guess.kinds:
        facts = [f"{name} = {_value(value)}" for name, value in kind.facts.items()]
        lines += ["", f"# {kind.why}", f"[{kind.section}]", *facts]
    return "\n".join(lines) + "\n"


def _entry(entry: Mapping[str, Any]) -> Iterator[str]:
    names = [*_FIRST, *(name for name in entry if name not in _FIRST)]
    for name in names:
        yield f"{name} = {_value(entry[name])}"


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(str(key))} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _key(key: str) -> str:
    plain = key.replace("_", "").replace("-", "")
    return key if plain.isascii() and plain.isalnum() else json.dumps(key, ensure_ascii=False)
