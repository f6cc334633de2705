"""Why a product stands where it stands: the score taken apart, and the graph paths that carried it.

A path is shown only if each of its edges is in the snapshot and only if the product's score falls when the product of
the history it starts from is taken away. Attention weights are never shown.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float, Int

from gnn.score import History, Scorer
from kg.kernels import EmbeddingKernel, EntityKernel, HabitKernel, Kernel
from kg.paths import GraphPath
from serving.answer import Contribution, Filter, Item, Path, PathEdge, PathNode, Reason
from serving.history import EventReader, read_history
from serving.ready import Ready
from serving.words import describe_habit, describe_path, event_time

MIN_SUPPORTERS = 3
"""Other users that a path over people needs at least."""
COUNT_FROM = 20
"""Other users from which on their number is said."""
MAX_MEMBERS_SHARE = 0.05
"""An entity with more than this share of the catalogue says too little to be a reason."""
_TERMS, _STARTS, _TOP = 8, 4, 10


@dataclass(frozen=True, slots=True)
class Evidence:
    """A user's history against some products, taken apart once and read many times."""

    ready: Ready
    history: History
    user: int | None
    products: Int[np.ndarray, " history"]
    """Distinct products of the history."""
    weights: Float[np.ndarray, "kernel history"]
    """How much each product of the history counts for each kernel."""
    entries: Float[np.ndarray, "kernel history target"]
    """What each says for each target, before the weights."""
    priors: Float[np.ndarray, "prior target"]
    _without: dict[int, Float[np.ndarray, " target"]] = field(default_factory=dict)

    @property
    def scorer(self) -> Scorer:
        """The model."""
        return self.ready.bundle.scorer

    @property
    def parts(self) -> Float[np.ndarray, "kernel history target"]:
        """What each product of the history adds to each target through each kernel."""
        return np.asarray(self.weights[:, :, None] * self.entries)

    def totals_without(self, place: int) -> Float[np.ndarray, " target"]:
        """Return the scores as they would be without one product of the history; by arithmetic, no second model run."""
        if place not in self._without:
            rest = self.history.without(int(self.products[place]))
            scores = self.priors.sum(axis=0)
            if len(rest):
                _, weights = self.scorer.product_weights(rest)
                scores = scores + np.einsum("kh,kht->t", weights, np.delete(self.entries, place, axis=1))
            self._without[place] = scores
        return self._without[place]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a product is, or is not, recommended to a user."""

    item: Item
    """The product as an item, `rank` among all products."""
    rank_of_all: int
    """Rank among the whole catalogue; 1 is the best."""
    num_products: int
    removed_by: str | None
    """What keeps it out of lists: `seen`, `unavailable`; None: nothing."""
    in_top: bool
    """Whether it is among the ten best that may be recommended."""


def explain_items(
    ready: Ready,
    targets: Int[np.ndarray, " target"],
    history: History,
    *,
    user: int | None,
    paths: int,
    first_rank: int,
) -> tuple[Item, ...]:
    """Return ranked products as items.

    Args:
        ready: the bundle.
        targets: product rows in order.
        history: what the user did.
        user: row of the user, None when unknown.
        paths: paths shown an item at most; 0 leaves paths and contributions out.
        first_rank: rank of the first target.
    """
    if not len(targets):
        return ()
    evidence = take_apart(ready, targets, history, user=user)
    parts = evidence.parts
    return tuple(
        _make_item(evidence, parts[:, :, place], place, product=int(product), rank=first_rank + place, paths=paths)
        for place, product in enumerate(targets)
    )


def take_apart(ready: Ready, targets: Int[np.ndarray, " target"], history: History, *, user: int | None) -> Evidence:
    """Return the evidence for some products."""
    scorer = ready.bundle.scorer
    products, weights = scorer.product_weights(history)
    return Evidence(
        ready, history, user, products, weights, scorer.entries(products, targets), scorer.prior_parts(targets)
    )


def explain(ready: Ready, events: EventReader, user_id: str, product_id: str, *, paths: int = 3) -> Explanation:
    """Return why a product is, or is not, recommended to a user.

    Args:
        ready: the bundle.
        events: gives what the user did after the bundle was made.
        user_id: known or unknown user.
        product_id: any product of the bundle.
        paths: paths shown at most.

    Raises:
        UnknownProduct: the bundle does not hold the product.
    """
    bundle = ready.bundle
    product = ready.product_row(product_id)
    user = bundle.snapshot.row("User", user_id)
    history = read_history(bundle.snapshot, user, events.events_of(user_id, after=bundle.events_applied))
    scores = bundle.scorer.score(history)
    (item,) = explain_items(ready, np.array([product]), history, user=user, paths=paths, first_rank=1)
    ahead = (scores > scores[product]) | ((scores == scores[product]) & (np.arange(len(scores)) < product))
    rank = int(ahead.sum()) + 1
    removed_by = None
    if not ready.shelf.available[product]:
        removed_by = "unavailable"
    elif bundle.exclude_seen and product in history.product:
        removed_by = "seen"
    allowed, _ = ready.allow(Filter(), history)
    in_top = removed_by is None and int((ahead & allowed).sum()) < _TOP
    return Explanation(replace(item, rank=rank), rank, len(scores), removed_by, in_top)


def _make_item(
    evidence: Evidence, parts: Float[np.ndarray, "kernel history"], place: int, *, product: int, rank: int, paths: int
) -> Item:
    scorer, snapshot = evidence.scorer, evidence.ready.bundle.snapshot
    by_kernel = dict(zip(scorer.blend.kernels, parts.sum(axis=1).tolist(), strict=True))
    by_prior = dict(zip(scorer.blend.priors, evidence.priors[:, place].tolist(), strict=True))
    score = sum(by_kernel.values()) + sum(by_prior.values())
    everything = {**by_kernel, **by_prior}
    source = max(everything, key=lambda name: everything[name])
    shown = _true_paths(evidence, parts, place, product=product, limit=paths) if paths else ()
    reasons = _reasons(evidence, by_kernel, source, shown)
    terms = _contributions(evidence, parts, by_prior) if paths else ()
    return Item(snapshot.ids("Product")[product], rank, float(score), source, reasons, shown, terms)


def _reasons(
    evidence: Evidence, by_kernel: dict[str, float], source: str, shown: tuple[Path, ...]
) -> tuple[Reason, ...]:
    """Reason codes, the one that carried most first; PATH only with a path that is shown."""
    kernels = {kernel.name: kernel for kernel in evidence.scorer.kernels}
    if by_kernel.get(source, 0.0) <= 0:
        return (Reason.POPULAR_FALLBACK,)
    codes = [Reason.PATH] if shown else []
    for name in sorted(by_kernel, key=lambda kernel: -by_kernel[kernel]):
        if by_kernel[name] > 0.1 * by_kernel[source]:
            codes.append(_code(kernels[name]))
    return tuple(dict.fromkeys(codes))


def _code(kernel: Kernel) -> Reason:
    if isinstance(kernel, HabitKernel):
        return Reason.BUY_AGAIN
    return Reason.CONTENT if isinstance(kernel, EntityKernel) or kernel.name == "text" else Reason.COLLABORATIVE


def _contributions(
    evidence: Evidence, parts: Float[np.ndarray, "kernel history"], by_prior: dict[str, float]
) -> tuple[Contribution, ...]:
    """The largest terms one by one, the rest of each kernel in one, then the priors: they add up to the score."""
    ids = evidence.ready.bundle.snapshot.ids("Product")
    names = evidence.scorer.blend.kernels
    largest = np.argsort(-np.abs(parts), axis=None, kind="stable")[:_TERMS]
    terms, rest = [], parts.sum(axis=1)
    for index in largest:
        kernel, row = divmod(int(index), parts.shape[1])
        if parts[kernel, row]:
            terms.append(Contribution(names[kernel], ids[evidence.products[row]], float(parts[kernel, row])))
            rest[kernel] -= parts[kernel, row]
    terms += [
        Contribution(name, None, float(value)) for name, value in zip(names, rest, strict=True) if abs(value) > 1e-12
    ]
    terms += [Contribution(name, None, value) for name, value in by_prior.items() if value]
    return tuple(sorted(terms, key=lambda term: -abs(term.value)))


def _true_paths(
    evidence: Evidence, parts: Float[np.ndarray, "kernel history"], place: int, *, product: int, limit: int
) -> tuple[Path, ...]:
    """The strongest paths that exist and that moved the score, each from another product of the history."""
    by_start = np.where(parts > 0, parts, 0.0).sum(axis=0)
    score = float(parts.sum() + evidence.priors[:, place].sum())
    shown: list[Path] = []
    spare: list[Path] = []
    for start in np.argsort(-by_start, kind="stable")[: limit * _STARTS]:
        if len(shown) == limit or by_start[start] <= 0:
            break
        found = next(_paths_from(evidence, parts[:, start], int(start), product), None)
        if found is not None and evidence.totals_without(int(start))[place] < score:
            is_new = found.pattern not in {path.pattern for path in shown}
            (shown if is_new else spare).append(found)
    chosen = [*shown, *spare][:limit]
    return tuple(sorted(chosen, key=lambda path: -path.contribution))


def _paths_from(evidence: Evidence, parts: Float[np.ndarray, " kernel"], start: int, product: int) -> Iterator[Path]:
    """Paths from one product of the history, the kernel that says most first."""
    kernels, origin = evidence.scorer.kernels, int(evidence.products[start])
    order = np.argsort(-parts, kind="stable")
    use = [int(index) for index in order if _is_use(kernels[index])]
    for index in order:
        if parts[index] <= 0:
            return
        # Several kernels speak of what users did with the two products: one path, for all of them together.
        part = float(parts[use].sum() if index in use else parts[index])
        if index not in use[1:] and part > 0:
            yield from _paths_of(evidence, kernels[index], origin, product, part=part)


def _paths_of(evidence: Evidence, kernel: Kernel, origin: int, product: int, *, part: float) -> Iterator[Path]:
    """Paths that one kernel's part of the score rests on."""
    finder = evidence.ready.finder
    path: GraphPath | None = None
    if isinstance(kernel, HabitKernel):
        yield _habit_path(evidence, product, part)
    elif isinstance(kernel, EntityKernel):
        yield from _entity_paths(evidence, kernel, origin, product, part=part)
    elif _is_use(kernel):
        path = finder.through_users(origin, product, user=evidence.user, at_least=MIN_SUPPORTERS)
    elif kernel.name != "text":
        relation = kernel.name.removeprefix("shared_").upper()
        look = finder.through_product if kernel.name.startswith("shared_") else finder.direct
        path = look(relation, origin, product)
    if path is not None:
        yield _worded(evidence, path, part)


