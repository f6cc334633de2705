"""A snapshot as PyTorch Geometric's `HeteroData`: text vectors as `x`, typed edges both ways, words of products.

Users are not nodes here: a user is the weighted sum of a history (gnn.model). What users did together still takes part,
as edges of the co-purchase and next-purchase operators.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import scipy.sparse as sp
import torch
from jaxtyping import Float
from torch_geometric.data import HeteroData

from gnn.words import word_matrix
from kg.kernels import Kernel, NeighbourKernel
from kg.operators import strongest
from kg.snapshot import Snapshot

OPERATOR_EDGES = {"co_purchase": 20, "next_purchase": 10}
"""Operators whose strongest entries become edges between products, and how many a row."""


def build_graph(
    snapshot: Snapshot, vectors: Mapping[str, Float[np.ndarray, "node dim"]], kernels: Sequence[Kernel] = ()
) -> HeteroData:
    """Return the graph that the network sees.

    Args:
        snapshot: nodes and relations; events enter only through `kernels`.
        vectors: text vector of each node by label; every label but `User` needs one, of one width.
        kernels: fitted on the same snapshot; the edges of those named in OPERATOR_EDGES; one not given has none.
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
    fitted = {kernel.name: kernel for kernel in kernels if isinstance(kernel, NeighbourKernel)}
    for name, count in OPERATOR_EDGES.items():
        index = torch.zeros((2, 0), dtype=torch.int64)
        if name in fitted:
            matrix = sp.coo_array(strongest(fitted[name].matrix, top_k=count, first_row=0))
            index = torch.from_numpy(np.stack([matrix.col, matrix.row]).astype(np.int64))
        data["Product", name.upper(), "Product"].edge_index = index
    said = word_matrix(snapshot).tocoo()
    data["Product"].num_words = said.shape[1]
    data["Product"].word_index = torch.from_numpy(np.stack([said.row, said.col]).astype(np.int64))
    data["Product"].word_weight = torch.from_numpy(said.data)
    data.validate(raise_on_error=True)
    return data
