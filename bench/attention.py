"""`python -m bench.attention`: one layer forward and back beside PyTorch Geometric's layers, in one run.

Every layer gets the same edges, by target and loops included, and the same vectors; the attention layers also as they
come, adding the loops themselves at every call. The layers take turns, and the best round of each
counts. Memory is what is resident at most while the layer runs (on a GPU: what torch allocated). Bandwidth counts the
bytes that must move at the least, three vectors an edge and six a node, against what a large copy reaches here.
"""

import argparse
import ctypes
import gc
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch_geometric.nn as pyg
from torch import Tensor

from bench.figures import commit_name, processor_name
from gnn.attention import RelationAttention
from gnn.bundles import BundleStore
from gnn.graph import build_graph
from gnn.typed_graph import TypedGraph, flatten_graph, lay_out

MIB = 2**20
SIZES: Mapping[str, tuple[int, int, int]] = {
    "small": (10_000, 100_000, 8),
    "medium": (80_000, 780_000, 16),
    "large": (180_000, 3_200_000, 40),
    "book": (184_000, 6_400_000, 80),
}
"""Nodes, edges without loops, and relations of generated graphs; the last one is as large as the Amazon-book graph."""
MOST_BYTES = {"cpu": 8 * 2**30, "cuda": 40 * 2**30}
"""A layer that keeps more than this for its way back is left out."""
COPY_BYTES = 2**29
OURS = "RelationAttention"


@dataclass(frozen=True, slots=True)
class Edges:
    """A graph as the layers of both sides take it."""

    name: str
    index: Tensor
    """[2, edge]: source and target, loops included, by target."""
    relation: Tensor
    """Relation of each edge."""
    num_nodes: int
    num_relations: int

    def typed(self) -> TypedGraph:
        """The layout of Whycart's layer."""
        source, target = self.index
        return lay_out(source, target, self.relation, num_nodes=self.num_nodes, num_relations=self.num_relations)


@dataclass(frozen=True, slots=True)
class Figure:
    """What one layer took on one graph."""

    graph: str
    num_nodes: int
    num_edges: int
    layer: str
    forward_ms: float
    both_ms: float
    """Forward and back."""
    edges_per_s: float
    peak_mib: float
    """Memory on top of graph and input."""
    ratio: float
    """Time of this layer in parts of ours."""
    memory_ratio: float
    bandwidth_share: float


def generated(name: str, *, seed: int = 0) -> Edges:
    """Return a graph of SIZES: sources crowd on a few nodes, targets do not, relations have unequal shares."""
    num_nodes, num_edges, num_relations = SIZES[name]
    draw = torch.Generator().manual_seed(seed)
    source = (num_nodes * torch.rand(num_edges, generator=draw).square()).long()
    target = torch.randint(0, num_nodes, (num_edges,), generator=draw)
    relation = (num_relations * torch.rand(num_edges, generator=draw).square()).long()
    loops = torch.arange(num_nodes)
    edges = torch.stack(
        [
            torch.cat([source, loops]),
            torch.cat([target, loops]),
            torch.cat([relation, torch.full_like(loops, num_relations)]),
        ]
    )
    source, target, relation = edges[:, torch.argsort(edges[1], stable=True)]
    return Edges(name, torch.stack([source, target]), relation, num_nodes, num_relations + 1)


def of_bundle(home: Path) -> Edges:
    """Return the graph that the network of the published model was trained on."""
    snapshot = BundleStore(home / "bundles").current().snapshot
    nothing = {label: np.zeros((table.num_rows, 1), dtype=np.float32) for label, table in snapshot.nodes.items()}
    graph, _ = flatten_graph(build_graph(snapshot, nothing))
    index = torch.stack([graph.source.long(), graph.target.long()])
    return Edges("published", index, graph.relation.long(), graph.num_nodes, graph.num_relations)


def make_layers(edges: Edges, *, dim: int, heads: int, device: torch.device) -> dict[str, Callable[[Tensor], Tensor]]:
    """Return the layers by name, each from [node, dim] to [node, dim]; those that would not fit are left out."""
    index, relation, wide = edges.index.to(device), edges.relation.to(device), dim // heads
    graph = edges.typed().to(device)
    torch.manual_seed(0)
    ours = RelationAttention(dim, heads=heads, num_relations=edges.num_relations).to(device)
    plain = {
        "GATConv": pyg.GATConv(dim, wide, heads, add_self_loops=False, bias=False),
        "GATConv, adds loops": pyg.GATConv(dim, wide, heads, bias=False),
        "GATv2Conv": pyg.GATv2Conv(dim, wide, heads, add_self_loops=False, bias=False),
        "GATv2Conv, adds loops": pyg.GATv2Conv(dim, wide, heads, bias=False),
        "TransformerConv": pyg.TransformerConv(dim, wide, heads, root_weight=False, bias=False),
    }
    typed = {
        "RGCNConv": pyg.RGCNConv(dim, dim, edges.num_relations, root_weight=False, bias=False),
        "RGATConv": pyg.RGATConv(dim, wide, edges.num_relations, heads=heads, bias=False),
    }
    found: dict[str, Callable[[Tensor], Tensor]] = {OURS: lambda x: ours(x, graph)}
    if device.type == "cuda":
        found[f"{OURS}, bf16"] = _in_half(found[OURS])
    for name, layer in plain.items():
        found[name] = _bound(layer.to(device), index)
    for name, layer in typed.items():
        if _kept_bytes(name, edges, dim=dim) <= MOST_BYTES[device.type]:
            found[name] = _bound(layer.to(device), index, relation)
    return found


