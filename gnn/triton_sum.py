"""The typed sum of `gnn.attention` and its gradient as Triton kernels: what runs on a GPU.

One program a node walks over its edges in blocks, forward with a running softmax, so nothing is kept for the way back
but one number a node and head; there the shares are computed anew. Four numbers an edge and head are written on the way
back. Sums over a relation go by pairs of node and relation, in parts of fixed order, so a result does not depend on
which program came first. Vectors may be bfloat16; everything is added up in float32.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from gnn.typed_graph import NodeRelations, TypedGraph

_EDGES = 16
"""Edges that a program looks at together."""
_PARTS = 64
"""Programs that share the pairs of one relation."""
_WARPS = 4


@triton.jit
def _forward_kernel(  # noqa: PLR0913
    value, gate, from_source, from_target, indptr, source, relation, out, level,
    heads: tl.constexpr, dim: tl.constexpr, all_heads: tl.constexpr, all_dim: tl.constexpr, block: tl.constexpr,
    scored: tl.constexpr, slope: tl.constexpr,
):  # fmt: skip
    node = tl.program_id(0).to(tl.int64)
    head = tl.arange(0, all_heads)
    place = head[:, None] * dim + tl.arange(0, all_dim)[None, :]
    inside = (head[:, None] < heads) & (tl.arange(0, all_dim)[None, :] < dim)
    own = tl.load(value + node * heads * dim + place, mask=inside, other=0.0).to(tl.float32)
    top = tl.full((all_heads,), float("-inf"), tl.float32)
    total = tl.zeros((all_heads,), tl.float32)
    found = tl.zeros((all_heads, all_dim), tl.float32)
    last = tl.load(indptr + node + 1)
    for first in range(tl.load(indptr + node), last, block):
        edge = first + tl.arange(0, block)
        is_edge = edge < last
        kind = tl.load(relation + edge, mask=is_edge, other=0)
        row = tl.load(source + edge, mask=is_edge, other=0).to(tl.int64)
        seen = is_edge[:, None, None] & inside[None, :, :]
        x = tl.load(value + row[:, None, None] * heads * dim + place[None, :, :], mask=seen, other=0.0).to(tl.float32)
        by_kind = kind[:, None, None] * heads * dim + place[None, :, :]
        if scored:
            here = tl.load(from_source + by_kind, mask=seen, other=0.0)
            there = tl.load(from_target + by_kind, mask=seen, other=0.0)
            logit = tl.sum(x * here + own[None, :, :] * there, axis=2)
            logit = tl.where(logit < 0, slope * logit, logit)
        else:
            logit = tl.zeros((block, all_heads), tl.float32)
        logit = tl.where(is_edge[:, None], logit, float("-inf"))
        higher = tl.maximum(top, tl.max(logit, axis=0))
        odds, fade = tl.exp(logit - higher[None, :]), tl.exp(top - higher)
        through = tl.load(
            gate + kind[:, None] * heads + head[None, :], mask=is_edge[:, None] & (head < heads)[None, :], other=0.0
        )
        total = total * fade + tl.sum(odds, axis=0)
        found = found * fade[:, None] + tl.sum((odds * through)[:, :, None] * x, axis=0)
        top = higher
    tl.store(out + node * heads * dim + place, found / total[:, None], mask=inside)
    tl.store(level + node * heads + head, top + tl.log(total), mask=head < heads)


@triton.jit
def _target_kernel(  # noqa: PLR0913
    value, pulled, gate, from_source, from_target, indptr, source, relation, level, lost,
    share, score, passed, by_value,
    heads: tl.constexpr, dim: tl.constexpr, all_heads: tl.constexpr, all_dim: tl.constexpr, block: tl.constexpr,
    scored: tl.constexpr, slope: tl.constexpr,
):  # fmt: skip
    node = tl.program_id(0).to(tl.int64)
    head = tl.arange(0, all_heads)
    is_head = head < heads
    place = head[:, None] * dim + tl.arange(0, all_dim)[None, :]
    inside = is_head[:, None] & (tl.arange(0, all_dim)[None, :] < dim)
    own = tl.load(value + node * heads * dim + place, mask=inside, other=0.0).to(tl.float32)
    pull = tl.load(pulled + node * heads * dim + place, mask=inside, other=0.0).to(tl.float32)
    base = tl.load(level + node * heads + head, mask=is_head, other=0.0)
    less = tl.load(lost + node * heads + head, mask=is_head, other=0.0)
    found = tl.zeros((all_heads, all_dim), tl.float32)
    last = tl.load(indptr + node + 1)
    for first in range(tl.load(indptr + node), last, block):
        edge = first + tl.arange(0, block)
        is_edge = edge < last
        kind = tl.load(relation + edge, mask=is_edge, other=0)
        row = tl.load(source + edge, mask=is_edge, other=0).to(tl.int64)
        seen = is_edge[:, None, None] & inside[None, :, :]
        x = tl.load(value + row[:, None, None] * heads * dim + place[None, :, :], mask=seen, other=0.0).to(tl.float32)
        by_kind = kind[:, None, None] * heads * dim + place[None, :, :]
        written = is_edge[:, None] & is_head[None, :]
        through = tl.load(gate + kind[:, None] * heads + head[None, :], mask=written, other=0.0)
        at = edge[:, None] * heads + head[None, :]
        drawn = tl.sum(pull[None, :, :] * x, axis=2)
        if scored:
            here = tl.load(from_source + by_kind, mask=seen, other=0.0)
            there = tl.load(from_target + by_kind, mask=seen, other=0.0)
            logit = tl.sum(x * here + own[None, :, :] * there, axis=2)
            part = tl.exp(tl.where(logit < 0, slope * logit, logit) - base[None, :])
            grown = part * (through * drawn - less[None, :])
            grown = tl.where(written, tl.where(logit < 0, slope * grown, grown), 0.0)
            found += tl.sum(grown[:, :, None] * there, axis=0)
            tl.store(score + at, grown, mask=written)
        else:
            part = tl.exp(-base)[None, :] + tl.zeros((block, all_heads), tl.float32)
        tl.store(share + at, part * through, mask=written)
        tl.store(passed + at, part * drawn, mask=written)
    tl.store(by_value + node * heads * dim + place, found, mask=inside)


@triton.jit
def _source_kernel(  # noqa: PLR0913
    pulled, from_source, indptr, target, relation, by_source, share, score, by_value, moved,
    heads: tl.constexpr, dim: tl.constexpr, all_heads: tl.constexpr, all_dim: tl.constexpr, block: tl.constexpr,
    scored: tl.constexpr,
):  # fmt: skip
    node = tl.program_id(0).to(tl.int64)
    head = tl.arange(0, all_heads)
    place = head[:, None] * dim + tl.arange(0, all_dim)[None, :]
    inside = (head[:, None] < heads) & (tl.arange(0, all_dim)[None, :] < dim)
    found = tl.load(by_value + node * heads * dim + place, mask=inside, other=0.0)
    last = tl.load(indptr + node + 1)
    for first in range(tl.load(indptr + node), last, block):
        number = first + tl.arange(0, block)
        is_edge = number < last
        edge = tl.load(by_source + number, mask=is_edge, other=0)
        row = tl.load(target + number, mask=is_edge, other=0).to(tl.int64)
        seen = is_edge[:, None, None] & inside[None, :, :]
        at = edge[:, None] * heads + head[None, :]
        read = is_edge[:, None] & (head < heads)[None, :]
        weight = tl.load(share + at, mask=read, other=0.0)
        pull = tl.load(pulled + row[:, None, None] * heads * dim + place[None, :, :], mask=seen, other=0.0)
        found += tl.sum(weight[:, :, None] * pull.to(tl.float32), axis=0)
        if scored:
            kind = tl.load(relation + edge, mask=is_edge, other=0)
            here = tl.load(from_source + kind[:, None, None] * heads * dim + place[None, :, :], mask=seen, other=0.0)
            grown = tl.load(score + at, mask=read, other=0.0)
            found += tl.sum(grown[:, :, None] * here, axis=0)
            tl.store(moved + number[:, None] * heads + head[None, :], grown, mask=read)
    tl.store(by_value + node * heads * dim + place, found, mask=inside)


@triton.jit
def _relation_kernel(  # noqa: PLR0913
    value, pair, indptr, node, order, out,
    heads: tl.constexpr, dim: tl.constexpr, all_heads: tl.constexpr, all_dim: tl.constexpr, block: tl.constexpr,
    parts: tl.constexpr,
):  # fmt: skip
    kind, part = tl.program_id(0), tl.program_id(1)
    head = tl.arange(0, all_heads)
    place = head[:, None] * dim + tl.arange(0, all_dim)[None, :]
    inside = (head[:, None] < heads) & (tl.arange(0, all_dim)[None, :] < dim)
    begin, end = tl.load(indptr + kind), tl.load(indptr + kind + 1)
    size = tl.cdiv(end - begin, parts)
    last = tl.minimum(begin + (part + 1) * size, end)
    found = tl.zeros((all_heads, all_dim), tl.float32)
    for first in range(begin + part * size, last, block):
        number = first + tl.arange(0, block)
        is_pair = number < last
        row = tl.load(node + number, mask=is_pair, other=0).to(tl.int64)
        which = tl.load(order + number, mask=is_pair, other=0)
        read = is_pair[:, None] & (head < heads)[None, :]
        weight = tl.load(pair + which[:, None] * heads + head[None, :], mask=read, other=0.0)
        seen = is_pair[:, None, None] & inside[None, :, :]
        x = tl.load(value + row[:, None, None] * heads * dim + place[None, :, :], mask=seen, other=0.0)
        found += tl.sum(weight[:, :, None] * x.to(tl.float32), axis=0)
    tl.store(out + (kind * parts + part) * heads * dim + place, found, mask=inside)


def typed_sum(
    value: Float[Tensor, "node head dim"],
    gate: Float[Tensor, "relation head"],
    from_source: Float[Tensor, "relation head dim"] | None,
    from_target: Float[Tensor, "relation head dim"] | None,
    graph: TypedGraph,
    slope: float,
) -> tuple[Float[Tensor, "node head dim"], Float[Tensor, "node head"]]:
    """Return the weighted sums, and the logarithm of what the odds of each node add up to; both float32."""
    out = torch.empty(value.shape, dtype=torch.float32, device=value.device)
    level = torch.empty(value.shape[:2], dtype=torch.float32, device=value.device)
    scores = (gate, gate) if from_source is None else (from_source, from_target)
    places = (graph.into.indptr, graph.source, graph.relation)
    scored = {"scored": from_source is not None, "slope": slope}
    _forward_kernel[graph.num_nodes,](value, gate, *scores, *places, out, level, **_shape(value), **scored)
    return out, level


def typed_sum_back(
    slopes: Float[Tensor, "node head dim"],
    saved: tuple[Tensor, Tensor, Tensor | None, Tensor | None, Tensor, Tensor],
    graph: TypedGraph,
    slope: float,
) -> tuple[Tensor | None, ...]:
    """Return the gradients by value, gate and scores, from those by the sums.

    Args:
        slopes: gradient by what `typed_sum` returned.
        saved: value, gate, from_source, from_target, and what `typed_sum` returned.
        graph: the same.
        slope: of LeakyReLU below 0.
    """
    value, gate, from_source, from_target, out, level = saved
    is_scored, shape = from_source is not None, _shape(value)
    share, score, passed = (value.new_empty((len(graph.source), value.shape[1]), dtype=torch.float32) for _ in range(3))
    lost, by_value, moved = (slopes * out).sum(dim=2), torch.empty_like(out), torch.empty_like(score)
    pulled = slopes.to(value.dtype).contiguous()
    scores = (from_source, from_target) if is_scored else (gate, gate)
    _target_kernel[graph.num_nodes,](
        value, pulled, gate, *scores, graph.into.indptr, graph.source, graph.relation, level, lost,
        share, score, passed, by_value, **shape, scored=is_scored, slope=slope,
    )  # fmt: skip
    _source_kernel[graph.num_nodes,](
        pulled, scores[0], graph.out_of.indptr, graph.out_of.column, graph.relation, graph.by_source,
        share, score, by_value, moved, **shape, scored=is_scored,
    )  # fmt: skip
    ones = value.new_ones((graph.num_nodes, value.shape[1], 1))
    by_gate = _by_relation(_per_pair(passed, graph.targets), ones, graph.targets)[:, :, 0]
    if not is_scored:
        return by_value, by_gate, None, None
    by_target = _by_relation(_per_pair(score, graph.targets), value, graph.targets)
    by_source = _by_relation(_per_pair(moved, graph.sources), value, graph.sources)
    return by_value, by_gate, by_source, by_target


def _per_pair(edge: Float[Tensor, "edge head"], pairs: NodeRelations) -> Float[Tensor, "pair head"]:
    return torch.segment_reduce(edge, "sum", offsets=pairs.edges.pattern.indptr.long(), axis=0)


def _by_relation(
    pair: Float[Tensor, "pair head"], value: Float[Tensor, "node head dim"], pairs: NodeRelations
) -> Float[Tensor, "relation head dim"]:
    """The sum over the pairs of each relation of a number a head times the node's vector."""
    num_relations = pairs.by_relation.num_rows
    out = torch.empty((num_relations, _PARTS, *value.shape[1:]), dtype=torch.float32, device=value.device)
    places = (pairs.by_relation.indptr, pairs.by_relation.column, pairs.order)
    _relation_kernel[num_relations, _PARTS](value, pair, *places, out, **_shape(value), parts=_PARTS)
    return out.sum(dim=1)


def _shape(value: Float[Tensor, "node head dim"]) -> dict[str, Any]:
    heads, dim = value.shape[1:]
    rounded = {"all_heads": triton.next_power_of_2(heads), "all_dim": triton.next_power_of_2(dim)}
    return {"heads": heads, "dim": dim, **rounded, "block": _EDGES, "num_warps": _WARPS}
