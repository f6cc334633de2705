"""Paths of five hops: over a product in between that other users chose too, found and counted exactly.

Kept apart from `kg.paths`, whose `PathFinder` answers every question asked here and verifies what is found.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

import numpy as np
from jaxtyping import Bool

from kg.paths import OTHERS, GraphEdge, GraphNode, GraphPath, PathFinder

_OVER_TWO = tuple(GraphEdge(OTHERS, *ends) for ends in ((1, 0), (1, 2), (3, 2), (3, 4)))
_TRIES = 4
"""Products in between that are counted before a path is given up."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a path may lead over."""

    user: int | None
    """Row of the user who asks and does not count; None when unknown."""
    at_least: int
    """Other users needed at each aggregated node."""
    products: Bool[np.ndarray, " product"]
    """Products that may stand in between."""
    entities: Mapping[str, Bool[np.ndarray, " entity"]]
    """Entities that may be named, by relation."""


def over_two_products(finder: PathFinder, product: int, target: int, *, bounds: Bounds) -> GraphPath | None:
    """Return the path over others who chose the product and one in between, and others who chose that and the target.

    Of several products in between, each among the closest companions of both, it is the one closest to both.
    """
    for event in finder.events:
        near, far = (finder.companions(event, end, bounds.at_least) for end in (product, target))
        fans = finder.num_users(event)
        shared = [middle for middle in near.keys() & far.keys() if bounds.products[middle]]
        for middle in sorted(shared, key=lambda row: (-near[row] * far[row] / fans[row], row))[:_TRIES]:
            found = _counted(finder, event, ((product, middle), (middle, target)), bounds)
            if found is not None:
                rows = (product, None, middle, None, target)
                nodes = tuple(GraphNode("User" if row is None else "Product", row) for row in rows)
                return GraphPath(nodes, _OVER_TWO, found, event)
    return None


def over_companion(finder: PathFinder, relation: str, product: int, target: int, *, bounds: Bounds) -> GraphPath | None:
    """Return the path over other users and an entity.

    Others chose the product and one that shares an entity with the target; or they chose the target and one that
    shares an entity with the product. The first way is looked for first.
    """
    for event in finder.events:
        for near, far in ((product, target), (target, product)):
            wanted = {entity for entity in finder.entities_of(relation, far) if bounds.entities[relation][entity]}
            tries = 0
            for middle in finder.companions(event, near, bounds.at_least) if wanted else ():
                shared = wanted.intersection(finder.entities_of(relation, middle))
                if not shared or middle == far or not bounds.products[middle]:
                    continue
                counted = _counted(finder, event, ((near, middle),), bounds)
                if counted is not None:
                    path = _companion_path(finder, relation, (near, middle, min(shared), far), (event, counted))
                    return path if near == product else _reversed(path)
                tries += 1
                if tries == _TRIES:
                    break
    return None


def closeness(finder: PathFinder, path: GraphPath) -> float:
    """Return how close the products on a path over other users are, in (0, 1].

    The cosine of the users of two products that follow one another; over several steps their product.
    """
    users = finder.num_users(path.event or "")
    crowds = [place for place, node in enumerate(path.nodes) if node.row is None]
    found = 1.0
    for place, supporters in zip(crowds, path.supporters, strict=True):
        first, second = path.nodes[place - 1].row or 0, path.nodes[place + 1].row or 0
        found *= supporters / sqrt(float(users[first]) * float(users[second]))
    return found


def _counted(
    finder: PathFinder, event: str, pairs: tuple[tuple[int, int], ...], bounds: Bounds
) -> tuple[int, ...] | None:
    """Other users behind each pair; None where one has too few without the user who asks."""
    found = tuple(finder.supporters(event, first, second, user=bounds.user) for first, second in pairs)
    return found if min(found) >= max(bounds.at_least, 1) else None


def _companion_path(
    finder: PathFinder, relation: str, rows: tuple[int, int, int, int], crowd: tuple[str, tuple[int, ...]]
) -> GraphPath:
    """From `near` over others to the product in between, and over the entity to `far`."""
    kind = finder.snapshot.schema.relation(relation)
    forward = kind.source == "Product"
    near, middle, entity, far = rows
    nodes = (
        GraphNode("Product", near),
        GraphNode("User", None),
        GraphNode("Product", middle),
        GraphNode(kind.target if forward else kind.source, entity),
        GraphNode("Product", far),
    )
    links = ((2, 3), (4, 3)) if forward else ((3, 2), (3, 4))
    edges = (
        GraphEdge(OTHERS, 1, 0),
        GraphEdge(OTHERS, 1, 2),
        GraphEdge(relation, *links[0]),
        GraphEdge(relation, *links[1]),
    )
    return GraphPath(nodes, edges, crowd[1], crowd[0], top=3)


def _reversed(path: GraphPath) -> GraphPath:
    """The same way from its end to its beginning."""
    last = len(path.nodes) - 1
    edges = tuple(GraphEdge(edge.relation, last - edge.source, last - edge.target) for edge in path.edges[::-1])
    return GraphPath(path.nodes[::-1], edges, path.supporters[::-1], path.event, top=last - path.top)
