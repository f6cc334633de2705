"""The softmax over the catalogue: value and gradients of the plain formula, however it is cut into blocks."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gnn.softmax import Blocks, CatalogueLoss

TARGET = torch.tensor([[0, 4], [3, 0], [6, 6], [2, 5], [1, 1]])
SHARE = torch.tensor([[0.3, 0.7], [1.0, 0.0], [0.5, 0.5], [0.9, 0.1], [1.0, 0.0]], dtype=torch.float64)


def vectors(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return tuple(  # type: ignore[return-value]
        torch.randn(shape, generator=draw, dtype=torch.float64, requires_grad=True) for shape in ((5, 3), (7, 3), (7,))
    )


def naive(users: Tensor, products: Tensor, bias: Tensor) -> Tensor:
    chance = torch.log_softmax(users @ products.T + bias, dim=1)
    return -(chance.gather(1, TARGET) * SHARE).sum(dim=1).mean()


def ours(rows: int) -> Callable[..., Tensor]:
    return lambda *parts: CatalogueLoss.apply(*parts, TARGET, SHARE, Blocks(rows, torch.float64))


@pytest.mark.parametrize("rows", [1, 2, 5, 100])
def test_value_and_gradients_are_those_of_the_whole_matrix(rows: int) -> None:
    one, other = vectors(rows), vectors(rows)

    found, expected = ours(rows)(*one), naive(*other)
    (3 * found).backward()
    (3 * expected).backward()

    torch.testing.assert_close(found, expected)
    for left, right in zip(one, other, strict=True):
        torch.testing.assert_close(left.grad, right.grad)


def test_the_gradients_are_those_of_finite_differences() -> None:
    assert torch.autograd.gradcheck(ours(2), vectors(11))


def test_no_more_rows_of_logits_than_asked_for_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made, whole = [], torch.addmm
    monkeypatch.setattr(torch, "addmm", lambda *parts: made.append(tuple((out := whole(*parts)).shape)) or out)

    ours(2)(*vectors(1))

    assert [(2, 7), (2, 7), (1, 7)] == made


def test_a_target_without_any_chance_gives_a_loss_that_is_a_number() -> None:
    users, products = torch.tensor([[1.0]]), torch.tensor([[0.0], [1e4]])
    target, share = torch.tensor([[0]]), torch.ones(1, 1)

    loss = CatalogueLoss.apply(users, products, torch.zeros(2), target, share, Blocks(1, torch.float32))

    assert torch.isfinite(loss)
    assert loss > 50


def test_half_numbers_are_near() -> None:
    users, products, bias = (part.detach().float() for part in vectors(3))

    exact, half = (
        CatalogueLoss.apply(users, products, bias, TARGET, SHARE.float(), Blocks(2, number))
        for number in (torch.float32, torch.bfloat16)
    )

    torch.testing.assert_close(half, exact, rtol=0.02, atol=0.02)
