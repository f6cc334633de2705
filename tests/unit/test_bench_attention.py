"""The comparison of attention layers: same edges for both sides, one row a layer, memory and time above 0."""

import json
from pathlib import Path

import pytest
import torch

import bench.attention
from bench.attention import OURS, Edges, compare, generated, main, make_layers, of_bundle
from tests.support.tiny_bundle import publish_tiny_bundle


@pytest.fixture(autouse=True)
def small_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.attention, "SIZES", {"tiny": (2000, 20_000, 3)})
    monkeypatch.setattr(bench.attention, "COPY_BYTES", 2**20)


def test_layers_without_types_give_what_ours_gives_with_the_same_parameters() -> None:
    """Both sides see the same edges: with one set of vectors for all relations ours is PyG's GATConv."""
    edges = generated("tiny")
    layers = make_layers(edges, dim=8, heads=2, device=torch.device("cpu"))
    x = torch.randn(edges.num_nodes, 8)
    assert {OURS, "GATConv", "GATv2Conv", "TransformerConv", "RGCNConv", "RGATConv"} <= set(layers)
    assert {(edges.num_nodes, 8)} == {tuple(layer(x).shape) for layer in layers.values()}
    graph = edges.typed()
    assert sorted(zip(*edges.index.tolist(), edges.relation.tolist(), strict=True)) == sorted(
        zip(graph.source.tolist(), graph.target.tolist(), graph.relation.tolist(), strict=True)
    )


def test_every_layer_is_timed_and_weighed_beside_ours() -> None:
    edges = generated("tiny")

    figures = compare(edges, dim=8, heads=2, rounds=1, device=torch.device("cpu"), bandwidth=1e9)

    assert OURS == figures[0].layer
    assert (1.0, 1.0) == (figures[0].ratio, figures[0].memory_ratio)
    assert all(figure.both_ms > figure.forward_ms > 0 for figure in figures)
    assert {22_000} == {figure.num_edges for figure in figures}


def test_the_graph_of_a_published_model_is_measured_too(tmp_path: Path) -> None:
    publish_tiny_bundle(tmp_path / "bundles")

    edges = of_bundle(tmp_path)

    assert isinstance(edges, Edges)
    assert edges.num_nodes == len(set(edges.index[1].tolist()))


def test_figures_are_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "attention.json"

    code = main(
        ["--sizes", "tiny", "--dim", "8", "--heads", "2", "--rounds", "1", "--device", "cpu", "--json", str(out)]
    )

    found = json.loads(out.read_text())
    assert (0, "cpu", 8) == (code, found["device_type"], found["dim"])
    assert "GATv2Conv" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--sizes", "tiny,huge"])
