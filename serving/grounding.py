"""Which terms of a score rest on which paths: the ground of one product of the history against one candidate.

A term of a typed operator rests on the path that the operator is made of. What kernels learned from use rests on the
path over other users who chose both, else on the one over a product in between. The network walks over what the graph
states of products, not over what users did: its term is shared out among the paths over entities and relations between
the two products, in proportion to what each carries by itself; where there is none it rests on the path over other
users. Terms that no path explains stay without one, and texts always do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import log1p, sqrt
from typing import NamedTuple

from kg.long_paths import closeness, over_companion, over_two_products
from kg.paths import OTHERS, GraphPath
from serving.evidence import Evidence

HABIT = "habit"
_LEAST = 1e-12


@dataclass(frozen=True, slots=True)
class Ground:
    """A path that exists and what rests on it."""

    start: int
    """Place of the product of the history in `Evidence.products`."""
    relation: str
    """What makes the path what it is: a relation, `others` or `habit`."""
    path: GraphPath | None
    """From the product of the history to the candidate; None for own habit, where they are the same."""
    part: float
    """Part of the score that rests on it; above 0."""
    specific: float
    """How little the middle of the path says about others too; in (0, 1], 1 for what is the user's alone."""


class _Pair(NamedTuple):
    """One product of the history against one candidate."""

    start: int
    """Place of the product of the history in `Evidence.products`."""
    origin: int
    """Its row."""
    product: int
    """Row of the candidate."""
    parts: Sequence[float]
    """What the one adds to the other through each kernel."""
    learned: float
    """What of it the network says; 0 or more."""
    detour: float
    """What a term must carry for a longer path to be looked for; above 0."""


def grounds(
    evidence: Evidence, start: int, *, product: int, parts: Sequence[float], worth_a_detour: float
) -> list[Ground]:
    """Return the paths from one product of the history to a candidate, with what rests on each.

    Args:
        evidence: of the user.
        start: place of the product of the history in `evidence.products`.
        product: row of the candidate.
        parts: what the product of the history adds to the candidate through each kernel.
        worth_a_detour: a path of five hops is looked for only for a term of at least this size.
    """
    origin, network = int(evidence.products[start]), evidence.ready.roles.network
    if origin == product:
        own = sum(part for part in parts if part > 0)
        return [Ground(start, HABIT, None, own, 1.0)] if own > 0 else []
    learned = 0.0 if network is None else max(parts[network], 0.0)
    pair = _Pair(start, origin, product, parts, learned, max(worth_a_detour, _LEAST))
    stated = [*_over_entities(evidence, pair), *_over_links(evidence, pair)]
    used = list(_over_users(evidence, pair))
    if learned > 0:
        if stated:
            stated = _share_out(stated, learned)
        elif used:
            used = _share_out(used, learned)
        elif learned >= pair.detour:
            used = _share_out(list(_over_companions(evidence, pair)), learned)
    return [ground for ground in (*stated, *used) if ground.part > 0]


def _share_out(paths: list[Ground], amount: float) -> list[Ground]:
    """Add an amount to paths, in proportion to what each carries by itself, else to how specific each is."""
    carried = [ground.part for ground in paths]
    weights = carried if any(carried) else [ground.specific for ground in paths]
    whole = sum(weights)
    return [
        replace(path, part=path.part + amount * weight / whole) for path, weight in zip(paths, weights, strict=True)
    ]


def _over_entities(evidence: Evidence, pair: _Pair) -> Iterator[Ground]:
    """The best path of each relation over an entity that both products have; levels that meet in one add up."""
    finder = evidence.ready.finder
    for relation, kernels in evidence.ready.roles.entities.items():
        spoken = [(kernel, pair.parts[index]) for index, kernel in kernels if pair.parts[index] > 0]
        if not spoken and not pair.learned:
            continue
        carried = dict.fromkeys(finder.shared_entities(relation, pair.origin, pair.product), 0.0)
        if len(carried) == 1:  # all levels meet in it
            carried = dict.fromkeys(carried, sum(part for _, part in spoken))
            spoken = []
        for kernel, part in spoken:
            shared = kernel.shared(pair.origin, pair.product)
            whole = sum(share for _, share in shared)
            for entity, share in shared:
                carried[entity] = carried.get(entity, 0.0) + part * share / whole
        found: dict[GraphPath, float] = {}
        for entity, part in carried.items():
            path = finder.through_entity(relation, pair.origin, pair.product, entity=entity)
            if path is not None and _may_be_named(evidence, path):
                found[path] = found.get(path, 0.0) + part
        if found:
            path, part = max(found.items(), key=lambda entry: entry[1])
            num_products = evidence.ready.bundle.snapshot.num_nodes("Product")
            specific = 1.0 - log1p(_num_members(evidence, path)) / log1p(2 * num_products)
            yield Ground(pair.start, relation, path, part, specific)


def _over_links(evidence: Evidence, pair: _Pair) -> Iterator[Ground]:
    """Edges between the two products, and products that both point to."""
    finder = evidence.ready.finder
    for name, index in evidence.ready.roles.links.items():
        if pair.parts[index] <= 0:
            continue
        is_shared = name.startswith("shared_")
        relation = name.removeprefix("shared_").upper()
        path = (finder.through_product if is_shared else finder.direct)(relation, pair.origin, pair.product)
        if path is not None and all(_is_shown(evidence, node.label, node.row) for node in path.nodes[1:-1]):
            yield Ground(pair.start, relation, path, pair.parts[index], 1.0)


def _over_users(evidence: Evidence, pair: _Pair) -> Iterator[Ground]:
    """The path over other users who chose both; where there is none, over a product in between."""
    ready = evidence.ready
    part, bounds = sum(pair.parts[index] for index in ready.roles.use), evidence.bounds
    if part <= 0 and not pair.learned:
        return
    path = ready.finder.through_users(pair.origin, pair.product, user=evidence.user, at_least=bounds.at_least)
    if path is None and part >= pair.detour:
        path = over_two_products(ready.finder, pair.origin, pair.product, bounds=bounds)
    if path is not None:
        yield Ground(pair.start, OTHERS, path, max(part, 0.0), sqrt(closeness(ready.finder, path)))


def _over_companions(evidence: Evidence, pair: _Pair) -> Iterator[Ground]:
    """A path over other users to a product of the same kind, for what the network says and nothing shorter explains."""
    ready = evidence.ready
    for relation in ready.roles.entities:
        path = over_companion(ready.finder, relation, pair.origin, pair.product, bounds=evidence.bounds)
        if path is not None:
            yield Ground(pair.start, OTHERS, path, 0.0, sqrt(closeness(ready.finder, path)))
            return


def _may_be_named(evidence: Evidence, path: GraphPath) -> bool:
    """Whether the entity that both products have may be said, and is shared by few enough to be a reason."""
    if not all(_is_shown(evidence, node.label, node.row) for node in path.nodes[1:-1]):
        return False
    return bool(evidence.ready.entities[path.relation][path.middle.row or 0])


def _num_members(evidence: Evidence, path: GraphPath) -> int:
    return int(evidence.ready.num_members[path.relation][path.middle.row or 0])


def _is_shown(evidence: Evidence, label: str, row: int | None) -> bool:
    """Whether a node on the way is neither sensitive nor gone from the catalogue."""
    if label == "Product":
        return bool(evidence.ready.nameable[row or 0])
    return label != "Category" or not evidence.ready.hidden_categories[row or 0]
