"""Which reasons an item is given: paths that exist and that moved its score, and codes for everything else."""

import numpy as np
from jaxtyping import Float

from kg.kernels import TEXT_KERNELS, EntityKernel, HabitKernel, Kernel
from serving.answer import Path, Reason
from serving.evidence import Evidence
from serving.grounding import Ground, grounds
from serving.telling import tell_habit, tell_path

_STARTS = 4
"""Products of the history that paths are looked for from; more only as long as none has one."""
_MOST_STARTS = 12
_AGAIN = 0.5
"""What a path is still worth for each shown one of the same relation, and for each from the same product."""


def true_paths(
    evidence: Evidence, parts: Float[np.ndarray, "kernel history"], place: int, *, product: int, limit: int
) -> tuple[Path, ...]:
    """Return the paths of an item that are shown, the one that carries most first.

    Each exists, and the score falls when the product of the history it starts from is deleted. Chosen greedily by what
    rests on them, times how specific they are; what was said already, by relation or by product, is worth less again.

    Args:
        evidence: of the user.
        parts: what each product of the history adds to the item through each kernel.
        place: of the item among the targets.
        product: row of the item.
        limit: most paths.
    """
    score = float(parts.sum() + evidence.priors[:, place].sum())
    found = _moving_grounds(evidence, parts, place, product=product, score=score)
    shown = _choose(found, limit)
    paths = [
        tell_habit(evidence, product, ground.part)
        if ground.path is None
        else tell_path(evidence, ground.path, ground.part)
        for ground in shown
    ]
    return tuple(sorted(paths, key=lambda path: -path.contribution))


def _moving_grounds(
    evidence: Evidence, parts: Float[np.ndarray, "kernel history"], place: int, *, product: int, score: float
) -> list[Ground]:
    """Paths from the products of the history that say most, and without which the score would be lower."""
    said = np.maximum(parts, 0.0).sum(axis=0)
    found: list[Ground] = []
    for number, start in enumerate(np.argsort(-said, kind="stable")[:_MOST_STARTS].tolist()):
        if said[start] <= 0 or (found and number >= _STARTS):
            break
        if evidence.without[start, place] < score and evidence.ready.nameable[evidence.products[start]]:
            found += grounds(evidence, start, place, product=product, parts=parts[:, start])
    bound = evidence.ready.reasons.min_share * abs(score)
    return [ground for ground in found if ground.part >= bound]


def _choose(found: list[Ground], limit: int) -> list[Ground]:
    rest = list(found)
    shown: list[Ground] = []
    while rest and len(shown) < limit:
        best = max(rest, key=lambda ground: ground.part * ground.specific * _AGAIN ** _said_before(ground, shown))
        rest.remove(best)
        shown.append(best)
    return shown


def _said_before(ground: Ground, shown: list[Ground]) -> int:
    return sum((ground.relation == other.relation) + (ground.start == other.start) for other in shown)


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
