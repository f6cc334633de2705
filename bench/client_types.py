"""`python -m bench.client_types`: what the Python client sends and reads, written from docs/openapi.json.

Answers and their parts become frozen dataclasses, what may be left out of a request a TypedDict for each route, in
`serving/client/`. `Out` and `In` at the end of a name fall away, as a client knows no inside; a name that is a word of
Python gets an underscore. The methods themselves are written by hand in `serving.client.routes`.
"""

import argparse
import json
import keyword
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.openapi import FILE

FOLDER = Path("serving/client")
Schema = Mapping[str, Any]
Way = Literal["read", "body", "query"]
_BASES = {"exclude_id": "ListOptions", "exclude_ids": "WishOptions"}
"""Routes that take such a field share what all of them take, in a class of this name."""
_ITEMS_OF = "ExplainAnswer"
"""The answer that holds whatever an item of a list may hold; its parts have a module of their own."""
_CARE = ("/v1/graph", "/v1/recommendations", "/v1/rules", "/v1/runs", "/v1/uptake", "/v1/users")
"""Beginnings of the routes that are for those who look after a shop."""
BY_POST = ("/v1/graph/queries/{name}", "get")
"""The route that a client has no use for: the same is asked by POST, where values keep their types."""
_SIMPLE = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_HEAD = '"""{}\n\nWritten from docs/openapi.json by `make openapi`; not to be changed by hand.\n"""\n\n'


_MODULES = {
    "items": "What the lists of the API and its explanations consist of.",
    "parts": "What the other answers of the API consist of.",
    "answers": "The answers of the API to applications, one class for each shape.",
    "care": "The answers of the API to those who look after a shop, one class for each shape.",
    "wishes": "What requests of applications to the API may say.",
    "care_wishes": "What requests of those who look after a shop may say.",
}


@dataclass(frozen=True, slots=True)
class _Field:
    """One line of a class."""

    name: str
    type: str
    text: str
    is_required: bool


def render(document: Schema) -> dict[str, str]:
    """Return the text of each module by its name, not yet formatted."""
    schemas = document["components"]["schemas"]
    _check_names(schemas)
    care = {name for path, _, route in routes_of(document) if _is_care(path) for name in _answers(route)}
    answers = {name for path, _, route in routes_of(document) if not _is_care(path) for name in _answers(route)}
    items = _reached(schemas, [_ITEMS_OF]) - answers
    parts = _reached(schemas, [*answers, *care, "FieldProblem"]) - answers - care - items
    read = {"items": items, "parts": parts, "answers": answers, "care": care - answers}
    places = {name: module for module, names in read.items() for name in names}
    texts = {
        module: "\n\n".join([_head(module, schemas, places), *_in_order(schemas, sorted(names))])
        for module, names in read.items()
    }
    for module, is_care in (("wishes", False), ("care_wishes", True)):
        bodies = [
            name for path, _, route in routes_of(document) if _is_care(path) == is_care for name in _bodies(route)
        ]
        inner = {name for body in bodies for name in _reached(schemas, [body]) - {body}}
        sent = _in_order(schemas, sorted(inner), way="body")
        texts[module] = "\n\n".join([_head(module, schemas, {}), *sent, *_options(document, is_care=is_care)])
    return texts


def _is_care(path: str) -> bool:
    return path.startswith(_CARE)


def routes_of(document: Schema) -> Iterator[tuple[str, str, Schema]]:
    """Give path, method and description of every route."""
    for path, routes in document["paths"].items():
        for method, route in routes.items():
            yield path, method, route


def class_name(name: str) -> str:
    """Return how the client calls a schema."""
    return re.sub(r"(Out|In)$", "", name)


def operation_name(path: str, method: str, route: Schema) -> str:
    """Return the name of the function behind a route, which its id begins with."""
    return str(route["operationId"]).removesuffix(re.sub(r"\W", "_", f"{path}_{method}"))


def python_name(name: str) -> str:
    """Return a field's name as Python takes it."""
    return f"{name}_" if keyword.iskeyword(name) else name


def parameter_name(parameter: Schema) -> str:
    """Return a parameter's name as a client takes it; headers are written otherwise."""
    name = str(parameter["name"])
    return name.lower().replace("-", "_") if parameter["in"] == "header" else name


def python_type(schema: Schema, way: Way) -> str:
    """Return the type of what a schema describes, as it is read, or sent in a body or an address."""
    if "$ref" in schema:
        return class_name(_named(schema))
    if "const" in schema or "enum" in schema:
        return f"Literal[{', '.join(json.dumps(one) for one in schema.get('enum', [schema.get('const')]))}]"
    if "additionalProperties" in schema or schema.get("type") == "object":
        more = schema.get("additionalProperties")
        inner = python_type(more, way) if isinstance(more, Mapping) else "Any"
        return f"{'dict' if way == 'read' else 'Mapping'}[str, {inner}]"
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(python_type(one, way) for one in schema["anyOf"]))
    if schema["type"] == "array":
        inner = python_type(schema["items"], way)
        return {"read": f"list[{inner}]", "body": f"Sequence[{inner}]", "query": f"{inner} | Sequence[{inner}]"}[way]
    if schema.get("format") == "date-time" and way != "read":
        return "datetime"
    return _SIMPLE[schema["type"]]


def _named(schema: Schema) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _answers(route: Schema) -> Iterator[str]:
    for content in route["responses"]["200"].get("content", {}).values():
        if "$ref" in content.get("schema", {}):
            yield _named(content["schema"])


def _bodies(route: Schema) -> Iterator[str]:
    for content in route.get("requestBody", {}).get("content", {}).values():
        yield _named(content["schema"])


