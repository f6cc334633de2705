"""The Python client says and reads what docs/openapi.json says: every route, parameter and field."""

import json
import os
import re
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from inspect import get_annotations, signature
from pathlib import Path
from typing import Any

import pytest

from bench.client_types import BY_POST, class_name, formatted, main, parameter_name, render
from serving.client import AsyncWhycart, Whycart, answers, care, care_wishes, items, parts, routes, wishes
from serving.client.call import Call
from serving.client.clients import _Route
from serving.client.errors import Refused
from serving.client.reading import _reader

ROOT = Path(__file__).parents[2]
DOCUMENT = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
SCHEMAS = DOCUMENT["components"]["schemas"]
CLASSES = {**vars(items), **vars(parts), **vars(answers), **vars(care)}
ASKED: dict[str, Call[Any]] = {
    "recommend": routes.recommend("u1"),
    "recommend_session": routes.recommend_session(user_id="u1"),
    "rank": routes.rank(["p01"], user_id="u1"),
    "similar": routes.similar("p01"),
    "explain": routes.explain("u1", "p05"),
    "explain_session": routes.explain_session("p05", user_id="u1"),
    "bought_together": routes.bought_together("p01"),
    "bought_with_basket": routes.bought_with_basket(["p01"]),
    "trending": routes.trending(),
    "new": routes.new(),
    "search": routes.search("tea"),
    "home": routes.home("u1"),
    "home_session": routes.home_session(session_id="s-1"),
    "profile": routes.profile("u1"),
    "audiences": routes.audiences(product="p02"),
    "user_data": routes.user_data("u1"),
    "delete_user": routes.delete_user("u1"),
    "send_events": routes.send_events([wishes.Event(user_id="u1", product_id="p01")]),
    "log_in": routes.log_in("s-1", "u1"),
    "send_impressions": routes.send_impressions([wishes.Impression(recommendation_id="r1", positions=[1])]),
    "send_products": routes.send_products([wishes.Product(product_id="p01")]),
    "rules": routes.rules(),
    "rule": routes.rule("tea"),
    "write_rule": routes.write_rule("tea", "hide", filter='category = "Tea"'),
    "preview_rule": routes.preview_rule("tea"),
    "delete_rule": routes.delete_rule("tea"),
    "queries": routes.queries(),
    "query": routes.query("ping"),
    "cypher": routes.cypher("RETURN 1"),
    "recommendation": routes.recommendation("r1"),
    "uptake": routes.uptake(),
    "runs": routes.runs(),
    "run": routes.run("r1"),
    "live": routes.live(),
    "ready": routes.ready(),
    "metrics": routes.metrics(),
}
"""One question of each method."""


APPLICATION = """
from typing import assert_type

from serving.client import AsyncWhycart, Event, Whycart
from serving.client.answers import RecommendAnswer
from serving.client.items import Item

with Whycart() as shop:
    assert_type(shop.recommend("u1", n=3, category=["tea"]), RecommendAnswer)
    assert_type(shop.recommend("u1").items, list[Item])
    assert_type(shop.metrics(), str)
    shop.recommend("u1", n="3")  # wrong
    shop.recommend("u1", nothing=3)  # wrong
    shop.recommend()  # wrong
    shop.similar("p01").items[0].scores  # wrong
    shop.send_events([Event(user_id="u1")])  # wrong


async def ask() -> None:
    async with AsyncWhycart() as shop:
        assert_type(await shop.recommend("u1", explain="paths"), RecommendAnswer)
        shop.recommend("u1").items  # wrong
"""


def document_routes() -> dict[tuple[str, str], Any]:
    return {
        (path, method): route
        for path, entries in DOCUMENT["paths"].items()
        for method, route in entries.items()
        if (path, method) != BY_POST
    }


def route_of(call: Call[Any]) -> Any:
    return document_routes()[call.route, call.method.lower()]


