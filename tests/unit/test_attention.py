"""Relation-aware attention in CSR form against PyTorch Geometric's layer, loops and finite differences."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData
from torch_geometric.nn import GATConv

from gnn.attention import RelationAttention, TypedSum, WordSum, word_product
from gnn.config import ModelConfig
from gnn.graph import build_graph
from gnn.model import GraphAttentionNetwork
from gnn.typed_graph import TypedGraph, flatten_graph
from gnn.words import word_matrix
from kg.schema import GraphSchema
from kg.snapshot import Snapshot, build_snapshot, select_events
from tests.support.random_shops import random_snapshot
from tests.support.typed_graphs import one_kind, random_edges
from tests.worlds import make_tables

Edge = tuple[int, int, int]


def edges_of(graph: TypedGraph) -> list[Edge]:
    return list(zip(graph.source.tolist(), graph.target.tolist(), graph.relation.tolist(), strict=True))


def vectors_of(snapshot: Snapshot) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {label: rng.normal(size=(table.num_rows, 3)).astype(np.float32) for label, table in snapshot.nodes.items()}


def test_the_layer_equals_pygs_layer_on_one_relation_and_so_do_its_gradients() -> None:
    torch.manual_seed(0)
    num, dim, heads = 9, 8, 2
    edges = random_edges(1, num, 25)
    graph, _ = flatten_graph(one_kind(num, edges))
    ours, theirs = RelationAttention(dim, heads=heads, num_relations=2), GATConv(dim, dim // heads, heads, bias=False)
    with torch.no_grad():
        theirs.lin.weight.copy_(torch.randn(dim, dim))
        ours.value.weight.copy_(theirs.lin.weight)
        # A node's edge to itself is a relation of its own here; PyG has one set of parameters for all edges.
        ours.from_source.copy_(theirs.att_src.expand(2, -1, -1))
        ours.from_target.copy_(theirs.att_dst.expand(2, -1, -1))
    x = torch.randn(num, dim, requires_grad=True)
    other = x.detach().clone().requires_grad_()

    found, expected = ours(x, graph), theirs(other, torch.tensor(edges).T)
    slope = torch.randn(num, dim)
    found.backward(slope)
    expected.backward(slope)

    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(x.grad, other.grad)
    torch.testing.assert_close(ours.value.weight.grad, theirs.lin.weight.grad)
    assert ours.from_source.grad is not None
    assert ours.from_target.grad is not None
    # Sums over all edges in float32: their last digits depend on how many threads add them up.
    loose = {"rtol": 1e-5, "atol": 2e-5}
    torch.testing.assert_close(ours.from_source.grad.sum(0, keepdim=True), theirs.att_src.grad, **loose)
    torch.testing.assert_close(ours.from_target.grad.sum(0, keepdim=True), theirs.att_dst.grad, **loose)


@pytest.mark.parametrize("scored", [True, False])
def test_the_gradients_of_the_sum_are_those_of_finite_differences(scored: bool) -> None:
    torch.manual_seed(7)
    graph, _ = flatten_graph(one_kind(6, random_edges(2, 6, 14), relations=2))
    value = torch.randn(6, 2, 3, dtype=torch.float64, requires_grad=True)
    gate = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    scores = [torch.randn(3, 2, 3, dtype=torch.float64, requires_grad=True) if scored else None for _ in range(2)]

    assert torch.autograd.gradcheck(lambda *tensors: TypedSum.apply(*tensors, graph), (value, gate, *scores))


@pytest.mark.parametrize("seed", range(3))
def test_the_sum_and_its_gradients_equal_a_loop_over_nodes(seed: int) -> None:
    torch.manual_seed(seed)
    graph, _ = flatten_graph(one_kind(7, random_edges(seed, 7, 20), relations=3))
    parts = [torch.randn(shape, dtype=torch.float64) for shape in ((7, 2, 3), (4, 2), (4, 2, 3), (4, 2, 3))]
    ours, theirs = ([part.clone().requires_grad_() for part in parts] for _ in range(2))
    value, gate, from_source, from_target = theirs
    rows = []
    for node in range(7):
        edges = [edge for edge in edges_of(graph) if edge[1] == node]
        ends = [(from_source[r] * value[a]).sum(1) + (from_target[r] * value[node]).sum(1) for a, _, r in edges]
        share = torch.softmax(torch.nn.functional.leaky_relu(torch.stack(ends), 0.2), dim=0)
        rows.append(sum(share[place][:, None] * gate[r][:, None] * value[a] for place, (a, _, r) in enumerate(edges)))
    slope = torch.randn(7, 2, 3, dtype=torch.float64)

    found, expected = TypedSum.apply(*ours, graph), torch.stack(rows)
    found.backward(slope)
    expected.backward(slope)

    torch.testing.assert_close(found, expected)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_logits_far_apart_neither_overflow_nor_vanish() -> None:
    graph, _ = flatten_graph(one_kind(7, random_edges(4, 7, 20), relations=3))
    value = torch.randn(7, 2, 3, requires_grad=True)
    parts = [torch.ones(4, 2), 500 * torch.randn(4, 2, 3), 500 * torch.randn(4, 2, 3)]

    found = TypedSum.apply(value, *parts, graph)
    found.sum().backward()

    assert torch.isfinite(found).all()
    assert value.grad is not None
    assert torch.isfinite(value.grad).all()
    # Shares add up to 1, so with every value alike the sum is that value.
    alike = torch.ones(7, 2, 3)
    torch.testing.assert_close(TypedSum.apply(alike, *parts, graph), alike)


def test_it_matters_by_which_relation_two_nodes_are_linked() -> None:
    torch.manual_seed(0)
    edges = random_edges(5, 6, 12)
    layer = RelationAttention(4, heads=2, num_relations=3)
    x = torch.randn(6, 4)
    index = torch.tensor(edges).T.contiguous()
    outputs = []
    for filled, empty in (("A", "B"), ("B", "A")):
        data = HeteroData()
        data["Product"].x = x
        tables = {filled: index, empty: index[:, :0]}
        for name in ("A", "B"):
            data["Product", name, "Product"].edge_index = tables[name]
        outputs.append(layer(x, flatten_graph(data)[0]))

    assert not torch.allclose(outputs[0], outputs[1])


def test_a_plain_mean_is_the_average_over_the_edges_into_a_node_each_times_its_gate() -> None:
    torch.manual_seed(0)
    edges = random_edges(6, 7, 20)
    graph, _ = flatten_graph(one_kind(7, edges, relations=2))
    layer = RelationAttention(4, heads=2, num_relations=3, gather="mean")
    with torch.no_grad():
        layer.value.weight.copy_(torch.randn(4, 4))
        layer.gate.copy_(torch.randn(3, 2))
    x = torch.randn(7, 4)
    value = layer.value(x).detach()
    expected = torch.zeros(7, 4)
    for source, target, relation in edges_of(graph):
        share = 1 / sum(other == target for _, other, _ in edges_of(graph))
        for place in range(4):
            expected[target, place] += share * layer.gate[relation, place // 2] * value[source, place]

    torch.testing.assert_close(layer(x, graph), expected)


def test_a_plain_mean_learns_values_and_gates_and_no_attention() -> None:
    graph, _ = flatten_graph(one_kind(7, random_edges(6, 7, 20), relations=2))
    layer = RelationAttention(4, heads=2, num_relations=3, gather="mean")

    layer(torch.randn(7, 4), graph).square().sum().backward()

    assert {"value.weight", "gate"} == {name for name, part in layer.named_parameters() if part.grad is not None}


@pytest.mark.parametrize("seed", range(3))
def test_the_sum_of_words_and_its_gradient_are_those_of_the_dense_product(seed: int) -> None:
    words = word_product(build_graph(titled_shop(), vectors_of(titled_shop())))
    dense = words.matrix.to_dense().double()
    table = torch.randn(words.num_words, 3, generator=torch.Generator().manual_seed(seed))
    slope = torch.randn(len(dense), 3, generator=torch.Generator().manual_seed(seed + 10))
    ours, theirs = table.clone().requires_grad_(), table.double().requires_grad_()

    found = WordSum.apply(ours, words)
    found.backward(slope)
    expected = dense @ theirs
    expected.backward(slope.double())

    torch.testing.assert_close(found, expected.float())
    torch.testing.assert_close(ours.grad, theirs.grad.float())


def test_the_words_of_the_graph_are_those_of_the_products() -> None:
    shop = titled_shop()

    words = word_product(build_graph(shop, vectors_of(shop)))

    assert words.num_words > 3
    np.testing.assert_array_equal(word_matrix(shop).toarray(), words.matrix.to_dense().numpy())
    np.testing.assert_array_equal(word_matrix(shop).toarray().T, words.back.to_dense().numpy())


def test_the_vectors_of_words_reach_products_and_nothing_else() -> None:
    shop = titled_shop()
    network = GraphAttentionNetwork(build_graph(shop, vectors_of(shop)), ModelConfig(dim=4, heads=2, layers=0))
    said = network.words.matrix.to_dense().any(dim=1)
    before = network.propagate().query.detach()
    with torch.no_grad():
        network.word.weight.add_(1.0)

    moved = (network.propagate().query.detach() != before).any(dim=1)

    assert said.tolist() == moved.tolist()
    assert {True, False} == set(said.tolist())


def test_a_shop_without_words_in_common_has_a_network_all_the_same() -> None:
    shop = random_snapshot(0)
    untitled = replace(shop, nodes={label: table.select([0]) for label, table in shop.nodes.items()})

    network = GraphAttentionNetwork(build_graph(untitled, vectors_of(shop)), ModelConfig(dim=4, heads=2, layers=1))

    assert (0, 12) == (network.words.num_words, len(network.propagate().query))


def titled_shop() -> Snapshot:
    """A shop in which words of titles are shared by some products and not by all."""
    titles = ["green tea", "black tea", "green mug", "blue mug", "black coffee", "blue coffee"]
    titles += [f"only{number}" for number in range(34)]
    nodes = {"Product": [{"product_id": f"p{row:02d}", "title": title} for row, title in enumerate(titles)]}
    return build_snapshot(make_tables(GraphSchema(), nodes, edges={}, events=[]))


def test_a_node_without_neighbours_keeps_its_own_value() -> None:
    graph, _ = flatten_graph(one_kind(3, [(0, 1)]))
    layer, x = RelationAttention(4, heads=2, num_relations=2), torch.randn(3, 4)

    torch.testing.assert_close(layer(x, graph)[2], layer.value(x)[2])


@pytest.mark.parametrize("seed", range(3))
def test_the_flat_graph_holds_every_typed_edge_and_one_loop_a_node(seed: int) -> None:
    snapshot = random_snapshot(seed)
    data = build_graph(snapshot, vectors_of(snapshot))

    graph, places = flatten_graph(data)

    expected: list[Edge] = []
    for number, (source, name, target) in enumerate(data.edge_types):
        index = data[source, name, target].edge_index.T.tolist()
        expected += [(places[source].start + a, places[target].start + b, number) for a, b in index]
    expected += [(node, node, len(data.edge_types)) for node in range(graph.num_nodes)]
    assert sorted(expected) == sorted(edges_of(graph))
    assert sum(data[label].num_nodes for label in data.node_types) == graph.num_nodes
    assert len(data.edge_types) + 1 == graph.num_relations
    assert graph.target.tolist() == sorted(graph.target.tolist())
    for node in range(graph.num_nodes):
        into = slice(int(graph.into.indptr[node]), int(graph.into.indptr[node + 1]))
        assert {node} == set(graph.target[into].tolist())
        out = slice(int(graph.out_of.indptr[node]), int(graph.out_of.indptr[node + 1]))
        edges = graph.by_source[out].long()
        assert {node} >= set(graph.source[edges].tolist())
        assert graph.target[edges].tolist() == graph.out_of.column[out].tolist()


@pytest.mark.parametrize("seed", range(3))
def test_each_pair_of_node_and_relation_stands_once_and_knows_its_edges(seed: int) -> None:
    graph, _ = flatten_graph(one_kind(8, random_edges(seed, 8, 30), relations=3))

    for pairs, end in ((graph.sources, 0), (graph.targets, 1)):
        nodes = torch.repeat_interleave(torch.arange(8), torch.diff(pairs.by_node.indptr))
        listed = list(zip(nodes.tolist(), pairs.by_node.column.tolist(), strict=True))
        assert sorted({(edge[end], edge[2]) for edge in edges_of(graph)}) == listed
        assert [listed[pair] for pair in pairs.of_edge.tolist()] == [(edge[end], edge[2]) for edge in edges_of(graph)]
        assert torch.bincount(pairs.of_edge).tolist() == torch.diff(pairs.edges.pattern.indptr).tolist()
        relations = torch.repeat_interleave(torch.arange(4), torch.diff(pairs.by_relation.indptr))
        turned = list(zip(pairs.by_relation.column.tolist(), relations.tolist(), strict=True))
        assert turned == [listed[pair] for pair in pairs.order.tolist()]


def test_the_graph_holds_the_relations_of_the_snapshot_in_both_directions_and_no_user() -> None:
    snapshot = random_snapshot(0)

    data = build_graph(snapshot, vectors_of(snapshot))

    assert "User" not in data.node_types
    for name, edges in snapshot.edges.items():
        kind = snapshot.schema.relation(name)
        index = data[kind.source, name, kind.target].edge_index.tolist()
        assert [edges.source.tolist(), edges.target.tolist()] == index
        assert index[::-1] == data[kind.target, f"REV_{name}", kind.source].edge_index.tolist()


def test_what_users_did_is_no_edge() -> None:
    """Else the network would find each target of its training in the graph, and none of those it is asked for later."""
    snapshot = random_snapshot(1, products=12, events=200)

    quiet = select_events(snapshot, np.zeros(len(snapshot.events), dtype=bool))
    busy, still = (build_graph(shop, vectors_of(shop)) for shop in (snapshot, quiet))

    assert busy.edge_types
    assert busy.edge_types == still.edge_types
    for kind in busy.edge_types:
        assert busy[kind].edge_index.tolist() == still[kind].edge_index.tolist()
