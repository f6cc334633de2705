"""The catalogue of queries: reads the header of each `.cypher` file and hands out checked queries.

A header is the comment block a file starts with: a sentence, then `params:`, `returns:`, `uses:` and `example:` lines.
A field is `name: type`, for a parameter with ` = default` behind it, and with its unit in brackets at the end:
`days: int = 28 [days]`. An example is `name=value, name=value`.
This module checks parameters and fills in names of kinds; it never puts a value into a text and knows no server.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Literal, get_args

from cypher.errors import QueryError, UnknownQuery

ParamType = Literal["str", "int", "float", "bool", "time", "list[str]", "rows", "any"]
"""Types of parameters; `time` is epoch milliseconds, `rows` a list of maps that a write query unwinds, `any` is what a
statement takes that somebody typed."""
FOR_PEOPLE = ("analytics", "paths", "read")
"""Folders whose queries people may run."""
WRITING = frozenset({"write", "schema"})
"""Folders whose queries change the graph."""
_PLACEHOLDER = re.compile(r"\{\{([a-z_]+)\}\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_FIELD = re.compile(r"([a-z_][a-z0-9_]*): ([a-z]+(?:\[[a-z]+\])?)(?: = (.+?))?(?: \[([^\[\]]+)\])?")
_KEYS = ("params", "returns", "uses", "example")
MOST_INT, LEAST_FLOAT, MOST_FLOAT, MOST_CHARACTERS = 1_000_000_000, 0.001, 1e12, 1000
"""Greatest whole number, least and greatest number, and length of a text that a parameter takes."""
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_FIRST_MS, _LAST_MS = -62_135_596_800_000, 253_402_300_799_999  # the years 1 to 9999
_WANTED: Mapping[ParamType, str] = {
    "str": f"a text of at most {MOST_CHARACTERS:,} characters (type str)",
    "int": f"a whole number from 0 to {MOST_INT:,} (type int)",
    "float": f"a number from {LEAST_FLOAT} to {MOST_FLOAT:,.0f} (type float)",
    "bool": "true or false (type bool)",
    "time": "a time (2026-01-31, 2026-01-31T08:00:00Z or epoch milliseconds)",
    "list[str]": "a list of texts, written with commas (type list[str])",
    "rows": "a list of maps",
    "any": "anything",
}
_TRUE, _FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of a query, as its header declares it."""

    name: str
    type: ParamType
    default: Any = None
    """Value when the caller gives none; None is a value of its own when `required` is false."""
    required: bool = True
    unit: str = ""
    """What its numbers count (`days`); empty where the name says it."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query: its text and what its header promises."""

    name: str
    """File name without its ending: `co_purchased`."""
    path: str
    """Path inside the package: `analytics/co_purchased.cypher`."""
    text: str
    """The statement without the header."""
    params: Mapping[str, Param]
    returns: Mapping[str, str]
    """Type by column, in order; empty when the query returns nothing."""
    units: Mapping[str, str]
    """What the numbers of a column count (`days`, `price`: the shop's currency), where its name does not say it."""
    description: str
    uses: str
    example: Mapping[str, str]
    """Parameters that give rows on the generated shop (`whycart demo --data generated`), as a command line has them."""
    writes: bool
    """Whether the query changes the graph."""

    @property
    def folder(self) -> str:
        """First folder of the path: `analytics`."""
        return self.path.split("/", 1)[0]

    @property
    def topic(self) -> str:
        """The innermost folder: `brands` for `analytics/brands/brand_funnel.cypher`."""
        return self.path.rsplit("/", 2)[-2]

    @property
    def heavy(self) -> bool:
        """Whether the header warns that the query may take more than a moment on a large graph."""
        return "heavy" in self.uses

    @property
    def for_people(self) -> bool:
        """Whether people may run it by its name; the others are for this project's own code."""
        return self.folder in FOR_PEOPLE and not self.placeholders

    @property
    def placeholders(self) -> frozenset[str]:
        """Names of kinds that `bind` must fill in before the query can run."""
        return frozenset(_PLACEHOLDER.findall(self.text))

    def bind(self, **names: str | Sequence[str]) -> "Query":
        """Return the query with its placeholders filled in by names of labels, keys, relationship types or properties.

        Several names become the entries of a map that takes each from the row (`` `at`: row.`at`, `sum`: row.`sum` ``),
        which servers write faster than a map that comes with the row, as they know its keys beforehand.

        Raises:
            QueryError: a placeholder is missing or unknown, or a name is not a plain identifier.
        """
        if set(names) != self.placeholders:
            raise QueryError(f"query {self.path} needs {sorted(self.placeholders)} to be bound, got {sorted(names)}")
        for slot, given in names.items():
            for name in [given] if isinstance(given, str) else given:
                if not _NAME.fullmatch(name):
                    raise QueryError(f"query {self.path}: {slot} must be letters, digits and underscores, got {name!r}")
        return replace(self, text=_PLACEHOLDER.sub(lambda match: _quoted(names[match[1]]), self.text))

    def check(self, params: Mapping[str, Any], *, typed: bool = False) -> dict[str, Any]:
        """Return the parameters to send, with defaults filled in and texts converted.

        Args:
            params: values by name; numbers and times may be texts, as on a command line or in an address.
            typed: whether numbers must be numbers, as in JSON; a time may be a text all the same.

        Raises:
            QueryError: a parameter is unknown, missing or of another type than the header declares.
        """
        for name in params:
            if name not in self.params:
                hint = _nearest(name, self.params, none="this query takes no parameters")
                raise QueryError(f"query {self.name} has no parameter {name!r}; {hint}")
        missing = [param.name for param in self.params.values() if param.required and param.name not in params]
        if missing:
            raise QueryError(f"query {self.name} needs the parameter {missing[0]!r} ({self.params[missing[0]].type})")
        return {
            param.name: _converted(self, param, params[param.name], typed) if param.name in params else param.default
            for param in self.params.values()
        }