def _reached(schemas: Schema, names: Iterable[str]) -> set[str]:
    """Names of all schemas that these hold, themselves included."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += re.findall(r'"#/components/schemas/(\w+)"', json.dumps(schemas[name]))
    return found


def _check_names(schemas: Schema) -> None:
    names = [class_name(name) for name in schemas]
    if double := sorted({name for name in names if names.count(name) > 1}):
        raise SystemExit(f"two schemas have the same name in a client: {', '.join(double)}; call one otherwise")


def _in_order(schemas: Schema, names: Sequence[str], way: Way = "read") -> Iterator[str]:
    """The classes, each after those that it holds."""
    waiting = dict.fromkeys(names)
    while waiting:
        ready = [name for name in waiting if not (_reached(schemas, [name]) - {name}) & waiting.keys()]
        for name in ready or list(waiting):
            del waiting[name]
            yield _class(class_name(name), schemas[name], way)


def _class(name: str, schema: Schema, way: Way) -> str:
    if "enum" in schema:
        return f'{name} = {python_type(schema, way)}\n"""{schema["description"]}"""'
    lines = [f'@dataclass(frozen=True, slots=True, kw_only=True)\nclass {name}:\n    """{schema["description"]}"""\n']
    for one in _fields(schema, way):
        optional = "" if one.is_required else " = None"
        kind = one.type if one.is_required else _or_none(one.type)
        lines.append(f"    {one.name}: {kind}{optional}{_words(one.text)}")
    return "\n".join(lines)


def _fields(schema: Schema, way: Way) -> list[_Field]:
    required = schema.get("required", ())
    found = [
        _Field(python_name(name), python_type(one, way), _text(one), name in required)
        for name, one in schema["properties"].items()
    ]
    return sorted(found, key=lambda one: not one.is_required)


def _text(schema: Schema) -> str:
    parts = (schema, *schema.get("anyOf", ()))
    return next((str(one["description"]) for one in parts if "description" in one and "$ref" not in one), "")


def _words(text: str) -> str:
    return f'\n    """{text}"""' if text else ""


def _or_none(kind: str) -> str:
    return kind if re.search(r"\bNone\b", kind) else f"{kind} | None"


def _options(document: Schema, *, is_care: bool) -> Iterator[str]:
    """One class for each route that takes more than it must, those with shared fields after what they share."""
    takes: dict[str, list[_Field]] = {}
    for path, method, route in routes_of(document):
        if _is_care(path) == is_care and (path, method) != BY_POST and (found := _taken(document, route)):
            takes[operation_name(path, method, route)] = found
    shared: dict[str, list[_Field]] = {}
    for mark, base in _BASES.items():
        sharing = [fields for fields in takes.values() if any(one.name == mark for one in fields)]
        if not sharing:
            continue
        common = set.intersection(*({(one.name, one.type) for one in fields} for fields in sharing))
        shared[base] = [one for one in sharing[0] if (one.name, one.type) in common]
        yield _typed_dict(base, "TypedDict", f"What every route may be told that takes `{mark}`.", shared[base])
    for name, fields in sorted(takes.items()):
        base = next((base for mark, base in _BASES.items() if any(one.name == mark for one in fields)), "TypedDict")
        inherited = {one.name for one in shared.get(base, ())}
        own = [one for one in fields if one.name not in inherited]
        title = "".join(word.capitalize() for word in name.split("_"))
        yield _typed_dict(f"{title}Options", base, f"What `{name}` may be told.", own)


def _taken(document: Schema, route: Schema) -> list[_Field]:
    """What may be left out of a request, as parameters or fields of the body."""
    found = [
        _Field(
            parameter_name(one),
            python_type(one["schema"], "query"),
            one.get("description") or _text(one["schema"]),
            False,
        )
        for one in route.get("parameters", ())
        if not one.get("required")
    ]
    for name in _bodies(route):
        found += [one for one in _fields(document["components"]["schemas"][name], "body") if not one.is_required]
    return found


def _typed_dict(name: str, base: str, text: str, fields: Iterable[_Field]) -> str:
    lines = [f"    {one.name}: {one.type}{_words(one.text)}" for one in fields]
    return "\n".join([f'class {name}({base}, total=False):\n    """{text}"""\n', *lines])


def _head(module: str, schemas: Schema, places: Mapping[str, str]) -> str:
    """The beginning of a module, which imports what its classes hold from where that is."""
    lines = [
        _HEAD.format(_MODULES[module]) + "from collections.abc import Mapping, Sequence",
        "from dataclasses import dataclass\nfrom datetime import datetime\nfrom typing import Any, Literal, TypedDict",
    ]
    text = json.dumps([schemas[name] for name, place in places.items() if place == module])
    for name, place in sorted(places.items()):
        if place != module and f'schemas/{name}"' in text:
            lines.append(f"from serving.client.{place} import {class_name(name)}")
    return "\n".join(lines)


def formatted(text: str) -> str:
    """Return the text of a module as ruff leaves it."""
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["check", "--fix", "--quiet", "--select", "F401,I"], ["format", "--quiet"]):
        told = [*ruff, *command, "--stdin-filename", "serving/client/parts.py", "-"]
        text = subprocess.run(told, input=text, capture_output=True, text=True, check=True).stdout
    return text


def main(argv: Sequence[str] | None = None) -> int:
    """Write the modules; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.client_types", description="Write the client's types.")
    parser.add_argument("--file", type=Path, default=FILE, help="the frozen document of the API")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the modules are written")
    options = parser.parse_args(argv)
    for name, text in render(json.loads(options.file.read_text(encoding="utf-8"))).items():
        (options.folder / f"{name}.py").write_text(formatted(text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
