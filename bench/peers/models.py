"""Which models of which libraries take part, and with which hyper-parameters.

Everything not named here is the default that the library publishes for its model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_STOP = {"stopping_step": 10, "topk": [20], "valid_metric": "NDCG@20", "metrics": ["NDCG", "Recall"]}
_BOTH_WAYS = {"kg_reverse_r": True}
"""The exported graph states each fact once; the papers walk it in both directions."""
_RARELY = {**_STOP, "eval_step": 10, "stopping_step": 1}
"""For models whose rankings cost far more than an epoch."""
_QUICKLY = {**_RARELY, "learning_rate": 0.005}
"""For TransE, which at .001 still gains after 120 epochs of ml-100k."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One model of another library."""

    library: str
    """Key of `environments.REQUIREMENTS`; also the first part of the driver's name."""
    model: str
    """Name in that library."""
    knowledge: bool
    """Whether it reads the graph."""
    epochs: int = 300
    """Most passes over the training pairs; early stopping usually ends before."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """Settings other than the library's defaults."""
    embeddings: Mapping[str, Any] | None = None
    """Settings of the TransE that a path model walks by, trained before it; None for models that need none."""
    embedding_epochs: int = 300
    """Most passes of that TransE."""
    tune: bool = True
    """Whether validation stops the training; path models can go without, for as many epochs as they may."""

    @property
    def name(self) -> str:
        """The name on the command line and in results."""
        return f"{self.library}:{self.model}"


PEERS: Sequence[Peer] = (
    Peer("recbole", "BPR", False, params=_STOP),
    Peer("recbole", "LightGCN", False, params={**_STOP, "learning_rate": 0.005, "n_layers": 3}),
    Peer("recbole", "KGIN", True, params={**_STOP, **_BOTH_WAYS, "learning_rate": 0.005, "train_batch_size": 8192}),
    Peer("recbole", "KGAT", True, params={**_STOP, **_BOTH_WAYS, "learning_rate": 0.005, "train_batch_size": 8192}),
    Peer(
        "hopwise",
        "PGPR",
        True,
        epochs=50,
        params={**_RARELY, "learning_rate": 1e-4, "train_batch_size": 32},
        embeddings=_QUICKLY,
    ),
    Peer(
        "hopwise",
        "CAFE",
        True,
        epochs=50,
        params={**_STOP, "eval_step": 50, **_BOTH_WAYS},
        embeddings={**_QUICKLY, **_BOTH_WAYS},
    ),
)
"""Every peer. Learning rates of .005 were found on ml-100k's validation part, where .001 converges too slowly to end;
batches of 8,192 make an epoch of KGIN and KGAT about four times cheaper."""


def find_peer(name: str) -> Peer:
    """Return the peer of this name.

    Raises:
        ValueError: there is none; those that there are are named.
    """
    for peer in PEERS:
        if peer.name == name:
            return peer
    raise ValueError(f"no peer is named {name!r}; known: {', '.join(peer.name for peer in PEERS)}")
