"""Training of the graph attention network: full-catalogue softmax, strong L2, early stop on validation.

The graph is propagated once a step, and a step holds thousands of examples: their losses go back through the graph
together. Batches are cut on the device, and on a GPU nothing waits for the outcome of a step before the epoch ends.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from gnn.batches import Batch, cut_batch, place
from gnn.config import ModelConfig, TrainConfig
from gnn.errors import ConfigError, NonFiniteLoss, TooLittleData
from gnn.examples import Examples, shuffle_events
from gnn.model import Embeddings, GraphAttentionNetwork
from gnn.softmax import Blocks, CatalogueLoss
from gnn.stopwatch import Stopwatch
from kg.kernels import EmbeddingKernel
from kg.progress import Progress, silent

logger = logging.getLogger(__name__)

Weights = Mapping[str, Tensor]
"""Parameters of a network by name, on the CPU."""


_BLOCK_LOGITS = {"cpu": 16_000_000, "cuda": 256_000_000}
"""Logits in memory together at most."""
_UNORDERED_HISTORY, _UNORDERED_TARGETS = 256, 64
STAGES = ("cut batches", "propagate", "loss", "back", "step", "validate")
"""What training consists of; the loss knows its gradient by the vectors, so "back" is the way from there."""
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
    epochs_s: tuple[float, ...]
    """Seconds of the steps of each epoch, validation left out."""
    took_s: float
    """Seconds of everything."""


def train_network(  # noqa: PLR0913  # what to learn from, how, from where and until when: each on its own
    data: HeteroData,
    examples: Examples,
    *,
    model: ModelConfig,
    config: TrainConfig,
    validate: Callable[[EmbeddingKernel], float] | None = None,
    start: Weights | None = None,
    stop_after: int | None = None,
    clock: Stopwatch | None = None,
    progress: Progress = silent,
) -> Trained:
    """Train the network on the steps of a snapshot's users.

    Args:
        data: the graph of the same snapshot (gnn.graph).
        examples: what is predicted from what (gnn.examples), from the events of the same snapshot.
        model: shape of the network.
        config: settings.
        validate: gives a value, larger is better, for the kernel after each epoch; None runs all epochs.
        start: parameters to continue from; the graph must be of the same shape.
        stop_after: epochs after which training ends although its schedule goes on, as a later stage repeats an earlier
            one; None: it runs to its end.
        clock: counts the seconds of STAGES; those of a GPU only when it is exact.
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
    if not len(examples):
        raise TooLittleData("no user has two steps, so there is nothing to predict; add events")
    clock = clock or Stopwatch()
    trainer = _Trainer(network, examples, config, clock)
    losses: list[float] = []
    values: list[float] = []
    epochs_s: list[float] = []
    best: Weights = _copy(network)
    for epoch in range(trainer.epochs):
        started = time.perf_counter()
        losses.append(trainer.run_epoch(epoch, progress))
        epochs_s.append(time.perf_counter() - started)
        if validate is not None:
            with clock.lap(STAGES[-1]):
                values.append(validate(_kernel(network)))
            if int(np.argmax(values)) == epoch:
                best = _copy(network)
            logger.info("epoch done", extra={"epoch": epoch + 1, "loss": losses[-1], "value": values[-1]})
            if epoch - int(np.argmax(values)) > config.patience:
                break
        if stop_after is not None and epoch + 1 >= stop_after:
            break
    if validate is not None:
        network.load_state_dict(dict(best))
    took = time.perf_counter() - began
    epoch = int(np.argmax(values)) + 1 if values else len(losses)
    return Trained(_kernel(network), _copy(network), epoch, tuple(losses), tuple(values), tuple(epochs_s), took)


