"""Paths between a product of a history and a candidate, found in a snapshot and verified edge by edge.

Only fixed meta-paths are looked for; none is ever made up. Another user appears as a count, never as a node with a
name. Words and scores are not known here.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar
from weakref import WeakMethod

import numpy as np
import scipy.sparse as sp
from jaxtyping import Int

from kg.errors import PathError
from kg.operators import category_levels
from kg.schema import RelationKind
from kg.snapshot import Snapshot

MOST_COMPANIONS = 100
"""Companions of a product that are kept."""
_KEPT = 20_000
"""Answers of each kind that are remembered; those asked for longest ago are forgotten."""
Answer = TypeVar("Answer")
OTHERS = "others"
"""Name of the aggregated edge from other users to a product they had to do with."""


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A node by its row; `row` is None for other users, taken together."""

    label: str
    row: int | None


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """An edge in the direction that the graph has it; ends are places in the path's nodes."""

    relation: str
    source: int
    target: int


_PEOPLE = GraphNode("User", None)
_OVER_PEOPLE = (GraphEdge(OTHERS, 1, 0), GraphEdge(OTHERS, 1, 2))


@dataclass(frozen=True, slots=True)
class GraphPath:
    """A path from a product of the history (first node) to a candidate (last node)."""

    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]
    supporters: tuple[int, ...] = ()
    """Other users behind each aggregated node on the way, in order; empty where there is none."""
    event: str | None = None
    """What those users all did with both products: an event type; None where there is no aggregated edge."""
    top: int = 1
    """Place of the node that both ends lead to."""

    @property
    def relation(self) -> str:
        """The relation that makes the path what it is: that of its first edge."""
        return self.edges[0].relation

    def supporters_at(self, place: int) -> int:
        """Return how many other users stand behind an aggregated node, given its place among the nodes."""
        return self.supporters[sum(node.row is None for node in self.nodes[:place])]

    @property
    def middle(self) -> GraphNode:
        """The node that both sides lead to: the last one on the way up."""
        rising = [edge for place, edge in enumerate(self.edges) if edge.relation == "CHILD_OF" and edge.source == place]
        return self.nodes[1 + len(rising)]


def _remembered(method: Callable[..., Answer]) -> Callable[..., Answer]:
    """A method whose answers are kept with its object, and which does not keep the object itself: it goes at once when
    the last who holds it lets go."""
    weakly = WeakMethod(method)

    @lru_cache(maxsize=_KEPT)
    def ask(*question: Any) -> Answer:
        found = weakly()
        if found is None:
            raise ReferenceError("the finder is gone")
        return found(*question)

    return ask


