"""Relation-aware multi-head attention over a typed graph, with its gradient written out.

Logits depend on the relation and on both ends; one softmax runs over everything that points to a node, whatever the
relation. Forward and back are sparse products, head by head: nothing of size edges x dim is ever built, and for the way
back only one number an edge and head is kept. On a GPU the same is done by the kernels of `gnn.triton_sum`.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch_geometric.data import HeteroData

from gnn.sparse import quiet_csr
from gnn.typed_graph import NodeRelations, TypedGraph

_SLOPE = 0.2
"""Slope of LeakyReLU below 0."""


class TypedSum(torch.autograd.Function):
    """`out[i, h] = sum over edges e into i of share[e, h] * gate[relation_e, h] * value[source_e, h]`.

    `share` is the softmax over the edges into i of `LeakyReLU(from_source[r] . value_j + from_target[r] . value_i)` for
    an edge of relation r from j, or 1 / number of edges where no scores are given. It is kept as odds, not divided by
    their sum: the division is made once a node instead of once an edge.
    """

    @staticmethod
    def forward(
        ctx: Any,
        value: Float[Tensor, "node head dim"],
        gate: Float[Tensor, "relation head"],
        from_source: Float[Tensor, "relation head dim"] | None,
        from_target: Float[Tensor, "relation head dim"] | None,
        graph: TypedGraph,
    ) -> Float[Tensor, "node head dim"]:
        """Return the weighted sums; float32 on a GPU, whatever the format of the vectors."""
        ctx.graph = graph
        if value.is_cuda:
            from gnn import triton_sum  # where there is no GPU there may be no Triton

            out, level = triton_sum.typed_sum(value, gate, from_source, from_target, graph, _SLOPE)
            ctx.save_for_backward(value, gate, from_source, from_target, out, level)
            return out
        heads = value.transpose(0, 1).contiguous()
        odds = value.new_ones(len(heads), len(graph.source))
        is_below = None if from_source is None else torch.empty(odds.shape, dtype=torch.bool, device=odds.device)
        total, out = value.new_empty(len(heads), graph.num_nodes), torch.empty_like(value)
        for head, x in enumerate(heads):
            if from_source is not None and from_target is not None and is_below is not None:
                odds[head], is_below[head] = _odds(x, from_source[:, head], from_target[:, head], graph)
            total[head] = graph.arriving.add(odds[head])
            weight = odds[head] * gate[:, head].index_select(0, graph.relation)
            out[:, head] = graph.into.multiply(weight, x) / total[head][:, None]
        ctx.save_for_backward(heads, gate, from_source, from_target, odds, is_below, total, out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients by value, gate and scores."""
        graph: TypedGraph = ctx.graph
        if slopes[0].is_cuda:
            from gnn import triton_sum

            return *triton_sum.typed_sum_back(slopes[0], ctx.saved_tensors, graph, _SLOPE), None
        heads, gate, from_source, from_target, odds, is_below, total, out = ctx.saved_tensors
        by_value, by_gate = torch.empty_like(out), torch.empty_like(gate)
        by_source = None if from_source is None else torch.empty_like(from_source)
        by_target = None if from_target is None else torch.empty_like(from_target)
        # Both per node: the slope in terms of the odds, and what all odds of a node lose when one of them grows.
        pulled = slopes[0].transpose(0, 1) / total[:, :, None]
        lost = (slopes[0] * out).sum(dim=2).T / total
        for head, x in enumerate(heads):
            slope = graph.into.dots(pulled[head], x).mul_(odds[head])
            by_gate[:, head] = _by_relation(graph.targets.edges.add(slope), graph.targets)
            spread = gate[:, head].index_select(0, graph.relation)
            weight = (odds[head] * spread).index_select(0, graph.by_source)
            back = graph.out_of.multiply(weight, pulled[head])
            if by_source is not None and by_target is not None:
                slope = slope.mul_(spread).sub_(odds[head] * lost[head].index_select(0, graph.target))
                slope = torch.where(is_below[head], _SLOPE * slope, slope)
                ends = (
                    (graph.targets, graph.targets.edges.add(slope), from_target, by_target),
                    (
                        graph.sources,
                        graph.sources.edges.add(slope.index_select(0, graph.by_source)),
                        from_source,
                        by_source,
                    ),
                )
                for pairs, pair, vector, by_vector in ends:
                    back += pairs.by_node.multiply(pair, vector[:, head].contiguous())
                    by_vector[:, head] = pairs.by_relation.multiply(pair.index_select(0, pairs.order), x)
            by_value[:, head] = back
        return by_value, by_gate, by_source, by_target, None


def _odds(
    x: Float[Tensor, "node dim"],
    from_source: Float[Tensor, "relation dim"],
    from_target: Float[Tensor, "relation dim"],
    graph: TypedGraph,
) -> tuple[Float[Tensor, " edge"], Bool[Tensor, " edge"]]:
    """The softmax of one head before it is divided by its sum, and where the logit was below 0 before LeakyReLU."""
    logit = graph.sources.by_node.dots(x, from_source.contiguous()).index_select(0, graph.sources.of_edge)
    logit += graph.targets.by_node.dots(x, from_target.contiguous()).index_select(0, graph.targets.of_edge)
    is_below = logit < 0
    logit = nn.functional.leaky_relu_(logit, _SLOPE)
    return logit.sub_(graph.arriving.largest(logit).index_select(0, graph.target)).exp_(), is_below


def _by_relation(pair: Float[Tensor, " pair"], pairs: NodeRelations) -> Float[Tensor, " relation"]:
    return pairs.relations.add(pair.index_select(0, pairs.order))


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
        scores = (self.from_source, self.from_target) if self.gather == "attention" else (None, None)
        gathered: Tensor = TypedSum.apply(value, self.gate, *scores, graph)
        return gathered.reshape(len(x), -1)


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
    with quiet_csr():
        matrix = torch.sparse_coo_tensor(index, weight, size, check_invariants=False).to_sparse_csr()
        back = torch.sparse_coo_tensor(index.flip(0), weight, size[::-1], check_invariants=False).to_sparse_csr()
    return WordProduct(matrix, back)


class WordSum(torch.autograd.Function):
    """`matrix @ table`, its gradient by the table a sparse product too."""

    @staticmethod
    def forward(ctx: Any, table: Float[Tensor, "word dim"], words: WordProduct) -> Float[Tensor, "product dim"]:
        """Return the weighted sum of the vectors of each product's words."""
        ctx.words = words
        with torch.autocast(table.device.type, enabled=False):  # sparse products know float32 only
            return words.matrix @ table

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        """Return the gradient by the table."""
        return ctx.words.back @ slopes[0].contiguous(), None
