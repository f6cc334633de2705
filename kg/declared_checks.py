"""What a shop itself asks of its columns: `[checks.TABLE.COLUMN]` of `whycart.toml`.

The checks of `kg.health_checks` know what every shop's data should be like; these say what this shop's must be like.
They are carried out by `kg.column_checks`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kg.errors import SchemaError
from kg.schema import GraphSchema, check_keys

Rule = Literal["required", "unique", "at_least", "at_most", "one_of", "matches", "longest"]
_NUMBER: tuple[type, ...] = (int, float)
_RULES: Mapping[Rule, tuple[tuple[type, ...], str]] = {
    "required": ((bool,), "true or false"),
    "unique": ((bool,), "true or false"),
    "at_least": (_NUMBER, "a number"),
    "at_most": (_NUMBER, "a number"),
    "one_of": ((list,), "a list of values"),
    "matches": ((str,), "a regular expression for the whole text"),
    "longest": ((int,), "a number of characters"),
}


@dataclass(frozen=True, slots=True)
class ColumnCheck:
    """What a shop asks of a column."""

    table: str
    column: str
    rules: Mapping[Rule, Any]
    warns: bool
    """Whether a value at fault is a warning; else the data cannot be used as it is."""


def read_checks(declaration: Mapping[str, Any], schema: GraphSchema, *, where: str) -> tuple[ColumnCheck, ...]:
    """Return the checks that a parsed `whycart.toml` declares.

    Args:
        declaration: the parsed file.
        schema: knows the tables.
        where: the file's name, for error texts.

    Raises:
        SchemaError: a table or a rule is unknown, or the value of a rule is of the wrong type.
    """
    tables = {"events", *(kind.table for kind in schema.nodes.values())}
    given = declaration.get("checks", {})
    if not isinstance(given, Mapping):
        raise SchemaError(f"{where}: checks are written as [checks.TABLE.COLUMN], such as [checks.products.price]")
    check_keys(given, tables, where=f"{where}: [checks]")
    found = []
    for table, columns in given.items():
        for column, rules in columns.items() if isinstance(columns, Mapping) else [("", columns)]:
            place = f"{where}: [checks.{table}.{column}]"
            if not isinstance(rules, Mapping):
                raise SchemaError(f"{where}: checks are written as [checks.{table}.COLUMN], got {rules!r}")
            found.append(_check(table, column, rules, place=place))
    return tuple(found)


def _check(table: str, column: str, rules: Mapping[str, Any], *, place: str) -> ColumnCheck:
    check_keys(rules, (*_RULES, "severity"), where=place)
    severity = rules.get("severity", "fail")
    if severity not in ("warn", "fail"):
        raise SchemaError(f"{place}: severity is warn or fail, got {severity!r}")
    for name, (kinds, words) in _RULES.items():
        value = rules.get(name)
        if value is not None and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
            raise SchemaError(f"{place}: {name} is {words}, got {value!r}")
    return ColumnCheck(table, column, {name: rules[name] for name in _RULES if name in rules}, severity == "warn")