def pick_device(name: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """Return the device of a name.

    Raises:
        ConfigError: cuda was asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device = 'cuda' was asked for, but torch sees no GPU; use 'auto' or 'cpu'")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def has_fast_bf16() -> bool:
    """Return whether this processor multiplies bfloat16 matrices faster than float32 ones."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported() and torch.cpu._is_avx512_bf16_supported())


class _Trainer:
    """State of one training: network, optimiser, schedule, generators."""

    def __init__(
        self, network: GraphAttentionNetwork, examples: Examples, config: TrainConfig, clock: Stopwatch
    ) -> None:
        self.network, self.examples, self.config, self.clock = network, examples, config, clock
        self.device = device = network.text.device
        self.placed = place(examples, device)
        self.rng = np.random.default_rng(config.seed)
        self.generator = torch.Generator(device).manual_seed(config.seed)
        num_products = len(network.bias)
        self.per_epoch = max(1, min(len(examples), int(config.logits_per_epoch / num_products)))
        rows = max(1, min(config.batch_size, _BLOCK_LOGITS[device.type] // num_products))
        self.blocks = Blocks(rows, torch.bfloat16 if device.type == "cuda" or has_fast_bf16() else torch.float32)
        per_pass = math.ceil(self.per_epoch / config.step_size)
        self.passes = math.ceil(config.min_steps / per_pass)
        self.steps = per_pass * self.passes
        self.epochs = config.epochs if self.passes == 1 else config.small_epochs
        self.optimiser = torch.optim.AdamW(
            network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser,
            config.learning_rate,
            total_steps=max(self.steps * self.epochs + 1, _LEAST_STEPS),
            pct_start=0.2,
        )

    def run_epoch(self, epoch: int, progress: Progress) -> float:
        """Run some passes and return their mean loss."""
        per_step, done = self.config.step_size, epoch * self.steps
        total = torch.zeros((), device=self.device)
        for _ in range(self.passes):
            if not self.examples.ordered:
                self.placed = place(shuffle_events(self.examples, self.rng), self.device)
            order = torch.randperm(len(self.placed), generator=self.generator, device=self.device)[: self.per_epoch]
            for start in range(0, self.per_epoch, per_step):
                total += self._run_step(order[start : start + per_step])
                done += 1
                if self.device.type == "cpu":  # a GPU is only waited for at the end of the epoch
                    self._finite(total)
                progress("train", done, self.epochs * self.steps)
        return self._finite(total) / (self.per_epoch * self.passes)

    def _finite(self, total: Float[Tensor, ""]) -> float:
        """Wait for a sum of losses and return it."""
        found = float(total)
        if not math.isfinite(found):
            rate = self.config.learning_rate
            raise NonFiniteLoss(f"the training loss became {found}; lower [train] learning_rate ({rate})")
        return found

    def _run_step(self, chosen: Int[Tensor, " example"]) -> Float[Tensor, ""]:
        """Propagate, take one step against the loss of the chosen examples and return their summed loss."""
        config, ordered = self.config, self.examples.ordered
        with self._stage("cut batches"):
            batch = cut_batch(
                self.placed,
                chosen,
                length=config.history if ordered else _UNORDERED_HISTORY,
                max_targets=config.max_targets if ordered else _UNORDERED_TARGETS,
                repeat_weight=config.repeat_weight,
                generator=self.generator,
            )
        with (
            self._stage("propagate"),
            torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"),
        ):
            made = self.network.propagate(self.generator)
        with self._stage("loss"):
            loss = self._loss(made, batch)
            tables = (self.network.own, self.network.own_target, self.network.word)
            size = torch.stack([table.weight.square().sum() for table in tables]).sum()
        with self._stage("back"):
            torch.autograd.backward([loss + config.embedding_l2 * size / self.network.own.weight.shape[0]])
        with self._stage("step"):
            self.optimiser.step()
            self.schedule.step()
            self.optimiser.zero_grad(set_to_none=True)
        return loss.detach() * len(chosen)

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        with self.clock.lap(name):
            yield
            if self.clock.exact and self.device.type == "cuda":
                torch.cuda.synchronize()

    def _loss(self, made: Embeddings, batch: Batch) -> Float[Tensor, ""]:
        users = self.network.users(made.query, batch.history, batch.rank, batch.present)
        users = users / self.network.log_temperature.exp()
        loss: Tensor = CatalogueLoss.apply(
            users, made.target, self.network.bias, batch.target, batch.share, self.blocks
        )
        return loss


@torch.no_grad()
def _kernel(network: GraphAttentionNetwork) -> EmbeddingKernel:
    made = network.propagate()
    return EmbeddingKernel("network", made.query.float().cpu().numpy(), made.target.float().cpu().numpy())


def _copy(network: GraphAttentionNetwork) -> Weights:
    return {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
