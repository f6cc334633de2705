"""Every filter on docs/filters.md can be read, and fits a shop that has the properties it names."""

import re
import tomllib
from pathlib import Path

import pytest

from kg.schema import GraphSchema, declare
from kg.snapshot import build_snapshot
from serving.filters import MAX_DEPTH, MAX_LENGTH, MAX_TERMS, parse_filter
from serving.saved_filters import read_saved_filters
from serving.selection import Selection
from serving.shelf import build_shelf
from tests.support.random_shops import DECLARED
from tests.worlds import DAY_MS, MONDAY, make_tables

PAGE = (Path(__file__).parents[2] / "docs" / "filters.md").read_text(encoding="utf-8")
FILTERS = [
    *re.findall(r"^\| `(.+?)` \| ", PAGE, re.MULTILINE),
    *re.findall(r"--filter '(.+?)'", PAGE),
    *re.findall(r"filter=(.+?)'", PAGE),
]
SAVED = read_saved_filters(
    tomllib.loads("\n".join(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))), where="the page"
)


@pytest.fixture(scope="module")
def selection() -> Selection:
    schema = declare(GraphSchema(), DECLARED, where="test")
    product = {"product_id": "p1", "title": "Tea", "price": 6.0, "colour": "red", "created_at": MONDAY + 800 * DAY_MS}
    nodes = {
        "User": [{"user_id": "u1"}],
        "Product": [product, {"product_id": "p2", "title": "Nothing"}],
        "Brand": [{"brand_id": "acme", "name": "Acme"}],
        "Category": [{"category_id": key.lower(), "name": key} for key in ("Tea", "Coffee", "Snacks")],
        "Material": [{"material_id": "oak", "name": "Oak"}],
    }
    edges = {
        "MADE_BY": [("p1", "acme")],
        "IN_CATEGORY": [("p1", "tea")],
        "MADE_OF": [("p1", "oak")],
    }
    event = {"event_id": "e", "user_id": "u1", "product_id": "p1", "type": "bought", "at": MONDAY}
    return build_shelf(build_snapshot(make_tables(schema, nodes, edges=edges, events=[event]))).selection


def test_the_page_has_examples() -> None:
    assert len(FILTERS) > 10


@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_of_the_page_works(text: str, selection: Selection) -> None:
    one, two = selection.where(SAVED.expand(text)).tolist()

    about_acme = {'not brand = "Acme"', 'brand != "Acme"', "colour is missing"}
    assert one == (text not in about_acme and "not brand" not in text)
    assert not (one and two) or text == "available = true"


def test_the_bounds_of_the_page_are_those_of_the_language() -> None:
    assert f"at most {MAX_LENGTH:,} characters, {MAX_TERMS} comparisons and values, and stands {MAX_DEPTH} deep" in PAGE
    with pytest.raises(Exception, match="where a number, a text in quotes or true or false may stand"):
        parse_filter("price < and")
