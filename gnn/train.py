"""Training of the graph attention network: full-catalogue softmax, strong L2, early stop on validation.

The graph is propagated once a step, and a step holds thousands of examples: their losses go back through the graph
together. Batches are cut on the device, and on a GPU nothing waits for the outcome of a step before the epoch ends,
unless the state is written (`gnn.checkpoint`).
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch_geometric.data import HeteroData

from gnn.batches import Batch, cut_batch, place
from gnn.checkpoint import (
    TrainingCheckpoint,
    TrainingState,
    fingerprint,
    load_optimiser,
    optimiser_parts,
    shaping_packages,
)
from gnn.config import ModelConfig, TrainConfig
from gnn.course import Course
from gnn.curves import Curves
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
    """Seconds of everything, those of an interrupted training before included."""
    before_s: float = 0.0
    """Seconds that an interrupted training had taken, which this one went on from; 0: it began anew."""


@dataclass(frozen=True, slots=True)
class TrainingFiles:
    """What a training writes while it is under way."""

    checkpoint: Path | None = None
    """Folder of the state that a killed training is gone on from, the caller's to delete when what comes out is safe;
    None: none is kept."""
    curves: Path | None = None
    """Folder of the event file for TensorBoard, of this training alone; None: there is none."""
    judged_by: str = ""
    """Hash of what validation rests on: a training that is judged by something else is another one."""


NO_FILES = TrainingFiles()
"""Nothing is written."""


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
    files: TrainingFiles = NO_FILES,
    progress: Progress = silent,
) -> Trained:
    """Train the network on the steps of a snapshot's users.

    With a checkpoint a training that was killed goes on where it was, and gives the same weights on a CPU. What it has
    written stays when it has ended, so that its caller can take what comes next up without it; the caller deletes it.

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
        files: what is written meanwhile.
        progress: called once an optimiser step.

    Raises:
        TooLittleData: no user has two steps.
        NonFiniteLoss: the loss is not a number any more.
        ConfigError: curves are asked for and what writes them is not installed.
    """
    began, clock = time.perf_counter(), clock or Stopwatch()
    torch.manual_seed(config.seed)
    network = GraphAttentionNetwork(data, model).to_device(pick_device(config.device))
    if start is not None:
        network.load_state_dict(dict(start))
    if not len(examples):
        raise TooLittleData("no user has two steps, so there is nothing to predict; add events")
    told = {"validated": validate is not None, "judged_by": files.judged_by, "stop_after": stop_after}
    folder = files.checkpoint if config.checkpoint_minutes else None
    which = "" if folder is None else _which(network, data, examples, config, start or {}, told)
    file = TrainingCheckpoint(folder, which, every_s=60.0 * config.checkpoint_minutes)
    with Curves(files.curves, _settings(model, config)) as curves:
        trainer = _Trainer(network, examples, config, clock, file, curves)
        before_s, course = trainer.go_on(), trainer.course
        course.began = began - before_s
        last = trainer.epochs if stop_after is None else min(stop_after, trainer.epochs)
        while not course.is_over(last, config.patience):
            trainer.run_epoch(progress)
            if validate is not None:
                with clock.lap(STAGES[-1]):
                    course.values.append(validate(_kernel(network)))
                if course.best_epoch == len(course.losses):
                    trainer.best = _copy(network)
            course.tell(curves)
            trainer.keep(after_epoch=True)
    if validate is not None:
        network.load_state_dict(dict(trainer.best))
    took_s = time.perf_counter() - course.began
    figures = (tuple(course.losses), tuple(course.values), tuple(course.epochs_s))
    return Trained(_kernel(network), _copy(network), course.best_epoch, *figures, took_s, before_s)


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


def _settings(model: ModelConfig, config: TrainConfig) -> dict[str, Any]:
    """Return the settings of a training by section and key, without what decides nothing."""
    parts = {"model": asdict(model), "train": asdict(config)}
    plain = {f"{section}.{key}": value for section, part in parts.items() for key, value in part.items()}
    del plain["train.checkpoint_minutes"]
    return plain


def _which(
    network: GraphAttentionNetwork,
    data: HeteroData,
    examples: Examples,
    config: TrainConfig,
    start: Weights,
    told: Mapping[str, Any],
) -> str:
    """Return what tells a training from any other one."""
    plain = {**_settings(network.config, config), "device": network.text.device.type, **told}
    steps = {name: getattr(examples, name) for name in examples.__slots__}
    return fingerprint({**plain, "packages": shaping_packages()}, data.to_dict(), steps, start)


class _Trainer:
    """State of one training: network, optimiser, schedule, generators, and the place that it has come to."""

    def __init__(
        self,
        network: GraphAttentionNetwork,
        examples: Examples,
        config: TrainConfig,
        clock: Stopwatch,
        file: TrainingCheckpoint,
        curves: Curves,
    ) -> None:
        self.network, self.examples, self.config = network, examples, config
        self.clock, self.file, self.curves = clock, file, curves
        self.course, self.done, self.best = Course(), 0, dict[str, Tensor]()
        self.device = device = network.text.device
        self.placed = place(examples, device)
        self.rng = np.random.default_rng(config.seed)
        self.generator = torch.Generator(device).manual_seed(config.seed)
        num_products = len(network.bias)
        self.per_epoch = max(1, min(len(examples), int(config.logits_per_epoch / num_products)))
        rows = max(1, min(config.batch_size, _BLOCK_LOGITS[device.type] // num_products))
        self.blocks = Blocks(rows, torch.bfloat16 if device.type == "cuda" or has_fast_bf16() else torch.float32)
        self.per_pass = math.ceil(self.per_epoch / config.step_size)
        self.passes = math.ceil(config.min_steps / self.per_pass)
        self.steps = self.per_pass * self.passes
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
        self.total = torch.zeros((), device=device)
        self.epoch_began = 0.0
        self.epoch_before_s = 0.0
        self.dealt = self._drawn()
        self.order = torch.zeros(0, dtype=torch.int64, device=device)

    def run_epoch(self, progress: Progress) -> None:
        """Run the steps of an epoch that are left; its mean loss and its seconds go to the course."""
        per_step, before = self.config.step_size, len(self.course.losses) * self.steps
        self.epoch_began = time.perf_counter()
        for step in range(self.done - before, self.steps):
            if step % self.per_pass == 0:
                self._deal()
            start, rate = step % self.per_pass * per_step, float(self.schedule.get_last_lr()[0])
            chosen = self.order[start : start + per_step]
            found = self._run_step(chosen)
            self.total += found
            self.done += 1
            self.curves.step(self.done, loss=found / len(chosen), rate=rate)
            if self.device.type == "cpu":  # a GPU is only waited for at the end of the epoch
                self._finite(self.total)
            self.keep(after_epoch=False)
            progress("train", self.done, self.epochs * self.steps)
        self.course.losses.append(self._finite(self.total) / (self.per_epoch * self.passes))
        self.course.epochs_s.append(self.epoch_before_s + time.perf_counter() - self.epoch_began)
        self.total, self.epoch_before_s = torch.zeros_like(self.total), 0.0

    def _deal(self) -> None:
        """Draw the order of a pass; where no order of events is known, that of each user's events too."""
        self.dealt = self._drawn()
        if not self.examples.ordered:
            self.placed = place(shuffle_events(self.examples, self.rng), self.device)
        order = torch.randperm(len(self.placed), generator=self.generator, device=self.device)
        self.order = order[: self.per_epoch]

    def _drawn(self) -> tuple[dict[str, Any], Tensor]:
        """Where the generators are: what they draw next follows from it."""
        return dict(self.rng.bit_generator.state), self.generator.get_state()

    def keep(self, *, after_epoch: bool) -> None:
        """Write the state down where it is time to."""
        if not self.file.is_due(after_epoch=after_epoch):
            return
        self._finite(self.total)
        course, now, (rng, generator) = self.course, time.perf_counter(), self._drawn()
        groups, moments = optimiser_parts(self.optimiser)
        plain = {
            "done": self.done,
            "losses": course.losses,
            "values": course.values,
            "epochs_s": course.epochs_s,
            "epoch_s": 0.0 if after_epoch else self.epoch_before_s + now - self.epoch_began,
            "took_s": now - course.began,
            "groups": groups,
            "schedule": self.schedule.state_dict(),
            "rng": rng,
            "dealt": self.dealt[0],
        }
        own = {"total": self.total, "generator": generator, "dealt": self.dealt[1]}
        tensors = {"network": self.network.state_dict(), "optimiser": moments, "best": self.best, "own": own}
        self.file.save(TrainingState(plain, tensors))

    def go_on(self) -> float:
        """Take the state up that the same training has left, if it has, and return the seconds it had taken."""
        found = self.file.load()
        if found is None:
            return 0.0
        plain, tensors, course = found.plain, found.tensors, self.course
        self.network.load_state_dict(dict(tensors["network"]))
        load_optimiser(self.optimiser, plain["groups"], tensors["optimiser"])
        self.schedule.load_state_dict(plain["schedule"])
        self.done, self.epoch_before_s = plain["done"], plain["epoch_s"]
        self.total = tensors["own"]["total"].to(self.device)
        course.losses, course.values, course.epochs_s = plain["losses"], plain["values"], plain["epochs_s"]
        self.best = dict(tensors["best"])
        if self.done % self.per_pass:  # in the middle of a pass, whose order is drawn again
            self._draw_on(plain["dealt"], tensors["own"]["dealt"])
            self._deal()
        self._draw_on(plain["rng"], tensors["own"]["generator"])
        logger.info("training goes on", extra={"epoch": len(course.losses) + 1, "step": self.done})
        return float(plain["took_s"])

    def _draw_on(self, rng: dict[str, Any], generator: Tensor) -> None:
        """Put the generators where they were."""
        self.rng.bit_generator.state = rng
        self.generator.set_state(generator)

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


def _copy(network: GraphAttentionNetwork) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
