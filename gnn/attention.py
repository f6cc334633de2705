"""Relation-aware multi-head attention over a typed graph, in fused CSR form.

Logits depend on the relation and on both ends; one softmax runs over everything that points to a node, whatever the
relation. The weighted sum and its gradients are sparse-dense products, so nothing of size edges x dim is ever built.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch_geometric.data import HeteroData


@dataclass(frozen=True, slots=True)
class TypedGraph:
    """All node kinds in one index space, all edges sorted by target: what the layer runs on."""

    indptr: Int[Tensor, " node_plus_one"]
    """Where the edges into each node start."""
    source: Int[Tensor, " edge"]
    """Source of each edge."""
    target: Int[Tensor, " edge"]
    """Target of each edge; not falling."""
    relation: Int[Tensor, " edge"]
    """Relation number of each edge."""
    by_source: Int[Tensor, " edge"]
    """Edge numbers in the order (source, target): the transposed matrix."""
    source_indptr: Int[Tensor, " node_plus_one"]
    """Where the edges out of each node start in `by_source`."""
    num_relations: int
    """How many relation numbers there are."""

    @property
    def num_nodes(self) -> int:
        """Nodes of all kinds."""
        return len(self.indptr) - 1

    def to(self, device: torch.device) -> "TypedGraph":
        """Return the graph on another device."""
        return TypedGraph(
            self.indptr.to(device),
            self.source.to(device),
            self.target.to(device),
            self.relation.to(device),
            self.by_source.to(device),
            self.source_indptr.to(device),
            self.num_relations,
        )


def flatten_graph(data: HeteroData) -> tuple[TypedGraph, dict[str, slice]]:
    """Return one typed graph of all node kinds, with a relation of its own from each node to itself.

    Returns:
        The graph, and where each kind's nodes stand in it.
    """
    places, start = {}, 0
    for label in data.node_types:
        places[label] = slice(start, start + data[label].num_nodes)
        start += data[label].num_nodes
    parts = []
    for number, (source, name, target) in enumerate(data.edge_types):
        index = data[source, name, target].edge_index
        relation = torch.full((index.shape[1],), number)
        parts.append(torch.stack([index[0] + places[source].start, index[1] + places[target].start, relation]))
    loops = torch.arange(start)
    parts.append(torch.stack([loops, loops, torch.full((start,), len(data.edge_types))]))
    source, target, relation = torch.cat(parts, dim=1)
    order = torch.argsort(target * start + source, stable=True)
    source, target, relation = source[order], target[order], relation[order]
    by_source = torch.argsort(source * start + target, stable=True)
    graph = TypedGraph(
        _pointers(target, start),
        source,
        target,
        relation,
        by_source,
        _pointers(source, start),
        len(data.edge_types) + 1,
    )
    return graph, places


class WeightedSum(torch.autograd.Function):
    """`out[i, h] = sum over edges e into i of weight[e, h] * x[source_e, h]`, both gradients sparse products."""

    @staticmethod
    def forward(
        ctx: Any, weight: Float[Tensor, "edge head"], x: Float[Tensor, "node head dim"], graph: TypedGraph
    ) -> Float[Tensor, "node head dim"]:
        """Return the weighted sums."""
        ctx.save_for_backward(weight, x)
        ctx.graph = graph
        heads = [
            _csr(graph.indptr, graph.source, weight[:, head]) @ x[:, head].contiguous() for head in range(x.shape[1])
        ]
        return torch.stack(heads, dim=1)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return the gradients by the weights and by x."""
        weight, x = ctx.saved_tensors
        graph: TypedGraph = ctx.graph
        slope = slopes[0]
        by_weight, by_x = torch.empty_like(weight), torch.empty_like(x)
        back = graph.target[graph.by_source]
        for head in range(x.shape[1]):
            out = slope[:, head].contiguous()
            by_x[:, head] = _csr(graph.source_indptr, back, weight[graph.by_source, head]) @ out
            pattern = _csr(graph.indptr, graph.source, torch.zeros_like(weight[:, head]))
            by_weight[:, head] = torch.sparse.sampled_addmm(pattern, out, x[:, head].T, beta=0.0).values()
        return by_weight, by_x, None


@dataclass(frozen=True, slots=True)
class WordProduct:
    """The words of the products as a sparse matrix and its transpose."""

    matrix: Tensor
    """[product word], sparse CSR."""
    back: Tensor
    """[word product], sparse CSR."""

    @property
    def num_words(self) -> int:
        """Words that at least two products share."""
        return int(self.matrix.shape[1])

    def to(self, device: torch.device) -> "WordProduct":
        """Return the matrices on another device."""
        return WordProduct(self.matrix.to(device), self.back.to(device))


