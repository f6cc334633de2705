"""Carries out what a shop asks of its columns (`kg.declared_checks`), by pandera; one finding a rule."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
import pandera.pandas as pandera
from pandera.errors import SchemaErrors

from kg.declared_checks import ColumnCheck, Rule
from kg.errors import SchemaError
from kg.health import EXAMPLES, Finding, Verdict
from kg.tables import Tables

_CHECKS: Mapping[Rule, Callable[[Any], Any]] = {
    "at_least": pandera.Check.ge,
    "at_most": pandera.Check.le,
    "one_of": pandera.Check.isin,
    "matches": lambda pattern: pandera.Check.str_matches(rf"(?:{pattern})\Z"),
    "longest": lambda length: pandera.Check.str_length(max_value=length),
}
_SAID: Mapping[Rule, str] = {
    "required": "that are empty",
    "unique": "that are there more than once",
    "at_least": "below {value}",
    "at_most": "above {value}",
    "one_of": "that are none of {value}",
    "matches": "that do not match {value}",
    "longest": "longer than {value} characters",
}


def examine_declared(tables: Tables, checks: Sequence[ColumnCheck]) -> list[Finding]:
    """Return a finding for each rule of each check, in the order they were declared.

    Args:
        tables: of a folder or a graph.
        checks: as `read_checks` gives them; a column that is not there counts as empty in every row.
    """
    labels = {kind.table: label for label, kind in tables.schema.nodes.items()}
    found: list[Finding] = []
    for check in checks:
        table = tables.events if check.table == "events" else tables.nodes[labels[check.table]]
        there = check.column in table.column_names
        values = table[check.column].to_pandas() if there else pd.Series([None] * table.num_rows, dtype=object)
        names = table.column(0).to_pandas()
        found += _findings(check, values, names)
    return found


def _findings(check: ColumnCheck, values: "pd.Series[Any]", names: "pd.Series[Any]") -> Iterator[Finding]:
    for rule, value in check.rules.items():
        if value is False:
            continue
        bad = _at_fault(rule, value, values)
        verdict: Verdict = "PASS" if not len(bad) else "WARN" if check.warns else "FAIL"
        yield Finding(
            table=check.table,
            column=check.column,
            name=_SAID[rule].format(value=value),
            verdict=verdict,
            count=len(bad),
            total=len(values),
            examples=tuple(f"{names[row]}: {values[row]}" for row in bad[:EXAMPLES]),
            fix="" if verdict == "PASS" else f"repair them, or change {rule} in [checks.{check.table}.{check.column}]",
        )


def _at_fault(rule: Rule, value: Any, values: "pd.Series[Any]") -> list[int]:
    """Rows that break a rule; an empty value breaks none but `required`."""
    given = values if rule in ("required", "unique") else values[values.notna()]
    checks = [_CHECKS[rule](value)] if rule in _CHECKS else []
    schema = pandera.SeriesSchema(
        checks=checks, nullable=rule != "required", unique=rule == "unique", report_duplicates="exclude_first"
    )
    try:
        schema.validate(given[given.notna()] if rule == "unique" else given, lazy=True)
    except SchemaErrors as err:
        cases = err.failure_cases
        if cases["index"].isna().any():
            raise SchemaError(f"the rule {rule} = {value!r} does not fit values such as {given.iloc[0]!r}") from err
        return sorted({int(row) for row in cases["index"]})
    return []
