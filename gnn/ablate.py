"""What each part of the model is worth: the same learning with something taken away, on the same split and users.

A variant changes what the model may see (edges, texts) or what it may use (kernels, attention). Everything is tuned and
fitted anew for it, so a part that others can stand in for shows as worth little, and rightly so.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from gnn.config import LearnConfig
from gnn.entrant import Entrant, Recommender
from gnn.entrants import NETWORK, PATHS, LearnedEntrant, Learner, with_seed
from gnn.learn import Vectors
from gnn.report import WHOLE
from gnn.split import DataSplit, Trial
from kg.progress import Progress, silent
from kg.snapshot import Edges, Snapshot

FULL = "full"
"""The whole model, which every variant is compared with."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A model with something taken away."""

    name: str
    says: str
    """What is taken away, in words."""
    change: Callable[[Snapshot], Snapshot] | None = None
    """What the snapshot loses; None: nothing."""
    texts: bool = True
    """Whether it reads texts."""
    mean: bool = False
    """Whether the network weighs all neighbours alike instead of by attention."""
    only: tuple[str, ...] = ()
    """The only kernels it may use; empty: all."""
    part: str = WHOLE
    """The whole model, or only the part of this name."""


def drop_edges(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot whose products have no brand, no category and no other relation."""
    none = np.zeros(0, dtype=np.int32)
    edges = {name: Edges(none, none, None, None) for name in snapshot.edges}
    return replace(snapshot, edges=edges, hash=f"{snapshot.hash} without edges")


def shuffle_edges(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot in which the ends of each relation's edges are dealt anew: every degree stays, no meaning does.

    Source: the configuration model, Newman, "Networks", 2010, chapter 13.
    """
    rng = np.random.default_rng(0)
    edges = {}
    for name, entry in snapshot.edges.items():
        if name == "CHILD_OF":  # the tree itself stays a tree; which products hang where is what carries meaning
            edges[name] = entry
            continue
        target = rng.permutation(entry.target)
        order = np.lexsort((target, entry.source))
        edges[name] = Edges(
            entry.source[order],
            target[order],
            None if entry.at_ms is None else entry.at_ms[order],
            None if entry.weight is None else entry.weight[order],
        )
    return replace(snapshot, edges=edges, hash=f"{snapshot.hash} shuffled")


def drop_texts(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot whose nodes have nothing but their keys: no title, no name."""
    nodes: dict[str, pa.Table] = {label: table.select([0]) for label, table in snapshot.nodes.items()}
    return replace(snapshot, nodes=nodes, hash=f"{snapshot.hash} without texts")


VARIANTS: tuple[Variant, ...] = (
    Variant(FULL, "nothing is taken away"),
    Variant("no_graph", "no brand, category or other relation", change=drop_edges),
    Variant("shuffled_graph", "every relation dealt anew, degrees kept", change=shuffle_edges),
    Variant("no_text", "no title and no name is read", change=drop_texts, texts=False),
    Variant("text_only", "nothing but the texts and words of products", only=("text", "words"), part=PATHS),
    Variant("mean", "the network averages over neighbours instead of attending to them", mean=True),
    Variant(PATHS, "no network", part=PATHS),
    Variant(NETWORK, "the network alone", part=NETWORK),
)  # fmt: skip
"""Every variant, in the order of the table."""


def make_variants(
    names: Sequence[str],
    split: DataSplit,
    *,
    seed: int,
    vectors: Vectors,
    config: LearnConfig,
    progress: Progress = silent,
) -> Sequence[Entrant]:
    """Return the variants of some names; the whole model and its two parts share their fits.

    Args:
        names: of VARIANTS.
        split: what they are tuned and fitted on.
        seed: of everything that is drawn.
        vectors: text vectors of all nodes.
        config: settings of learning.
        progress: called as work moves.
    """
    seeded = with_seed(config, seed)
    follows = split.test.follows
    shared = Learner(vectors, seeded, follows=follows, progress=progress)
    shared.needs_network = FULL in names or NETWORK in names
    made: list[Entrant] = []
    for variant in sorted((variant for variant in VARIANTS if variant.name in names), key=lambda one: one.name != FULL):
        if variant.change is None and not variant.mean and not variant.only:
            made.append(VariantEntrant(variant, shared))
            continue
        own = replace(seeded, kernels=replace(seeded.kernels, only=variant.only))
        if variant.mean:
            own = replace(own, model=replace(own.model, gather="mean"))
        seen = vectors if variant.texts else {label: np.zeros_like(rows) for label, rows in vectors.items()}
        learner = Learner(seen, own, follows=follows, progress=progress)
        learner.needs_network = variant.part != PATHS
        made.append(VariantEntrant(variant, learner))
    return made


class VariantEntrant:
    """A variant as a model of its own."""

    def __init__(self, variant: Variant, learner: Learner) -> None:
        self.name, self._variant = variant.name, variant
        self._inner = LearnedEntrant(variant.part, learner)

    def tune(self, trial: Trial) -> Mapping[str, Any]:
        """Learn from validation what is left to learn."""
        return self._inner.tune(replace(trial, seen=self._changed(trial.seen)))

    def fit(self, seen: Snapshot) -> Recommender:
        """Fit what is left."""
        return self._inner.fit(self._changed(seen))

    def _changed(self, snapshot: Snapshot) -> Snapshot:
        return snapshot if self._variant.change is None else self._variant.change(snapshot)
