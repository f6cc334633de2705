"""A snapshot as PyTorch Geometric's `HeteroData`: what the network sees (`build_graph`), and all there is for others.

The network sees text vectors as `x`, typed edges both ways, and the words of products.

Users are not nodes here: a user is the weighted sum of a history (gnn.model). What users did is not an edge either: the
network would read its answers off the graph in training and miss them in use (docs/decisions/0009).
"""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch_geometric.data import HeteroData
from torch_geometric.data.storage import EdgeStorage

from gnn.words import word_matrix
from kg.snapshot import Snapshot


def to_hetero_data(
    snapshot: Snapshot, vectors: Mapping[str, Float[np.ndarray, "node dim"]] | None = None
) -> HeteroData:
    """Return everything of a snapshot as `HeteroData`, for models of one's own: users and events too.

    Args:
        snapshot: what to export.
        vectors: becomes `x` of the labels that it names, float32; None: no node has one.

    Returns:
        Of each label `num_nodes` and `ids` (external ids by row). Of each relation, and of each event type between User
        and Product, `edge_index` [2, edge] int64, `time` [edge] int64 (epoch milliseconds, or the position; 0 where
        nothing is known) and `weight` [edge] float32 (of events the quantity; 1 where nothing is known).
    """
    data = HeteroData()
    for label in sorted(snapshot.nodes):
        data[label].num_nodes = snapshot.num_nodes(label)
        data[label].ids = snapshot.ids(label)
        if vectors is not None and label in vectors:
            data[label].x = torch.from_numpy(np.ascontiguousarray(vectors[label], dtype=np.float32))
    for name, edges in snapshot.edges.items():
        kind = snapshot.schema.relation(name)
        time = np.zeros(len(edges), np.int64) if edges.at_ms is None else edges.at_ms
        weight = np.ones(len(edges), np.float32) if edges.weight is None else edges.weight
        _put_edges(data[kind.source, name, kind.target], edges.source, edges.target, time=time, weight=weight)
    events = snapshot.events
    for number, name in enumerate(snapshot.event_names):
        of_type = events.kind == number
        store = data["User", snapshot.schema.events[name].relation, "Product"]
        time, weight = events.time[of_type], events.quantity[of_type]
        _put_edges(store, events.user[of_type], events.product[of_type], time=time, weight=weight)
    data.validate(raise_on_error=True)
    return data


def _put_edges(
    store: EdgeStorage, source: np.ndarray, target: np.ndarray, *, time: np.ndarray, weight: np.ndarray
) -> None:
    store.edge_index = torch.from_numpy(np.stack([source, target]).astype(np.int64))
    store.time = torch.from_numpy(time.astype(np.int64))
    store.weight = torch.from_numpy(weight.astype(np.float32))


def build_graph(snapshot: Snapshot, vectors: Mapping[str, Float[np.ndarray, "node dim"]]) -> HeteroData:
    """Return the graph that the network sees.

    Args:
        snapshot: nodes and relations; its events do not take part.
        vectors: text vector of each node by label; every label but `User` needs one, of one width.
    """
    data = HeteroData()
    for label in sorted(snapshot.nodes):
        if label != "User" and snapshot.num_nodes(label):
            data[label].x = torch.from_numpy(np.ascontiguousarray(vectors[label], dtype=np.float32))
    for name, edges in snapshot.edges.items():
        kind = snapshot.schema.relation(name)
        # Relations without an edge stay, so that networks of two cuts of one shop have the same parameters.
        if kind.source in data.node_types and kind.target in data.node_types:
            index = torch.from_numpy(np.stack([edges.source, edges.target]).astype(np.int64))
            data[kind.source, name, kind.target].edge_index = index
            data[kind.target, f"REV_{name}", kind.source].edge_index = index.flip(0)
    said = word_matrix(snapshot).tocoo()
    data["Product"].num_words = said.shape[1]
    data["Product"].word_index = torch.from_numpy(np.stack([said.row, said.col]).astype(np.int64))
    data["Product"].word_weight = torch.from_numpy(said.data)
    data.validate(raise_on_error=True)
    return data
