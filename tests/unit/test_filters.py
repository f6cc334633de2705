"""The filter language: what can be read, what cannot and how that is said, and what a filter lets through."""

import numpy as np
import pytest

from kg.snapshot import build_snapshot
from serving.errors import FilterError
from serving.filters import MAX_DEPTH, MAX_LENGTH, MAX_TERMS, Among, Both, Compare, Either, Missing, Not, parse_filter
from serving.selection import snake_case
from serving.shelf import Shelf, build_shelf
from tests.support.random_shops import random_snapshot
from tests.worlds import PRODUCTS, tiny_shop


@pytest.fixture(scope="module")
def shelf() -> Shelf:
    return build_shelf(build_snapshot(tiny_shop()))


def fitting(shelf: Shelf, text: str) -> set[str]:
    return {key for key, fits in zip(PRODUCTS, shelf.selection.where(text), strict=True) if fits}


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("price < 20", Compare("price", "<", 20.0)),
        ("PRICE >= -1.5", Compare("price", ">=", -1.5)),
        ("available = TRUE", Compare("available", "=", True)),
        ("title != 'it\\'s'", Compare("title", "!=", "it's")),
        ('title = "a\\\\b"', Compare("title", "=", "a\\b")),
        ('brand in ("a", "b")', Among("brand", ("a", "b"))),
        ("x not in (1)", Not(Among("x", (1.0,)))),
        ("x is missing", Missing("x")),
        ("x Is Not Missing", Not(Missing("x"))),
        ("organic = 1", Compare("organic", "=", 1.0)),
        ("not a = 1 and b = 2", Both((Not(Compare("a", "=", 1.0)), Compare("b", "=", 2.0)))),
        (
            "a = 1 or b = 2 and c = 3",
            Either((Compare("a", "=", 1.0), Both((Compare("b", "=", 2.0), Compare("c", "=", 3.0))))),
        ),
    ],
)
def test_a_filter_is_read(text: str, tree: object) -> None:
    assert tree == parse_filter(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("  ", "the filter is empty"),
        ("price <", "ends too early, after character 7"),
        ("(price < 1", "ends too early, after character 10"),
        ("price < and", "at character 9 of the filter stands 'and', where a number"),
        ("pric e < 3", "at character 6 of the filter stands 'e', where a comparison"),
        ('price < 20 brand = "x"', "at character 12 of the filter stands 'brand', where and, or or the end"),
        ('x = "a', "at character 5"),
        ("price ~ 3", "at character 7 of the filter stands '~'"),
        ("x in ()", "at character 7 of the filter stands ')'"),
        ("a = 1" + " or a = 1" * MAX_TERMS, f"this one has {MAX_TERMS + 1}"),
        ("a = " + "1" * MAX_LENGTH, "make it shorter"),
        ("not " * (MAX_DEPTH + 1) + "a = 1", "deeper; write it flatter"),
        ("(not " * 300 + "a = 1" + ")" * 300, "deeper; write it flatter"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(text: str, words: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("price <= 3", {key for key, facts in PRODUCTS.items() if facts[1] <= 3}),
        ('brand = "Acme"', {key for key, facts in PRODUCTS.items() if facts[2] == "acme"}),
        ('brand != "Acme"', {key for key, facts in PRODUCTS.items() if facts[2] not in (None, "acme")}),
        ('not brand = "acme"', {key for key, facts in PRODUCTS.items() if facts[2] != "acme"}),
        ("brand is missing", {key for key, facts in PRODUCTS.items() if facts[2] is None}),
        ('category = "Drinks"', {key for key, facts in PRODUCTS.items() if facts[3] in ("tea", "coffee", "drinks")}),
        ('category in ("tea", "snacks")', {key for key, facts in PRODUCTS.items() if facts[3] in ("tea", "snacks")}),
        ("available = false", {"p09"}),
        ('title = "WHITE TEA"', {"p08"}),
        ('title = "no such title"', set()),
        ('product_id in ("p01", "p02", "p99")', {"p01", "p02"}),
        ('price > 3 and category = "tea" or product_id = "p02"', None),
    ],
)
def test_a_filter_lets_through_what_it_says(text: str, expected: set[str] | None, shelf: Shelf) -> None:
    if expected is None:
        expected = {key for key, (_, price, _, category) in PRODUCTS.items() if price > 3 and category == "tea"} | {
            "p02"
        }

    assert expected == fitting(shelf, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour = 1", "no property 'colour'; there are available, brand, category"),
        ("pric < 1", "did you mean 'price'"),
        ('brand = "Acne"', "no brand 'Acne' in this shop; did you mean 'Acme'"),
        ("brand = 5", "brand is a name, got 5; write it in quotes"),
        ('brand < "Acme"', "brand is a name, which has no order"),
        ('title < "a"', "title is a text, which has no order"),
        ('price = "3"', "price is compared with a number, got '3'"),
        ("price = true", "price is compared with a number, got true"),
        ("title = 3", "title is compared with a text in quotes, got 3"),
        ("available = 1", "available is compared with true or false, got 1"),
        ("available < true", "available is a flag, which has no order"),
    ],
)
def test_what_the_shop_does_not_have_is_said(text: str, words: str, shelf: Shelf) -> None:
    with pytest.raises(FilterError, match=words):
        shelf.selection.where(text)


def test_declared_kinds_are_properties_too() -> None:
    snapshot = random_snapshot(3)
    links = {(int(a), int(b)) for a, b in zip(*_ends(snapshot.edges["MADE_OF"]), strict=True)}
    oak = snapshot.ids("Material").index("oak")

    found = build_shelf(snapshot).selection.where('material = "Oak"')

    assert {row for row, node in links if node == oak} == set(np.flatnonzero(found).tolist())


def _ends(edges: object) -> tuple[list[int], list[int]]:
    return edges.source.tolist(), edges.target.tolist()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("label", "name"), [("Material", "material"), ("FilmDirector", "film_director"), ("A4", "a4")])
def test_kinds_are_called_in_snake_case(label: str, name: str) -> None:
    assert name == snake_case(label)
