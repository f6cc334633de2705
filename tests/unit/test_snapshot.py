"""The cut of the graph: order of events, steps, cutoff, hash."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from kg.errors import LeakageError, SnapshotError
from kg.schema import GraphSchema
from kg.snapshot import Snapshot, build_snapshot, select_events
from kg.tables import Tables
from tests.support.random_shops import ORDERS, random_shop
from tests.worlds import DAY_MS, EVENTS, MONDAY, make_tables, tiny_shop, tiny_shop_with_materials

Told = tuple[str, str, str, int]


def told(snapshot: Snapshot) -> list[Told]:
    """Read the events back as ids, one tuple an event in the snapshot's order."""
    events = snapshot.events
    return [
        (
            snapshot.ids("User")[events.user[place]],
            snapshot.ids("Product")[events.product[place]],
            snapshot.event_names[events.kind[place]],
            int(events.time[place]),
        )
        for place in range(len(events))
    ]


def test_events_are_sorted_by_user_then_time_then_event_id() -> None:
    expected = [
        (user, product, kind, MONDAY + day * DAY_MS)
        for _, user, product, kind, day, _, _ in sorted(EVENTS, key=lambda row: (row[1], row[4], row[0]))
    ]

    assert expected == told(build_snapshot(tiny_shop()))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("seed", range(4))
def test_a_step_counts_the_earlier_distinct_times_of_the_same_user(seed: int, order: str) -> None:
    tables = random_shop(seed, order=order)  # type: ignore[arg-type]  # parametrised
    snapshot = build_snapshot(tables)
    column = {"clock": "at", "position": "position", "none": None}[order]
    rows = tables.events.to_pylist()
    moment = {row["event_id"]: row[column] if column else 0 for row in rows}
    expected = []
    for row in sorted(rows, key=lambda row: (row["user_id"], moment[row["event_id"]], row["event_id"])):
        mine = {moment[other["event_id"]] for other in rows if other["user_id"] == row["user_id"]}
        expected.append(len({time for time in mine if time < moment[row["event_id"]]}))

    assert expected == snapshot.events.step.tolist()


def test_a_shop_without_an_event_has_a_snapshot() -> None:
    snapshot = build_snapshot(make_tables(GraphSchema(), {}, edges={}, events=[]))

    assert (0, 0, "none", slice(0, 0)) == (
        len(snapshot.events), snapshot.num_nodes("User"), snapshot.order, slice(*snapshot.events.user.shape, 0)
    )  # fmt: skip


def test_the_events_of_a_user_are_one_slice() -> None:
    snapshot = build_snapshot(tiny_shop())

    found = {key: told(snapshot)[snapshot.user_events(row)] for row, key in enumerate(snapshot.ids("User"))}

    assert {key: [row for row in told(snapshot) if row[0] == key] for key in found} == found
    assert [] == found["u6"]


def test_nothing_at_or_after_the_cutoff_stays() -> None:
    cutoff = datetime(2024, 1, 9, tzinfo=UTC)  # day 8: e05 lies exactly on it

    snapshot = build_snapshot(tiny_shop(), cutoff=cutoff)

    kept = sorted(event[0] for event in EVENTS if event[4] < 8)
    assert (len(kept), MONDAY + 8 * DAY_MS) == (len(snapshot.events), snapshot.cutoff_ms)
    assert snapshot.events.time.max() < MONDAY + 8 * DAY_MS


def test_a_cutoff_leaves_out_timed_edges_and_keeps_those_without_a_time() -> None:
    whole = build_snapshot(tiny_shop())

    cut = build_snapshot(tiny_shop(), cutoff=datetime(2024, 1, 2, tzinfo=UTC))

    sizes = {name: (len(whole.edges[name]), len(cut.edges[name])) for name in ("BOUGHT_TOGETHER", "ALSO_BOUGHT")}
    assert {"BOUGHT_TOGETHER": (1, 0), "ALSO_BOUGHT": (2, 2)} == sizes


