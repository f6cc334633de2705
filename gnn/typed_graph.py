"""A typed graph laid out for attention: all node kinds in one index space, edges by target and by source.

Scores of attention belong to a node and a relation, not to an edge, so each (node, relation) that occurs is kept once.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Int, Int32
from torch import Tensor
from torch_geometric.data import HeteroData

from gnn.sparse import Pattern, Segments


@dataclass(frozen=True, slots=True)
class NodeRelations:
    """The pairs of a node and a relation that edges have at one of their ends."""

    of_edge: Int32[Tensor, " edge"]
    """Pair of each edge, edges by target."""
    edges: Segments
    """The edges of each pair, in the order of that end."""
    by_node: Pattern
    """[node relation], one entry a pair."""
    by_relation: Pattern
    """[relation node], one entry a pair."""
    order: Int32[Tensor, " pair"]
    """Pair of each entry of `by_relation`."""
    relations: Segments
    """The pairs of each relation, in that order."""

    def to(self, device: torch.device) -> "NodeRelations":
        """Return the pairs on another device."""
        return NodeRelations(
            self.of_edge.to(device),
            self.edges.to(device),
            self.by_node.to(device),
            self.by_relation.to(device),
            self.order.to(device),
            self.relations.to(device),
        )


@dataclass(frozen=True, slots=True)
class TypedGraph:
    """What the layer runs on. Edges stand by (target, relation, source)."""

    into: Pattern
    """[target source], one entry an edge."""
    target: Int32[Tensor, " edge"]
    """Target of each edge; not falling."""
    relation: Int32[Tensor, " edge"]
    """Relation number of each edge."""
    out_of: Pattern
    """[source target], one entry an edge, by (source, relation, target)."""
    by_source: Int32[Tensor, " edge"]
    """Edge of each entry of `out_of`."""
    arriving: Segments
    """The edges into each node."""
    sources: NodeRelations
    """Sources of edges with the relation."""
    targets: NodeRelations
    """Targets of edges with the relation."""
    num_relations: int
    """How many relation numbers there are."""

    @property
    def source(self) -> Int32[Tensor, " edge"]:
        """Source of each edge."""
        return self.into.column

    @property
    def num_nodes(self) -> int:
        """Nodes of all kinds."""
        return self.into.num_rows

    def to(self, device: torch.device) -> "TypedGraph":
        """Return the graph on another device."""
        return TypedGraph(
            self.into.to(device),
            self.target.to(device),
            self.relation.to(device),
            self.out_of.to(device),
            self.by_source.to(device),
            self.arriving.to(device),
            self.sources.to(device),
            self.targets.to(device),
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
    return lay_out(source, target, relation, num_nodes=start, num_relations=len(data.edge_types) + 1), places


def lay_out(
    source: Int[Tensor, " edge"],
    target: Int[Tensor, " edge"],
    relation: Int[Tensor, " edge"],
    *,
    num_nodes: int,
    num_relations: int,
) -> TypedGraph:
    """Return the graph of some edges in any order; every node must have an edge that leads to it."""
    order = _sorted_by(target, relation, source)
    source, target, relation = source[order], target[order], relation[order]
    by_source = _sorted_by(source, relation, target)
    back = torch.empty_like(by_source)
    back[by_source] = torch.arange(len(by_source))
    return TypedGraph(
        into=Pattern(_pointers(target, num_nodes), source.int(), num_nodes),
        target=target.int(),
        relation=relation.int(),
        out_of=Pattern(_pointers(source, num_nodes), target[by_source].int(), num_nodes),
        by_source=by_source.int(),
        arriving=Segments.of(_pointers(target, num_nodes)),
        sources=_pairs(source[by_source], relation[by_source], back, (num_nodes, num_relations)),
        targets=_pairs(target, relation, torch.arange(len(target)), (num_nodes, num_relations)),
        num_relations=num_relations,
    )


def _pairs(
    node: Int[Tensor, " edge"], relation: Int[Tensor, " edge"], place: Int[Tensor, " edge"], size: tuple[int, int]
) -> NodeRelations:
    """The pairs of edges that stand by (node, relation); `place` says where each edge of the graph stands there."""
    num_nodes, num_relations = size
    is_first = torch.ones(len(node), dtype=torch.bool)
    is_first[1:] = (node[1:] != node[:-1]) | (relation[1:] != relation[:-1])
    first = torch.nonzero(is_first)[:, 0]
    number = is_first.cumsum(0) - 1
    nodes, relations = node[first], relation[first]
    order = torch.argsort(relations, stable=True)
    by_relation = _pointers(relations, num_relations)
    return NodeRelations(
        of_edge=number[place].int(),
        edges=Segments.of(torch.cat([first, torch.tensor([len(node)])]).int()),
        by_node=Pattern(_pointers(nodes, num_nodes), relations.int(), num_relations),
        by_relation=Pattern(by_relation, nodes[order].int(), num_nodes),
        order=order.int(),
        relations=Segments.of(by_relation),
    )


def _sorted_by(first: Int[Tensor, " edge"], *then: Int[Tensor, " edge"]) -> Int[Tensor, " edge"]:
    """The order by several keys, the most important one in front."""
    order = torch.arange(len(first))
    for key in (*reversed(then), first):
        order = order[torch.argsort(key[order], stable=True)]
    return order


def _pointers(rows: Int[Tensor, " entry"], num_rows: int) -> Int32[Tensor, " row_plus_one"]:
    counts = torch.bincount(rows, minlength=num_rows)
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)]).int()
