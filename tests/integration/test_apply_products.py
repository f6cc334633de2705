"""From the product log to the graph, and from there into the next model."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kg.extract import extract_tables
from kg.ingest import ingest
from kg.snapshot import Snapshot, build_snapshot
from kg.store import GraphConfig, GraphStore
from serving.events import REFUSED, EventLog, NewEvent
from serving.graph_input import Applied, snapshot_with_events
from serving.products import ProductLog, apply_products
from tests.integration.conftest import EMPTY
from tests.worlds import MONDAY, tiny_shop

ROWS = (
    ("p11", {"title": "Oolong tea", "brand": "Acme", "categories": ["Tea"], "price": 4.5, "created_at": MONDAY}),
    ("p12", {"title": "Nougat", "brand": "Delta", "categories": ["Food > Sweets"], "created_at": MONDAY}),
    ("p01", {"price": 9.5}),
)


@pytest.fixture
def store(local_config: GraphConfig) -> Iterator[GraphStore]:
    with GraphStore.open(local_config) as opened:
        opened.write(EMPTY, [])
        ingest(opened, tiny_shop())
        yield opened


@pytest.fixture
def log(tmp_path: Path) -> Iterator[ProductLog]:
    with ProductLog.open(tmp_path / "state.db") as opened:
        opened.append(ROWS, known={"p01"})
        yield opened


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return build_snapshot(tiny_shop())


def linked(found: Snapshot, relation: str, source: str) -> list[str]:
    kind, edges = found.schema.relation(relation), found.edges[relation]
    return [
        found.ids(kind.target)[row] for row in edges.target[edges.source == found.row(kind.source, source)].tolist()
    ]


def test_products_reach_the_graph_with_brand_categories_and_properties(
    store: GraphStore, log: ProductLog, snapshot: Snapshot
) -> None:
    assert (3, 0) == (apply_products(log, store, snapshot), apply_products(log, store, snapshot))

    found = build_snapshot(extract_tables(store, snapshot.schema))
    rows = {row["product_id"]: row for row in found.nodes["Product"].to_pylist()}
    assert ("Oolong tea", 4.5, MONDAY) == tuple(rows["p11"][name] for name in ("title", "price", "created_at"))
    assert ("Green tea", 9.5) == (rows["p01"]["title"], rows["p01"]["price"])
    assert (["acme"], ["tea"]) == (linked(found, "MADE_BY", "p11"), linked(found, "IN_CATEGORY", "p11"))
    (sweets,) = linked(found, "IN_CATEGORY", "p12")
    assert ["food"] == linked(found, "CHILD_OF", sweets)
    assert len(snapshot.events) == len(found.events)


def test_a_retraining_holds_them_and_what_was_done_with_them(
    store: GraphStore, log: ProductLog, snapshot: Snapshot
) -> None:
    with EventLog.open(log.path) as events:
        events.append([NewEvent(event_id="n1", user_id="u1", product_id="p12", type="bought", at_ms=MONDAY)])
        made, applied = snapshot_with_events(store, snapshot.schema, log=events, products=log)

    assert Applied(events=1, products=3) == applied
    assert made.row("Product", "p12") in made.events.product
    assert () == log.waiting()


def test_a_row_that_no_longer_fits_the_shop_is_set_aside_and_the_others_are_written(
    store: GraphStore, log: ProductLog, snapshot: Snapshot
) -> None:
    log.append([("p13", {"shelf": "A3"}), ("p14", {"title": "Last"})], known=())

    assert 4 == apply_products(log, store, snapshot)

    (refused,) = log.waiting(REFUSED)
    assert "p13" == refused.product_id
    assert "p14" in extract_tables(store, snapshot.schema).nodes["Product"]["product_id"].to_pylist()