def test_a_cutoff_in_another_time_zone_is_the_same_moment() -> None:
    berlin = datetime(2024, 1, 9, 1, tzinfo=UTC).astimezone(tz=None)

    same = build_snapshot(tiny_shop(), cutoff=datetime(2024, 1, 9, 1, tzinfo=UTC))

    assert same.hash == build_snapshot(tiny_shop(), cutoff=berlin).hash


def test_a_cutoff_without_a_time_zone_is_refused() -> None:
    with pytest.raises(SnapshotError, match="needs a time zone, got 2024-01-09T00:00:00"):
        build_snapshot(tiny_shop(), cutoff=datetime(2024, 1, 9))


@pytest.mark.parametrize("order", ["position", "none"])
def test_a_cutoff_of_a_shop_without_times_is_refused(order: str) -> None:
    with pytest.raises(SnapshotError, match="have no time"):
        build_snapshot(random_shop(0, order=order), cutoff=datetime.now(UTC))  # type: ignore[arg-type]


@pytest.mark.parametrize("column", ["user_id", "product_id", "type"])
def test_an_event_that_names_what_is_not_there_is_refused(column: str) -> None:
    shop = tiny_shop()
    place = shop.events.schema.get_field_index(column)
    broken = shop.events.set_column(place, shop.events.schema.field(place), pa.array(["x"] * shop.events.num_rows))

    with pytest.raises(SnapshotError, match="do not hold"):
        build_snapshot(replace(shop, events=broken))


def test_an_edge_that_names_what_is_not_there_is_refused() -> None:
    shop = tiny_shop()
    edges = dict(shop.edges)
    edges["MADE_BY"] = edges["MADE_BY"].set_column(
        1, edges["MADE_BY"].schema.field(1), pa.array(["nobody"] * edges["MADE_BY"].num_rows)
    )

    with pytest.raises(SnapshotError, match="an edge names a node"):
        build_snapshot(replace(shop, edges=edges))


def test_equal_content_has_an_equal_hash() -> None:
    assert build_snapshot(tiny_shop_with_materials()).hash == build_snapshot(tiny_shop_with_materials()).hash


def _changed_events(column: str, value: object) -> Callable[[Tables], Tables]:
    def change(shop: Tables) -> Tables:
        rows = shop.events.to_pylist()
        rows[4] |= {column: value}
        return replace(shop, events=pa.Table.from_pylist(rows, schema=shop.events.schema))

    return change


def _changed_node(label: str, column: str, value: object) -> Callable[[Tables], Tables]:
    def change(shop: Tables) -> Tables:
        rows = shop.nodes[label].to_pylist()
        rows[1] |= {column: value}
        table = pa.Table.from_pylist(rows, schema=shop.nodes[label].schema)
        return replace(shop, nodes={**shop.nodes, label: table})

    return change


def _changed_edge(name: str, column: str, value: object) -> Callable[[Tables], Tables]:
    def change(shop: Tables) -> Tables:
        rows = shop.edges[name].to_pylist()
        rows[0] |= {column: value}
        table = pa.Table.from_pylist(rows, schema=shop.edges[name].schema)
        return replace(shop, edges={**shop.edges, name: table})

    return change