def _is_use(kernel: Kernel) -> bool:
    """Whether a kernel speaks of what users did with two products."""
    return isinstance(kernel, EmbeddingKernel) or kernel.name in ("co_purchase", "next_purchase", "same_basket", "ease")


def _entity_paths(
    evidence: Evidence, kernel: EntityKernel, origin: int, product: int, *, part: float
) -> Iterator[Path]:
    """A path for each entity both products have, the strongest first; entities with too many members say too little."""
    if kernel.label == "User":
        return  # another user is never named, whatever relation a shop declares
    bound = max(20.0, MAX_MEMBERS_SHARE * evidence.ready.bundle.snapshot.num_nodes("Product"))
    shared = kernel.shared(origin, product)
    whole = sum(share for _, share in shared)
    for entity, share in shared:
        if kernel.num_members[entity] <= bound:
            path = evidence.ready.finder.through_entity(kernel.relation, origin, product, entity=entity)
            if path is not None:
                yield _worded(evidence, path, part * share / whole)


def _habit_path(evidence: Evidence, product: int, part: float) -> Path:
    snapshot, history = evidence.ready.bundle.snapshot, evidence.history
    event = _own_event(history, product)
    kind = snapshot.event_names[int(history.kind[event])]
    times = int(((history.product == product) & (history.kind == history.kind[event])).sum())
    last = event_time(snapshot, int(history.time[event]))
    nodes = (_user_node(evidence), _node(evidence, "Product", product))
    edge = PathEdge(snapshot.schema.events[kind].relation, 0, 1, last, None)
    return Path(nodes, (edge,), part, _pattern(nodes, (edge,)), describe_habit(times, last, event=kind))


