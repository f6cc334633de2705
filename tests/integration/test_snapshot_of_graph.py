"""A snapshot read from a graph equals the snapshot of the tables that were written there."""

from datetime import UTC, datetime

import pytest

from kg.extract import extract_tables
from kg.ingest import ingest
from kg.snapshot import build_snapshot
from kg.store import GraphStore
from kg.tables import Tables
from tests.support.random_shops import random_shop
from tests.worlds import tiny_shop, tiny_shop_with_materials

SHOPS = {
    "tiny": tiny_shop,
    "declared kinds": tiny_shop_with_materials,
    "positions": lambda: random_shop(1, order="position"),
    "no order": lambda: random_shop(2, order="none"),
}


@pytest.mark.parametrize("name", SHOPS)
def test_a_snapshot_of_the_graph_equals_a_snapshot_of_the_tables(name: str, graph: GraphStore) -> None:
    tables: Tables = SHOPS[name]()
    ingest(graph, tables)

    read = build_snapshot(extract_tables(graph, tables.schema))

    assert build_snapshot(tables).hash == read.hash
    assert tables.order == read.order


def test_both_are_cut_at_the_same_moment(graph: GraphStore) -> None:
    cutoff = datetime(2024, 1, 9, tzinfo=UTC)
    ingest(graph, tiny_shop())

    read = build_snapshot(extract_tables(graph, tiny_shop().schema), cutoff=cutoff)

    assert build_snapshot(tiny_shop(), cutoff=cutoff).hash == read.hash
