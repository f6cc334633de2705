"""The bench of newcomers holds out what it says, and ranks it on a small shop."""

from pathlib import Path

import numpy as np
import pytest

from bench import cold
from kg.snapshot import build_snapshot
from tests.support.tiny_bundle import publish_tiny_bundle
from tests.worlds import tiny_shop


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold, "MIN_EVENTS", 1)
    monkeypatch.setattr(cold, "SHARE", 0.3)
    monkeypatch.setattr(cold, "K", 1)


def test_products_held_out_leave_with_their_events_and_stand_at_the_end() -> None:
    shop = build_snapshot(tiny_shop())

    small, grown, held = cold.hold_out(shop, seed=0)

    names = [shop.ids("Product")[row] for row in held.tolist()]
    assert names == grown.ids("Product")[small.num_nodes("Product") :]
    assert small.ids("Product") == grown.ids("Product")[: small.num_nodes("Product")]
    assert set(shop.ids("Product")) - set(names) == set(small.ids("Product"))
    assert len(small.events) == int((~np.isin(shop.events.product, held)).sum())
    for name, edges in grown.edges.items():
        kind = shop.schema.relation(name)
        before = shop.edges[name]
        assert {
            (shop.ids(kind.source)[a], shop.ids(kind.target)[b])
            for a, b in zip(before.source, before.target, strict=True)
        } == {
            (grown.ids(kind.source)[a], grown.ids(kind.target)[b])
            for a, b in zip(edges.source, edges.target, strict=True)
        }


def test_newcomers_are_ranked_with_and_without_stand_ins(tmp_path: Path) -> None:
    bundle = publish_tiny_bundle(tmp_path).current()

    result = cold.rank_newcomers(bundle, seed=0)

    assert {"the model", "without stand-ins", "brand alone", "chance"} <= {row["by"] for row in result["rows"]}
    assert all(0.0 <= row["recall"] <= 1.0 for row in result["rows"])
    assert 2 == result["num_held_out"]
