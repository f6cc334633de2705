"""The OpenAPI document in the repository is the API's, has an example of everything, and changes without breaking."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.openapi import breaking_changes, current_document, main, render

FILE = Path(__file__).parents[2] / "docs" / "openapi.json"
Document = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Document:
    return current_document()


def test_the_frozen_document_is_that_of_the_api(document: Document) -> None:
    assert FILE.read_text(encoding="utf-8") == render(document), "run 'make openapi'"


def test_every_parameter_has_an_example_or_names_its_values(document: Document) -> None:
    lacking = [
        f"{method} {path} {one['name']}"
        for path, routes in document["paths"].items()
        for method, route in routes.items()
        for one in route.get("parameters", ())
        if not _is_shown(document, one["schema"])
    ]
    assert [] == lacking


def test_every_field_that_is_sent_has_an_example_or_names_its_values(document: Document) -> None:
    lacking = [
        f"{name}.{field}"
        for name in sorted(_sent(document))
        for field, schema in document["components"]["schemas"][name].get("properties", {}).items()
        if not _is_shown(document, schema)
    ]
    assert [] == lacking


def test_every_parameter_and_field_has_a_limit(document: Document) -> None:
    parameters = [
        (f"{path} {one['name']}", one["schema"])
        for path, routes in document["paths"].items()
        for route in routes.values()
        for one in route.get("parameters", ())
    ]
    fields = [
        (f"{name}.{field}", one)
        for name in sorted(_sent(document))
        for field, one in document["components"]["schemas"][name].get("properties", {}).items()
    ]
    unbounded = [name for name, one in (*parameters, *fields) if not _is_bounded(one)]

    # Finite numbers that are compared with or stored, whatever they are.
    assert {"price_max", "budget", "price", "quantity", "value"} >= {re.split(r"[ .]", name)[-1] for name in unbounded}


def _is_bounded(one: Document) -> bool:
    if "anyOf" in one and "type" not in one:
        return all(_is_bounded(option) for option in one["anyOf"])
    kind = one.get("type", "object")
    is_bounded = {
        "integer": {"maximum", "minimum"} <= one.keys(),
        "number": {"maximum", "minimum"} <= one.keys(),
        "string": bool({"maxLength", "enum", "const", "format"} & one.keys()),
        "array": "maxItems" in one and _is_bounded(one["items"]),
        "object": "additionalProperties" not in one or "maxProperties" in one,
    }
    return is_bounded.get(kind, True)


def _is_shown(document: Document, schema: Document) -> bool:
    if "$ref" in schema or {"examples", "enum", "const"} & schema.keys() or schema.get("type") == "boolean":
        return True
    if schema.get("type") == "array":
        return _is_shown(document, schema["items"])
    return any(_is_shown(document, one) for one in schema.get("anyOf", ()) if one.get("type") != "null")


def _sent(document: Document) -> set[str]:
    found, waiting = set[str](), list[str]()
    for routes in document["paths"].values():
        for route in routes.values():
            waiting += _references(route.get("requestBody", {}))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _references(document["components"]["schemas"][name])
    return found


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"].rpartition("/")[2]
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def schema(document: Document, name: str) -> Document:
    found: Document = document["components"]["schemas"][name]
    return found


def parameter(document: Document, path: str, name: str) -> Document:
    found: Document = next(one for one in document["paths"][path]["get"]["parameters"] if one["name"] == name)
    return found


RECOMMEND = "/v1/recommend/{user_id}"
BREAKING: dict[str, tuple[Callable[[Document], Any], str]] = {
    "a route goes": (lambda d: d["paths"].pop("/v1/trending"), "GET /v1/trending is gone"),
    "a parameter goes": (
        lambda d: d["paths"][RECOMMEND]["get"]["parameters"].remove(parameter(d, RECOMMEND, "brand")),
        "the parameter brand is no longer taken",
    ),
    "a parameter is required": (
        lambda d: parameter(d, RECOMMEND, "n").update(required=True),
        "the parameter n has become required",
    ),
    "a limit falls": (
        lambda d: parameter(d, RECOMMEND, "n")["schema"].update(maximum=20),
        "n: maximum is 20 now, was 500",
    ),
    "a value goes": (
        lambda d: parameter(d, RECOMMEND, "mode")["schema"]["anyOf"][0].update(enum=["discover"]),
        "the values again, both are no longer taken",
    ),
    "a type changes": (
        lambda d: parameter(d, RECOMMEND, "n")["schema"].update(type="string"),
        "integer is no longer taken",
    ),
    "a field of a body goes": (
        lambda d: schema(d, "RecommendBody")["properties"].pop("offset"),
        "body: the field offset is no longer taken",
    ),
    "a field of a body is required": (
        lambda d: schema(d, "EventIn")["required"].append("value"),
        "body, events, each: the field value has become required",
    ),
    "a field of an answer goes": (
        lambda d: schema(d, "ItemOut")["properties"].pop("score"),
        "answer 200, items, each: the field score is gone",
    ),
    "a field of an answer may be left out": (
        lambda d: schema(d, "ItemOut")["required"].remove("rank"),
        "the field rank may be left out now",
    ),
    "a field of an answer may be null": (
        lambda d: schema(d, "ItemOut")["properties"].update(text={"anyOf": [{"type": "string"}, {"type": "null"}]}),
        "items, each, text: may be null now",
    ),
}


@pytest.mark.parametrize(("change", "said"), BREAKING.values(), ids=BREAKING)
def test_what_breaks_a_client_is_found(change: Callable[[Document], Any], said: str, document: Document) -> None:
    changed = copy.deepcopy(document)
    change(changed)

    found = breaking_changes(document, changed)

    assert any(said in line for line in found), found


def test_what_is_added_breaks_nobody(document: Document) -> None:
    changed = copy.deepcopy(document)
    changed["paths"]["/v1/more"] = copy.deepcopy(changed["paths"]["/v1/trending"])
    parameter(changed, RECOMMEND, "n")["schema"].update(maximum=1000)
    schema(changed, "ItemOut")["properties"]["more"] = {"type": "string"}
    schema(changed, "RecommendBody")["properties"]["more"] = {"type": "string"}

    assert [] == breaking_changes(document, changed)


def test_a_change_that_breaks_clients_is_not_frozen_unless_it_is_meant(tmp_path: Path, document: Document) -> None:
    file, before = tmp_path / "openapi.json", copy.deepcopy(document)
    before["paths"]["/v1/gone"] = before["paths"]["/v1/trending"]
    file.write_text(json.dumps(before), encoding="utf-8")

    assert 1 == main(["--file", str(file)])
    assert before == json.loads(file.read_text(encoding="utf-8"))
    assert 0 == main(["--file", str(file), "--break"])
    assert document == json.loads(file.read_text(encoding="utf-8"))
