"""What a graph server must do for Whycart; the same tests run on the local server and on Neo4j."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from cypher.catalogue import load_query, parse_query
from cypher.errors import QueryError
from kg.canonical import canonical_events, canonical_nodes
from kg.errors import GraphBusyError, GraphConnectionError, TableError
from kg.extract import extract_tables
from kg.import_lock import import_lock
from kg.ingest import ImportOptions, ingest, write_events
from kg.schema import GraphSchema
from kg.store import GraphConfig, GraphStore
from kg.tables import Tables
from tests.support.busy_shop import busy_shop
from tests.worlds import USERS, make_tables, tiny_shop, tiny_shop_with_materials


def assert_same(expected: Tables, actual: Tables) -> None:
    """Compare table by table, so that a difference names its table."""
    for label, table in expected.nodes.items():
        assert table.equals(actual.nodes[label]), label
    for name, table in expected.edges.items():
        assert table.equals(actual.edges[name]), name
    assert expected.events.equals(actual.events)


def test_the_server_says_who_it_is(graph: GraphStore) -> None:
    expected = "arcadedb" if graph.config.uri is None else "neo4j"

    assert expected == graph.server.product


def test_the_schema_may_be_created_twice(graph: GraphStore) -> None:
    graph.create_schema(GraphSchema())
    graph.create_schema(GraphSchema())

    assert graph.read(load_query("ping")) == [{"answer": 1}]


def test_tables_come_back_as_they_were_written(graph: GraphStore) -> None:
    shop = tiny_shop_with_materials()

    ingest(graph, shop)

    assert_same(shop, extract_tables(graph, shop.schema))


def test_an_empty_shop_comes_back_empty(graph: GraphStore) -> None:
    empty = make_tables(GraphSchema(), {}, edges={}, events=[])

    ingest(graph, empty)

    assert_same(empty, extract_tables(graph, empty.schema))


def test_a_first_import_creates_every_row(graph: GraphStore) -> None:
    report = ingest(graph, tiny_shop())

    assert (report.nodes_created, report.edges_created, report.events_created) == (24, 26, 21)


def test_the_report_counts_the_rows_it_was_given(graph: GraphStore) -> None:
    report = ingest(graph, tiny_shop())

    assert report.events == {"viewed": 5, "carted": 2, "bought": 13, "rated": 1}
    assert report.num_rows == 24 + 26 + 21


def test_a_second_import_changes_nothing(graph: GraphStore) -> None:
    shop = tiny_shop_with_materials()
    ingest(graph, shop)

    report = ingest(graph, shop)

    assert (report.nodes_created, report.edges_created, report.events_created) == (0, 0, 0)
    assert_same(shop, extract_tables(graph, shop.schema))


def test_an_import_in_small_batches_gives_the_same_graph(graph: GraphStore) -> None:
    shop = tiny_shop()

    ingest(graph, shop, options=ImportOptions(batch_rows=2))

    assert_same(shop, extract_tables(graph, shop.schema))


def test_a_changed_row_replaces_the_old_one(graph: GraphStore) -> None:
    shop = tiny_shop()
    ingest(graph, shop)
    products = shop.nodes["Product"].to_pylist()
    products[0] |= {"price": 4.5, "title": None}
    events = shop.events.to_pylist()
    events[1] |= {"quantity": None, "value": 1.5}
    changed = replace(
        shop,
        nodes={**shop.nodes, "Product": canonical_nodes(shop.schema.nodes["Product"], _as_table(products))},
        events=canonical_events(_as_table(events)),
    )

    report = ingest(graph, changed)

    assert 2 == report.num_conflicts
    assert_same(changed, extract_tables(graph, shop.schema))


def test_what_is_there_can_be_kept_as_it_is(graph: GraphStore) -> None:
    shop = tiny_shop()
    ingest(graph, shop)
    products = [*shop.nodes["Product"].to_pylist(), {"product_id": "p99", "title": "New"}]
    products[0] |= {"price": 4.5}
    events = shop.events.to_pylist()
    events[1] |= {"value": 1.5}
    others = replace(
        shop,
        nodes={**shop.nodes, "Product": canonical_nodes(shop.schema.nodes["Product"], _as_table(products))},
        events=canonical_events(_as_table([*events, events[0] | {"event_id": "x1"}])),
    )

    report = ingest(graph, others, options=ImportOptions(keep=True))

    found = extract_tables(graph, shop.schema)
    kept = [row for row in found.nodes["Product"].to_pylist() if row["product_id"] != "p99"]
    assert (2, 1, 1) == (report.num_conflicts, report.nodes_created, report.events_created)
    assert shop.nodes["Product"].to_pylist() == kept
    assert shop.events.to_pylist() == [row for row in found.events.to_pylist() if row["event_id"] != "x1"]


def test_a_whole_catalogue_takes_the_other_products_out_and_keeps_their_history(graph: GraphStore) -> None:
    shop = tiny_shop()
    ingest(graph, shop)
    listed = [row for row in shop.nodes["Product"].to_pylist() if row["product_id"] not in ("p01", "p09")]
    ends = {name: [] for name in shop.edges}
    nodes = {label: table.to_pylist() for label, table in shop.nodes.items()} | {"Product": listed}
    feed = make_tables(shop.schema, nodes, edges=ends, events=[])

    retired = [ingest(graph, feed, options=ImportOptions(whole_catalogue=True)).num_retired for _ in range(2)]

    found = extract_tables(graph, shop.schema)
    available = {row["product_id"]: row["available"] for row in found.nodes["Product"].to_pylist()}
    assert [1, 0] == retired  # p09 was not available before
    assert {"p01", "p09"} == {key for key, there in available.items() if not there}
    assert "Green tea" == found.nodes["Product"].to_pylist()[0]["title"]
    assert shop.events.equals(found.events)


def test_a_few_events_for_a_large_graph_are_written_without_reading_it(
    graph: GraphStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = busy_shop()
    events = whole.events.to_pylist()
    ingest(graph, replace(whole, events=canonical_events(_as_table(events[:-20]))))
    changed = events[5] | {"at": events[5]["at"] + 1, "value": None, "quantity": 9.0}
    day = replace(whole, events=canonical_events(_as_table([*events[-20:], events[0], changed])))
    monkeypatch.setattr("kg.ingest.read_events", None)

    created = [ingest(graph, day).events_created for _ in range(2)]

    monkeypatch.undo()
    expected = canonical_events(_as_table([*events[:5], changed, *events[6:]]))
    assert [20, 0] == created
    assert_same(replace(whole, events=expected), extract_tables(graph, whole.schema))


def test_progress_tells_every_kind_to_its_end(graph: GraphStore) -> None:
    heard: dict[str, tuple[int, int | None]] = {}

    ingest(
        graph,
        tiny_shop(),
        options=ImportOptions(batch_rows=4),
        progress=lambda step, done, total: heard.update({step: (done, total)}),
    )

    assert heard["bought"] == (13, 13)
    assert heard["Product"] == (10, 10)


def test_an_event_of_an_unknown_user_is_refused(graph: GraphStore) -> None:
    shop = tiny_shop()
    ingest(graph, shop)
    stranger = canonical_events(_as_table([shop.events.to_pylist()[0] | {"event_id": "x1", "user_id": "nobody"}]))

    with pytest.raises(TableError, match="1 of 1 rows of viewed name nodes not in the graph"):
        write_events(graph, shop.schema, events=stranger)


def test_an_event_written_twice_is_there_once(graph: GraphStore) -> None:
    shop = tiny_shop()
    ingest(graph, shop)
    event = canonical_events(_as_table([shop.events.to_pylist()[0] | {"event_id": "x1", "type": "bought"}]))

    created = [write_events(graph, shop.schema, events=event) for _ in range(2)]

    assert created == [1, 0]
    assert extract_tables(graph, shop.schema).events.num_rows == 22


def test_an_event_id_of_another_user_is_refused(graph: GraphStore) -> None:
    shop = tiny_shop()
    ingest(graph, shop)
    stolen = canonical_events(_as_table([shop.events.to_pylist()[0] | {"user_id": USERS[5]}]))

    with pytest.raises(QueryError, match="merge_events"):
        write_events(graph, shop.schema, events=stolen)


def test_a_stream_gives_the_same_rows_as_a_read(graph: GraphStore) -> None:
    ingest(graph, tiny_shop())

    assert graph.read(load_query("node_counts")) == list(graph.stream(load_query("node_counts")))


def test_a_writing_query_cannot_be_read(graph: GraphStore) -> None:
    query = load_query("merge_nodes").bind(label="User", key="user_id")

    with pytest.raises(QueryError, match=r"write/merge_nodes\.cypher writes"):
        graph.read(query, {"rows": [{"user_id": "u9"}]})


def test_a_reading_query_cannot_be_written(graph: GraphStore) -> None:
    with pytest.raises(QueryError, match="only reads"):
        graph.write(load_query("ping"), [])


def test_a_template_cannot_be_run(graph: GraphStore) -> None:
    with pytest.raises(QueryError, match="bind label first"):
        graph.read(load_query("nodes_of_kind"))


def test_a_parameter_of_the_wrong_type_is_named(graph: GraphStore) -> None:
    with pytest.raises(QueryError, match=r"limit must be a whole number .*, got 'many'"):
        graph.read(load_query("user_history"), {"user_id": "u1", "limit": "many"})


def test_a_statement_the_server_cannot_read_names_the_query(graph: GraphStore) -> None:
    broken = parse_query("read/broken.cypher", "// Broken.\n// uses: nothing\nMATCH (n RETURN n")

    with pytest.raises(QueryError, match=r"refuses query read/broken\.cypher"):
        graph.read(broken)


def test_a_second_import_at_the_same_time_is_refused(graph: GraphStore) -> None:
    with (
        import_lock(graph),
        GraphStore.open(graph.config) as other,
        pytest.raises(GraphBusyError, match=r"another import is writing to .* since"),
    ):
        ingest(other, tiny_shop())


def test_a_wrong_password_is_one_sentence(graph: GraphStore) -> None:
    wrong = GraphConfig(uri=graph.server.uri, user=graph.config.user, password="not this one")

    with pytest.raises(GraphConnectionError, match="refuses the user or the password"):
        GraphStore.open(wrong)


def test_an_unknown_database_is_one_sentence(graph: GraphStore) -> None:
    elsewhere = replace(graph.config, uri=graph.server.uri, database="elsewhere")

    with pytest.raises(GraphConnectionError, match="refuses the connection"):
        GraphStore.open(elsewhere)


def test_a_server_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(GraphConnectionError, match="does not answer"):
        GraphStore.open(GraphConfig(uri="bolt://127.0.0.1:1", password="x", folder=tmp_path))


def test_an_address_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(GraphConnectionError, match="is not an address of a graph server"):
        GraphStore.open(GraphConfig(uri="localhost:7687", password="x", folder=tmp_path))


def _as_table(rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(rows)
