"""Small random shops for tests that compare fast code with slow loops: every kind of node, edge and event."""

import functools
from typing import Any

import numpy as np

from kg.schema import GraphSchema, declare
from kg.snapshot import Snapshot, build_snapshot
from kg.tables import Order, Tables
from tests.worlds import DAY_MS, MONDAY, make_tables

DECLARED = {
    "graph": {
        "nodes": {"Material": {"text": ["name"]}},
        "relations": {"MADE_OF": {"from": "Product", "to": "Material", "reason": "made of {name}"}},
    },
    "events": {"returned": {"weight": -4.0}},
}
TYPES = ("viewed", "bought", "rated", "returned")
ORDERS: tuple[Order, ...] = ("clock", "position", "none")


def random_shop(
    seed: int, *, users: int = 8, products: int = 12, events: int = 60, order: Order = "clock", days: int = 12
) -> Tables:
    """Return a shop in which everything is drawn; several events of a user share a day, so that steps hold many."""
    rng = np.random.default_rng(seed)
    schema = declare(GraphSchema(), DECLARED, where="random_shop")
    user_ids = [f"u{index:02d}" for index in range(users)]
    product_ids = [f"p{index:02d}" for index in range(products)]
    brand_ids, material_ids = ["acme", "bolt", "core"], ["oak", "paper"]
    category_ids = [f"c{index}" for index in range(6)]
    nodes: dict[str, list[dict[str, Any]]] = {
        "User": [{"user_id": key} for key in user_ids],
        "Product": [
            {"product_id": key, "title": f"Product {key}", "price": float(rng.integers(1, 9))} for key in product_ids
        ],
        "Brand": [{"brand_id": key, "name": key.title()} for key in brand_ids],
        "Category": [{"category_id": key, "name": key.upper()} for key in category_ids],
        "Material": [{"material_id": key, "name": key.title()} for key in material_ids],
    }
    edges: dict[str, list[tuple[Any, ...]]] = {
        "MADE_BY": _links(rng, product_ids, brand_ids, share=0.8),
        "IN_CATEGORY": _links(rng, product_ids, category_ids, share=0.9),
        "CHILD_OF": [(category_ids[child], category_ids[int(rng.integers(0, child))]) for child in (2, 3, 4, 5)],
        "MADE_OF": _links(rng, product_ids, material_ids, share=0.5),
        "ALSO_BOUGHT": _pairs(rng, product_ids, products),
        "BOUGHT_TOGETHER": _pairs(rng, product_ids, products // 2),
    }
    rows = []
    for number in range(events):
        row: dict[str, Any] = {
            "event_id": f"e{number:04d}",
            "user_id": user_ids[int(rng.integers(users))],
            "product_id": product_ids[int(rng.integers(products))],
            "type": TYPES[int(rng.choice(4, p=[0.3, 0.5, 0.1, 0.1]))],
        }
        moment = int(rng.integers(days))
        if order == "clock":
            row["at"] = MONDAY + moment * DAY_MS
        elif order == "position":
            row["position"] = moment
        rows.append(row)
    return make_tables(schema, nodes, edges=edges, events=rows)


@functools.cache
def random_snapshot(
    seed: int, *, users: int = 8, products: int = 12, events: int = 60, order: Order = "clock"
) -> Snapshot:
    """Return the snapshot of a random shop; made once for the same numbers."""
    return build_snapshot(random_shop(seed, users=users, products=products, events=events, order=order))


def _links(rng: np.random.Generator, sources: list[str], targets: list[str], *, share: float) -> list[tuple[Any, ...]]:
    """One link for most sources, and a second one for some."""
    found = {(key, targets[int(rng.integers(len(targets)))]) for key in sources if rng.random() < share}
    found |= {(key, targets[int(rng.integers(len(targets)))]) for key in sources if rng.random() < 0.2}
    return sorted(found)


def _pairs(rng: np.random.Generator, products: list[str], count: int) -> list[tuple[Any, ...]]:
    drawn = {tuple(products[int(place)] for place in rng.permutation(len(products))[:2]) for _ in range(count)}
    return [(*pair, None, float(rng.integers(1, 6))) for pair in sorted(drawn)]
