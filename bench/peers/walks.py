"""Explanation paths of peers and of Whycart in one form, and the tables that measuring them needs.

A node is named `Label:row` as in the exported files. As in hopwise there are two kinds of shared entities, users and
all else, and the degrees are those of the graph that every model walks: the edges of the snapshot and who chose what.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.peers.export import knowledge, positive_pairs
from kg.snapshot import Snapshot
from serving.answer import Path as ShownPath
from serving.answer import PathNode
from serving.path_metrics import ListedPath, PathTables, linking_recency, shared_popularity

USER, ENTITY = "user", "entity"
"""Kinds of shared entities."""
BOUGHT = "BOUGHT"
"""Name for whatever users do with products; peers know no kinds of events."""
NUM_PATTERNS = 7
"""Patterns that a list is expected to have at most; hopwise computes this number for patterns of three steps."""
Lists = dict[str, list[ListedPath]]


def interaction_times(seen: Snapshot) -> dict[str, dict[str, int]]:
    """Return when each user last had to do with each product, products in the order of their rows."""
    pairs, events = positive_pairs(seen), seen.events
    last: dict[tuple[int, int], int] = {}
    for user, product, at in zip(events.user.tolist(), events.product.tolist(), events.time.tolist(), strict=True):
        last[user, product] = max(at, last.get((user, product), at))
    found: dict[str, dict[str, int]] = {}
    for user, product in zip(pairs.user.tolist(), pairs.product.tolist(), strict=True):
        found.setdefault(f"User:{user}", {})[f"Product:{product}"] = last[user, product]
    return found


def node_degrees(seen: Snapshot) -> dict[str, dict[str, int]]:
    """Return the relationships of each user and of each entity, by kind, sorted by label and row.

    Each triple counts once at each of its ends, each pair of a user and a product too.
    """
    pairs, triples = positive_pairs(seen), knowledge(seen)
    degrees = Counter(f"Product:{row}" for row in pairs.product.tolist())
    for end in ("head_id:token", "tail_id:token"):
        degrees.update(triples[end].tolist())
    users = Counter(f"User:{row}" for row in pairs.user.tolist())
    return {USER: _sorted(users), ENTITY: _sorted(degrees)}


def path_tables(seen: Snapshot) -> PathTables:
    """Return what measuring paths through what was seen needs."""
    relations = pd.unique(knowledge(seen)["relation_id:token"])
    return PathTables(
        linking_recency(interaction_times(seen)),
        shared_popularity(node_degrees(seen)),
        num_relations=len(relations) + 2,
        num_patterns=NUM_PATTERNS,
    )


def read_walks(file: Path, *, k: int, lists: Mapping[int, Sequence[int]]) -> Lists:
    """Return the paths that a driver wrote, of the first products of each list.

    Args:
        file: the driver's `paths.json`.
        k: how many products of each list count.
        lists: products of each user, best first.
    """
    walks = {(user, product): steps for user, product, steps in json.loads(file.read_text(encoding="utf-8"))}
    return {
        f"User:{user}": [_from_steps(walks[user, product]) for product in products[:k] if (user, product) in walks]
        for user, products in lists.items()
    }


class ShownPaths:
    """Turns paths of Whycart's answers into the common form."""

    def __init__(self, seen: Snapshot) -> None:
        self._seen = seen
        self._users_of: dict[int, list[int]] = {}
        pairs = positive_pairs(seen)
        for user, product in zip(pairs.user.tolist(), pairs.product.tolist(), strict=True):
            self._users_of.setdefault(product, []).append(user)

    def read(self, path: ShownPath) -> ListedPath:
        """Return a path in the common form.

        Other users, whom a path never names, stand for all who chose the two products beside them.
        """
        relations = tuple(self._relation(edge.type) for edge in path.edges)
        names = [self._name(node) for node in path.nodes]
        shared, linking = names[-2], names[1]
        if linking is None:
            raise ValueError(f"a path has to start at a product of the history, got {path.pattern}")
        kind = USER if path.nodes[-2].type == "User" else ENTITY
        entities = self._supporters(names) if shared is None else (shared,)
        return ListedPath(linking, kind, entities, relations)

    def _name(self, node: PathNode) -> str | None:
        return None if node.id is None else f"{node.type}:{self._seen.row(node.type, node.id)}"

    def _relation(self, name: str) -> str:
        events = {kind.relation for kind in self._seen.schema.events.values()}
        return BOUGHT if name in events else name

    def _supporters(self, names: Sequence[str | None]) -> tuple[str, ...]:
        """Users who chose the products on both sides of the unnamed ones, but for the one who asks."""
        before, after = (int((names[place] or "").partition(":")[2]) for place in (-3, -1))
        both = np.intersect1d(self._users_of[before], self._users_of[after], assume_unique=True)
        return tuple(name for name in (f"User:{row}" for row in both.tolist()) if name != names[0])


def _from_steps(steps: Sequence[Sequence[Any]]) -> ListedPath:
    """The common form of steps from a user: relation and node."""
    relations, names = zip(*steps, strict=True)
    kind = USER if names[-2].startswith("User:") else ENTITY
    return ListedPath(names[0], kind, (names[-2],), relations)


def _sorted(degrees: Mapping[str, int]) -> dict[str, int]:
    return {name: degrees[name] for name in sorted(degrees, key=_place)}


def _place(name: str) -> tuple[str, int]:
    label, _, row = name.partition(":")
    return label, int(row)
