"""Typed path operators: one product-to-product kernel for each kind of path the graph holds.

`W_r = D^-a M_r D_e^-b M_r^T`, hub-damped, the strongest entries of a row kept. Sparse products in row blocks, so memory
is bounded by a block and not by the catalogue. No text and nothing learned by gradient: that is gnn.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int

from kg.kernels import EntityKernel, NeighbourKernel
from kg.schema import RelationKind
from kg.snapshot import Snapshot

_BLOCK_ENTRIES = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorConfig:
    """How the typed path operators are built; found on validation data of several shops, seldom worth a change."""

    top_k: int = 200
    """Strongest entries kept in a row of a neighbour kernel."""
    walk_power: float = 0.45
    """Power on each transition of the product-user-product walk; 1 is the plain random walk (P3), below 1 flattens."""
    popularity_power: float = 0.1
    """Power of a candidate's popularity that divides the walk (RP3beta)."""
    max_gap: int = 5
    """How many steps apart two events of a user may be to count as one after the other; at least 1."""
    backward: float = 0.5
    """How much a pair in reversed order counts in the directed operator."""
    brand_damping: float = 0.5
    """Power of an entity's degree that divides its paths; for brands and declared entities."""
    category_damping: float = 0.7
    """The same for categories."""


def interactions(snapshot: Snapshot) -> sp.csr_array:
    """Return who had to do with what: 1 where a user has at least one event of positive weight; [user product]."""
    weight = event_weights(snapshot)
    keep = weight > 0
    shape = (snapshot.num_nodes("User"), snapshot.num_nodes("Product"))
    pairs = (snapshot.events.user[keep], snapshot.events.product[keep])
    matrix = sp.csr_array((np.ones(int(keep.sum()), dtype=np.float32), pairs), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def event_weights(snapshot: Snapshot) -> Float[np.ndarray, " event"]:
    """Return the declared weight of each event's type, the largest scaled to 1; float32."""
    declared = np.array([snapshot.schema.events[name].weight for name in snapshot.event_names], dtype=np.float32)
    used = np.unique(snapshot.events.kind)
    top = np.abs(declared[used]).max(initial=0.0)
    return np.asarray(declared[snapshot.events.kind] / (top if top > 0 else 1.0))


def popularity(snapshot: Snapshot, *, half_life_days: float | None = None) -> Float[np.ndarray, " product"]:
    """Return the number of users of each product; with a half-life and a clock, of events weighted by age."""
    num = snapshot.num_nodes("Product")
    if half_life_days is None or snapshot.order != "clock" or not len(snapshot.events):
        return np.asarray(interactions(snapshot).sum(axis=0), dtype=np.float32).reshape(num)
    age_days = (snapshot.events.time.max() - snapshot.events.time) / 86_400_000
    weight = np.maximum(event_weights(snapshot), 0) * 0.5 ** (age_days / half_life_days)
    return np.bincount(snapshot.events.product, weights=weight, minlength=num).astype(np.float32)


def build_operators(snapshot: Snapshot, config: OperatorConfig) -> Iterator[NeighbourKernel | EntityKernel]:
    """Yield every typed path operator that has at least one entry, in a fixed order, built when asked for."""
    return (kernel for kernel in _build_all(snapshot, config) if _num_entries(kernel))


def co_purchase(snapshot: Snapshot, config: OperatorConfig) -> NeighbourKernel:
    """Return the product-user-product walk.

    Source: Paudel et al., "Updatable, accurate, diverse, and scalable recommendations", 2017 (RP3beta).
    """
    matrix = interactions(snapshot)
    to_user = _row_stochastic(matrix.T.tocsr()).power(config.walk_power)
    to_product = _row_stochastic(matrix).power(config.walk_power)
    damping = _inverse_power(np.asarray(matrix.sum(axis=0)).ravel(), config.popularity_power)
    right = sp.csr_array(to_product @ sp.diags_array(damping))
    return NeighbourKernel("co_purchase", top_k_product(to_user, right, top_k=config.top_k))


def next_purchase(snapshot: Snapshot, config: OperatorConfig) -> NeighbourKernel:
    """Return the directed operator: what follows a product within a user's next steps, 1 / gap each.

    A pair in reversed order counts `backward` times; both ends are damped by popularity.
    """
    return _directed("next_purchase", snapshot, config)


def next_step(snapshot: Snapshot, config: OperatorConfig) -> NeighbourKernel:
    """Return what comes in the very next step of the same user; both ends are damped by popularity."""
    return _directed("next_step", snapshot, replace(config, max_gap=1, backward=0.0))


def same_basket(snapshot: Snapshot, config: OperatorConfig) -> NeighbourKernel:
    """Return what is bought at the same moment by the same user, damped by the popularity of both ends."""
    steps = _step_matrix(snapshot)
    count = np.asarray(steps.sum(axis=0)).ravel()
    size = np.asarray(steps.sum(axis=1)).ravel()
    left = sp.csr_array(sp.diags_array(_inverse_power(count, 0.5)) @ steps.T)
    right = sp.csr_array(sp.diags_array(_inverse_power(size, 0.5)) @ steps @ sp.diags_array(_inverse_power(count, 0.4)))
    return NeighbourKernel("same_basket", top_k_product(left, right, top_k=config.top_k))


def category_levels(snapshot: Snapshot) -> list[sp.csr_array]:
    """Return, for each depth of the category tree, which categories of that depth a product is in or below.

    Depth 0 holds the roots. A product in a deep category is also in every category above it; [product category].
    """
    shape = (snapshot.num_nodes("Product"), snapshot.num_nodes("Category"))
    direct, parents = snapshot.edges["IN_CATEGORY"], snapshot.edges["CHILD_OF"]
    member = sp.csr_array((np.ones(len(direct), dtype=np.float32), (direct.source, direct.target)), shape=shape)
    up = sp.csr_array(
        (np.ones(len(parents), dtype=np.float32), (parents.source, parents.target)), shape=(shape[1], shape[1])
    )
    depth, total, reach = _depths(up), member, member
    while (reach := sp.csr_array(reach @ up)).nnz:
        total = total + reach
    total = sp.csr_array(total)
    total.data[:] = 1.0
    levels = []
    for level in range(int(depth.max(initial=-1)) + 1):
        levels.append(sp.csr_array(total @ sp.diags_array((depth == level).astype(np.float32))))
        levels[-1].eliminate_zeros()
    return levels


def level_name(depth: int) -> str:
    """Return the name of the kernel of the categories at a depth; 0 is that of the roots."""
    return f"category_{depth + 1}"


def entity_boost(users: Float[np.ndarray, " product"], relation: str) -> Float[np.ndarray, " product"]:
    """Return how strongly an entity points to its products, by their users: of what is shared, more to what is wanted.

    Args:
        users: number of users of each product.
        relation: of the products to the entity; categories, which are large, tell popular products apart less.
    """
    boost = np.log(2.0 + users)
    return np.asarray(np.sqrt(boost) if relation == "IN_CATEGORY" else boost)


def top_k_product(left: sp.csr_array, right: sp.csr_array, *, top_k: int) -> sp.csr_array:
    """Return `left @ right` without its diagonal, the `top_k` largest positive entries of each row kept; float32.

    Rows are taken in blocks whose products stay below a bound, whatever the size of the catalogue.
    """
    blocks = [strongest(left[start:stop] @ right, top_k=top_k, first_row=start) for start, stop in _blocks(left, right)]
    if not blocks:
        return sp.csr_array((left.shape[0], right.shape[1]), dtype=np.float32)
    return sp.csr_array(sp.vstack(blocks, format="csr"), dtype=np.float32)


def chain(
    name: str, first: sp.csr_array, second: sp.csr_array, *, width: int = 50, top_k: int = 200
) -> NeighbourKernel:
    """Return the kernel of two steps one after the other, each a random walk over the `width` strongest entries."""
    steps = [_row_stochastic(strongest(matrix, top_k=width, first_row=0)) for matrix in (first, second)]
    return NeighbourKernel(name, top_k_product(steps[0], steps[1], top_k=top_k))


def strongest(block: sp.csr_array, *, top_k: int, first_row: int) -> sp.csr_array:
    """Return a block of rows with its diagonal removed and only the `top_k` largest positive entries of each row.

    Args:
        block: rows `first_row` and following of a square matrix.
        top_k: entries kept a row; of equal entries those with the smaller column stay.
        first_row: row number of the block's first row.
    """
    rows = sp.csr_array(block)
    row = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    data = np.where(rows.indices == row + first_row, 0, rows.data)
    limit = np.zeros(rows.shape[0], dtype=data.dtype)
    for index in np.flatnonzero(np.diff(rows.indptr) > top_k):
        entries = data[rows.indptr[index] : rows.indptr[index + 1]]
        limit[index] = max(np.partition(entries, len(entries) - top_k)[len(entries) - top_k], 0)
    kept = (data > limit[row]) & (data > 0)
    room = top_k - np.bincount(row[kept], minlength=rows.shape[0])
    tied = np.flatnonzero((data == limit[row]) & (data > 0))
    tied = tied[np.lexsort((rows.indices[tied], row[tied]))]
    place = np.arange(len(tied)) - np.searchsorted(row[tied], row[tied])
    kept[tied[place < room[row[tied]]]] = True
    result = sp.csr_array((data[kept].astype(np.float32), (row[kept], rows.indices[kept])), shape=rows.shape)
    result.sort_indices()
    return result


def _blocks(left: sp.csr_array, right: sp.csr_array) -> Iterator[tuple[int, int]]:
    per_row = np.asarray(left.astype(bool).astype(np.float64) @ np.diff(right.indptr).astype(np.float64))
    work = np.cumsum(per_row)
    start = 0
    while start < left.shape[0]:
        before = work[start - 1] if start else 0.0
        stop = max(start + 1, int(np.searchsorted(work, before + _BLOCK_ENTRIES, side="right")))
        yield start, stop
        start = stop


def _build_all(snapshot: Snapshot, config: OperatorConfig) -> Iterator[NeighbourKernel | EntityKernel]:
    yield co_purchase(snapshot, config)
    if snapshot.order != "none":
        yield next_purchase(snapshot, config)
        yield next_step(snapshot, config)
        yield same_basket(snapshot, config)
    yield from _entity_kernels(snapshot, config, popularity(snapshot))
    yield from _relation_kernels(snapshot, config)


def _entity_kernels(
    snapshot: Snapshot, config: OperatorConfig, users: Float[np.ndarray, " product"]
) -> Iterator[EntityKernel]:
    boost = entity_boost(users, "MADE_BY")
    brand = to_entity(snapshot, snapshot.schema.relation("MADE_BY"))
    yield _entity_kernel("brand", ("MADE_BY", "Brand"), brand, damping=config.brand_damping, boost=boost)
    flat = entity_boost(users, "IN_CATEGORY")
    for depth, member in enumerate(category_levels(snapshot)):
        link = ("IN_CATEGORY", "Category")
        yield _entity_kernel(level_name(depth), link, member, damping=config.category_damping, boost=flat)
    for relation in snapshot.schema.relations.values():
        ends = {relation.source, relation.target}
        if "Product" in ends and len(ends) == 2 and relation.name not in ("MADE_BY", "IN_CATEGORY"):
            member, label = to_entity(snapshot, relation), (ends - {"Product"}).pop()
            yield _entity_kernel(
                relation.name.lower(), (relation.name, label), member, damping=config.brand_damping, boost=boost
            )


def _entity_kernel(
    name: str,
    link: tuple[str, str],
    member: sp.csr_array,
    *,
    damping: float,
    boost: Float[np.ndarray, " product"],
) -> EntityKernel:
    degree = np.asarray(member.sum(axis=0)).ravel()
    # An entity of one product links nothing; it would only inflate the scale of the kernel.
    damped = np.where(degree > 1, _inverse_power(degree, damping), 0.0).astype(np.float32)
    left = sp.csr_array(member @ sp.diags_array(damped), dtype=np.float32)
    left.eliminate_zeros()
    right = sp.csr_array(sp.diags_array(boost.astype(np.float32)) @ member, dtype=np.float32)
    return EntityKernel(name, link[0], link[1], left, right)


def _relation_kernels(snapshot: Snapshot, config: OperatorConfig) -> Iterator[NeighbourKernel]:
    for relation in snapshot.schema.relations.values():
        if relation.source == relation.target == "Product" and len(snapshot.edges[relation.name]):
            direct = _direct(snapshot, relation)
            degree = np.asarray((direct != 0).sum(axis=1)).ravel()
            scaled = sp.csr_array(sp.diags_array(_inverse_power(degree, 0.5)) @ direct)
            name = relation.name.lower()
            yield NeighbourKernel(name, strongest(scaled, top_k=config.top_k, first_row=0))
            hub = _inverse_power(np.asarray((direct != 0).sum(axis=0)).ravel(), config.brand_damping)
            shared = top_k_product(sp.csr_array(scaled @ sp.diags_array(hub)), direct.T.tocsr(), top_k=config.top_k)
            yield NeighbourKernel(f"shared_{name}", shared)


def _direct(snapshot: Snapshot, relation: RelationKind) -> sp.csr_array:
    edges, num = snapshot.edges[relation.name], snapshot.num_nodes("Product")
    data = np.ones(len(edges), dtype=np.float32) if edges.weight is None else np.asarray(edges.weight)
    matrix = sp.csr_array((data, (edges.source, edges.target)), shape=(num, num))
    return sp.csr_array(matrix.maximum(matrix.T)) if relation.symmetric else matrix


def to_entity(snapshot: Snapshot, relation: RelationKind) -> sp.csr_array:
    """Return which products a relation links to which nodes of the other kind, whatever its direction; float32."""
    edges = snapshot.edges[relation.name]
    product, entity = (edges.source, edges.target) if relation.source == "Product" else (edges.target, edges.source)
    label = relation.target if relation.source == "Product" else relation.source
    data = np.ones(len(edges), dtype=np.float32)
    return sp.csr_array((data, (product, entity)), shape=(snapshot.num_nodes("Product"), snapshot.num_nodes(label)))


def _step_matrix(snapshot: Snapshot) -> sp.csr_array:
    """One row a step of a user, in order; 1 where a product was in it."""
    events, weight = snapshot.events, event_weights(snapshot)
    new = np.r_[True, (events.user[1:] != events.user[:-1]) | (events.step[1:] != events.step[:-1])]
    step = np.cumsum(new) - 1 if len(events) else np.zeros(0, dtype=np.int64)
    shape = (int(step[-1]) + 1 if len(events) else 0, snapshot.num_nodes("Product"))
    keep = weight > 0
    data = np.ones(int(keep.sum()), dtype=np.float32)
    matrix = sp.csr_array((data, (step[keep], events.product[keep])), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def _directed(name: str, snapshot: Snapshot, config: OperatorConfig) -> NeighbourKernel:
    steps, shifted = _steps(snapshot, config)
    count = np.asarray(steps.sum(axis=0)).ravel()
    left = sp.csr_array(sp.diags_array(_inverse_power(count, 0.5)) @ steps.T)
    right = sp.csr_array(shifted @ sp.diags_array(_inverse_power(count, 0.4)))
    return NeighbourKernel(name, top_k_product(left, right, top_k=config.top_k))


def _steps(snapshot: Snapshot, config: OperatorConfig) -> tuple[sp.csr_array, sp.csr_array]:
    """Steps, and the same steps with each row replaced by what lies around it, weighted by the gap."""
    steps = _step_matrix(snapshot)
    events = snapshot.events
    new = np.r_[True, (events.user[1:] != events.user[:-1]) | (events.step[1:] != events.step[:-1])]
    owner = events.user[new] if len(events) else np.zeros(0, dtype=np.int32)
    num = len(owner)
    around = sp.csr_array((num, num), dtype=np.float32)
    for gap in range(1, min(config.max_gap, num - 1) + 1):
        same = np.flatnonzero(owner[gap:] == owner[:-gap])
        weight = np.full(len(same), 1.0 / gap, dtype=np.float32)
        forward = sp.csr_array((weight, (same, same + gap)), shape=(num, num))
        around = around + forward + config.backward * forward.T
    return steps, sp.csr_array(around @ steps)


def _depths(up: sp.csr_array) -> Int[np.ndarray, " category"]:
    """Distance of each category from its root."""
    depth = np.zeros(up.shape[0], dtype=np.int64)
    reach = up
    while reach.nnz:
        depth[np.diff(reach.indptr) > 0] += 1
        reach = sp.csr_array(reach @ up)
    return depth


def _row_stochastic(matrix: sp.csr_array) -> sp.csr_array:
    return sp.csr_array(sp.diags_array(_inverse_power(np.asarray(matrix.sum(axis=1)).ravel(), 1.0)) @ matrix)


def _inverse_power(values: Float[np.ndarray, " n"], power: float) -> Float[np.ndarray, " n"]:
    """`values ** -power`, and 0 where a value is 0; float32."""
    result = np.zeros(len(values), dtype=np.float32)
    positive = values > 0
    result[positive] = values[positive].astype(np.float64) ** -power
    return result


def _num_entries(kernel: NeighbourKernel | EntityKernel) -> int:
    return int(kernel.left.nnz if isinstance(kernel, EntityKernel) else kernel.matrix.nnz)
