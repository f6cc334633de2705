"""Every setting of learning, as frozen values that are checked when they are made.

No library of learning is loaded here, so that commands can read, check and print settings at once.
"""

from dataclasses import dataclass, field
from typing import Literal

from gnn.errors import ConfigError
from kg.operators import OperatorConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelConfig:
    """Which kernels are built and how."""

    operators: OperatorConfig = field(default_factory=OperatorConfig)
    """Settings of the typed path operators."""
    ease_regularisation: float = 200.0
    """Ridge of EASE; above 0."""
    text_neighbours: int = 100
    """Nearest texts kept for each product; at least 1."""
    only: tuple[str, ...] = ()
    """The only kernels built, by name, such as text and words; empty: all."""
    trending_half_life_days: float = 28.0
    """Days after which an event counts half for what is trending; above 0."""

    def __post_init__(self) -> None:
        if self.text_neighbours < 1:
            raise ConfigError(f"[kernels] text_neighbours must be at least 1, got {self.text_neighbours}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FuseConfig:
    """How the blend is learned from validation targets."""

    max_users: int = 4000
    """Validation users learned from, drawn by seed; at least 1."""
    max_cells: float = 4e9
    """Users x products x features looked at to find the competing products: bounds the users of large catalogues."""
    candidates: int = 60
    """Best products of each kernel that compete with the targets; at least 1."""
    ridge: float = 1e-3
    """L2 on the weights of standardised features; 0 or more."""
    mass_powers: tuple[float, ...] = (1.0, 0.0)
    """Normalisations of the kernels' sums tried; the best on validation stays."""
    k: int = 20
    """Cut-off of the NDCG that the blend is learned for and judged by."""
    seed: int = 0
    """Draws the users."""

    def __post_init__(self) -> None:
        if self.max_users < 1 or self.candidates < 1 or not self.mass_powers:
            raise ConfigError(
                "[fuse] max_users and candidates must be at least 1 and mass_powers not empty, got "
                f"{self.max_users}, {self.candidates}, {self.mass_powers}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Shape of the network."""

    dim: int = 96
    """Width of the embeddings; a multiple of heads."""
    heads: int = 4
    """Attention heads; at least 1."""
    layers: int = 1
    """Attention layers; 0 leaves the graph out."""
    gather: Literal["attention", "mean"] = "attention"
    """How a node weighs its neighbours: by attention, or all alike."""
    id_dropout: float = 0.05
    """Share of the nodes whose own vector is hidden in a training step; in [0, 1)."""

    def __post_init__(self) -> None:
        if self.heads < 1 or self.dim < 1 or self.dim % self.heads:
            raise ConfigError(f"[model] heads must divide dim, got dim={self.dim}, heads={self.heads} (try heads=4)")
        if not 0 <= self.id_dropout < 1:
            raise ConfigError(f"[model] id_dropout must be in [0, 1), got {self.id_dropout}")
        if self.layers < 0:
            raise ConfigError(f"[model] layers must be 0 or more, got {self.layers}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """How the network is trained."""

    epochs: int = 3
    """Passes over the training steps at most; at least 1."""
    small_epochs: int = 6
    """The same for data so small that an epoch takes several passes (`min_steps`); at least 1."""
    patience: int = 1
    """Epochs without a better validation value before it stops; 0 or more."""
    logits_per_epoch: float = 1.7e9
    """Logits computed an epoch at most: with more products, fewer of the steps are drawn; at least 1."""
    batch_size: int = 1024
    """Examples whose logits are in memory together at most; with many products fewer are; at least 1."""
    step_size: int = 2048
    """Examples that share one propagation and one optimiser step; at least 1."""
    min_steps: int = 24
    """Optimiser steps of an epoch at least: small data is passed over several times."""
    learning_rate: float = 4e-3
    """Highest step size of the one-cycle schedule; above 0."""
    weight_decay: float = 0.05
    """AdamW's decay; 0 or more."""
    embedding_l2: float = 5e-4
    """Weight of the squared norm of the unnormalised own vectors that a batch uses; 0 or more."""
    history: int = 30
    """Latest events of a user that form the query; at least 1."""
    max_targets: int = 32
    """Products of one step that are predicted at most; at least 1."""
    repeat_weight: float = 0.2
    """Weight of a target the user had before: repeating is what the habit kernel is for; in [0, 1]."""
    seed: int = 0
    """Start values, order of examples, hidden vectors."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto takes a GPU when there is one."""
    checkpoint_minutes: float = 5.0
    """Minutes from one writing of the state of a training to the next, besides those at the ends of epochs: a run that
    was killed goes on from there; 0: the training of a step begins anew."""

    def __post_init__(self) -> None:
        if self.checkpoint_minutes < 0:
            raise ConfigError(f"[train] checkpoint_minutes must be 0 or more, got {self.checkpoint_minutes}")
        for name in (
            "epochs",
            "small_epochs",
            "logits_per_epoch",
            "batch_size",
            "step_size",
            "min_steps",
            "history",
            "max_targets",
        ):
            if getattr(self, name) < 1:
                raise ConfigError(f"[train] {name} must be at least 1, got {getattr(self, name)}")
        if self.learning_rate <= 0:
            raise ConfigError(f"[train] learning_rate must be above 0, got {self.learning_rate}")
        if not 0 <= self.repeat_weight <= 1:
            raise ConfigError(f"[train] repeat_weight must be in [0, 1], got {self.repeat_weight}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnConfig:
    """Everything that decides what is learned."""

    kernels: KernelConfig = field(default_factory=KernelConfig)
    """How the kernels are built."""
    fuse: FuseConfig = field(default_factory=FuseConfig)
    """How the blend is learned."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """Shape of the network."""
    train: TrainConfig = field(default_factory=TrainConfig)
    """How the network is trained."""
    k: int = 20
    """Cut-off of the measured metrics; at least 1."""
    share: float = 0.1
    """Part of the events that validation and test take each; in (0, 0.5)."""
    repeats_from: float = 0.05
    """Products of the history are recommended again when at least this share of validation targets are such."""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ConfigError(f"[learn] k must be at least 1, got {self.k}")
        if not 0 < self.share < 0.5:
            raise ConfigError(f"[learn] share must be above 0 and below 0.5, got {self.share} (for example 0.1)")
        if not 0 <= self.repeats_from <= 1:
            raise ConfigError(f"[learn] repeats_from must be in [0, 1], got {self.repeats_from}")