def resolved(schema: Any) -> Any:
    return SCHEMAS[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def test_every_route_has_a_method_of_both_clients() -> None:
    methods = {name for name, one in vars(Whycart.__mro__[1]).items() if isinstance(one, _Route)}

    assert set(document_routes()) == {(call.route, call.method.lower()) for call in ASKED.values()}
    assert set(ASKED) == methods
    assert [] == [name for name in methods if getattr(Whycart, name) is not getattr(AsyncWhycart, name)]
    assert [] == [name for name in methods if getattr(Whycart, name).build is not getattr(routes, name)]


@pytest.mark.parametrize("name", ASKED)
def test_every_parameter_and_field_of_a_route_is_taken(name: str) -> None:
    route = route_of(ASKED[name])
    wanted = {parameter_name(one) for one in route.get("parameters", ())}
    for content in route.get("requestBody", {}).get("content", {}).values():
        wanted |= set(resolved(content["schema"])["properties"])

    assert wanted - {"cypher"} == set(_taken(getattr(routes, name))) - {"statement"}


def _taken(function: Callable[..., Any]) -> Iterator[str]:
    for one in signature(function).parameters.values():
        if one.kind is one.VAR_KEYWORD:
            yield from typing.get_type_hints(typing.get_args(one.annotation)[0])
        else:
            yield one.name


@pytest.mark.parametrize("name", ASKED)
def test_the_answer_of_a_route_is_of_its_class(name: str) -> None:
    content = route_of(ASKED[name])["responses"]["200"]["content"]
    shape = next(iter(content.values()))["schema"]

    expected = CLASSES[class_name(shape["$ref"].rpartition("/")[2])] if "$ref" in shape else str
    assert expected is ASKED[name].answer


def test_every_field_of_every_answer_has_a_counterpart() -> None:
    read = _held([one["schema"] for one in _answer_contents() if "$ref" in one["schema"]])

    assert len(read) > 40
    for name in read - {"Reason", "CauseKind"}:
        kind = CLASSES[class_name(name)]
        assert is_dataclass(kind)
        assert callable(_reader(kind))  # no field is one of several classes, which could not be told apart
        assert set(SCHEMAS[name]["properties"]) == {one.name.removesuffix("_") for one in fields(kind)}, name


def test_every_field_of_an_event_a_product_and_the_like_can_be_sent() -> None:
    for name in ("EventIn", "ImpressionIn", "SessionEventIn", "ProductIn", "ExplainIn", "RuleIn"):
        kind = getattr(care_wishes if hasattr(care_wishes, class_name(name)) else wishes, class_name(name))
        assert set(SCHEMAS[name]["properties"]) == {one.name for one in fields(kind)}


def test_everything_a_problem_says_is_in_the_error() -> None:
    said = vars(Refused("", problem=dict.fromkeys(("type", "title", "detail", "request_id"), "x") | {"status": 422}))

    assert set(SCHEMAS["Problem"]["properties"]) <= set(said)
    assert set(SCHEMAS["FieldProblem"]["properties"]) == {
        name.removesuffix("_") for name in get_annotations(parts.FieldProblem)
    }


def _answer_contents() -> Iterator[Any]:
    for route in document_routes().values():
        yield from route["responses"]["200"].get("content", {}).values()


def _held(schemas: list[Any]) -> set[str]:
    found: set[str] = set()
    waiting = list(schemas)
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            name = str(one.get("$ref", "")).rpartition("/")[2]
            if name and name not in found:
                found.add(name)
                waiting.append(SCHEMAS[name])
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return found


def test_the_classes_are_those_that_the_document_gives() -> None:
    for name, text in render(DOCUMENT).items():
        written = (ROOT / "serving" / "client" / f"{name}.py").read_text(encoding="utf-8")
        assert formatted(text) == written, "run 'make openapi'"


def test_a_field_that_the_api_gains_comes_into_the_client(tmp_path: Path) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    document["components"]["schemas"]["ItemOut"]["properties"]["class"] = {"type": "integer", "description": "New."}
    document["paths"]["/v1/runs"]["get"]["parameters"].append(
        {"name": "since", "in": "query", "schema": {"type": "string"}}
    )
    (tmp_path / "openapi.json").write_text(json.dumps(document), encoding="utf-8")

    assert 0 == main(["--file", str(tmp_path / "openapi.json"), "--folder", str(tmp_path)])

    assert '    class_: int | None = None\n    """New."""\n' in (tmp_path / "items.py").read_text(encoding="utf-8")
    assert "    since: str\n" in (tmp_path / "care_wishes.py").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_type_checker_knows_what_an_application_asks_and_gets(tmp_path: Path) -> None:
    (tmp_path / "application.py").write_text(APPLICATION, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "application.py"]

    told = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "MYPYPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )

    found = re.findall(r"application.py:(\d+): error: (.*)  \[", told.stdout)
    wrong = [str(number) for number, line in enumerate(APPLICATION.splitlines(), 1) if line.endswith("# wrong")]
    assert wrong == [line for line, _ in found], told.stdout + told.stderr


def test_two_schemas_that_would_have_one_name_are_refused() -> None:
    document = {"paths": {}, "components": {"schemas": {"ItemOut": {}, "ItemIn": {}}}}

    with pytest.raises(SystemExit, match="the same name in a client: Item"):
        render(document)
