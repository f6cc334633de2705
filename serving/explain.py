"""Why a product stands where it stands: the score taken apart, and the graph paths that carried it.

A path is shown only if each of its edges is in the snapshot and only if the product's score falls when the product of
the history it starts from is taken away. Attention weights are never shown.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from gnn.score import History, Scorer
from kg.kernels import TEXT_KERNELS, USE_KERNELS, EntityKernel, HabitKernel, Kernel
from kg.paths import OTHERS, GraphPath
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
    without: Float[np.ndarray, "history target"]
    """Score of each target without each product of the history."""

    @property
    def scorer(self) -> Scorer:
        """The model."""
        return self.ready.bundle.scorer

    @property
    def parts(self) -> Float[np.ndarray, "kernel history target"]:
        """What each product of the history adds to each target through each kernel."""
        return np.asarray(self.weights[:, :, None] * self.entries)


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
    entries, priors = scorer.entries(products, targets), scorer.prior_parts(targets)
    without = scorer.totals_without(history, entries) + priors.sum(axis=0)
    return Evidence(ready, history, user, products, weights, entries, priors, without)


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
    is_content = isinstance(kernel, EntityKernel) or kernel.name in TEXT_KERNELS
    return Reason.CONTENT if is_content else Reason.COLLABORATIVE


def _contributions(
    evidence: Evidence, parts: Float[np.ndarray, "kernel history"], by_prior: dict[str, float]
) -> tuple[Contribution, ...]:
    """The largest terms one by one, the rest of each kernel in one, then the priors: they add up to the score."""
    ids = evidence.ready.bundle.snapshot.ids("Product")
    names = evidence.scorer.blend.kernels
    size = np.abs(parts).ravel()
    largest = np.argpartition(-size, min(_TERMS, len(size) - 1))[:_TERMS] if len(size) else size.astype(np.int64)
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
    """The strongest paths that exist and that moved the score: one of each kind of evidence first, then others."""
    score = float(parts.sum() + evidence.priors[:, place].sum())

    def moved(start: int) -> bool:
        return bool(evidence.without[start, place] < score)

    kinds = sorted(_kinds(evidence.scorer), key=lambda members: -float(parts[members].sum(axis=0).max(initial=0)))
    searches = [
        _search(evidence, [evidence.scorer.kernels[index] for index in members], parts[members], product, moved)
        for members in kinds
    ]
    shown: list[Path] = []
    while searches and len(shown) < limit:
        for search in tuple(searches):
            path = next(search, None) if len(shown) < limit else None
            if path is None:
                searches.remove(search)
            else:
                shown.append(path)
    return tuple(sorted(shown, key=lambda path: -path.contribution))


def _kinds(scorer: Scorer) -> list[list[int]]:
    """Kernels that can have paths, by kind of evidence: levels of one relation belong together, and so does all use."""
    groups: dict[str, list[int]] = {}
    for index, kernel in enumerate(scorer.kernels):
        if isinstance(kernel, EntityKernel):
            # Another user is never named, whatever relation a shop declares.
            if kernel.label != "User":
                groups.setdefault(kernel.relation, []).append(index)
        elif kernel.name in USE_KERNELS:
            groups.setdefault(OTHERS, []).append(index)
        elif kernel.name not in TEXT_KERNELS:
            groups.setdefault(kernel.name, []).append(index)
    return list(groups.values())


def _search(
    evidence: Evidence,
    kernels: list[Kernel],
    parts: Float[np.ndarray, "kernel history"],
    product: int,
    moved: Callable[[int], bool],
) -> Iterator[Path]:
    """Paths of one kind of evidence, each from another product of the history, the one that says most first."""
    by_start = parts.sum(axis=0)
    for start in np.argsort(-by_start, kind="stable")[:_STARTS]:
        if by_start[start] <= 0:
            return
        if not moved(int(start)):
            continue
        origin, part = int(evidence.products[start]), float(by_start[start])
        if isinstance(kernels[0], HabitKernel):
            yield _habit_path(evidence, product, part)
        elif isinstance(kernels[0], EntityKernel):
            entities = [kernel for kernel in kernels if isinstance(kernel, EntityKernel)]
            found = _entity_path(evidence, zip(entities, parts[:, start].tolist(), strict=True), origin, product)
            if found is not None:
                yield _worded(evidence, *found)
        else:
            path = _product_path(evidence, kernels[0], origin, product)
            if path is not None:
                yield _worded(evidence, path, part)


def _product_path(evidence: Evidence, kernel: Kernel, origin: int, product: int) -> GraphPath | None:
    finder = evidence.ready.finder
    if kernel.name in USE_KERNELS:
        return finder.through_users(origin, product, user=evidence.user, at_least=MIN_SUPPORTERS)
    if kernel.name.startswith("shared_"):
        return finder.through_product(kernel.name.removeprefix("shared_").upper(), origin, product)
    return finder.direct(kernel.name.upper(), origin, product)


def _entity_path(
    evidence: Evidence, parts: Iterable[tuple[EntityKernel, float]], origin: int, product: int
) -> tuple[GraphPath, float] | None:
    """The path over shared entities that carried most, and how much; levels that lead over the same one add up."""
    found: dict[GraphPath, float] = {}
    for kernel, part in parts:
        shared = kernel.shared(origin, product) if part > 0 else []
        whole = sum(share for _, share in shared)
        for entity, share in shared:
            path = evidence.ready.finder.through_entity(kernel.relation, origin, product, entity=entity)
            if path is not None and _says_enough(evidence, kernel, path):
                found[path] = found.get(path, 0.0) + part * share / whole
    return max(found.items(), key=lambda pair: pair[1], default=None)


def _says_enough(evidence: Evidence, kernel: EntityKernel, path: GraphPath) -> bool:
    """Whether the entity that both products have is shared by few enough to be a reason."""
    row = path.middle.row or 0
    shelf = evidence.ready.shelf
    if path.relation == "IN_CATEGORY":
        members = int(shelf.in_category.indptr[row + 1] - shelf.in_category.indptr[row])
    else:
        members = int(kernel.num_members[row])
    return members <= max(20.0, MAX_MEMBERS_SHARE * evidence.ready.bundle.snapshot.num_nodes("Product"))


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