def _own_event(history: History, product: int) -> int:
    """The user's event with a product that says most for it, the latest of several alike."""
    events = np.flatnonzero(history.product == product)
    return int(events[np.lexsort((events, history.weight[events]))[-1]])


def _worded(evidence: Evidence, path: GraphPath, part: float) -> Path:
    """A verified path with names, the user's own event in front, and words."""
    snapshot, history = evidence.ready.bundle.snapshot, evidence.history
    evidence.ready.finder.verify(path, user=evidence.user)
    event = _own_event(history, path.nodes[0].row or 0)
    kind = snapshot.event_names[int(history.kind[event])]
    count = path.supporters if path.supporters >= COUNT_FROM else None
    nodes = (
        _user_node(evidence),
        *(_node(evidence, node.label, node.row) for node in path.nodes),
    )
    own = PathEdge(snapshot.schema.events[kind].relation, 0, 1, event_time(snapshot, int(history.time[event])), None)
    rest = (
        PathEdge(
            edge.relation if path.event is None else snapshot.schema.events[path.event].relation,
            edge.source + 1,
            edge.target + 1,
            None,
            None if path.event is None or count is None else float(count),
        )
        for edge in path.edges
    )
    edges = (own, *rest)
    words = describe_path(path, evidence.ready.shelf, event=kind, count=count)
    return Path(nodes, edges, part, _pattern(nodes, edges), words)


def _user_node(evidence: Evidence) -> PathNode:
    ids = evidence.ready.bundle.snapshot.ids("User")
    return PathNode(None if evidence.user is None else ids[evidence.user], "User", "you")


def _node(evidence: Evidence, label: str, row: int | None) -> PathNode:
    if row is None:
        return PathNode(None, label, "other customers")
    return PathNode(evidence.ready.bundle.snapshot.ids(label)[row], label, evidence.ready.shelf.label(label, row))


def _pattern(nodes: tuple[PathNode, ...], edges: tuple[PathEdge, ...]) -> str:
    """The meta-path: kinds of nodes and relations along the way."""
    text = nodes[0].type
    for place, edge in enumerate(edges):
        arrow = f"-{edge.type}->" if edge.source == place else f"<-{edge.type}-"
        text += f"{arrow}{nodes[place + 1].type}"
    return text
