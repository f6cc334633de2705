"""Tables of other shapes as ours: what `[[input]]` of an input folder's `whycart.toml` says of each file.

An entry names a file, the table its rows belong to, and which of its columns are which of ours; further words join two
files, take a list apart, put rows together and translate values. `whycart init` writes such entries for layouts that it
knows. What the values must be is `kg.validate`'s: here they are only carried over.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kg.errors import SchemaError
from kg.schema import GraphSchema, check_keys

ROW, KNOWN = "\x00row", "\x00known"
"""Columns that carry the number of a row in its file, and whether its nodes must be there, through every step."""
_TEXT: tuple[type, str] = (str, "a text")
_LIST: tuple[type, str] = (list, "a list")
_TABLE: tuple[type, str] = (dict, 'a table such as { ours = "theirs" }')
_WANTED: Mapping[str, tuple[type, str]] = {
    **dict.fromkeys(("file", "table", "delimiter", "encoding", "explode"), _TEXT),
    **dict.fromkeys(("names", "number", "plain", "join", "chain", "optional"), _LIST),
    "known": (bool, "true or false"),
}
"""What the value of a key is, where it is no table."""
UNITS = {"s": 1_000.0, "ms": 1.0, "us": 0.001, "ns": 0.000_001}
GO = "go"
"""Format of times as programs in Go write them: `2024-03-01 08:00:00.5 +0000 UTC`; those of the year 1 are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """One `[[input]]`: how one file, or several alike, become rows of a table of ours."""

    file: str
    """Name in the folder; `*` stands for any characters, and all that match are read."""
    table: str
    """`events`, `products`, `relations`, or the table of a node kind."""
    columns: Mapping[str, str]
    """Column of the file by column of ours; `items.item_id` is a field within a field (or a text) of JSON."""
    set: Mapping[str, str] = field(default_factory=dict)
    """Values that every row gets, by column of ours."""
    names: Sequence[str] = ()
    """Names of the columns of a file without a header, in order; empty: its first line has them."""
    delimiter: str = ","
    """What stands between the cells of a text file."""
    encoding: str = "utf-8"
    """Of a text file."""
    where: Mapping[str, str] = field(default_factory=dict)
    """Rows are taken only where these columns of the file have these values."""
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By column of ours, what a value of the file is called here; rows with another value are left out."""
    unit: Mapping[str, str] = field(default_factory=dict)
    """By column of ours, the unit of a time that is a number: s, ms, us or ns."""
    format: Mapping[str, str] = field(default_factory=dict)
    """By column of ours, how a time is written, as in `%d/%m/%Y %H:%M`; taken as UTC. `go`: see GO."""
    split: Mapping[str, str] = field(default_factory=dict)
    """By column of ours, what stands between several values of a cell (categories)."""
    paths: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By column of ours, the columns of the file whose values are a path from the root (categories)."""
    number: Sequence[str] = ()
    """Columns of ours in which anything but the number (a currency, thousands) is taken away."""
    plain: Sequence[str] = ()
    """Columns of ours from whose texts the marks of HTML are taken away."""
    join: Sequence[Mapping[str, str]] = ()
    """Files whose columns are added, `{ file = "orders.csv", on = "order_id" }`; rows without a partner keep none."""
    explode: str = ""
    """Column of the file that holds a list, of JSON or with `|` between: each entry becomes a row."""
    chain: Sequence[str] = ()
    """Columns of ours whose list is one path from the root, or a list of such (categories)."""
    optional: Sequence[str] = ()
    """Columns of ours whose value may be none of `words`; it is missing then, and the row is taken."""
    known: bool = False
    """Whether rows are left out that name a product, or another node, which no table has."""
    latest: Mapping[str, str] = field(default_factory=dict)
    """`{ of = "itemid", by = "timestamp" }`: of rows with the same `of` the one with the greatest `by`."""


def read_entries(declaration: Mapping[str, Any], schema: GraphSchema, *, where: str) -> tuple[InputFile, ...]:
    """Return the `[[input]]` entries of a parsed `whycart.toml`.

    Args:
        declaration: the parsed file.
        schema: knows the tables.
        where: the file's name, for error texts.

    Raises:
        SchemaError: an entry has an unknown key, lacks one, or names a table that nobody reads.
    """
    given = declaration.get("input", [])
    if not isinstance(given, list) or not all(isinstance(entry, Mapping) for entry in given):
        raise SchemaError(f"{where}: input is written as [[input]], once for each file")
    return tuple(_entry(entry, schema, place=f"{where}: [[input]] {number}") for number, entry in enumerate(given, 1))


def _entry(entry: Mapping[str, Any], schema: GraphSchema, *, place: str) -> InputFile:
    fields = {one.name: one for one in dataclasses.fields(InputFile)}
    check_keys(entry, tuple(fields), where=place)
    for name in ("file", "table", "columns"):
        if not entry.get(name):
            raise SchemaError(f"{place}: {name} is missing; an entry says file, table and columns at least")
    for name, value in entry.items():
        kind, words = _WANTED.get(name, _TABLE)
        if not isinstance(value, kind):
            raise SchemaError(f"{place}: {name} is {words}, got {value!r}")
    tables = {"events", "relations", *(kind.table for kind in schema.nodes.values())}
    if entry["table"] not in tables:
        raise SchemaError(f"{place}: table is one of {', '.join(sorted(tables))}, got {entry['table']!r}")
    for column, unit in entry.get("unit", {}).items():
        if unit not in UNITS:
            raise SchemaError(f"{place}: unit of {column} is one of {', '.join(UNITS)}, got {unit!r}")
    return InputFile(**entry)
