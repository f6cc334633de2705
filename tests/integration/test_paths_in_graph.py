"""Shown paths are asked from the live graph, on both servers: true ones are there, false ones are not."""

from pathlib import Path

from kg.ingest import ingest
from kg.snapshot import build_snapshot
from kg.store import GraphStore
from serving.graph_ledger import claims_not_in_graph
from serving.ready import prepare
from serving.reason_config import ReasonConfig
from tests.support.claims import claims, lies
from tests.support.models import random_bundle
from tests.support.random_shops import random_shop


def test_the_graph_holds_every_shown_path_and_no_false_one(graph: GraphStore, tmp_path: Path) -> None:
    shop = random_shop(1, users=40, events=500)
    ready = prepare(random_bundle(build_snapshot(shop), tmp_path))
    graph.create_schema(shop.schema)
    ingest(graph, shop)
    shown = list(claims(ready))
    false = [lie for claim in shown[:100] for lie in lies(claim)]

    assert len(shown) > 300
    assert [] == claims_not_in_graph(graph, shop.schema, shown, bounds=ReasonConfig())
    assert false == claims_not_in_graph(graph, shop.schema, false, bounds=ReasonConfig())