def load_query(name: str) -> Query:
    """Return a query by its file name (`co_purchased`) or its path without ending (`schema/neo4j/full_text`).

    Raises:
        QueryError: no such query, or the bare name stands for several; the nearest name is offered.
    """
    queries = _queries()
    if name in queries:
        return queries[name]
    found = [query for query in queries.values() if query.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        paths = ", ".join(query.path.removesuffix(".cypher") for query in found)
        raise QueryError(f"the query name {name!r} stands for several; name one of {paths}")
    names = [*queries, *(query.name for query in queries.values())]
    raise UnknownQuery(f"no query is named {name!r}; {_nearest(name, names, none='the catalogue is empty')}")


def list_queries(*folders: str) -> tuple[Query, ...]:
    """Return the queries of these folders (`read`, `schema/neo4j`), or of all, sorted by path."""
    wanted = tuple(f"{folder.rstrip('/')}/" for folder in folders)
    return tuple(query for query in _queries().values() if not wanted or query.path.startswith(wanted))


def load_for_people(name: str) -> Query:
    """Return a query that people may run, by its name.

    Raises:
        UnknownQuery: no such query, or it is for this project's own code; the nearest name is offered.
    """
    known = {query.name: query for query in queries_for_people()}
    if name not in known:
        raise UnknownQuery(f"no query is named {name[:100]!r}; {_nearest(name, known, none='the catalogue is empty')}")
    return known[name]


@cache
def queries_for_people() -> tuple[Query, ...]:
    """Return the queries that people may run, sorted by path."""
    return tuple(query for query in list_queries(*FOR_PEOPLE) if query.for_people)


def query_facts(query: Query) -> dict[str, Any]:
    """Return what machines are told of a query, as JSON knows it."""
    return {
        "name": query.name,
        "topic": query.topic,
        "description": query.description,
        "params": {param.name: _param_facts(param) for param in query.params.values()},
        "returns": dict(query.returns),
        "units": dict(query.units),
        "uses": query.uses,
        "heavy": query.heavy,
        "example": dict(query.example),
    }


def parse_query(path: str, source: str) -> Query:
    """Read the header of one file.

    Args:
        path: path inside the package, for the query's name and error texts.
        source: the whole text of the file.

    Raises:
        QueryError: the header lacks a sentence or a key, or declares a field that cannot be read.
    """
    lines = source.strip().splitlines()
    count = next((i for i, line in enumerate(lines) if not line.startswith("//")), len(lines))
    head = [line.removeprefix("//").strip() for line in lines[:count]]
    text = "\n".join(lines[count:]).strip()
    fields = _header(path, head)
    if not fields["description"] or not text:
        raise QueryError(f"query {path} must start with a sentence in a comment and hold a statement")
    name = path.rsplit("/", 1)[-1].removesuffix(".cypher")
    return Query(
        name=name,
        path=path,
        text=text,
        params={param.name: param for param in _params(path, fields["params"])},
        returns={column: kind for column, kind, _, _ in _fields(path, fields["returns"])},
        units={column: unit for column, _, _, unit in _fields(path, fields["returns"]) if unit},
        description=fields["description"],
        uses=fields["uses"],
        example=dict(_example(path, fields["example"])),
        writes=path.split("/", 1)[0] in WRITING,
    )


def _quoted(names: str | Sequence[str]) -> str:
    if isinstance(names, str):
        return f"`{names}`"
    return ", ".join(f"`{name}`: row.`{name}`" for name in names)


@cache
def _queries() -> dict[str, Query]:
    found = (parse_query(path, entry.read_text("utf-8")) for path, entry in _walk(files("cypher"), ""))
    return {query.path.removesuffix(".cypher"): query for query in sorted(found, key=lambda query: query.path)}


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        path = f"{prefix}{entry.name}"
        if entry.is_dir():
            yield from _walk(entry, f"{path}/")
        elif entry.name.endswith(".cypher"):
            yield path, entry


def _header(path: str, lines: list[str]) -> dict[str, str]:
    fields = {"description": "", **dict.fromkeys(_KEYS, "")}
    current = "description"
    for line in lines:
        key, colon, rest = line.partition(":")
        if colon and key in _KEYS:
            current, line = key, rest.strip()
        fields[current] = f"{fields[current]} {line}".strip()
    if not fields["uses"]:
        raise QueryError(f"query {path} has no 'uses:' line; name the constraint or index and the bound it relies on")
    return fields


def _fields(path: str, text: str) -> Iterator[tuple[str, str, str | None, str]]:
    for part in text.split(", ") if text else ():
        match = _FIELD.fullmatch(part.strip())
        if match is None:
            raise QueryError(f"query {path}: cannot read {part!r} in the header, write it as 'limit: int = 20'")
        yield match[1], match[2], match[3], match[4] or ""


def _example(path: str, text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(", ") if text else ():
        name, equals, value = part.partition("=")
        if not equals:
            raise QueryError(f"query {path}: cannot read {part!r} in the example, write it as 'limit=5'")
        yield name, value


def _params(path: str, text: str) -> Iterator[Param]:
    for name, kind, default, unit in _fields(path, text):
        if kind not in get_args(ParamType):
            raise QueryError(
                f"query {path}: {name} has the type {kind!r}, allowed are {', '.join(get_args(ParamType))}"
            )
        if default is None:
            yield Param(name, kind, unit=unit)  # type: ignore[arg-type]  # checked against the Literal above
            continue
        try:
            value = json.loads(default)
        except json.JSONDecodeError as err:
            raise QueryError(f"query {path}: the default of {name} must be JSON, got {default!r}") from err
        yield Param(name, kind, value, required=False, unit=unit)  # type: ignore[arg-type]  # checked against the Literal above


def _param_facts(param: Param) -> dict[str, Any]:
    facts: dict[str, Any] = {"type": param.type, "required": param.required}
    facts |= {"unit": param.unit} if param.unit else {}
    return facts if param.required else facts | {"default": param.default}


def _converted(query: Query, param: Param, value: Any, typed: bool) -> Any:
    if value is None and not param.required and param.default is None:
        return None
    if isinstance(value, str) and param.type not in ("str", "any") and (not typed or param.type == "time"):
        value = _from_text(param.type, value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    fits = {
        "str": isinstance(value, str) and len(value) <= MOST_CHARACTERS,
        "int": whole and 0 <= value <= MOST_INT,
        "float": (whole or isinstance(value, float)) and LEAST_FLOAT <= value <= MOST_FLOAT,
        "any": True,
        "bool": isinstance(value, bool),
        "time": whole and _FIRST_MS <= value <= _LAST_MS,
        "list[str]": isinstance(value, list) and all(isinstance(item, str) for item in value),
        "rows": isinstance(value, list) and all(isinstance(item, Mapping) for item in value),
    }
    if not fits[param.type]:
        raise QueryError(f"query {query.name}: {param.name} must be {_WANTED[param.type]}, got {repr(value)[:100]}")
    return float(value) if param.type == "float" else value


def _from_text(kind: ParamType, text: str) -> Any:
    """Convert a string from a command line, or return it as it is when it does not fit."""
    if kind == "bool":
        return True if text.lower() in _TRUE else False if text.lower() in _FALSE else text
    if kind == "list[str]":
        return [item.strip() for item in text.split(",") if item.strip()]
    if kind in ("int", "time") and _WHOLE.fullmatch(text):
        return int(text)
    try:
        return _epoch_ms(text) if kind == "time" else float(text) if kind == "float" else text
    except (ValueError, OverflowError):
        return text


def _epoch_ms(text: str) -> int:
    """Read an ISO 8601 time; without a zone it is UTC, without a clock it is midnight."""
    parsed = datetime.fromisoformat(text)
    return round((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1000)


def _nearest(name: str, known: Any, *, none: str) -> str:
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known: {', '.join(names)}" if names else none
