"""A snapshot, or the surroundings of one of its nodes, as a networkx graph and as GraphML for other tools.

For looking and for small graphs: networkx keeps every node and edge as a Python object.
"""

from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import numpy as np

from kg.errors import SnapshotError
from kg.snapshot import Snapshot

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
