"""Tiny shops with known answers, used by every kind of test. Small enough to work out by hand."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from kg.canonical import canonical_edges, canonical_events, canonical_nodes
from kg.schema import GraphSchema, declare
from kg.tables import Tables

DAY_MS = 86_400_000
MONDAY = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000)
"""The first day of the tiny shop, a Monday; `day 0` of its events."""

USERS = ("u1", "u2", "u3", "u4", "u5", "u6")
PRODUCTS = {
    "p01": ("Green tea", 4.0, "acme", "tea"),
    "p02": ("Black tea", 3.0, "acme", "tea"),
    "p03": ("Espresso beans", 9.0, "acme", "coffee"),
    "p04": ("Filter coffee", 7.0, "acme", "coffee"),
    "p05": ("Oat biscuits", 2.5, "bolt", "snacks"),
    "p06": ("Salted nuts", 3.5, "bolt", "snacks"),
    "p07": ("Lemonade", 2.0, "bolt", "drinks"),
    "p08": ("White tea", 6.0, "core", "tea"),
    "p09": ("Rice crackers", 1.5, "core", "snacks"),
    "p10": ("Plain mug", 5.0, None, None),
}
"""Title, price, brand and category by product; p10 has neither brand nor category and nobody bought it."""
BRANDS = {"acme": "Acme", "bolt": "Bolt", "core": "Core"}
CATEGORIES = {"food": None, "drinks": "food", "snacks": "food", "tea": "drinks", "coffee": "drinks"}
"""Parent by category: food > drinks > tea and coffee; food > snacks."""
RELATIONS = {
    "ALSO_BOUGHT": (("p01", "p05", 0, 3.0), ("p02", "p06", None, None)),
    "ALSO_VIEWED": (("p04", "p08", None, 0.5),),
    "BOUGHT_TOGETHER": (("p01", "p03", 2, None),),
}
"""From, to, day and weight of the direct relations between products."""
EVENTS = (
    ("e01", "u1", "p01", "viewed", 0, None, None),
    ("e02", "u1", "p01", "bought", 0, 2.0, None),
    ("e03", "u1", "p03", "carted", 1, None, None),
    ("e04", "u1", "p03", "bought", 1, 1.0, None),
    ("e05", "u1", "p01", "bought", 8, 1.0, None),
    ("e06", "u2", "p01", "bought", 2, 1.0, None),
    ("e07", "u2", "p05", "bought", 2, 4.0, None),
    ("e08", "u2", "p08", "bought", 9, 1.0, None),
    ("e09", "u3", "p01", "viewed", 3, None, None),
    ("e10", "u3", "p05", "bought", 3, 1.0, None),
    ("e11", "u3", "p06", "bought", 10, 2.0, None),
    ("e12", "u3", "p05", "bought", 17, 1.0, None),
    ("e13", "u4", "p01", "bought", 4, 1.0, None),
    ("e14", "u4", "p03", "bought", 4, 1.0, None),
    ("e15", "u4", "p04", "viewed", 11, None, None),
    ("e16", "u4", "p04", "rated", 12, None, 4.0),
    ("e17", "u5", "p02", "viewed", 5, None, None),
    ("e18", "u5", "p02", "carted", 5, None, None),
    ("e19", "u5", "p07", "bought", 6, 6.0, None),
    ("e20", "u5", "p09", "viewed", 13, None, None),
    ("e21", "u5", "p03", "bought", 14, 1.0, None),
)
"""Event id, user, product, type, day, quantity and value; u6 has no event."""


def tiny_shop() -> Tables:
    """Return 6 users, 10 products, 3 brands, 5 categories in 3 levels, 4 direct relations and 21 timed events."""
    schema = GraphSchema()
    nodes: dict[str, list[dict[str, Any]]] = {
        "User": [{"user_id": user} for user in USERS],
        "Product": [
            {"product_id": key, "title": title, "price": price, "created_at": MONDAY, "available": key != "p09"}
            for key, (title, price, _, _) in PRODUCTS.items()
        ],
        "Brand": [{"brand_id": key, "name": name} for key, name in BRANDS.items()],
        "Category": [{"category_id": key, "name": key.title()} for key in CATEGORIES],
    }
    edges: dict[str, list[tuple[Any, ...]]] = {
        "MADE_BY": [(key, brand) for key, (_, _, brand, _) in PRODUCTS.items() if brand],
        "IN_CATEGORY": [(key, category) for key, (_, _, _, category) in PRODUCTS.items() if category],
        "CHILD_OF": [(key, parent) for key, parent in CATEGORIES.items() if parent],
        **{name: [(a, b, _at(day), weight) for a, b, day, weight in rows] for name, rows in RELATIONS.items()},
    }
    return make_tables(schema, nodes, edges=edges, events=_events())


def tiny_shop_with_materials() -> Tables:
    """Return the tiny shop with a declared kind (Material), a declared relation, an event type and odd properties."""
    shop = tiny_shop()
    declaration = {
        "graph": {
            "nodes": {"Material": {"text": ["name"]}},
            "relations": {"MADE_OF": {"from": "Product", "to": "Material"}},
        },
        "events": {"returned": {"weight": -4.0}},
    }
    schema = declare(GraphSchema(), declaration, where="tiny_shop")
    nodes = {label: table.to_pylist() for label, table in shop.nodes.items()}
    nodes["Material"] = [{"material_id": "oak", "name": "Oak"}, {"material_id": "paper", "name": "Paper 纸"}]
    for number, product in enumerate(nodes["Product"]):
        product |= {"grams": number * 100, "organic": number % 2 == 0, "ratio": number / 4, "note": 'it\'s "new"\n'}
    nodes["Product"][3] |= {"grams": None, "organic": None, "ratio": None, "note": ""}
    edges: dict[str, list[tuple[Any, ...]]] = {
        name: [tuple(row.values()) for row in table.to_pylist()] for name, table in shop.edges.items()
    }
    edges["MADE_OF"] = [("p01", "paper"), ("p10", "oak")]
    returned = {"event_id": "e22", "user_id": "u2", "product_id": "p08", "type": "returned", "at": MONDAY + 20 * DAY_MS}
    events = [*shop.events.to_pylist(), returned | {"channel": "web", "clicks": 3}]
    return make_tables(schema, nodes, edges=edges, events=events)


def make_tables(
    schema: GraphSchema,
    nodes: Mapping[str, Iterable[Mapping[str, Any]]],
    *,
    edges: Mapping[str, Iterable[tuple[Any, ...]]],
    events: Iterable[Mapping[str, Any]],
) -> Tables:
    """Return canonical tables from plain rows; kinds that are not named have no row.

    Args:
        schema: kinds in use.
        nodes: rows by label.
        edges: tuples (from_id, to_id), optionally followed by at in milliseconds and weight, by relation name.
        events: rows with the columns of `EVENT_COLUMNS` and any further properties.
    """
    node_tables = {
        label: canonical_nodes(kind, _table(nodes.get(label, ()), first=kind.key))
        for label, kind in schema.nodes.items()
    }
    columns = ("from_id", "to_id", "at", "weight")
    edge_rows = {
        name: [dict(zip(columns, row, strict=False)) for row in edges.get(name, ())] for name in schema.relations
    }
    edge_tables = {
        name: canonical_edges(kind, _table(edge_rows[name], first="from_id")) for name, kind in schema.relations.items()
    }
    return Tables(schema=schema, nodes=node_tables, edges=edge_tables, events=canonical_events(_table(events)))


def _events() -> list[dict[str, Any]]:
    columns = ("event_id", "user_id", "product_id", "type", "at", "quantity", "value")
    return [dict(zip(columns, (*row[:4], _at(row[4]), *row[5:]), strict=True)) for row in EVENTS]


def _at(day: int | None) -> int | None:
    return None if day is None else MONDAY + day * DAY_MS


def _table(rows: Iterable[Mapping[str, Any]], *, first: str = "event_id") -> pa.Table:
    listed = list(rows)
    names = dict.fromkeys([first, *(name for row in listed for name in row)])
    return pa.table({name: pa.array([row.get(name) for row in listed]) for name in names})
