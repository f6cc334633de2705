"""The kernels of a GPU give what the processor gives; where there is no GPU they run in Triton's interpreter."""

import os
import subprocess
import sys

import pytest
import torch

from gnn.attention import TypedSum
from gnn.typed_graph import flatten_graph
from tests.support.typed_graphs import one_kind, random_edges

triton_sum = pytest.importorskip("gnn.triton_sum")
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SLOPE = 0.2


CAN_RUN = DEVICE.type == "cuda" or os.environ.get("TRITON_INTERPRET") == "1"
here = pytest.mark.skipif(
    not CAN_RUN, reason="needs a GPU or Triton's interpreter, which is chosen before Triton is loaded"
)


@pytest.mark.skipif(CAN_RUN, reason="the tests below run here")
def test_the_kernels_pass_the_tests_below_in_the_interpreter() -> None:
    command = [sys.executable, "-W", "ignore", "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(
        command, env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True, check=False
    )

    assert 0 == done.returncode, done.stdout
    assert "7 passed, 1 skipped" in done.stdout


@here
@pytest.mark.parametrize("number", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("heads", "dim", "scored"), [(2, 8, True), (3, 5, True), (2, 4, False)])
def test_sums_and_gradients_are_those_of_the_processor(number: torch.dtype, heads: int, dim: int, scored: bool) -> None:
    torch.manual_seed(1)
    graph, _ = flatten_graph(one_kind(12, random_edges(1, 12, 60), relations=3))
    value = torch.randn(12, heads, dim).to(number)
    rest = [torch.randn(4, heads), *(torch.randn(4, heads, dim) for _ in range(2 * scored))]
    leaves = [part.float().requires_grad_() for part in (value, *rest)]
    scores = leaves[2:] if scored else [None, None]
    expected, slopes = TypedSum.apply(*leaves[:2], *scores, graph), torch.randn(12, heads, dim).to(number)
    expected.backward(slopes.float())

    there = graph.to(DEVICE)
    given = [value.to(DEVICE), *(part.to(DEVICE) for part in rest), *([None, None] if not scored else [])]
    out, level = triton_sum.typed_sum(*given, there, SLOPE)
    found = triton_sum.typed_sum_back(slopes.float().to(DEVICE), (*given, out, level), there, SLOPE)

    near = {"rtol": 1e-4, "atol": 1e-4}
    torch.testing.assert_close(out.cpu(), expected.detach(), **near)
    for one, leaf in zip(found, leaves, strict=False):
        torch.testing.assert_close(one.cpu(), leaf.grad, **near)
    assert [None, None] == list(found[2:]) or scored


@here
def test_logits_far_apart_neither_overflow_nor_vanish() -> None:
    graph, _ = flatten_graph(one_kind(12, random_edges(2, 12, 60), relations=3))
    vectors = [500 * torch.randn(4, 2, 4, device=DEVICE) for _ in range(2)]
    alike, gate = torch.ones(12, 2, 4, device=DEVICE), torch.ones(4, 2, device=DEVICE)

    out, level = triton_sum.typed_sum(alike, gate, *vectors, graph.to(DEVICE), SLOPE)
    found = triton_sum.typed_sum_back(alike, (alike, gate, *vectors, out, level), graph.to(DEVICE), SLOPE)

    torch.testing.assert_close(out, alike)
    assert all(torch.isfinite(part).all() for part in found)
