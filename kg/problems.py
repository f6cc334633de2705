"""Bad rows: collecting them, naming them, and setting them aside.

A row is bad once: the first problem found is the one reported. This module does not decide what is bad.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from kg.errors import RowsError, TableError
from kg.raw import BadRow, RawTable, Unit

SHOWN = 20
"""How many bad rows an error text shows; the rest is counted."""
_VALUE_LIMIT = 60
Reason = str | Callable[[str], str]


class BadRows(Protocol):
    """The bad rows of one table."""

    @property
    def unit(self) -> Unit:
        """What their numbers count."""

    @property
    def num_bad(self) -> int:
        """How many there are."""

    def bad_rows(self) -> Iterator[BadRow]:
        """Yield them in the order of the file."""


@dataclass(frozen=True, slots=True, eq=False)
class _Finding:
    rows: np.ndarray
    column: str | None
    reason: Reason


class RowChecks:
    """Which rows of one raw table are still good, and what is wrong with the others."""

    def __init__(self, raw: RawTable) -> None:
        self.raw = raw
        self.unit: Unit = raw.unit
        self.good = np.ones(raw.table.num_rows, dtype=bool)
        """Whether each row passed every check so far."""
        self._findings: list[_Finding] = []

    def refuse(self, mask: np.ndarray, *, column: str | None, reason: Reason) -> None:
        """Mark rows as bad.

        Args:
            mask: True for each row to refuse; rows refused before keep their first reason.
            column: the column at fault, None when it is the row as a whole.
            reason: what is wrong and what is allowed, or a function from the value as text to that.
        """
        rows = np.flatnonzero(mask & self.good)
        if len(rows):
            self.good[rows] = False
            self._findings.append(_Finding(rows, column, reason))

    def bad_rows(self) -> Iterator[BadRow]:
        """Yield every bad row in the order of the file, those the parser refused included."""
        yield from sorted([*self.raw.broken, *self._found()], key=lambda bad: bad.line)

    @property
    def num_bad(self) -> int:
        """How many rows are bad, those the parser refused included."""
        return len(self.raw.broken) + int((~self.good).sum())

    def _found(self) -> Iterator[BadRow]:
        for finding in self._findings:
            rows = self.raw.table.take(pa.array(finding.rows)).to_pylist()
            for row, line in zip(rows, self.raw.lines[finding.rows].tolist(), strict=True):
                value = None if finding.column is None else row.get(finding.column)
                text = None if value is None else str(value)
                reason = finding.reason if isinstance(finding.reason, str) else finding.reason(text or "")
                yield BadRow(self.raw.file, line, finding.column, text, reason, row)


def describe(bad: BadRow, *, unit: str = "line") -> str:
    """Return one line that names file, line, column, value and reason of a bad row."""
    place = f"{bad.file}, {unit} {bad.line}"
    if bad.column is not None:
        place += f", {bad.column}"
    if bad.value is not None:
        shown = bad.value if len(bad.value) <= _VALUE_LIMIT else bad.value[:_VALUE_LIMIT] + "..."
        place += f" = {shown!r}"
    return f"{place}: {bad.reason}"


def settle(checks: Sequence[BadRows], quarantine: Path | None) -> int:
    """Raise for bad rows, or set them aside in the quarantine file.

    Args:
        checks: one value a table, in the order in which they are to be named.
        quarantine: JSONL file for the bad rows; None: any bad row is an error. Not touched when no row is bad.

    Returns:
        How many rows were set aside.

    Raises:
        RowsError: there are bad rows and no quarantine file.
        TableError: the quarantine file cannot be written.
    """
    total = sum(check.num_bad for check in checks)
    if total == 0:
        return 0
    if quarantine is None:
        raise RowsError(_summary(checks, total))
    _write(quarantine, (bad for check in checks for bad in check.bad_rows()))
    return total


def _summary(checks: Sequence[BadRows], total: int) -> str:
    lines: list[str] = []
    for check in checks:
        if len(lines) < SHOWN and check.num_bad:
            for bad in check.bad_rows():
                lines.append("  " + describe(bad, unit=check.unit))
                if len(lines) == SHOWN:
                    break
    rest = [f"  ... and {total - SHOWN} more"] if total > SHOWN else []
    noun = "row is" if total == 1 else "rows are"
    head = f"{total} {noun} broken and nothing was imported (repair them, or set them aside with --quarantine FILE):"
    return "\n".join([head, *lines, *rest])


def _write(path: Path, rows: Iterable[BadRow]) -> None:
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8") as out:
            for bad in rows:
                out.write(json.dumps(_record(bad), ensure_ascii=False, default=str) + "\n")
        os.replace(part, path)
    except OSError as err:
        raise TableError(
            f"cannot write the quarantine file {path}: {err.strerror}; name a file in a folder that exists"
        ) from err


def _record(bad: BadRow) -> Mapping[str, Any]:
    return {
        "file": bad.file,
        "line": bad.line,
        "column": bad.column,
        "value": bad.value,
        "reason": bad.reason,
        "row": bad.row,
    }