def _bound(layer: torch.nn.Module, *rest: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: layer(x, *rest)


def _in_half(layer: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def run(x: Tensor) -> Tensor:
        with torch.autocast("cuda", torch.bfloat16):
            return layer(x).to(x.dtype)

    return run


def _kept_bytes(name: str, edges: Edges, *, dim: int) -> int:
    """What a layer keeps at the least: RGATConv one matrix an edge, the others one vector."""
    return 4 * edges.index.shape[1] * dim * (dim if name == "RGATConv" else 1)


def run_layer(layer: Callable[[Tensor], Tensor], x: Tensor, slope: Tensor) -> tuple[float, float]:
    """Run a layer forward and back; return the seconds of the way forward and of both."""
    x = x.detach().requires_grad_()
    _wait(x.device)
    start = time.perf_counter()
    out = layer(x)
    _wait(x.device)
    forward = time.perf_counter() - start
    out.backward(slope)
    _wait(x.device)
    return forward, time.perf_counter() - start


def peak_mib(layer: Callable[[Tensor], Tensor], x: Tensor, slope: Tensor) -> float:
    """Return the memory that a layer takes on top of graph, parameters and input, in MiB; at least a page."""
    gc.collect()
    if x.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run_layer(layer, x, slope)
        return (torch.cuda.max_memory_allocated() - before) / MIB
    ctypes.CDLL(None).malloc_trim(0)  # what earlier layers left behind would hide what this one takes
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    resident = _status_mib("VmRSS")
    run_layer(layer, x, slope)
    return max(_status_mib("VmHWM") - resident, 4096 / MIB)


def _status_mib(name: str) -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def copy_bandwidth(device: torch.device) -> float:
    """Return the bytes a second that a large copy reads and writes together."""
    source = torch.ones(COPY_BYTES // 4, device=device)
    target, best = torch.empty_like(source), float("inf")
    for _ in range(5):
        _wait(device)
        start = time.perf_counter()
        target.copy_(source)
        _wait(device)
        best = min(best, time.perf_counter() - start)
    return 2 * COPY_BYTES / best


def compare(edges: Edges, *, dim: int, heads: int, rounds: int, device: torch.device, bandwidth: float) -> list[Figure]:
    """Return what each layer takes on a graph, ours first."""
    layers = make_layers(edges, dim=dim, heads=heads, device=device)
    x, slope = torch.randn(2, edges.num_nodes, dim, device=device)
    best = dict.fromkeys(layers, (float("inf"), float("inf")))
    for _ in range(rounds + 1):  # the first round warms up and may as well count: the best one does
        for name, layer in layers.items():
            forward, both = run_layer(layer, x, slope)
            best[name] = min(best[name][0], forward), min(best[name][1], both)
    num_edges, peaks = edges.index.shape[1], {name: peak_mib(layer, x, slope) for name, layer in layers.items()}
    least_bytes = 4.0 * dim * (3 * num_edges + 6 * edges.num_nodes)
    return [
        Figure(
            edges.name,
            edges.num_nodes,
            num_edges,
            name,
            1e3 * forward,
            1e3 * both,
            num_edges / both,
            peaks[name],
            both / best[OURS][1],
            peaks[name] / peaks[OURS],
            least_bytes / both / bandwidth,
        )
        for name, (forward, both) in best.items()
    ]


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and tell; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.attention", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default="small,medium,large", help=f"of {', '.join(SIZES)}, by comma")
    parser.add_argument("--home", type=Path, help="also the graph of the model that is published in this folder")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args(argv)
    names = [name for name in options.sizes.split(",") if name]
    if unknown := [name for name in names if name not in SIZES]:
        parser.error(f"--sizes knows {', '.join(SIZES)}, got {', '.join(unknown)}")
    device = torch.device(options.device)
    bandwidth, figures = copy_bandwidth(device), []
    shape = {"dim": options.dim, "heads": options.heads, "rounds": options.rounds}
    for edges in [*map(generated, names), *([of_bundle(options.home)] if options.home else [])]:
        figures += compare(edges, **shape, device=device, bandwidth=bandwidth)
        _tell(figures[-1].graph, figures)
    if options.json is not None:
        machine = {"device_type": device.type, "device": _device_name(device), "threads": torch.get_num_threads()}
        about = {**machine, "torch": torch.__version__, "commit": commit_name(), **shape}
        found = {**about, "copy_bytes_per_s": bandwidth, "figures": [asdict(figure) for figure in figures]}
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


def _tell(graph: str, figures: Sequence[Figure]) -> None:
    rows = [figure for figure in figures if figure.graph == graph]
    print(f"{graph}: {rows[0].num_nodes:,} nodes, {rows[0].num_edges:,} edges")
    print(
        f"{'layer':>24} {'ms':>9} {'forward':>9} {'time':>6} {'MiB':>8} {'memory':>7} {'edges/s':>12} {'bandwidth':>9}"
    )
    for row in rows:
        print(
            f"{row.layer:>24} {row.both_ms:9.2f} {row.forward_ms:9.2f} {row.ratio:5.2f}x {row.peak_mib:8.0f} "
            f"{row.memory_ratio:6.2f}x {row.edges_per_s:12,.0f} {row.bandwidth_share:9.1%}"
        )


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name() if device.type == "cuda" else processor_name()


if __name__ == "__main__":
    sys.exit(main())
