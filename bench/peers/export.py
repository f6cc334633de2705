"""A split of a snapshot as the atomic files that RecBole and hopwise read.

Tokens are row numbers of the snapshot, entities `Label:row`, so that rankings come back without a table of names. What
the peers get is what Whycart gets: the events of the same parts, and the edges of brands, categories and relations.
Texts and prices have no place in these files.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int

from gnn.split import DataSplit, Targets
from kg.snapshot import Snapshot

TUNE, FINAL = "tune", "final"
"""Data sets of an export: fit on train and stop by validation; fit on train and validation together."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Distinct pairs of users and products, sorted."""

    user: Int[np.ndarray, " pair"]
    """User rows."""
    product: Int[np.ndarray, " pair"]
    """Product rows."""

    def __len__(self) -> int:
        return len(self.user)


def write_peer_files(split: DataSplit, folder: Path) -> None:
    """Write a split as two data sets, `tune` and `final`, that share their validation and test pairs.

    Args:
        split: the parts; the graph is that of `train_valid`.
        folder: gets one folder a data set.
    """
    triples = knowledge(split.train_valid)
    for name, seen in ((TUNE, split.train), (FINAL, split.train_valid)):
        path = folder / name
        path.mkdir(parents=True, exist_ok=True)
        parts = {"train": positive_pairs(seen), "valid": target_pairs(split.valid), "test": target_pairs(split.test)}
        for part, pairs in parts.items():
            _write(
                pd.DataFrame({"user_id:token": pairs.user, "item_id:token": pairs.product}),
                path / f"{name}.{part}.inter",
            )
        products = np.arange(split.train.num_nodes("Product"))
        _write(pd.DataFrame({"item_id:token": products}), path / f"{name}.item")
        _write(triples, path / f"{name}.kg")
        _write(links(triples), path / f"{name}.link")


def positive_pairs(snapshot: Snapshot) -> Pairs:
    """Return the pairs of a snapshot's events of positive weight, each once."""
    weight = np.array([snapshot.schema.events[name].weight for name in snapshot.event_names])[snapshot.events.kind]
    keep = weight > 0
    return _distinct(snapshot.events.user[keep], snapshot.events.product[keep], snapshot.num_nodes("Product"))


def target_pairs(targets: Targets) -> Pairs:
    """Return the pairs of targets."""
    return _distinct(targets.user, targets.product, int(targets.product.max(initial=0)) + 1)


def knowledge(snapshot: Snapshot) -> pd.DataFrame:
    """Return the triples of a snapshot's edges, each once, as the columns of a `.kg` file."""
    frames = []
    for name, edges in sorted(snapshot.edges.items()):
        kind = snapshot.schema.relation(name)
        if len(edges):
            frames.append(
                pd.DataFrame(
                    {
                        "head_id:token": _entities(kind.source, edges.source),
                        "relation_id:token": name,
                        "tail_id:token": _entities(kind.target, edges.target),
                    }
                ).drop_duplicates()
            )
    columns = ["head_id:token", "relation_id:token", "tail_id:token"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def links(triples: pd.DataFrame) -> pd.DataFrame:
    """Return which products are which entities: those that a triple names, as the columns of a `.link` file."""
    named = pd.unique(pd.concat([triples["head_id:token"], triples["tail_id:token"]]))
    entities = pd.Series(sorted((name for name in named if name.startswith("Product:")), key=_row), dtype=object)
    return pd.DataFrame({"item_id:token": [_row(name) for name in entities], "entity_id:token": entities})


def _entities(label: str, rows: Iterable[int]) -> list[str]:
    return [f"{label}:{row}" for row in rows]


def _row(entity: str) -> int:
    return int(entity.partition(":")[2])


def _distinct(user: Int[np.ndarray, " event"], product: Int[np.ndarray, " event"], width: int) -> Pairs:
    code = np.unique(user.astype(np.int64) * width + product)
    return Pairs(code // width, code % width)


def _write(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, sep="\t", index=False)
