"""A shop drawn at random in which little is as it should be: ties, gaps, products of two brands, busy days."""

from typing import Any

import numpy as np

from kg.schema import GraphSchema
from kg.tables import Tables
from tests.worlds import DAY_MS, MONDAY, make_tables

USERS = tuple(f"u{number:02d}" for number in range(40))
PRODUCTS = tuple(f"p{number:02d}" for number in range(45))
BRANDS = ("acme", "bolt", "core", "dune", "gone")
CATEGORIES = {"food": None, "drinks": "food", "tea": "drinks", "coffee": "drinks", "snacks": "food", "home": None}
"""Parent by category, None at the top."""
DAYS = 80
_STEPS = ("viewed", "carted", "bought", "rated")


def busy_shop(seed: int = 7, *, events: int = 1200) -> Tables:
    """Return the shop: 40 users, 45 products, 5 brands, 6 categories in 3 levels and events over 80 days.

    The last users and products have no event, all products of the brand `gone` are unavailable, some titles come twice,
    some prices, quantities, ratings, texts and times are missing, and users return to what they bought.
    """
    rng = np.random.default_rng(seed)
    nodes: dict[str, list[dict[str, Any]]] = {
        "User": [{"user_id": user} for user in USERS],
        "Product": [_product(rng, number) for number in range(len(PRODUCTS))],
        "Brand": [{"brand_id": brand, "name": brand.title()} for brand in BRANDS],
        "Category": [{"category_id": category, "name": category.title()} for category in CATEGORIES],
    }
    made_by = {(PRODUCTS[number], BRANDS[number % 5]) for number in range(40)} | {("p01", "acme"), ("p07", "core")}
    places = list(CATEGORIES)[1:]
    in_category = {(PRODUCTS[number], places[number * 7 % 5]) for number in range(42)} | {
        ("p02", "tea"),
        ("p03", "home"),
    }
    edges: dict[str, list[tuple[Any, ...]]] = {
        "MADE_BY": sorted(made_by),
        "IN_CATEGORY": sorted(in_category),
        "CHILD_OF": [(child, parent) for child, parent in CATEGORIES.items() if parent],
        "ALSO_BOUGHT": [("p00", "p05", MONDAY, 3.0), ("p01", "p06", None, None), ("p05", "p00", None, 1.5)],
        "BOUGHT_TOGETHER": [("p00", "p10", None, 2.0)],
    }
    rows = [_event(rng, number) for number in range(events)]
    return make_tables(GraphSchema(), nodes, edges=edges, events=rows)


def _product(rng: np.random.Generator, number: int) -> dict[str, Any]:
    name = number if number not in (21, 31) else 11
    return {
        "product_id": PRODUCTS[number],
        "title": None if number == 30 else f"{'Thing' if number != 31 else ' thing'} {name}",
        "description": f"About {number}" if number % 3 else None,
        "price": None if number % 11 == 5 else float(rng.integers(2, 60)) / 2,
        "created_at": None if number == 3 else MONDAY + int(rng.integers(0, 60)) * DAY_MS,
        "available": number % 5 != 4 and number != 6,
    }


def _event(rng: np.random.Generator, number: int) -> dict[str, Any]:
    """Draw one event; a user has a few favourites, the first products are the popular ones."""
    user = int(rng.integers(len(USERS) - 3))
    favourite = (user * 5 + int(rng.integers(4))) % (len(PRODUCTS) - 5)
    product = favourite if rng.random() < 0.6 else int(rng.integers(len(PRODUCTS) - 5) * rng.random())
    moment = MONDAY + int(rng.integers(DAYS)) * DAY_MS + int(rng.integers(0, 24)) * 3_600_000
    step = _STEPS[int(rng.choice(4, p=[0.35, 0.15, 0.45, 0.05]))]
    return {
        "event_id": f"e{number:04d}",
        "user_id": USERS[user],
        "product_id": PRODUCTS[product],
        "type": step,
        "at": None if number % 97 == 0 else moment,
        "quantity": float(rng.integers(1, 4)) if step == "bought" and rng.random() < 0.7 else None,
        "value": float(rng.integers(1, 6)) if step == "rated" and rng.random() < 0.9 else None,
    }
