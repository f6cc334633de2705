"""Small graphs of one node kind with edges of several relations."""

import numpy as np
import torch
from torch_geometric.data import HeteroData


def one_kind(num: int, edges: list[tuple[int, int]], *, relations: int = 1) -> HeteroData:
    """Return a graph of one node kind whose edges are dealt to relations in turn."""
    data = HeteroData()
    data["Product"].x = torch.zeros(num, 1)
    for relation in range(relations):
        part = edges[relation::relations]
        index = torch.tensor(part, dtype=torch.int64).reshape(-1, 2).T.contiguous()
        data["Product", f"R{relation}", "Product"].edge_index = index
    return data


def random_edges(seed: int, num: int, count: int) -> list[tuple[int, int]]:
    rng = np.random.default_rng(seed)
    pairs = {(int(a), int(b)) for a, b in rng.integers(0, num, size=(count, 2)) if a != b}
    return sorted(pairs)