class PathFinder:
    """Looks paths up in one snapshot. Building it sorts the edges once; every question is then a few array look-ups."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._users_of = _users_by_event(snapshot)
        self._products_of = {event: sp.csr_array(users.T) for event, users in self._users_of.items()}
        self._num_users: dict[str, Int[np.ndarray, " product"]] = {
            event: np.diff(users.indptr) for event, users in self._users_of.items()
        }
        self._above = _categories_above(snapshot)
        self._parents = _parents(snapshot)
        self._in: dict[str, sp.csr_array] = {}
        self._out: dict[str, sp.csr_array] = {}
        for name, edges in snapshot.edges.items():
            kind = snapshot.schema.relation(name)
            shape = (snapshot.num_nodes(kind.source), snapshot.num_nodes(kind.target))
            ones = np.ones(len(edges), dtype=np.int8)
            self._out[name] = sp.csr_array((ones, (edges.source, edges.target)), shape=shape)
            self._out[name].sort_indices()
        self._fans = _remembered(self._find_fans)
        self._targets = _remembered(self._find_targets)
        self._pointed = _remembered(self._find_pointed)
        self._degrees = _remembered(self._count_pointing)
        self._categories_of = _remembered(self._find_categories)
        self._entities = _remembered(self._find_entities)
        self._companions = _remembered(self._count)
        self._climb_tree = _remembered(self._find_climb)

    def through_users(self, product: int, target: int, *, user: int | None, at_least: int = 1) -> GraphPath | None:
        """Return the path over the other users who did the same with both products.

        Args:
            product: row of the product of the history.
            target: row of the candidate.
            user: row of the user who asks and does not count; None when unknown.
            at_least: users needed; the event type of largest weight that has them is taken, None when no type has.
        """
        least = max(at_least, 1)
        for event in self._users_of:
            supporters = self.supporters(event, product, target, user=user)
            if supporters >= least:
                nodes = (GraphNode("Product", product), _PEOPLE, GraphNode("Product", target))
                return GraphPath(nodes, _OVER_PEOPLE, (supporters,), event)
        return None

    def through_entity(self, relation: str, product: int, target: int, *, entity: int) -> GraphPath | None:
        """Return the path over an entity that both products have.

        Categories may be reached over their children; where both ways pass the same child, they meet there.
        """
        kind = self.snapshot.schema.relation(relation)
        left, right = self._climb(kind, product, entity), self._climb(kind, target, entity)
        if left is None or right is None:
            return None
        while len(left) > 1 and len(right) > 1 and left[-2] == right[-2]:
            left, right = left[:-1], right[:-1]
        label = kind.target if kind.source == "Product" else kind.source
        up, down = left[:-1], right[:-1][::-1]
        way = (
            *(GraphNode(label, row) for row in up),
            GraphNode(label, left[-1]),
            *(GraphNode(label, row) for row in down),
        )
        edges = _chain(kind, len(up), len(down))
        return GraphPath((GraphNode("Product", product), *way, GraphNode("Product", target)), edges, top=len(up) + 1)

    def direct(self, relation: str, product: int, target: int) -> GraphPath | None:
        """Return the single edge between two products, in whichever direction it has."""
        for source, other in ((0, 1), (1, 0)):
            ends = (product, target)
            if self.has_edge(relation, ends[source], ends[other]):
                nodes = (GraphNode("Product", product), GraphNode("Product", target))
                return GraphPath(nodes, (GraphEdge(relation, source, other),))
        return None

    def through_product(self, relation: str, product: int, target: int) -> GraphPath | None:
        """Return the path over a product that both point to by a relation; of several the one fewest point to."""
        both = (self._pointed(relation, product) & self._pointed(relation, target)) - {product, target}
        if not both:
            return None
        degree = self._degrees(relation)
        middle = min(both, key=lambda row: (degree[row], row))
        nodes = (GraphNode("Product", product), GraphNode("Product", middle), GraphNode("Product", target))
        edges = (
            GraphEdge(relation, *((place, 1) if self.has_edge(relation, end, middle) else (1, place)))
            for place, end in ((0, product), (2, target))
        )
        return GraphPath(nodes, tuple(edges))

    def shared_entities(self, relation: str, product: int, target: int) -> list[int]:
        """Return the entities that both products have, sorted; of categories the deepest that both are in or below."""
        if relation != "IN_CATEGORY":
            return sorted(set(self.entities_of(relation, product)) & set(self.entities_of(relation, target)))
        shared = self._categories_of(product) & self._categories_of(target)
        return sorted(shared.difference(*(self._parents[category] for category in shared)))

    def entities_of(self, relation: str, product: int) -> tuple[int, ...]:
        """Return the entities that a product itself is linked to by a relation."""
        return self._entities(relation, product)

    @property
    def events(self) -> tuple[str, ...]:
        """Event types that speak for a product, the heaviest first."""
        return tuple(self._users_of)

    def companions(self, event: str, product: int, at_least: int) -> Mapping[int, int]:
        """Return the products that enough users did the same with, and how many.

        The MOST_COMPANIONS closest of them, the closest first: by the cosine of their users.
        """
        return self._companions(event, product, at_least)

    def _count(self, event: str, product: int, at_least: int) -> Mapping[int, int]:
        products_of = self._products_of[event]
        users = self._row(self._users_of[event], product)
        rows = [products_of.indices[products_of.indptr[user] : products_of.indptr[user + 1]] for user in users]
        count = np.bincount(np.concatenate([*rows, np.zeros(0, dtype=np.int64)]).astype(np.int64))
        found = np.flatnonzero(count >= max(at_least, 1))
        found = found[found != product]
        closest = np.argsort(-count[found] / np.sqrt(self.num_users(event)[found]), kind="stable")[:MOST_COMPANIONS]
        return dict(zip(found[closest].tolist(), count[found[closest]].tolist(), strict=True))

    def _find_entities(self, relation: str, product: int) -> tuple[int, ...]:
        forward = self.snapshot.schema.relation(relation).source == "Product"
        return tuple(self._row(self._out[relation] if forward else self._into(relation), product).tolist())

    def num_users(self, event: str) -> Int[np.ndarray, " product"]:
        """Return how many users did this with each product."""
        return self._num_users[event]

    def has_edge(self, relation: str, source: int, target: int) -> bool:
        """Return whether the snapshot holds an edge."""
        return target in self._targets(relation, source)

    def verify(self, path: GraphPath, *, user: int | None = None) -> None:
        """Look every edge of a path up in the snapshot.

        Raises:
            PathError: an edge is not there, or fewer users support an aggregated one than the path says.
        """
        for edge in path.edges:
            source, target = path.nodes[edge.source], path.nodes[edge.target]
            if edge.relation == OTHERS:
                sides = (path.nodes[edge.source - 1].row or 0, path.nodes[edge.source + 1].row or 0)
                found = self.supporters(path.event or "", *sides, user=user)
                said = path.supporters_at(edge.source)
                if found != said:
                    raise PathError(f"the path claims {said} other users, the snapshot holds {found}")
            elif source.row is None or target.row is None or not self.has_edge(edge.relation, source.row, target.row):
                raise PathError(f"the snapshot holds no edge {source} -{edge.relation}-> {target}")

    def supporters(self, event: str, product: int, target: int, *, user: int | None) -> int:
        """Return how many users but one did this with both products."""
        if event not in self._users_of:
            return 0
        both = self._fans(event, product) & self._fans(event, target)
        return len(both) - int(user in both)

    def _find_fans(self, event: str, product: int) -> frozenset[int]:
        """The users who did this with a product."""
        return frozenset(self._row(self._users_of[event], product).tolist())

    def _find_targets(self, relation: str, source: int) -> frozenset[int]:
        """The nodes that a node points to."""
        return frozenset(self._row(self._out[relation], source).tolist())

    def _find_pointed(self, relation: str, product: int) -> frozenset[int]:
        """The products that a product points to; of a symmetric relation also those that point to it."""
        found = self._targets(relation, product)
        if not self.snapshot.schema.relation(relation).symmetric:
            return found
        return found | frozenset(self._row(self._into(relation), product).tolist())

    def _count_pointing(self, relation: str) -> list[int]:
        """How many products point to each product; of a symmetric relation in either direction."""
        degree = np.diff(self._into(relation).indptr)
        if self.snapshot.schema.relation(relation).symmetric:
            degree = degree + np.diff(self._out[relation].indptr)
        counts: list[int] = degree.tolist()
        return counts

    def _find_categories(self, product: int) -> frozenset[int]:
        """The categories that a product is in or below."""
        return frozenset(self._row(self._above, product).tolist())

    def _into(self, relation: str) -> sp.csr_array:
        """The edges of a relation by target."""
        if relation not in self._in:
            self._in[relation] = sp.csr_array(self._out[relation].T)
            self._in[relation].sort_indices()
        return self._in[relation]

    def _climb(self, kind: RelationKind, product: int, entity: int) -> list[int] | None:
        """Entities from the first one a product is linked to up to `entity`."""
        if kind.name != "IN_CATEGORY":
            return [entity] if entity in self.entities_of(kind.name, product) else None
        return self._climb_tree(product, entity)

    def _find_climb(self, product: int, entity: int) -> list[int] | None:
        frontier = [[int(row)] for row in self._row(self._out["IN_CATEGORY"], product)]
        for _ in range(16):
            for chain in frontier:
                if chain[-1] == entity:
                    return chain
            frontier = [[*chain, int(row)] for chain in frontier for row in self._row(self._out["CHILD_OF"], chain[-1])]
        return None

    @staticmethod
    def _row(matrix: sp.csr_array, row: int) -> Int[np.ndarray, " entry"]:
        return np.asarray(matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]])


@lru_cache(maxsize=1024)
def _chain(kind: RelationKind, num_up: int, num_down: int) -> tuple[GraphEdge, ...]:
    """The edges of a path over an entity, up on one side and down on the other."""
    return tuple(_links(kind, num_up, num_down))


def _links(kind: RelationKind, num_up: int, num_down: int) -> Iterator[GraphEdge]:
    forward = kind.source == "Product"
    yield GraphEdge(kind.name, 0, 1) if forward else GraphEdge(kind.name, 1, 0)
    for place in range(1, num_up + 1):
        yield GraphEdge("CHILD_OF", place, place + 1)
    top = num_up + 1
    for place in range(top, top + num_down):
        yield GraphEdge("CHILD_OF", place + 1, place)
    last = top + num_down + 1
    yield GraphEdge(kind.name, last, last - 1) if forward else GraphEdge(kind.name, last - 1, last)


def _categories_above(snapshot: Snapshot) -> sp.csr_array:
    """Which categories each product is in or below; [product category]."""
    shape = (snapshot.num_nodes("Product"), snapshot.num_nodes("Category"))
    levels = category_levels(snapshot)
    found = sp.csr_array(sum(levels[1:], levels[0])) if levels else sp.csr_array(shape, dtype=np.float32)
    found.sort_indices()
    return found


def _parents(snapshot: Snapshot) -> list[set[int]]:
    """The categories right above each category."""
    found: list[set[int]] = [set() for _ in range(snapshot.num_nodes("Category"))]
    links = snapshot.edges["CHILD_OF"]
    for child, parent in zip(links.source.tolist(), links.target.tolist(), strict=True):
        found[child].add(parent)
    return found


def _users_by_event(snapshot: Snapshot) -> dict[str, sp.csr_array]:
    """Who did what with each product, [product user] by event type that speaks for a product, the heaviest first."""
    kinds = snapshot.schema.events.values()
    shape = (snapshot.num_nodes("Product"), snapshot.num_nodes("User"))
    events, found = snapshot.events, {}
    for kind in sorted(kinds, key=lambda kind: (-kind.weight, kind.name)):
        keep = events.kind == snapshot.event_names.index(kind.name)
        if kind.weight > 0 and keep.any():
            ones = np.ones(int(keep.sum()), dtype=np.int32)
            found[kind.name] = sp.csr_array((ones, (events.product[keep], events.user[keep])), shape=shape)
            found[kind.name].sort_indices()
    return found
