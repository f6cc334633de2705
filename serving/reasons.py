"""Which reasons an item is given: paths that exist and that moved its score, and codes for everything else."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from kg.paths import OTHERS, GraphNode
from serving.answer import Objection, Path, Reason
from serving.evidence import Evidence, strongest
from serving.grounding import HABIT, Ground, grounds
from serving.telling import tell_habit, tell_objection, tell_path

_STARTS = 3
"""Products of the history that paths are looked for from, beside the first of each kind of evidence."""
_MOST_STARTS = 8
"""Products that are looked at as long as none has a path."""
_DETOUR = 0.05
"""Part of the score that must be at stake before a path of five hops is looked for."""
_OLD = 0.05
"""What a path from the first step of a history is worth beside one from the last."""
_AHEAD = 0.5
"""What a path still carries, in the choice of the first, for each item above whose first path was of its kind."""
_TIMES = 4
"""Items above that count for it at most."""
_AGAIN = 0.5
"""What a path is still worth for each shown one of the same relation, and for each from the same product."""
_HEARD = 0.1
"""Part of the largest term from which on a kernel or prior is named by its code."""
_PRIORS = {"popular": Reason.POPULAR_FALLBACK, "trending": Reason.TRENDING}
_SAME = 0.2
"""What it is still worth for each shown one over the same entity: that has been said."""


@dataclass(frozen=True, slots=True)
class Voices:
    """What speaks for some products, laid out once for all of them."""

    parts: Float[np.ndarray, "kernel history target"]
    """What each product of the history adds to each target through each kernel."""
    scores: Float[np.ndarray, " target"]
    without: Float[np.ndarray, "history target"]
    """Score of each target without each product of the history."""
    starts: list[list[int]]
    """By target: places of the products of the history that say most and that a path may start from, the first first:
    without them the score falls, and they may be named. Few of them."""
    firsts: list[list[int]]
    """By target: the one that says most of each kind of evidence, where one says anything."""
    whole: list[dict[str, float]]
    """By target: what all products of the history together say of each kind of evidence."""
    disliked: Int[np.ndarray, " disliked"]
    """Places of the products with an event of negative weight that may be named."""


def listen(evidence: Evidence) -> Voices:
    """Lay out what speaks for the targets of an evidence."""
    parts = evidence.parts
    said = np.maximum(parts, 0.0)
    total = said.sum(axis=0)
    scores = parts.sum(axis=(0, 1)) + evidence.priors.sum(axis=0)
    without = evidence.scorer.totals_without(evidence.spread.heard, evidence.entries) + evidence.priors.sum(axis=0)
    usable = (without < scores) & evidence.ready.nameable[evidence.products][:, None] & (total > 0)
    kinds = evidence.ready.roles.kinds
    by_kind = np.stack([said[members].sum(axis=0) for members in kinds.values()])
    order = strongest(np.where(usable, total, -1.0), _MOST_STARTS).T.tolist()
    starts = [places[:number] for places, number in zip(order, usable.sum(axis=0).tolist(), strict=True)]
    firsts: list[list[int]] = [[] for _ in starts]
    if len(total):
        open_kinds = by_kind * usable
        best = np.where(open_kinds.max(axis=1) > 0, open_kinds.argmax(axis=1), -1)
        firsts = [[place for place in places if place >= 0] for places in best.T.tolist()]
    whole = [dict(zip(kinds, values, strict=True)) for values in by_kind.sum(axis=1).T.tolist()]
    return Voices(parts, scores, without, starts, firsts, whole, _disliked(evidence))


def _disliked(evidence: Evidence) -> Int[np.ndarray, " disliked"]:
    history, products = evidence.history, evidence.products
    against = np.searchsorted(products, np.unique(history.product[history.weight < 0]))
    return np.asarray(against[evidence.ready.nameable[products[against]]])


def true_paths(evidence: Evidence, voices: Voices, place: int, *, limit: int, told: Counter[str]) -> tuple[Path, ...]:
    """Return the paths of an item that are shown, the one to say first in front, the others by what they carry.

    Each exists, and the score falls when the product of the history it starts from is deleted. Chosen greedily by what
    rests on them, times how specific and how recent they are; what was said already, by relation or by product, is
    worth less again. A list whose items all begin alike tells less, so what stood first before stands back a little.

    Args:
        evidence: of the user.
        voices: of the evidence.
        place: of the item among the targets.
        limit: most paths.
        told: how often each kind of path stood first in the list so far; counts this one in.
    """
    found = _moving_grounds(evidence, voices, place)
    shown = _choose(evidence, found, limit, whole=voices.whole[place], told=told)
    if not shown:
        return ()
    first = max(shown, key=lambda ground: ground.part * _standing(ground, told))
    told[first.relation] += 1
    others = sorted((ground for ground in shown if ground is not first), key=lambda ground: -ground.part)
    product = int(evidence.targets[place])
    return tuple(
        tell_habit(evidence, product, ground.part)
        if ground.path is None
        else tell_path(evidence, ground.path, ground.part)
        for ground in (first, *others)
    )


def _moving_grounds(evidence: Evidence, voices: Voices, place: int) -> list[Ground]:
    """Paths from the products of the history that say most, and without which the score would be lower."""
    order, firsts = voices.starts[place], voices.firsts[place]
    said, score = voices.parts[:, :, place].T, abs(float(voices.scores[place]))
    product = int(evidence.targets[place])
    found: list[Ground] = []
    for number, start in enumerate(dict.fromkeys([*order[:_STARTS], *firsts, *order[_STARTS:]])):
        if found and number >= _STARTS + len(firsts):
            break
        parts = said[start].tolist()
        found += grounds(evidence, start, product=product, parts=parts, worth_a_detour=_DETOUR * score)
    bound = evidence.ready.reasons.min_share * score
    return [ground for ground in found if ground.part >= bound]


def _choose(
    evidence: Evidence, found: list[Ground], limit: int, *, whole: Mapping[str, float], told: Counter[str]
) -> list[Ground]:
    """Choose greedily.

    Args:
        evidence: of the user.
        found: what there is to choose from.
        limit: most to choose.
        whole: what all products of the history together say of each kind of evidence.
        told: how often each kind of path stood first in the list so far.
    """
    best: dict[str, float] = {}
    for ground in found:
        best[ground.relation] = max(best.get(ground.relation, 0.0), ground.part)
    worth = []
    for ground in found:
        # A taste is many products that say a little each: the strongest of them speaks for all.
        is_taste = ground.relation in evidence.ready.roles.entities
        behind = max(1.0, whole[ground.relation] / best[ground.relation]) if is_taste else 1.0
        recent = _OLD + (1.0 - _OLD) * evidence.recency[ground.start]
        worth.append(ground.part * behind * ground.specific * recent * _standing(ground, told))
    rest, shown = list(zip(worth, found, map(_entity, found), strict=True)), list[Ground]()
    while rest and len(shown) < limit:
        best_one = max(rest, key=lambda entry: entry[0])
        rest.remove(best_one)
        shown.append(best_one[1])
        rest = [(value * _freshness(ground, entity, *best_one[1:]), ground, entity) for value, ground, entity in rest]
    return shown


def _standing(ground: Ground, told: Counter[str]) -> float:
    """What a path is worth whose kind stood first in the list so far: less, never nothing; own habit keeps it all."""
    return 1.0 if ground.relation == HABIT else _AHEAD ** min(told[ground.relation], _TIMES)


def _freshness(ground: Ground, entity: GraphNode | None, other: Ground, over: GraphNode | None) -> float:
    """What a path is still worth beside another that is shown: less where they share relation, product or entity."""
    worth = 1.0
    if entity is not None and entity == over:
        worth = _SAME
    elif ground.relation == other.relation:
        worth = _AGAIN
    return worth * _AGAIN if ground.start == other.start else worth


def _entity(ground: Ground) -> GraphNode | None:
    """The brand, category or other entity that a path leads over; None where it leads over users or products."""
    middle = None if ground.path is None or ground.relation == OTHERS else ground.path.middle
    return None if middle is None or middle.label == "Product" else middle


def objection(evidence: Evidence, voices: Voices, place: int) -> Objection | None:
    """Return what the user did that takes most from an item, such as a return; None where nothing takes enough.

    Only events of negative weight count: what a learned kernel holds against an item is no deed of the user.

    Args:
        evidence: of the user.
        voices: of the evidence.
        place: of the item among the targets.
    """
    if not len(voices.disliked):
        return None
    taken = voices.parts[:, voices.disliked, place].sum(axis=0)
    score, start = float(voices.scores[place]), int(voices.disliked[taken.argmin()])
    enough = taken.min() < -evidence.ready.reasons.min_share * abs(score) and voices.without[start, place] > score
    return tell_objection(evidence, int(evidence.products[start]), float(taken.min())) if enough else None


def reason_codes(evidence: Evidence, by_kernel: Sequence[float], by_prior: Sequence[float]) -> tuple[Reason, ...]:
    """Return the reason codes of an item, PATH apart, the one that carried most first.

    What many customers do is said last beside other reasons, and alone where nothing of the user speaks for the item.

    Args:
        evidence: of the user.
        by_kernel: what each kernel adds to the item.
        by_prior: what each prior adds.
    """
    most = max(by_kernel, default=0.0)
    top = max(most, *by_prior) if by_prior else most
    names, codes = evidence.scorer.blend.priors, evidence.ready.roles.codes
    heard = {name for name, value in zip(names, by_prior, strict=True) if value > _HEARD * top}
    popular = tuple(code for name, code in _PRIORS.items() if name in heard)
    if top <= 0 or most < top:
        return popular or (Reason.POPULAR_FALLBACK,)
    said = sorted(zip(by_kernel, codes, strict=True), key=lambda pair: -pair[0])
    return tuple(dict.fromkeys((*(code for value, code in said if value > _HEARD * top), *popular)))
