"""What a shop asks of its own columns: declared, checked by pandera, told as findings."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kg.column_checks import examine_declared
from kg.declared_checks import read_checks
from kg.errors import SchemaError
from kg.schema import GraphSchema
from serving.cli.main import app
from tests.support.folders import EVENTS, PRODUCTS, write_shop
from tests.worlds import tiny_shop


def found(rules: dict[str, Any], *, table: str = "products", column: str = "price") -> list[tuple[Any, ...]]:
    checks = read_checks({"checks": {table: {column: rules}}}, GraphSchema(), where="whycart.toml")
    return [(one.verdict, one.name, one.count, one.examples) for one in examine_declared(tiny_shop(), checks)]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"at_least": 2}, ("FAIL", "below 2", 1, ("p09: 1.5",))),
        ({"at_most": 7.0}, ("FAIL", "above 7.0", 1, ("p03: 9.0",))),
        ({"at_most": 3, "severity": "warn"}, ("WARN", "above 3", 6, ("p01: 4.0", "p03: 9.0", "p04: 7.0"))),
        ({"one_of": [4.0, 3.0]}, ("FAIL", "that are none of [4.0, 3.0]", 8, ("p03: 9.0", "p04: 7.0", "p05: 2.5"))),
        ({"required": True}, ("PASS", "that are empty", 0, ())),
        ({"unique": True}, ("PASS", "that are there more than once", 0, ())),
    ],
)
def test_a_rule_finds_the_values_at_fault(rules: dict[str, Any], expected: tuple[Any, ...]) -> None:
    assert [expected] == found(rules)


def test_texts_have_a_length_and_a_form() -> None:
    assert [("FAIL", "longer than 10 characters", 5)] == [one[:3] for one in found({"longest": 10}, column="title")]
    assert [("FAIL", "that do not match [A-Z][a-z ]+", 0)[1:]] == [
        one[1:3] for one in found({"matches": "[A-Z][a-z ]+"}, column="title")
    ]
    assert ("p01: Green tea",) == found({"matches": ".*beans", "severity": "warn"}, column="title")[0][3][:1]


def test_an_empty_value_breaks_no_rule_but_required() -> None:
    rules = {"at_least": 1.0, "at_most": 5.0}

    assert ["PASS", "PASS"] == [one[0] for one in found(rules, table="events", column="value")]
    assert [("FAIL", "that are empty", 20)] == [
        one[:3] for one in found({"required": True}, table="events", column="value")
    ]


def test_a_column_that_is_not_there_is_empty_everywhere() -> None:
    assert [("FAIL", 10)] == [(one[0], one[2]) for one in found({"required": True}, column="colour")]
    assert [("PASS", 0)] == [(one[0], one[2]) for one in found({"longest": 3}, column="colour")]


def test_what_is_there_twice_is_named_once_a_repeat() -> None:
    events = found({"unique": True}, table="events", column="quantity")

    assert ("FAIL", "that are there more than once", 9) == events[0][:3]


def test_a_rule_that_is_switched_off_says_nothing() -> None:
    assert [] == found({"required": False, "unique": False})


def test_a_rule_that_does_not_fit_the_values_says_so() -> None:
    with pytest.raises(SchemaError, match=r"the rule at_least = 3 does not fit values such as 'Green tea'"):
        found({"at_least": 3}, column="title")


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"product": {"price": {}}}, "unknown key 'product'; did you mean 'products'?"),
        (
            {"products": {"price": {"at_lest": 3}}},
            "[checks.products.price]: unknown key 'at_lest'; did you mean 'at_least'?",
        ),
        ({"products": {"price": {"at_least": "3"}}}, "at_least is a number, got '3'"),
        ({"products": {"price": {"at_least": True}}}, "at_least is a number, got True"),
        ({"products": {"price": {"severity": "info"}}}, "severity is warn or fail, got 'info'"),
        ({"products": {"price": 3}}, "checks are written as [checks.products.COLUMN], got 3"),
        ("x", "checks are written as [checks.TABLE.COLUMN]"),
    ],
)
def test_a_check_that_cannot_be_is_refused(declared: Any, message: str) -> None:
    with pytest.raises(SchemaError) as refused:
        read_checks({"checks": declared}, GraphSchema(), where="whycart.toml")

    assert message in str(refused.value)


def test_validate_carries_out_the_checks_of_project_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write_shop(tmp_path / "in", products=PRODUCTS, events=EVENTS)
    (folder / "whycart.toml").write_text("[checks.products.price]\nat_most = 3.9\n")
    (tmp_path / "whycart.toml").write_text('[checks.events.type]\none_of = ["bought"]\nseverity = "warn"\n')

    result = CliRunner().invoke(app, ["validate", "in", "--json"])

    findings = {(one["table"], one["check"]): one for one in json.loads(result.stdout)["findings"]}
    price, kind = findings["products", "above 3.9"], findings["events", "that are none of ['bought']"]
    assert (2, "FAIL", ["p1: 4.0"], "WARN", 1) == (
        result.exit_code,
        price["verdict"],
        price["examples"],
        kind["verdict"],
        kind["count"],
    )
    assert "change at_most in [checks.products.price]" in price["fix"]


def test_a_folder_that_is_the_project_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_shop(tmp_path / "in")
    monkeypatch.chdir(folder)
    (folder / "whycart.toml").write_text("[checks.products.price]\nat_most = 3.9\n")

    result = CliRunner().invoke(app, ["validate", ".", "--json"])

    names = [one["check"] for one in json.loads(result.stdout)["findings"]]
    assert 1 == names.count("above 3.9")
