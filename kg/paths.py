"""Paths between a product of a history and a candidate, found in a snapshot and verified edge by edge.

Only fixed meta-paths are looked for; none is ever made up. Another user appears as a count, never as a node with a
name. Words and scores are not known here.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Int

from kg.errors import PathError
from kg.operators import category_levels
from kg.schema import RelationKind
from kg.snapshot import Snapshot

_KEPT = 4096
"""Products whose companions are remembered."""
_TRIES = 4
"""Products in between that are looked at before a path is given up."""
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

    @property
    def middle(self) -> GraphNode:
        """The node that both sides lead to: the last one on the way up."""
        rising = [edge for place, edge in enumerate(self.edges) if edge.relation == "CHILD_OF" and edge.source == place]
        return self.nodes[1 + len(rising)]


class PathFinder:
    """Looks paths up in one snapshot. Building it sorts the edges once; every question is then a few array look-ups."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._users_of = _users_by_event(snapshot)
        self._products_of = {event: sp.csr_array(users.T) for event, users in self._users_of.items()}
        self._companions: OrderedDict[tuple[str, int, int], Int[np.ndarray, "2 product"]] = OrderedDict()
        self._above = _categories_above(snapshot)
        self._in: dict[str, sp.csr_array] = {}
        self._out: dict[str, sp.csr_array] = {}
        for name, edges in snapshot.edges.items():
            kind = snapshot.schema.relation(name)
            shape = (snapshot.num_nodes(kind.source), snapshot.num_nodes(kind.target))
            ones = np.ones(len(edges), dtype=np.int8)
            self._out[name] = sp.csr_array((ones, (edges.source, edges.target)), shape=shape)
            self._out[name].sort_indices()

    def through_users(self, product: int, target: int, *, user: int | None, at_least: int = 1) -> GraphPath | None:
        """Return the path over the other users who did the same with both products.

        Args:
            product: row of the product of the history.
            target: row of the candidate.
            user: row of the user who asks and does not count; None when unknown.
            at_least: users needed; the event type of largest weight that has them is taken, None when no type has.
        """
        for event in self._users_of:
            supporters = self._supporters(event, product, target, user)
            if supporters >= max(at_least, 1):
                nodes = (GraphNode("Product", product), GraphNode("User", None), GraphNode("Product", target))
                return GraphPath(nodes, (GraphEdge(OTHERS, 1, 0), GraphEdge(OTHERS, 1, 2)), (supporters,), event)
        return None

    def through_two_products(
        self, product: int, target: int, *, user: int | None, at_least: int, allowed: Bool[np.ndarray, " product"]
    ) -> GraphPath | None:
        """Return the path of five hops: others chose the product and one in between, others that one and the target.

        Of several products in between it is the one whose companionship to both says most for its popularity.

        Args:
            product: row of the product of the history.
            target: row of the candidate.
            user: row of the user who asks and does not count; None when unknown.
            at_least: users needed on either side.
            allowed: products that may stand in between.
        """
        for event, users_of in self._users_of.items():
            near, far = (self._companions_of(event, end, at_least) for end in (product, target))
            middles, left, right = np.intersect1d(near[0], far[0], assume_unique=True, return_indices=True)
            if not len(middles):
                continue
            fans = np.diff(users_of.indptr)[middles]
            worth = near[1, left] * far[1, right] / np.maximum(fans, 1) * allowed[middles]
            worth[(middles == product) | (middles == target)] = 0
            for place in np.argsort(-worth, kind="stable")[:_TRIES]:
                middle = int(middles[place])
                ends = ((product, middle), (middle, target))
                found = tuple(self._supporters(event, *pair, user) for pair in ends)
                if worth[place] > 0 and min(found) >= max(at_least, 1):
                    rows = (product, None, middle, None, target)
                    nodes = tuple(GraphNode("User" if row is None else "Product", row) for row in rows)
                    edges = tuple(GraphEdge(OTHERS, *ends) for ends in ((1, 0), (1, 2), (3, 2), (3, 4)))
                    return GraphPath(nodes, edges, found, event)
        return None

    def shared_entities(self, relation: str, product: int, target: int) -> list[int]:
        """Return the entities that both products have, sorted; of categories the deepest that both are in or below."""
        if relation == "IN_CATEGORY":
            shared = np.intersect1d(self._row(self._above, product), self._row(self._above, target), assume_unique=True)
            rows: set[int] = set(shared.tolist())
            higher = {int(parent) for row in rows for parent in self._row(self._out["CHILD_OF"], row)}
            while higher & rows:
                rows -= higher
                higher = {int(parent) for row in higher for parent in self._row(self._out["CHILD_OF"], row)}
            return sorted(rows)
        forward = self.snapshot.schema.relation(relation).source == "Product"
        links = self._out[relation] if forward else self._into(relation)
        rows = set(self._row(links, product).tolist()) & set(self._row(links, target).tolist())
        return sorted(rows)

    def num_users(self, product: int) -> int:
        """Return how many users did the heaviest thing anybody did with a product."""
        counts = (int(users.indptr[product + 1] - users.indptr[product]) for users in self._users_of.values())
        return next((count for count in counts if count), 0)

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
        nodes = (
            GraphNode("Product", product),
            *(GraphNode(label, row) for row in up),
            GraphNode(label, left[-1]),
            *(GraphNode(label, row) for row in down),
            GraphNode("Product", target),
        )
        return GraphPath(nodes, tuple(self._chain_edges(kind, len(up), len(down))), top=len(up) + 1)

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
        symmetric = self.snapshot.schema.relation(relation).symmetric
        out, into = self._out[relation], self._into(relation)

        def linked(row: int) -> Int[np.ndarray, " entry"]:
            rows = self._row(out, row)
            return np.union1d(rows, self._row(into, row)) if symmetric else rows

        both = np.setdiff1d(np.intersect1d(linked(product), linked(target)), [product, target])
        if not len(both):
            return None
        degree = np.diff(into.indptr) + (np.diff(out.indptr) if symmetric else 0)
        middle = int(min(both, key=lambda row: (degree[row], row)))
        nodes = (GraphNode("Product", product), GraphNode("Product", middle), GraphNode("Product", target))
        edges = (
            GraphEdge(relation, *((place, 1) if self.has_edge(relation, end, middle) else (1, place)))
            for place, end in ((0, product), (2, target))
        )
        return GraphPath(nodes, tuple(edges))

    def has_edge(self, relation: str, source: int, target: int) -> bool:
        """Return whether the snapshot holds an edge."""
        row = self._row(self._out[relation], source)
        place = int(np.searchsorted(row, target))
        return place < len(row) and int(row[place]) == target

    def verify(self, path: GraphPath, *, user: int | None = None) -> None:
        """Look every edge of a path up in the snapshot.

        Raises:
            PathError: an edge is not there, or fewer users support an aggregated one than the path says.
        """
        for edge in path.edges:
            source, target = path.nodes[edge.source], path.nodes[edge.target]
            if edge.relation == OTHERS:
                sides = (path.nodes[edge.source - 1].row or 0, path.nodes[edge.source + 1].row or 0)
                found = self._supporters(path.event or "", *sides, user)
                said = path.supporters[edge.source // 2]
                if found != said:
                    raise PathError(f"the path claims {said} other users, the snapshot holds {found}")
            elif source.row is None or target.row is None or not self.has_edge(edge.relation, source.row, target.row):
                raise PathError(f"the snapshot holds no edge {source} -{edge.relation}-> {target}")

    def _supporters(self, event: str, product: int, target: int, user: int | None) -> int:
        """How many users but one did this with both products."""
        if event not in self._users_of:
            return 0
        users_of = self._users_of[event]
        both = np.intersect1d(self._row(users_of, product), self._row(users_of, target), assume_unique=True)
        return len(both) - int(user is not None and user in both)

    def _companions_of(self, event: str, product: int, at_least: int) -> Int[np.ndarray, "2 product"]:
        """Products that enough users did the same with as with this one, and how many; kept for the next question."""
        key = (event, product, at_least)
        if key not in self._companions:
            products_of = self._products_of[event]
            users = self._row(self._users_of[event], product)
            rows = [products_of.indices[products_of.indptr[user] : products_of.indptr[user + 1]] for user in users]
            count = np.bincount(np.concatenate([*rows, np.zeros(0, dtype=np.int64)]).astype(np.int64))
            found = np.flatnonzero(count >= max(at_least, 1))
            self._companions[key] = np.stack([found, count[found]])
            if len(self._companions) > _KEPT:
                self._companions.popitem(last=False)
        return self._companions[key]

    def _into(self, relation: str) -> sp.csr_array:
        """The edges of a relation by target."""
        if relation not in self._in:
            self._in[relation] = sp.csr_array(self._out[relation].T)
            self._in[relation].sort_indices()
        return self._in[relation]

    def _climb(self, kind: RelationKind, product: int, entity: int) -> list[int] | None:
        """Entities from the first one a product is linked to up to `entity`."""
        if kind.name != "IN_CATEGORY":
            ends = (product, entity) if kind.source == "Product" else (entity, product)
            return [entity] if self.has_edge(kind.name, *ends) else None
        frontier = [[int(row)] for row in self._row(self._out["IN_CATEGORY"], product)]
        for _ in range(16):
            for chain in frontier:
                if chain[-1] == entity:
                    return chain
            frontier = [[*chain, int(row)] for chain in frontier for row in self._row(self._out["CHILD_OF"], chain[-1])]
        return None

    def _chain_edges(self, kind: RelationKind, num_up: int, num_down: int) -> Iterator[GraphEdge]:
        forward = kind.source == "Product"
        yield GraphEdge(kind.name, 0, 1) if forward else GraphEdge(kind.name, 1, 0)
        for place in range(1, num_up + 1):
            yield GraphEdge("CHILD_OF", place, place + 1)
        top = num_up + 1
        for place in range(top, top + num_down):
            yield GraphEdge("CHILD_OF", place + 1, place)
        last = top + num_down + 1
        yield GraphEdge(kind.name, last, last - 1) if forward else GraphEdge(kind.name, last - 1, last)

    @staticmethod
    def _row(matrix: sp.csr_array, row: int) -> Int[np.ndarray, " entry"]:
        return np.asarray(matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]])


def _categories_above(snapshot: Snapshot) -> sp.csr_array:
    """Which categories each product is in or below; [product category]."""
    shape = (snapshot.num_nodes("Product"), snapshot.num_nodes("Category"))
    levels = category_levels(snapshot)
    found = sp.csr_array(sum(levels[1:], levels[0])) if levels else sp.csr_array(shape, dtype=np.float32)
    found.sort_indices()
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
