"""Training of the graph attention network: full-catalogue softmax, strong L2, early stop on validation.

The graph is propagated once for several mini-batches: their gradients meet at the embeddings and go back through the
graph together, which is exact and many times cheaper than propagating for each batch.
"""

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch_geometric.data import HeteroData

from gnn.config import ModelConfig, TrainConfig
from gnn.errors import ConfigError, NonFiniteLoss, TooLittleData
from gnn.examples import Batch, Examples, cut_batch, make_examples
from gnn.model import Embeddings, GraphAttentionNetwork
from kg.kernels import EmbeddingKernel
from kg.progress import Progress, silent
from kg.snapshot import Snapshot

logger = logging.getLogger(__name__)

Weights = Mapping[str, Tensor]
"""Parameters of a network by name, on the CPU."""


_LEAST_STEPS = 10
"""Length of the shortest schedule; in a shorter one the rise of a fifth of it would take no step at all."""


@dataclass(frozen=True, slots=True)
class Trained:
    """The outcome of a training."""

    kernel: EmbeddingKernel
    """The learned kernel."""
    weights: Weights
    """Parameters of the best epoch, for a warm start."""
    best_epoch: int
    """Epoch with the best validation value, from 1; the last one without validation."""
    losses: tuple[float, ...]
    """Mean loss of each epoch."""
    values: tuple[float, ...]
    """Validation value of each epoch; empty without validation."""
    took_s: float
    """Seconds."""


def train_network(
    data: HeteroData,
    snapshot: Snapshot,
    *,
    model: ModelConfig,
    config: TrainConfig,
    validate: Callable[[EmbeddingKernel], float] | None = None,
    start: Weights | None = None,
    progress: Progress = silent,
) -> Trained:
    """Train the network on the steps of a snapshot's users.

    Args:
        data: the graph of the same snapshot (gnn.graph).
        snapshot: whose events are learned from.
        model: shape of the network.
        config: settings.
        validate: gives a value, larger is better, for the kernel after each epoch; None runs all epochs.
        start: parameters to continue from; the graph must be of the same shape.
        progress: called once an optimiser step.

    Raises:
        TooLittleData: no user has two steps.
        NonFiniteLoss: the loss is not a number any more.
    """
    began = time.perf_counter()
    torch.manual_seed(config.seed)
    device = pick_device(config.device)
    network = GraphAttentionNetwork(data, model).to_device(device)
    if start is not None:
        network.load_state_dict(dict(start))
    examples = make_examples(snapshot)
    if not len(examples):
        raise TooLittleData("no user has two steps, so there is nothing to predict; add events")
    trainer = _Trainer(network, examples, config, device)
    losses: list[float] = []
    values: list[float] = []
    best: Weights = _copy(network)
    for epoch in range(config.epochs):
        losses.append(trainer.run_epoch(epoch, progress))
        if validate is not None:
            values.append(validate(_kernel(network)))
            if int(np.argmax(values)) == epoch:
                best = _copy(network)
            logger.info("epoch done", extra={"epoch": epoch + 1, "loss": losses[-1], "value": values[-1]})
            if epoch - int(np.argmax(values)) > config.patience:
                break
    if validate is not None:
        network.load_state_dict(dict(best))
    took = time.perf_counter() - began
    epoch = int(np.argmax(values)) + 1 if values else len(losses)
    return Trained(_kernel(network), _copy(network), epoch, tuple(losses), tuple(values), took)


def pick_device(name: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """Return the device of a name.

    Raises:
        ConfigError: cuda was asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device = 'cuda' was asked for, but torch sees no GPU; use 'auto' or 'cpu'")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


class _Trainer:
    """State of one training: network, optimiser, schedule, generators."""

    def __init__(
        self, network: GraphAttentionNetwork, examples: Examples, config: TrainConfig, device: torch.device
    ) -> None:
        self.network, self.examples, self.config, self.device = network, examples, config, device
        self.rng = np.random.default_rng(config.seed)
        self.generator = torch.Generator().manual_seed(config.seed)
        per_step = config.batch_size * config.batches_per_step
        self.per_epoch = min(len(examples), config.examples_per_epoch)
        self.steps = math.ceil(self.per_epoch / per_step)
        self.optimiser = torch.optim.AdamW(
            network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser,
            config.learning_rate,
            total_steps=max(self.steps * config.epochs + 1, _LEAST_STEPS),
            pct_start=0.2,
        )

    def run_epoch(self, epoch: int, progress: Progress) -> float:
        """Run one pass and return its mean loss."""
        order = self.rng.permutation(len(self.examples))[: self.per_epoch]
        per_step = self.config.batch_size * self.config.batches_per_step
        total = 0.0
        for step in range(self.steps):
            total += self._run_step(order[step * per_step : (step + 1) * per_step])
            progress("train", epoch * self.steps + step + 1, self.config.epochs * self.steps)
        return total / self.per_epoch

    def _run_step(self, chosen: np.ndarray) -> float:
        """Propagate once, collect the gradients of several batches at the embeddings, go back once."""
        config = self.config
        made = self.network.propagate(self.generator)
        leaves = Embeddings(made.query.detach().requires_grad_(), made.target.detach().requires_grad_())
        total = 0.0
        for place in range(0, len(chosen), config.batch_size):
            part = chosen[place : place + config.batch_size]
            batch = cut_batch(
                self.examples,
                part,
                length=config.history,
                max_targets=config.max_targets,
                repeat_weight=config.repeat_weight,
                rng=self.rng,
            )
            loss = self._loss(leaves, batch)
            torch.autograd.backward([loss])
            total += float(loss.detach()) * len(part)
        if not math.isfinite(total):
            raise NonFiniteLoss(
                f"the training loss became {total}; lower [train] learning_rate ({config.learning_rate})"
            )
        size = self.network.own.weight.square().sum() + self.network.own_target.weight.square().sum()
        torch.autograd.backward([config.embedding_l2 * size / self.network.own.weight.shape[0]])
        made_tensors = [tensor for tensor in (made.query, made.target) if tensor.requires_grad]
        torch.autograd.backward(made_tensors, [leaves.query.grad, leaves.target.grad])
        self.optimiser.step()
        self.schedule.step()
        self.optimiser.zero_grad(set_to_none=True)
        return total

    def _loss(self, leaves: Embeddings, batch: Batch) -> Float[Tensor, ""]:
        history = torch.from_numpy(batch.history).to(self.device)
        rank = torch.from_numpy(batch.rank).to(self.device)
        present = torch.from_numpy(batch.present).to(self.device)
        target = torch.from_numpy(batch.target).to(self.device)
        share = torch.from_numpy(batch.share).to(self.device)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda"):
            users = self.network.users(leaves.query, history, rank, present)
            logits = self.network.logits(users, leaves.target)
        logits = logits.float()
        chance = logits.gather(1, target) - torch.logsumexp(logits, dim=1, keepdim=True)
        return -(chance * share).sum(dim=1).mean()


@torch.no_grad()
def _kernel(network: GraphAttentionNetwork) -> EmbeddingKernel:
    made = network.propagate()
    return EmbeddingKernel("network", made.query.float().cpu().numpy(), made.target.float().cpu().numpy())


def _copy(network: GraphAttentionNetwork) -> Weights:
    return {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
