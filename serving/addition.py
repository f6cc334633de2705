"""The smallest addition to a user's history that brings a product into the list: one further event, or two, or three.

Every addition that is returned went through `serving.history` as a real event does, was scored as the served model
scores, and the list ranked anew by the same filter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float, Int

from gnn.score import History, decayed, mass_floor, top_products
from kg.schema import EventKind
from kg.snapshot import Snapshot
from serving.answer import SessionEvent
from serving.history import Past
from serving.standing import Question, Standing

MOST_EVENTS = 3
"""Most further events of one addition."""
_CANDIDATES = 30


@dataclass(frozen=True, slots=True)
class Addition:
    """Further events that bring a product into the list."""

    products: tuple[int, ...]
    """Rows of the products, in order of the events."""
    event: str
    """Type of each event."""
    after: Standing


def strongest_event(snapshot: Snapshot) -> EventKind | None:
    """Return the declared event type that counts most; None where none counts for a product."""
    kinds = [snapshot.schema.events[name] for name in snapshot.event_names]
    best = max(kinds, key=lambda kind: kind.weight, default=None)
    return best if best is not None and best.weight > 0 else None


def smallest_addition(question: Question, past: Past) -> Addition | None:
    """Return the fewest further events, none of them with the product itself, that bring a product into the list.

    Every step tries the products that the kernels say most for it by, beside the product that is last in the list.

    Args:
        question: a product that is not in the list but may be recommended, and the list.
        past: what the user did.
    """
    kind = strongest_event(question.ready.bundle.snapshot)
    if kind is None:
        return None
    chosen: tuple[int, ...] = ()
    for _ in range(MOST_EVENTS):
        tried = [(*chosen, row) for row in _candidates(question, past, kind, chosen).tolist() if row not in chosen]
        stands = question.stand_each([_extended(question, past, kind, rows) for rows in tried])
        if not tried:
            return None
        best = max(range(len(tried)), key=lambda place: (stands[place].is_listed, stands[place].lead))
        chosen = tried[best]
        if stands[best].is_listed:
            return _fewest(question, past, kind, chosen)
    return None


def own_addition(question: Question, past: Past) -> Addition | None:
    """Return one further event with the product itself if that brings it into the list.

    Args:
        question: a product that is not in the list but may be recommended, and the list.
        past: what the user did.
    """
    kind = strongest_event(question.ready.bundle.snapshot)
    if kind is None or question.excludes_seen:
        return None
    return _try(question, past, kind, (question.product,))


def _fewest(question: Question, past: Past, kind: EventKind, chosen: tuple[int, ...]) -> Addition | None:
    """The smallest part of some events that does it as well; the scoring is the one of a request by itself."""
    for size in range(1, len(chosen) + 1):
        for rows in combinations(chosen, size):
            if found := _try(question, past, kind, rows):
                return found
    return None


def _try(question: Question, past: Past, kind: EventKind, rows: tuple[int, ...]) -> Addition | None:
    after = question.stand(_extended(question, past, kind, rows))
    return Addition(rows, kind.name, after) if after.is_listed else None


def _extended(question: Question, past: Past, kind: EventKind, rows: Sequence[int]) -> History:
    ids = question.ready.bundle.snapshot.ids("Product")
    return past.read(*(SessionEvent(ids[row], kind.name) for row in rows))


def _candidates(question: Question, past: Past, kind: EventKind, chosen: Sequence[int]) -> Int[np.ndarray, " product"]:
    """The products with which one further event would, by arithmetic, bring the product furthest.

    The step that the event is makes older ones a step older; that is left out here, and counted when it is scored.
    """
    history = _extended(question, past, kind, chosen)
    standing = question.stand(history)
    last = top_products(standing.scores, standing.allowed, k=question.n)[-1:]
    totals = _totals_with_each(question, history, kind, targets=np.r_[question.product, last])
    lead = totals[:, 0] - totals[:, 1:].max(axis=1, initial=-np.inf)
    return top_products(totals[:, 0] if np.isinf(lead).any() else lead, _can_be_had(question), k=_CANDIDATES)


def _can_be_had(question: Question) -> Bool[np.ndarray, " product"]:
    found = question.ready.shelf.available.copy()
    found[question.product] = False
    return found


def _totals_with_each(
    question: Question, history: History, kind: EventKind, *, targets: Int[np.ndarray, " target"]
) -> Float[np.ndarray, "product target"]:
    """The scores of some targets with one further event of each product of the catalogue in turn, priors left out."""
    scorer, snapshot = question.ready.bundle.scorer, question.ready.bundle.snapshot
    weight = kind.weight / max(abs(snapshot.schema.events[name].weight) for name in snapshot.event_names)
    faded, every = decayed(history, scorer.blend.decays), np.arange(scorer.priors.shape[1])
    total = np.zeros((len(every), len(targets)))
    for kernel, weights in zip(scorer.kernels, scorer.blend.weights, strict=True):
        used = np.flatnonzero(weights)
        if not len(used):
            continue
        said = faded[used] @ kernel.entries(history.product, targets)
        mass = np.abs(faded[used]) @ kernel.mass[history.product]
        with_each = np.maximum(mass + weight * kernel.mass[:, None], mass_floor(kernel))
        scale = weights[used] / with_each**scorer.blend.mass_power
        total += scale @ said + weight * scale.sum(axis=1, keepdims=True) * kernel.entries(every, targets)
    return total
