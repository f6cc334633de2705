"""Which products a filter lets through, as one flag a product.

A property is a column of the products (`price`, `title`, whatever the shop's table has) or the kind of node that they
are linked to (`brand`, `category`, a declared one such as `material`), by id or by name. Texts are compared whatever
their case.
"""

import difflib
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from jaxtyping import Bool

from kg.snapshot import Snapshot
from serving.errors import FilterError
from serving.filters import Among, Both, Compare, Either, Expression, Missing, Not, Operator, Value, parse_filter

Mask = Bool[np.ndarray, " product"]
ColumnKind = Literal["number", "time", "flag", "text"]
TIMES = frozenset({"created_at"})
"""Product properties that are epoch milliseconds."""
_COMPARE: Mapping[Operator, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_KEPT = 256
"""Filters whose answers are kept."""
_SHOWN = 12
"""Most names that an error lists."""


@dataclass(frozen=True, slots=True)
class Column:
    """One property of all products, as numbers."""

    kind: ColumnKind
    values: np.ndarray
    """float64: numbers, epoch milliseconds, 1 and 0, or codes of texts; NaN where a product lacks the property."""
    codes: Mapping[str, int] = field(default_factory=dict)
    """Code of each case-folded text."""


@dataclass(frozen=True, slots=True)
class Links:
    """The nodes of one kind that products are linked to."""

    label: str
    member: sp.csc_array
    """Whether a product is linked to a node; [product node]."""
    names: Mapping[str, list[int]]
    """Rows by id, by name and by case-folded name."""

    def linked(self, rows: Iterable[int]) -> Mask:
        """Return which products are linked to one of some nodes."""
        fits = np.zeros(self.member.shape[0], dtype=bool)
        for row in rows:
            fits[self.member.indices[self.member.indptr[row] : self.member.indptr[row + 1]]] = True
        return fits


class Selection:
    """Answers filters for one snapshot; columns are laid out when they are first asked for, and answers are kept."""

    def __init__(self, snapshot: Snapshot, links: Mapping[str, Links]) -> None:
        """Begin with nothing.

        Args:
            snapshot: holds the products.
            links: kinds of nodes that products are linked to, by the name that filters call them.
        """
        self._table, self._links = snapshot.nodes["Product"], links
        self._columns: dict[str, Column] = {}
        self._kept: dict[str, Mask] = {}

    @property
    def links(self) -> Mapping[str, Links]:
        """Kinds of nodes that products are linked to, by the name that filters call them."""
        return self._links

    @property
    def properties(self) -> list[str]:
        """What a filter may name, in order."""
        return sorted({*self._table.column_names, *self._links, "price", "available"})

    def where(self, text: str) -> Mask:
        """Return which products a filter lets through; do not write to it.

        Raises:
            FilterError: the filter cannot be read, names what the shop does not have, or compares what cannot be.
        """
        found = self._kept.get(text)
        if found is None:
            found = self.select(parse_filter(text))
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[text] = found
        return found

    def select(self, expression: Expression) -> Mask:
        """Return which products an expression lets through.

        Raises:
            FilterError: as `where`.
        """
        match expression:
            case Not(inner):
                return np.asarray(~self.select(inner))
            case Both(parts):
                return np.asarray(np.logical_and.reduce([self.select(part) for part in parts]))
            case Either(parts):
                return np.asarray(np.logical_or.reduce([self.select(part) for part in parts]))
            case Compare(name) | Among(name) | Missing(name) if name in self._links:
                return _linked(expression, self._links[name])
            case Missing(name):
                return np.asarray(np.isnan(self._column(name).values))
            case Among(name, values):
                column = self._column(name)
                wanted = [_as_number(column, name, value) for value in values]
                return np.asarray(np.isin(column.values, wanted))
            case Compare(name, sign, value):
                return self._compare(name, sign, value)

    def _compare(self, name: str, sign: Operator, value: Value) -> Mask:
        column = self._column(name)
        if column.kind in ("text", "flag") and sign not in ("=", "!="):
            raise FilterError(f"{name} is a {column.kind}, which has no order; compare it with =, != or in, not {sign}")
        wanted, there = _as_number(column, name, value), ~np.isnan(column.values)
        return np.asarray(_COMPARE[sign](column.values, wanted) & there)

    def _column(self, name: str) -> Column:
        found = self._columns.get(name)
        if found is None:
            found = self._columns[name] = self._lay_out(name)
        return found

    def _lay_out(self, name: str) -> Column:
        num = self._table.num_rows
        if name not in self._table.column_names:
            if name == "available":
                return Column("flag", np.ones(num))
            if name == "price":
                return Column("number", np.full(num, np.nan))
            raise FilterError(self._unknown(name))
        column = self._table[name]
        if name == "available":
            column = column.fill_null(True)
        if pa.types.is_boolean(column.type):
            return Column("flag", column.cast(pa.int8()).cast(pa.float64()).to_numpy())
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            values = column.cast(pa.float64(), safe=False).to_numpy()
            return Column("time" if name in TIMES else "number", values)
        codes: dict[str, int] = {}
        texts = [None if text is None else str(text).casefold() for text in column.to_pylist()]
        found = [np.nan if text is None else codes.setdefault(text, len(codes)) for text in texts]
        return Column("text", np.array(found, dtype=np.float64), codes)

    def _unknown(self, name: str) -> str:
        known = self.properties
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {_listed(known)}"
        return f"products of this shop have no property {name!r}; {hint}"


def _linked(expression: Compare | Among | Missing, links: Links) -> Mask:
    """Which products are linked to one of some nodes, or to none."""
    if isinstance(expression, Missing):
        return np.asarray(np.diff(links.member.tocsr().indptr) == 0)
    if isinstance(expression, Compare) and expression.operator not in ("=", "!="):
        sign = expression.operator
        raise FilterError(f"{expression.name} is a name, which has no order; compare it with =, != or in, not {sign}")
    values = expression.values if isinstance(expression, Among) else (expression.value,)
    fits = links.linked(row for value in values for row in _rows(links, expression.name, value))
    if isinstance(expression, Compare) and expression.operator == "!=":
        return np.asarray(~fits & (np.diff(links.member.tocsr().indptr) > 0))
    return fits


def _rows(links: Links, name: str, value: Value) -> Sequence[int]:
    if not isinstance(value, str):
        raise FilterError(f"{name} is a name, got {_shown(value)}; write it in quotes")
    rows = links.names.get(value) or links.names.get(value.casefold())
    if not rows:
        near = difflib.get_close_matches(value, links.names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise FilterError(f"no {name} {value!r} in this shop{hint or '; give its id or its name'}")
    return rows


def _as_number(column: Column, name: str, value: Value) -> float:
    """A value of a filter as the column holds it; a text that no product has becomes one that none has.

    Raises:
        FilterError: the value is of another kind than the property.
    """
    match column.kind, value:
        case "flag", bool():
            return float(value)
        case "number", float():
            return value
        case "text", str():
            return float(column.codes.get(value.casefold(), -1))
        case "time", str():
            return _time(name, value)
    wanted = {
        "flag": "true or false",
        "number": "a number",
        "text": "a text in quotes",
        "time": 'a time in quotes such as "2026-01-31"',
    }
    raise FilterError(f"{name} is compared with {wanted[column.kind]}, got {_shown(value)}")


def _time(name: str, value: str) -> float:
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError as err:
        raise FilterError(f'{name} is compared with a time in ISO 8601 such as "2026-01-31", got {value!r}') from err
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1000


def snake_case(label: str) -> str:
    """Return the name that filters call a kind of node: `Material` becomes `material`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", label).lower()


def _shown(value: Value) -> str:
    return repr(value) if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value).lower()


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