CHANGES = {
    "user of an event": _changed_events("user_id", "u6"),
    "product of an event": _changed_events("product_id", "p09"),
    "type of an event": _changed_events("type", "viewed"),
    "time of an event": _changed_events("at", MONDAY),
    "quantity of an event": _changed_events("quantity", 7.0),
    "title": _changed_node("Product", "title", "Another tea"),
    "price": _changed_node("Product", "price", 3.01),
    "no price": _changed_node("Product", "price", None),
    "availability": _changed_node("Product", "available", False),
    "name of a brand": _changed_node("Brand", "name", "Bolts"),
    "declared flag": _changed_node("Product", "organic", True),
    "target of an edge": _changed_edge("MADE_BY", "to_id", "core"),
    "weight of an edge": _changed_edge("ALSO_VIEWED", "weight", 0.75),
    "time of an edge": _changed_edge("BOUGHT_TOGETHER", "at", MONDAY),
    "a time where there was none": _changed_edge("ALSO_VIEWED", "at", 0),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_any_change_changes_the_hash(change: Callable[[Tables], Tables]) -> None:
    shop = tiny_shop_with_materials()

    assert build_snapshot(shop).hash != build_snapshot(change(shop)).hash


def test_event_kinds_that_count_differently_change_the_hash() -> None:
    shop = tiny_shop()
    events = {**shop.schema.events, "viewed": replace(shop.schema.events["viewed"], weight=2.0)}

    other = replace(shop, schema=replace(shop.schema, events=events))

    assert build_snapshot(shop).hash != build_snapshot(other).hash


def test_a_cutoff_that_cuts_nothing_still_changes_the_hash() -> None:
    late = datetime(2030, 1, 1, tzinfo=UTC)

    assert build_snapshot(tiny_shop()).hash != build_snapshot(tiny_shop(), cutoff=late).hash


def test_columns_that_swap_their_values_change_the_hash() -> None:
    schema = GraphSchema()
    first = make_tables(schema, {"Product": [{"product_id": "p", "aa": "x", "bb": "y"}]}, edges={}, events=[])
    second = make_tables(schema, {"Product": [{"product_id": "p", "aa": "y", "bb": "x"}]}, edges={}, events=[])

    assert build_snapshot(first).hash != build_snapshot(second).hash


def test_selecting_events_counts_their_steps_anew() -> None:
    snapshot = build_snapshot(tiny_shop())
    bought = snapshot.events.kind == snapshot.event_names.index("bought")

    steps = select_events(snapshot, bought).events.step

    assert [0, 1, 2, 0, 0, 1, 0, 1, 2, 0, 0, 0, 1] == steps.tolist()


def test_a_selection_that_keeps_an_event_after_the_cutoff_is_leakage() -> None:
    snapshot = build_snapshot(tiny_shop())
    cutoff = MONDAY + 10 * DAY_MS
    keep = snapshot.events.time <= cutoff  # one event lies on the cutoff itself

    with pytest.raises(LeakageError, match="2024-01-11"):
        select_events(snapshot, keep, cutoff_ms=cutoff)


def test_a_selection_with_a_cutoff_drops_later_edges_and_changes_the_hash() -> None:
    snapshot = build_snapshot(tiny_shop())
    cutoff = MONDAY + 2 * DAY_MS

    part = select_events(snapshot, snapshot.events.time < cutoff, cutoff_ms=cutoff)

    assert (0, cutoff) == (len(part.edges["BOUGHT_TOGETHER"]), part.cutoff_ms)
    assert part.hash != snapshot.hash
    assert 1 == len(snapshot.edges["BOUGHT_TOGETHER"])


def test_two_selections_that_differ_have_different_hashes() -> None:
    snapshot = build_snapshot(tiny_shop())
    keep = np.ones(len(snapshot.events), dtype=bool)
    keep[-1] = False

    assert select_events(snapshot, keep).hash != select_events(snapshot, ~keep).hash


def test_a_cut_shop_equals_a_shop_that_never_had_the_later_events() -> None:
    shop, cutoff = tiny_shop(), datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=8)
    early = [row for row in shop.events.to_pylist() if row["at"] < MONDAY + 8 * DAY_MS]
    edges = {name: [tuple(row.values()) for row in table.to_pylist()] for name, table in shop.edges.items()}
    nodes = {label: table.to_pylist() for label, table in shop.nodes.items()}

    never = make_tables(shop.schema, nodes, edges=edges, events=early)

    assert build_snapshot(shop, cutoff=cutoff).hash == build_snapshot(never, cutoff=cutoff).hash
