"""What the document of the API says of the queries of the catalogue: their names, and what each of them takes."""

from collections.abc import Iterator, Mapping
from typing import Any

from cypher.catalogue import (
    LEAST_FLOAT,
    MOST_CHARACTERS,
    MOST_FLOAT,
    MOST_INT,
    Param,
    ParamType,
    Query,
    queries_for_people,
)

PATH = "/v1/graph/queries/{name}"
_MS, _DAY = {"type": "integer", "minimum": -(10**14), "maximum": 10**15}, "2026-01-31"
_TYPES: Mapping[ParamType, tuple[dict[str, Any], Any]] = {
    "str": ({"type": "string", "maxLength": MOST_CHARACTERS}, "p0034"),
    "int": ({"type": "integer", "minimum": 0, "maximum": MOST_INT}, 20),
    "float": ({"type": "number", "minimum": LEAST_FLOAT, "maximum": MOST_FLOAT}, 5.0),
    "bool": ({"type": "boolean"}, True),
    "time": ({"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}, _MS]}, _DAY),
    "list[str]": ({"type": "array", "items": {"type": "string"}, "maxItems": 1000}, ["p0034"]),
}
"""How a parameter is sent, and an example, by its type in the catalogue."""


def describe_queries(document: dict[str, Any]) -> None:
    """Write the names of the queries and their parameters into the document of the API.

    Args:
        document: as FastAPI makes it; changed in place.
    """
    queries = queries_for_people()
    for method in document["paths"][PATH].values():
        name = next(param for param in method["parameters"] if param["name"] == "name")
        name["schema"]["enum"] = [query.name for query in queries]
    document["paths"][PATH]["get"]["parameters"] += list(_of_address(queries))
    params = document["components"]["schemas"]["NamedBody"]["properties"]["params"]
    params["anyOf"] = [_of_body(query) for query in queries]


def _of_address(queries: tuple[Query, ...]) -> Iterator[dict[str, Any]]:
    takers: dict[str, list[Query]] = {}
    for query in queries:
        for name in query.params:
            takers.setdefault(name, []).append(query)
    for name, found in sorted(takers.items()):
        param = found[0].params[name]
        schema, example = _TYPES[param.type]
        rest = f" and {len(found) - 5} others" if len(found) > 5 else ""
        yield {
            "name": name,
            "in": "query",
            "required": False,
            "description": f"Of {', '.join(query.name for query in found[:5])}{rest}.",
            "schema": {**schema, "examples": [example]},
        }


def _of_body(query: Query) -> dict[str, Any]:
    return {
        "title": query.name,
        "description": query.description,
        "type": "object",
        "properties": {param.name: _of_param(param) for param in query.params.values()},
        "required": [param.name for param in query.params.values() if param.required],
        "additionalProperties": False,
    }


def _of_param(param: Param) -> dict[str, Any]:
    schema, example = _TYPES[param.type]
    is_open = not param.required and param.default is None
    told = (
        {"anyOf": [schema, {"type": "null"}], "examples": [example]} if is_open else {**schema, "examples": [example]}
    )
    told |= {} if param.required or is_open else {"default": param.default}
    return told | ({"description": f"In {param.unit}."} if param.unit else {})
