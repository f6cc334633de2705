"""The networkx export against the tables it was made from."""

from pathlib import Path

import networkx as nx
import pytest

from kg.errors import SnapshotError
from kg.export import to_frames, to_networkx, write_graphml
from kg.snapshot import build_snapshot
from tests.worlds import tiny_shop


def test_every_node_and_edge_of_the_tables_is_in_the_graph() -> None:
    tables = tiny_shop()
    graph = to_networkx(build_snapshot(tables))

    assert sum(table.num_rows for table in tables.nodes.values()) == graph.number_of_nodes()
    edges = tables.events.num_rows + sum(table.num_rows for table in tables.edges.values())
    assert edges == graph.number_of_edges()
    assert "Green tea" == graph.nodes["Product", "p01"]["title"]


def test_the_surroundings_of_a_node_stay_within_their_hops() -> None:
    graph = to_networkx(build_snapshot(tiny_shop()), around=("Brand", "acme"), hops=1)

    assert {("Brand", "acme"), *(("Product", f"p0{number}") for number in range(1, 5))} == set(graph)


@pytest.mark.parametrize(
    ("around", "hops", "message"),
    [(("Brand", "nobody"), 1, "no node Brand 'nobody'"), (("Brand", "acme"), -1, "hops must be 0 or more")],
)
def test_a_node_that_is_not_there_is_named(around: tuple[str, str], hops: int, message: str) -> None:
    with pytest.raises(SnapshotError, match=message):
        to_networkx(build_snapshot(tiny_shop()), around=around, hops=hops)


def test_graphml_reads_back_with_as_many_nodes_and_edges(tmp_path: Path) -> None:
    graph = to_networkx(build_snapshot(tiny_shop()), around=("Product", "p01"), hops=1)
    write_graphml(graph, tmp_path / "tea.graphml")
    read = nx.read_graphml(tmp_path / "tea.graphml", force_multigraph=True)

    assert graph.number_of_nodes() == read.number_of_nodes()
    assert graph.number_of_edges() == read.number_of_edges()


def test_every_table_is_a_data_frame_with_times_as_times() -> None:
    tables = tiny_shop()

    frames = to_frames(tables)

    rows = {kind.table: tables.nodes[label].num_rows for label, kind in tables.schema.nodes.items()}
    rows |= {name: table.num_rows for name, table in tables.edges.items()} | {"events": tables.events.num_rows}
    assert rows == {name: len(frame) for name, frame in frames.items()}
    first = frames["events"].set_index("event_id").loc["e05"]
    assert ("u1", "2024-01-09T00:00:00+00:00") == (first["user_id"], first["at"].isoformat())
    assert "datetime64[ms, UTC]" == str(frames["products"]["created_at"].dtype)
