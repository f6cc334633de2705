"""A snapshot made from an earlier one and from what is new in the graph is the snapshot of the whole graph."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from kg import refresh
from kg.canonical import canonical_events, canonical_nodes
from kg.deletions import delete_users
from kg.extract import extract_tables
from kg.ingest import ingest
from kg.privacy import Secret
from kg.refresh import refresh_snapshot
from kg.snapshot import Snapshot, build_snapshot
from kg.store import GraphStore
from kg.tables import Tables
from tests.support.busy_shop import busy_shop
from tests.support.random_shops import random_shop
from tests.worlds import tiny_shop

Rows = list[dict[str, Any]]
Asked = list[list[str]]


def with_events(shop: Tables, change: Callable[[Rows], Rows]) -> Tables:
    return replace(shop, events=canonical_events(pa.Table.from_pylist(change(shop.events.to_pylist()))))


def with_nodes(shop: Tables, label: str, change: Callable[[Rows], Rows]) -> Tables:
    rows = pa.Table.from_pylist(change(shop.nodes[label].to_pylist()))
    return replace(shop, nodes={**shop.nodes, label: canonical_nodes(shop.schema.nodes[label], rows)})


def whole(graph: GraphStore, shop: Tables) -> Snapshot:
    return build_snapshot(extract_tables(graph, shop.schema))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Give the users of whom later events were read, then those whose events were read anew."""
    asked: Asked = []
    before = refresh.read_events

    def noted(*args: Any, **named: Any) -> pa.Table:
        asked.append(sorted(named["users"] if "users" in named else named["later"].after))
        return before(*args, **named)

    monkeypatch.setattr(refresh, "read_events", noted)
    return asked


@pytest.mark.parametrize("order", ["clock", "position"])
def test_nothing_new_reads_no_event(order: str, graph: GraphStore, read: Asked) -> None:
    shop = tiny_shop() if order == "clock" else random_shop(1, order="position")
    ingest(graph, shop)
    known = whole(graph, shop)

    again = refresh_snapshot(graph, known)

    assert again is not None
    assert (known.hash, [[]]) == (again.hash, read)


def test_new_users_products_events_and_prices_are_all_there(graph: GraphStore, read: Asked) -> None:
    shop = busy_shop()
    clocked = with_events(shop, lambda rows: [row for row in rows if row["at"] is not None])
    ingest(graph, clocked)
    known = whole(graph, clocked)
    users = known.ids("User")
    grown = with_nodes(clocked, "User", lambda rows: [*rows, {"user_id": "a-newcomer"}])
    grown = with_nodes(
        grown, "Product", lambda rows: [*rows, {"product_id": "a-product", "title": "New", "price": 1.0}]
    )
    grown = with_nodes(grown, "Product", lambda rows: [{**row, "price": 2.5} for row in rows])
    at = max(row["at"] for row in clocked.events.to_pylist())
    new = [
        {"event_id": f"n{number}", "user_id": user, "product_id": product, "type": "bought", "at": at + number}
        for number, (user, product) in enumerate(
            [("a-newcomer", "a-product"), (users[3], "a-product"), (users[5], known.ids("Product")[0])]
        )
    ]
    grown = with_events(grown, lambda rows: [*rows, *new])
    ingest(graph, grown)

    again = refresh_snapshot(graph, known)

    assert again is not None
    assert whole(graph, grown).hash == again.hash
    assert [sorted(["a-newcomer", users[3], users[5]])] == read


def test_changed_moments_and_quantities_are_noticed(graph: GraphStore, read: Asked) -> None:
    shop = tiny_shop()
    ingest(graph, shop)
    known = whole(graph, shop)

    def change(rows: Rows) -> Rows:
        rows[5] |= {"quantity": 9.25}  # e06 of u2
        rows[16] |= {"at": rows[16]["at"] + 1}  # e17 of u5
        return rows

    changed = with_events(shop, change)
    ingest(graph, changed)

    again = refresh_snapshot(graph, known)

    assert again is not None
    assert (whole(graph, shop).hash, [["u2", "u5"]] * 2) == (again.hash, read)
    assert known.hash != again.hash


def test_what_comes_late_is_read_anew_and_nothing_else(graph: GraphStore, read: Asked) -> None:
    shop = tiny_shop()
    ingest(graph, shop)
    known = whole(graph, shop)
    rows = shop.events.to_pylist()
    of_user = {row["user_id"]: row for row in rows}
    early, late = min(rows, key=lambda row: row["at"]), max(rows, key=lambda row: row["at"])
    names = sorted(of_user)[:4]
    new = [
        {**of_user[names[0]], "event_id": "n1", "at": late["at"] + 5},
        {**of_user[names[1]], "event_id": "n2", "at": early["at"] - 5},  # late
        {**of_user[names[2]], "event_id": "n3"},  # the moment that is known last
        {**of_user[names[3]], "event_id": "n4", "at": late["at"] + 1, "quantity": 3.5},
        {**of_user[names[3]], "event_id": "n5", "at": late["at"] + 9},
    ]
    grown = with_events(shop, lambda rows: [*rows, *new])
    ingest(graph, grown)

    again = refresh_snapshot(graph, known)

    assert again is not None
    assert whole(graph, grown).hash == again.hash
    assert [names, names[1:3]] == read


@pytest.mark.parametrize("seed", range(3))
def test_what_comes_after_an_order_without_a_clock_is_found(seed: int, graph: GraphStore, read: Asked) -> None:
    shop = random_shop(seed, order="position")
    rows = sorted(shop.events.to_pylist(), key=lambda row: (row["position"], row["event_id"]))
    ingest(graph, with_events(shop, lambda _: rows[: len(rows) // 2]))
    known = whole(graph, shop)
    ingest(graph, shop)

    again = refresh_snapshot(graph, known)

    assert again is not None
    assert whole(graph, shop).hash == again.hash
    assert len(read[0]) > sum(map(len, read[1:]))


def test_a_deleted_user_is_gone(graph: GraphStore, read: Asked) -> None:
    shop = tiny_shop()
    ingest(graph, shop)
    known, secret = whole(graph, shop), Secret(b"0123456789abcdef")
    delete_users(graph, shop.schema, {secret.digest("u3"): "u3"}, secret=secret, at_ms=1)

    again = refresh_snapshot(graph, known)

    assert again is not None
    assert (whole(graph, shop).hash, None, [[]]) == (again.hash, again.row("User", "u3"), read)


def test_where_it_cannot_be_told_the_graph_is_read_whole(graph: GraphStore) -> None:
    shop, ordered = tiny_shop(), random_shop(2, order="none")
    ingest(graph, shop)
    cut = build_snapshot(shop, cutoff=datetime(2024, 1, 9, tzinfo=UTC))
    known = whole(graph, shop)
    without_time = with_events(shop, lambda rows: [{**rows[0], "at": None, "event_id": "x1"}])

    assert None is refresh_snapshot(graph, cut)
    assert None is refresh_snapshot(graph, build_snapshot(ordered))
    ingest(graph, without_time)
    assert None is refresh_snapshot(graph, known)
