"""A shop for other tools: as pandas data frames, as a networkx graph or the surroundings of a node, as GraphML.

networkx is for looking and for small graphs: it keeps every node and edge as a Python object.
"""

from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pyarrow as pa

from kg.errors import SnapshotError
from kg.input_folder import TIMES
from kg.snapshot import Snapshot
from kg.tables import Tables

Key = tuple[str, str]
"""A node of the exported graph: its label and its id."""


def to_networkx(snapshot: Snapshot, *, around: Key | None = None, hops: int = 2) -> "nx.MultiDiGraph[Key]":
    """Return a snapshot as a directed multigraph; nodes are (label, id) and carry their properties.

    Args:
        snapshot: what to export.
        around: only what lies around this node; None exports everything.
        hops: how far around, in either direction of the edges; 0 or more.

    Raises:
        SnapshotError: the node is not in the snapshot, or hops is below 0.
    """
    graph: nx.MultiDiGraph[Key] = nx.MultiDiGraph()
    for label, table in snapshot.nodes.items():
        for row in table.to_pylist():
            key = (label, str(next(iter(row.values()))))
            graph.add_node(key, label=label, **{name: value for name, value in row.items() if value is not None})
    for source, target, relation, at_ms in _all_edges(snapshot):
        graph.add_edge(source, target, key=None, type=relation, **({} if at_ms is None else {"at": at_ms}))
    if around is None:
        return graph
    if around not in graph:
        raise SnapshotError(f"no node {around[0]} {around[1]!r} in the snapshot; give a label and an id it holds")
    if hops < 0:
        raise SnapshotError(f"hops must be 0 or more, got {hops}")
    near = nx.ego_graph(graph.to_undirected(as_view=True), around, radius=hops).nodes
    return nx.MultiDiGraph(graph.subgraph(near))


def to_frames(tables: Tables) -> dict[str, pd.DataFrame]:
    """Return a whole shop as pandas data frames: by table for nodes and events, by name for relations.

    Args:
        tables: of a folder or a graph (`kg.extract.extract_tables`).

    Returns:
        Frames with times (`at`, `created_at`) as datetime64[ms, UTC]; tables without a row are there too.
    """
    kinds = tables.schema.nodes
    named = {kinds[label].table: table for label, table in tables.nodes.items()}
    return {name: _frame(table) for name, table in {**named, **tables.edges, "events": tables.events}.items()}


def _frame(table: pa.Table) -> pd.DataFrame:
    for name in TIMES:
        if name in table.column_names:
            moments = table[name].cast(pa.timestamp("ms", "UTC"))
            table = table.set_column(table.column_names.index(name), name, moments)
    frame: pd.DataFrame = table.to_pandas()
    return frame


def write_graphml(graph: "nx.MultiDiGraph[Key]", path: Path) -> None:
    """Write a graph as GraphML; node names become `label:id`."""
    nx.write_graphml(nx.relabel_nodes(graph, {key: ":".join(key) for key in graph}), path)


def _all_edges(snapshot: Snapshot) -> Iterator[tuple[Key, Key, str, int | None]]:
    events = snapshot.events
    users, products = snapshot.ids("User"), snapshot.ids("Product")
    kinds = [snapshot.schema.events[name].relation for name in snapshot.event_names]
    has_clock = snapshot.order == "clock"
    for user, product, kind, time in zip(events.user, events.product, events.kind, events.time, strict=True):
        yield ("User", users[user]), ("Product", products[product]), kinds[kind], int(time) if has_clock else None
    for name, edges in snapshot.edges.items():
        kind = snapshot.schema.relation(name)
        sources, targets = snapshot.ids(kind.source), snapshot.ids(kind.target)
        times = np.zeros(len(edges), dtype=np.int64) if edges.at_ms is None else edges.at_ms
        for source, target, at_ms in zip(edges.source, edges.target, times, strict=True):
            yield (
                (kind.source, sources[source]),
                (kind.target, targets[target]),
                name,
                int(at_ms) if at_ms > 0 else None,
            )
