"""Which reasons an item is given: paths that exist and that moved its score, and codes for everything else."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from jaxtyping import Float

from gnn.score import Scorer
from kg.kernels import TEXT_KERNELS, USE_KERNELS, EntityKernel, HabitKernel, Kernel
from kg.paths import OTHERS, GraphPath
from serving.answer import Path, Reason
from serving.evidence import Evidence
from serving.telling import tell_habit, tell_path

_STARTS = 4


def true_paths(
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
            yield tell_habit(evidence, product, part)
        elif isinstance(kernels[0], EntityKernel):
            entities = [kernel for kernel in kernels if isinstance(kernel, EntityKernel)]
            found = _entity_path(evidence, zip(entities, parts[:, start].tolist(), strict=True), origin, product)
            if found is not None:
                yield tell_path(evidence, *found)
        else:
            path = _product_path(evidence, kernels[0], origin, product)
            if path is not None:
                yield tell_path(evidence, path, part)


def _product_path(evidence: Evidence, kernel: Kernel, origin: int, product: int) -> GraphPath | None:
    finder = evidence.ready.finder
    if kernel.name in USE_KERNELS:
        return finder.through_users(origin, product, user=evidence.user, at_least=evidence.ready.reasons.min_supporters)
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
    return members <= max(
        20.0, evidence.ready.reasons.max_members_share * evidence.ready.bundle.snapshot.num_nodes("Product")
    )


def reason_codes(
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
