"""Every query of the catalogue runs on both servers and gives the answers that pandas and networkx give without one."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from cypher.catalogue import Query, load_query, queries_for_people
from kg.ingest import ingest
from kg.store import GraphConfig, GraphStore
from tests.integration.conftest import EMPTY
from tests.support.answers import ANSWERS, Frames, Rows
from tests.support.busy_shop import busy_shop
from tests.worlds import DAY_MS, MONDAY, tiny_shop

SHOPS = {"tiny": tiny_shop, "busy": busy_shop}
HALF, END = MONDAY + 40 * DAY_MS, MONDAY + 79 * DAY_MS
TIMES = {"since": MONDAY + 3 * DAY_MS, "until": END, "split": HALF, "before": END}
ASKED: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "tiny": (
        {"user_id": "u1", "product_id": "p05", "other_id": "p01", "brand_id": "bolt", "category_id": "food"},
        {"user_id": "u2", "product_id": "p03", "other_id": "p10", "brand_id": "acme", "category_id": "drinks"},
        {"user_id": "u6", "product_id": "p10", "other_id": "p09", "brand_id": "core", "category_id": "tea"},
        {"user_id": "nobody", "product_id": "nothing", "other_id": "p01", "brand_id": "none", "category_id": "nowhere"},
    ),
    "busy": (
        {"user_id": "u05", "product_id": "p01", "other_id": "p07", "brand_id": "acme", "category_id": "food", **TIMES},
        {
            "user_id": "u12",
            "product_id": "p05",
            "other_id": "p00",
            "brand_id": "core",
            "category_id": "drinks",
            "min_buyers": 1,
        },
        {
            "user_id": "u20",
            "product_id": "p02",
            "other_id": "p26",
            "brand_id": "bolt",
            "category_id": "tea",
            "width": 2.5,
        },
    ),
}
"""What is asked for in each shop: every query takes from these what it needs, and its own defaults for the rest."""
LOW = {
    "min_common": 1,
    "min_viewers": 2,
    "min_ratings": 1,
    "min_purchases": 1,
    "period_days": 14,
    "examples": 2,
    **TIMES,
}
EVERY_ROW = 10_000


@pytest.fixture(scope="module", params=["local-tiny", "local-busy", "neo4j-tiny", "neo4j-busy"])
def asked(request: pytest.FixtureRequest) -> Iterator[tuple[GraphStore, str, Frames]]:
    """Give a graph that holds a shop, the shop's name and its tables, on each server in turn."""
    server, _, shop = request.param.partition("-")
    config: GraphConfig = request.getfixturevalue(f"{server}_config")
    tables = SHOPS[shop]()
    with GraphStore.open(config) as store:
        store.write(EMPTY, [])
        ingest(store, tables)
        yield store, shop, Frames.of(tables)


def questions(query: Query, shop: str) -> Iterator[dict[str, Any]]:
    """Yield the parameters to ask a query with, each combination once."""
    seen = []
    for given in ASKED[shop]:
        wanted = {name: value for name, value in {**LOW, **given}.items() if name in query.params}
        if wanted not in seen:
            seen.append(wanted)
            yield wanted


def check_same(expected: Rows, found: Rows) -> None:
    """Compare rows; floats that were summed in another order may differ in the last digits."""
    assert [_rounded(row) for row in expected] == [_rounded(row) for row in found]


def _rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with twelve significant digits of each float, and plain types for those of numpy."""
    plain = {name: getattr(value, "tolist", lambda value=value: value)() for name, value in row.items()}
    return {name: float(f"{value:.12g}") if isinstance(value, float) else value for name, value in plain.items()}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_query_gives_the_known_answer(asked: tuple[GraphStore, str, Frames], name: str) -> None:
    store, shop, frames = asked
    query = load_query(name)
    for params in questions(query, shop):
        every = {**params, "limit": EVERY_ROW} if "limit" in query.params else params
        full = query.check(every)

        expected, found = ANSWERS[name](frames, full), store.read(query, every)

        check_same(expected, found)
        assert all(list(query.returns) == list(row) for row in found)
        if "limit" in query.params:
            check_same(expected[:1], store.read(query, {**params, "limit": 1}))


@pytest.mark.parametrize("name", ANSWERS)
def test_a_busy_shop_has_an_answer_to_everything(name: str) -> None:
    frames, query = Frames.of(busy_shop()), load_query(name)

    assert any(ANSWERS[name](frames, query.check(params)) for params in questions(query, "busy"))


def test_no_query_for_people_is_without_a_known_answer() -> None:
    runnable = {query.name for query in queries_for_people()}

    assert set(ANSWERS) == runnable
