"""A snapshot as PyTorch Geometric's `HeteroData`: text vectors as `x`, typed edges both ways, words of products.

Users are not nodes here: a user is the weighted sum of a history (gnn.model). What users did is not an edge either: the
network would read its answers off the graph in training and miss them in use (docs/decisions/0009).
"""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch_geometric.data import HeteroData

from gnn.words import word_matrix
from kg.snapshot import Snapshot


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
