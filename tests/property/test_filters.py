"""Filters drawn at random: written and read again they are the same, and they fit what a loop over rows says."""

import operator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kg.schema import GraphSchema
from kg.snapshot import build_snapshot
from serving.errors import FilterError
from serving.filters import Among, Both, Compare, Either, Expression, Missing, Not, parse_filter
from serving.selection import Selection
from tests.worlds import DAY_MS, MONDAY, make_tables

SIGNS = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True).filter(
    lambda name: name not in {"and", "or", "not", "in", "is", "missing", "true", "false"}
)
NUMBERS = st.integers(-(10**6), 10**6).map(lambda number: number / 4)
VALUES = st.one_of(st.text(max_size=6), NUMBERS, st.booleans())
LEAVES = st.one_of(
    st.builds(Compare, NAMES, st.sampled_from(sorted(SIGNS)), VALUES),
    st.builds(Among, NAMES, st.lists(VALUES, min_size=1, max_size=3).map(tuple)),
    st.builds(Missing, NAMES),
)


def nested(leaves: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    def around(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
        parts = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.one_of(st.builds(Not, inner), st.builds(Both, parts), st.builds(Either, parts))

    return st.recursive(leaves, around, max_leaves=8)


@given(nested(LEAVES))
def test_a_filter_written_and_read_again_is_the_same(tree: Expression) -> None:
    assert tree == parse_filter(str(tree))


@given(st.text(max_size=40))
def test_any_text_is_a_filter_or_an_error_of_ours(text: str) -> None:
    try:
        tree = parse_filter(text)
    except FilterError:
        return
    assert tree == parse_filter(str(tree))


PRICE, ORGANIC, COLOUR = (
    [1.5, None, 3.0, 3.0, 8.0],
    [True, False, None, True, False],
    ["Red", "red", None, "Blue", "x y"],
)
ROWS: list[dict[str, Any]] = [
    {"price": price, "organic": organic, "colour": colour}
    for price, organic, colour in zip(PRICE, ORGANIC, COLOUR, strict=True)
]
FITTING_LEAVES = st.one_of(
    st.builds(Compare, st.just("price"), st.sampled_from(sorted(SIGNS)), st.sampled_from([1.5, 2.0, 3.0, 8.0])),
    st.builds(Among, st.just("price"), st.lists(st.sampled_from([1.5, 2.0, 3.0]), min_size=1).map(tuple)),
    st.builds(Compare, st.just("organic"), st.sampled_from(["=", "!="]), st.booleans()),
    st.builds(Compare, st.just("colour"), st.sampled_from(["=", "!="]), st.sampled_from(["RED", "blue", "x y", "no"])),
    st.builds(Missing, st.sampled_from(["price", "organic", "colour"])),
)


def selection() -> Selection:
    products = [{"product_id": f"p{row}", "title": "t"} | facts for row, facts in enumerate(ROWS)]
    event = {"event_id": "e", "user_id": "u", "product_id": "p0", "type": "bought", "at": MONDAY + DAY_MS}
    tables = make_tables(GraphSchema(), {"Product": products, "User": [{"user_id": "u"}]}, edges={}, events=[event])
    return Selection(build_snapshot(tables), {})


SELECTION = selection()


def holds(tree: Expression, row: dict[str, Any]) -> bool:
    """What the language says, one row at a time."""
    match tree:
        case Not(inner):
            return not holds(inner, row)
        case Both(parts):
            return all(holds(part, row) for part in parts)
        case Either(parts):
            return any(holds(part, row) for part in parts)
        case Missing(name):
            return row[name] is None
        case Among(name, values):
            return row[name] is not None and any(_same(row[name]) == _same(value) for value in values)
        case Compare(name, sign, value):
            return row[name] is not None and bool(SIGNS[sign](_same(row[name]), _same(value)))


def _same(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


@settings(max_examples=200)
@given(nested(FITTING_LEAVES))
def test_a_filter_lets_through_what_a_loop_over_rows_does(tree: Expression) -> None:
    expected = [holds(tree, row) for row in ROWS]

    assert expected == SELECTION.select(tree).tolist()
    assert expected == SELECTION.where(str(tree)).tolist()
