"""A graph says which form it has: an older one is brought up step by step, a newer one is left alone."""

import pytest

from cypher.catalogue import load_query
from kg.errors import SchemaError
from kg.extract import extract_tables
from kg.graph_format import FIRST, Steps, bring_up, newest, read_format
from kg.ingest import ingest
from kg.schema import GRAPH_FORMAT, GraphSchema
from kg.store import GraphStore
from tests.worlds import tiny_shop


def mark(graph: GraphStore, version: int) -> None:
    query = load_query("merge_nodes").bind(label=GRAPH_FORMAT.label, key=GRAPH_FORMAT.key)
    graph.write(query, [{GRAPH_FORMAT.key: "graph", "version": version}])


def test_a_graph_without_a_mark_has_the_first_form_and_an_import_marks_it(graph: GraphStore) -> None:
    assert FIRST == read_format(graph)

    ingest(graph, tiny_shop())

    marks = graph.read(load_query("nodes_of_kind").bind(label=GRAPH_FORMAT.label))
    assert [{"name": "graph", "version": newest()}] == [row["properties"] for row in marks]
    labels = [row["label"] for row in graph.read(load_query("node_counts"))]
    assert ["Brand", "Category", "Product", "User"] == labels


def test_steps_are_taken_in_order_each_once(graph: GraphStore) -> None:
    taken: list[int] = []
    steps: Steps = {number: (lambda _, number=number: taken.append(number)) for number in (4, 2, 3)}
    graph.create_schema(GraphSchema())

    for _ in range(2):
        bring_up(graph, steps=steps)

    assert ([2, 3, 4], 4) == (taken, read_format(graph, steps=steps))


def test_a_step_that_was_interrupted_is_taken_again(graph: GraphStore) -> None:
    taken: list[int] = []

    def stops_once(_: GraphStore) -> None:
        taken.append(3)
        if taken.count(3) == 1:
            raise KeyboardInterrupt

    steps: Steps = {2: lambda _: taken.append(2), 3: stops_once}
    graph.create_schema(GraphSchema())

    with pytest.raises(KeyboardInterrupt):
        bring_up(graph, steps=steps)
    between = read_format(graph, steps=steps)
    bring_up(graph, steps=steps)

    assert ([2, 3, 3], 2, 3) == (taken, between, read_format(graph, steps=steps))


def test_a_graph_of_a_newer_release_is_neither_written_nor_read(graph: GraphStore) -> None:
    ingest(graph, tiny_shop())
    mark(graph, newest() + 1)
    message = rf"has form {newest() + 1}, written by a newer release; this one reads up to {newest()}"

    with pytest.raises(SchemaError, match=message):
        ingest(graph, tiny_shop())
    with pytest.raises(SchemaError, match=message):
        extract_tables(graph, GraphSchema())
    with pytest.raises(SchemaError, match=message):
        graph.create_schema(GraphSchema())
