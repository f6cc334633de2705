"""The softmax over a whole catalogue, as a loss whose logits are never all in memory.

The loss is a number, so its gradient is known as soon as the chances are: each block of examples is multiplied out,
turned into its gradient in place and multiplied back, and only the gradients by the vectors are kept.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable


@dataclass(frozen=True, slots=True)
class Blocks:
    """How the matrix of logits is worked through."""

    rows: int
    """Examples whose logits are in memory together; at least 1."""
    number: torch.dtype
    """Format of what is multiplied, such as bfloat16; sums are kept in that of the vectors."""


class CatalogueLoss(torch.autograd.Function):
    """Mean over the examples of `-sum over targets of share * log softmax(users . products + bias)`."""

    @staticmethod
    def forward(
        ctx: Any,
        users: Float[Tensor, "user dim"],
        products: Float[Tensor, "product dim"],
        bias: Float[Tensor, " product"],
        target: Int[Tensor, "user target"],
        share: Float[Tensor, "user target"],
        blocks: Blocks,
    ) -> Float[Tensor, ""]:
        """Return the loss.

        Args:
            ctx: keeps the gradients.
            users: vectors of the examples, divided by the temperature.
            products: vectors of the catalogue.
            bias: what every example adds to a product.
            target: product rows; a row with a share of 0 counts for nothing.
            share: weight of each target; adds up to 1 an example.
            blocks: how it is computed.
        """
        by_users, by_products, by_bias = torch.empty_like(users), torch.zeros_like(products), torch.zeros_like(bias)
        loss, cast = users.new_zeros(()), products.to(blocks.number)
        for first in range(0, len(users), blocks.rows):
            block = slice(first, first + blocks.rows)
            part = users[block].to(blocks.number)
            logits = torch.addmm(bias.to(blocks.number), part, cast.T)
            slope = torch.softmax(logits, dim=1, dtype=users.dtype)
            chance = slope.gather(1, target[block]).clamp_min(torch.finfo(users.dtype).tiny)
            loss -= (chance.log() * share[block]).sum()
            slope.scatter_add_(1, target[block], -share[block])
            by_bias += slope.sum(dim=0)
            pulled = slope.to(blocks.number)
            by_users[block] = pulled @ cast
            by_products += pulled.T @ part
        ctx.save_for_backward(by_users, by_products, by_bias)
        ctx.num_users = len(users)
        return loss / len(users)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients by users, products and bias."""
        scale = slopes[0] / ctx.num_users
        return *(part * scale for part in ctx.saved_tensors), None, None, None
