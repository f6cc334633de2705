"""Each fault that is planted in a shop is found, named and counted, and a good shop has none of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kg.health import Finding, Shop, examine
from kg.health_checks import BUSY_LEAST, CHECKS
from kg.schema import GraphSchema
from kg.sources.generated import generated_shop
from kg.tables import Tables
from serving.health_page import health_page
from tests.worlds import DAY_MS, MONDAY, make_tables

NOW = MONDAY + 60 * DAY_MS
Nodes = dict[str, list[dict[str, Any]]]
Edges = dict[str, list[tuple[Any, ...]]]
Events = list[dict[str, Any]]
Fault = Callable[[Nodes, Edges, Events], object]


def good_shop() -> tuple[Nodes, Edges, Events]:
    """40 products that are all described, priced, branded, shelved and bought, by 30 users, every day of two months."""
    rng = np.random.default_rng(0)
    products = [
        {
            "product_id": f"p{number:02d}",
            "title": f"Good thing {number}",
            "description": f"About {number}",
            "price": float(rng.lognormal(2.0, 0.4)),
            "available": True,
        }
        for number in range(40)
    ]
    nodes: Nodes = {
        "User": [{"user_id": f"u{number:02d}"} for number in range(30)],
        "Product": products,
        "Brand": [{"brand_id": "acme", "name": "Acme"}],
        "Category": [{"category_id": "top", "name": "Top"}, {"category_id": "leaf", "name": "Leaf"}],
    }
    edges: Edges = {
        "MADE_BY": [(product["product_id"], "acme") for product in products],
        "IN_CATEGORY": [(product["product_id"], "leaf") for product in products],
        "CHILD_OF": [("leaf", "top")],
    }
    events: Events = [
        {
            "event_id": f"e{number:04d}",
            "user_id": f"u{number % 30:02d}",
            "product_id": f"p{number % 40:02d}",
            "type": "bought" if number % 3 else "viewed",
            "at": MONDAY + (number // 10) * DAY_MS + number * 1000,
            "quantity": float(1 + number % 3),
            "value": None,
        }
        for number in range(600)
    ]
    return nodes, edges, events


def shop_with(fault: Fault | None = None) -> Tables:
    nodes, edges, events = good_shop()
    if fault is not None:
        fault(nodes, edges, events)
    return make_tables(GraphSchema(), nodes, edges=edges, events=events)


def change(rows: list[dict[str, Any]], count: int, **values: Any) -> None:
    for row in rows[:count]:
        row.update(values)


def again(events: Events, count: int, **values: Any) -> None:
    events += [{**row, "event_id": f"x{number:05d}", **values} for number, row in enumerate(events[:count])]


def crawl(events: Events, column: str) -> None:
    """One user, or one product, has as many events as make it busy, spread over the days and the others."""
    for number in range(BUSY_LEAST):
        row = events[number % 600]
        events.append(
            {**row, "event_id": f"y{number:05d}", "at": row["at"] + 7 * number, column: row[column][0] + "00"}
        )


def drop_in(nodes: Nodes, events: Events) -> None:
    """Two hundred users come by once."""
    nodes["User"] += [{"user_id": f"z{number:03d}"} for number in range(200)]
    events += [{**events[number], "event_id": f"z{number:05d}", "user_id": f"z{number:03d}"} for number in range(200)]


FAULTS: dict[str, tuple[Fault, str, str, int]] = {
    "products without a title": (lambda n, e, v: change(n["Product"], 3, title=None), "without a title", "WARN", 3),
    "most products without a title": (
        lambda n, e, v: change(n["Product"], 30, title=None),
        "without a title",
        "FAIL",
        30,
    ),
    "products without a description": (
        lambda n, e, v: change(n["Product"], 25, description=None),
        "without a description",
        "WARN",
        25,
    ),
    "products without a price": (lambda n, e, v: change(n["Product"], 9, price=None), "without a price", "WARN", 9),
    "markup in a title": (
        lambda n, e, v: change(n["Product"], 1, title="A <b>thing</b>"),
        "with an odd title",
        "WARN",
        1,
    ),
    "a title of one letter": (lambda n, e, v: change(n["Product"], 2, title="x"), "with an odd title", "WARN", 2),
    "two products of one title": (
        lambda n, e, v: n["Product"][5].update(title=" GOOD thing 6"),
        "with the title and brand of another",
        "WARN",
        1,
    ),
    "a price of nothing": (lambda n, e, v: change(n["Product"], 2, price=0.0), "with a price of 0 or less", "WARN", 2),
    "a lost decimal point": (
        lambda n, e, v: change(n["Product"], 1, price=99_900.0),
        "with a price far from all others",
        "WARN",
        1,
    ),
    "nothing can be had": (lambda n, e, v: change(n["Product"], 40, available=False), "that cannot be had", "FAIL", 40),
    "products without a brand": (lambda n, e, v: e["MADE_BY"].__delitem__(slice(0, 10)), "without a brand", "WARN", 10),
    "products without a category": (
        lambda n, e, v: e["IN_CATEGORY"].__delitem__(slice(0, 5)),
        "without a category",
        "WARN",
        5,
    ),
    "a cold catalogue": (
        lambda n, e, v: v.__setitem__(slice(None), [row for row in v if row["product_id"] < "p05"]),
        "that nobody did anything with",
        "WARN",
        35,
    ),
    "a product that is a bag": (lambda n, e, v: crawl(v, "product_id"), "with a large share of all events", "WARN", 1),
    "a crawler": (lambda n, e, v: crawl(v, "user_id"), "with a large share of all events", "WARN", 1),
    "users without events": (
        lambda n, e, v: n["User"].extend({"user_id": f"z{number}"} for number in range(40)),
        "without an event",
        "WARN",
        40,
    ),
    "users who come by once": (lambda n, e, v: drop_in(n, v), "with fewer than three events", "WARN", 200),
    "no purchases": (lambda n, e, v: change(v, 600, type="viewed"), "of a shop without any purchase", "WARN", 1),
    "events without a time": (lambda n, e, v: change(v, 7, at=None), "without a time", "WARN", 7),
    "an event of tomorrow's tomorrow": (lambda n, e, v: change(v, 2, at=NOW + 3 * DAY_MS), "of the future", "WARN", 2),
    "a clock in another unit": (lambda n, e, v: change(v, 60, at=NOW + 900 * DAY_MS), "of the future", "FAIL", 60),
    "a gap of a week": (
        lambda n, e, v: v.__setitem__(slice(None), v[:200] + v[270:]),
        "days without any event",
        "WARN",
        7,
    ),
    "a flooded day": (
        lambda n, e, v: again(v, 100, at=MONDAY + 30 * DAY_MS + 5),
        "days with more than five times the usual number",
        "WARN",
        1,
    ),
    "a feed delivered twice": (lambda n, e, v: again(v, 300), "that repeat another to the millisecond", "WARN", 300),
    "a weight in grams": (
        lambda n, e, v: change(v, 1, quantity=25_000.0),
        "with a quantity far from all others",
        "WARN",
        1,
    ),
    "ratings without a value": (lambda n, e, v: change(v, 4, type="rated"), "that rate without a value", "WARN", 4),
    "empty branches": (
        lambda n, e, v: n["Category"].extend({"category_id": f"c{number}", "name": "C"} for number in range(3)),
        "without a product in or below",
        "WARN",
        3,
    ),
    "empty brands": (
        lambda n, e, v: n["Brand"].extend({"brand_id": f"b{number}", "name": "B"} for number in range(3)),
        "without a product",
        "WARN",
        3,
    ),
}


def findings_of(tables: Tables) -> list[Finding]:
    return examine(Shop(tables, now_ms=NOW), CHECKS)


def test_a_good_shop_passes_everything() -> None:
    findings = findings_of(shop_with())

    assert set() == {(one.name, one.verdict) for one in findings if one.verdict != "PASS"}
    assert all((one.fix, one.examples) == ("", ()) for one in findings)


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name: str) -> None:
    fault, check, verdict, count = FAULTS[name]

    found = [one for one in findings_of(shop_with(fault)) if one.name == check and one.count]

    assert [(verdict, count)] == [(one.verdict, one.count) for one in found]
    assert all(one.fix and 0 < len(one.examples) <= 3 for one in found)


def test_every_check_is_among_the_faults() -> None:
    planted = {check for _, check, _, _ in FAULTS.values()}

    assert {check.name for check in CHECKS} == planted


def test_failures_come_first() -> None:
    verdicts = [one.verdict for one in findings_of(shop_with(lambda n, e, v: change(n["Product"], 40, title=None)))]

    assert verdicts == sorted(verdicts, key=["FAIL", "WARN", "PASS"].index)
    assert "FAIL" == verdicts[0]


def test_a_shop_without_times_prices_and_tables_is_examined() -> None:
    tables = make_tables(
        GraphSchema(),
        {"User": [{"user_id": "u"}], "Product": [{"product_id": "p"}], "Brand": [], "Category": []},
        edges={},
        events=[{"event_id": "e", "user_id": "u", "product_id": "p", "type": "bought"}],
    )

    names = {one.name for one in findings_of(tables) if one.verdict != "PASS"}

    assert {"without a title", "without a price", "without a time", "without a brand"} <= names
    assert "products by buyers" in health_page(findings_of(tables), Shop(tables, now_ms=NOW), facts={"data": "nothing"})


def test_the_page_is_whole_and_asks_nobody(tmp_path: Path) -> None:
    tables = generated_shop().tables
    findings = findings_of(tables)

    page = health_page(findings, Shop(tables, now_ms=NOW), facts={"data": "a <shop>", "made": "today"})

    assert all(title in page for title in ("events by day", "products by buyers", "products by price"))
    assert "a &lt;shop&gt;" in page
    assert all(one.name in page for one in findings)
    assert "http" not in page.replace("http-equiv", "")