def word_product(data: HeteroData) -> WordProduct:
    """Return the words of the products of a graph that `gnn.graph.build_graph` made."""
    index, weight = data["Product"].word_index, data["Product"].word_weight
    size = (len(data["Product"].x), int(data["Product"].num_words))
    with _quiet_csr():
        matrix = torch.sparse_coo_tensor(index, weight, size, check_invariants=False).to_sparse_csr()
        back = torch.sparse_coo_tensor(index.flip(0), weight, size[::-1], check_invariants=False).to_sparse_csr()
    return WordProduct(matrix, back)


class WordSum(torch.autograd.Function):
    """`matrix @ table`, its gradient by the table a sparse product too."""

    @staticmethod
    def forward(ctx: Any, table: Float[Tensor, "word dim"], words: WordProduct) -> Float[Tensor, "product dim"]:
        """Return the weighted sum of the vectors of each product's words."""
        ctx.words = words
        return words.matrix @ table

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        """Return the gradient by the table."""
        return ctx.words.back @ slopes[0].contiguous(), None


def softmax_by_target(logit: Float[Tensor, "edge head"], graph: TypedGraph) -> Float[Tensor, "edge head"]:
    """Return the softmax over all edges into the same node, head by head."""
    index = graph.target[:, None].expand_as(logit)
    top = logit.new_full((graph.num_nodes, logit.shape[1]), -torch.inf)
    top = top.scatter_reduce(0, index, logit.detach(), "amax")
    odds = (logit - top.index_select(0, graph.target)).exp()
    total = odds.new_zeros(graph.num_nodes, logit.shape[1]).index_add(0, graph.target, odds)
    return odds / total.index_select(0, graph.target)


class RelationAttention(nn.Module):
    """One layer of relation-aware attention.

    The logit of an edge is `LeakyReLU(a_r . v_source + b_r . v_target)` for its relation r, head by head; the value of
    the source is scaled by a gate of the relation, which may be negative.

    Shapes:
        x: [node, dim]; the output has the same shape.

    Source: Veličković et al., "Graph attention networks", ICLR 2018; a set of vectors a relation as in
    Busbridge et al., "Relational graph attention networks", 2019.
    """

    def __init__(
        self, dim: int, *, heads: int, num_relations: int, gather: Literal["attention", "mean"] = "attention"
    ) -> None:
        super().__init__()
        self.heads, self.gather = heads, gather
        self.value = nn.Linear(dim, dim, bias=False)
        self.from_source = nn.Parameter(torch.empty(num_relations, heads, dim // heads))
        self.from_target = nn.Parameter(torch.empty(num_relations, heads, dim // heads))
        self.gate = nn.Parameter(torch.ones(num_relations, heads))
        nn.init.eye_(self.value.weight)
        nn.init.normal_(self.from_source, std=0.1)
        nn.init.normal_(self.from_target, std=0.1)

    def forward(self, x: Float[Tensor, "node dim"], graph: TypedGraph) -> Float[Tensor, "node dim"]:
        """Return what each node gathers from its neighbours."""
        value = self.value(x).view(len(x), self.heads, -1)
        weight = self.attend(value, graph) * _rows(self.gate, graph.relation)
        gathered: Tensor = WeightedSum.apply(weight, value, graph)
        return gathered.reshape(len(x), -1)

    def attend(self, value: Float[Tensor, "node head dim"], graph: TypedGraph) -> Float[Tensor, "edge head"]:
        """Return the attention of each edge; it adds up to 1 over the edges into a node."""
        if self.gather == "mean":
            even = 1.0 / torch.diff(graph.indptr).to(value.dtype)
            return even[graph.target, None].expand(-1, self.heads)
        # One score a node, relation and head: far smaller than one vector an edge.
        source = torch.einsum("nhd,rhd->nrh", value, self.from_source).flatten(0, 1)
        target = torch.einsum("nhd,rhd->nrh", value, self.from_target).flatten(0, 1)
        num = graph.num_relations
        logit = _rows(source, graph.source * num + graph.relation) + _rows(target, graph.target * num + graph.relation)
        return softmax_by_target(nn.functional.leaky_relu(logit, 0.2), graph)


def _rows(table: Float[Tensor, "row head"], index: Int[Tensor, " edge"]) -> Float[Tensor, "edge head"]:
    """`table[index]`, whose gradient is added up in the same order in every run, however many threads there are."""
    return nn.functional.embedding(index, table)


def _csr(indptr: Tensor, column: Tensor, value: Tensor) -> Tensor:
    size = (len(indptr) - 1, len(indptr) - 1)
    with _quiet_csr():
        return torch.sparse_csr_tensor(indptr, column, value.contiguous(), size=size, check_invariants=False)


@contextmanager
def _quiet_csr() -> Iterator[None]:
    """torch says once a process that CSR is in beta; what is used of it here is tested against PyG's layer."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta", category=UserWarning)
        yield


def _pointers(sorted_or_not: Int[Tensor, " edge"], num_nodes: int) -> Int[Tensor, " node_plus_one"]:
    counts = torch.bincount(sorted_or_not, minlength=num_nodes)
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])
