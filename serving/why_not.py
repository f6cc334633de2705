"""What keeps a product out of a list, each cause in a plain sentence, and what separates it from another product.

Counterfactuals (`what if the user had not ...`) are `serving.counterfactual`.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Float

from gnn.score import History, top_products
from serving.answer import Filter
from serving.filters import conjuncts, parse_filter
from serving.ready import Ready
from serving.standing import Question, Standing

_TERMS = 8


class CauseKind(StrEnum):
    """What keeps a product out of a list, in one word."""

    UNAVAILABLE = "unavailable"
    """The shop says that it cannot be had."""
    FILTER = "filter"
    """The request asks for other products."""
    RULE = "rule"
    """A rule of the shop hides it."""
    SEEN = "seen"
    """The user had it before, and such products are left out."""
    SHOWN_OFTEN = "shown_often"
    """The user was shown it often and did not choose it, so others come first."""
    NO_EVIDENCE = "no_evidence"
    """Nothing that the user did speaks for it or against it."""
    OUTSCORED = "outscored"
    """Others have more evidence."""


BLOCKING = frozenset({CauseKind.UNAVAILABLE, CauseKind.FILTER, CauseKind.RULE, CauseKind.SEEN, CauseKind.SHOWN_OFTEN})
"""Causes that no score overcomes."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that keeps a product out of a list."""

    kind: CauseKind
    text: str
    """The cause in a plain sentence."""
    filter: str | None = None
    """Which part of the filter: `categories`, `brand`, `price_max`, `where`, `in_stock`, `exclude_ids`; None: no
    filter."""
    has: tuple[str, ...] = ()
    """What the product has where the filter asks for something else; empty: nothing."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One part of two scores, side by side."""

    source: str | None
    """Kernel, prior or product of the history; None for what rests on no single product of it: priors and the many
    small ones."""
    value: float
    """What it adds to the product asked for."""
    other: float
    """What it adds to the product it is compared with."""

    @property
    def difference(self) -> float:
        """How much more it adds to the product asked for."""
        return self.value - self.other


@dataclass(frozen=True, slots=True)
class Comparison:
    """A product beside the one that it is measured against."""

    product_id: str
    """The last of the list; for a product that is itself the last, the first that is left out."""
    rank: int
    """Rank of that one among what may be recommended."""
    score: float
    gap: float
    """Score of the product asked for less that of the other; below 0: so much it lacks."""
    by_kernel: tuple[Difference, ...]
    """The gap by kernel and prior, largest first; their differences add up to the gap."""
    by_history: tuple[Difference, ...]
    """The gap by product of the history, largest first, the rest last; their differences add up to the gap."""


def find_causes(question: Question, history: History, standing: Standing) -> tuple[Cause, ...]:
    """Return everything that keeps a product out of a list; nothing for a product that is in it.

    Args:
        question: which product, and which list.
        history: what the user did.
        standing: where the product stands.
    """
    found = [*_blocked_by(question)]
    had = int((history.product == question.product).sum())
    if had and question.excludes_seen:
        often = "once" if had == 1 else f"{had} times"
        text = f"It is in the history ({often}), and products of the history are left out"
        found.append(Cause(CauseKind.SEEN, text))
    if question.comes_last and standing.rank > question.n:
        text = "It was shown to the user often of late and not chosen, so all others come first"
        found.append(Cause(CauseKind.SHOWN_OFTEN, text))
    elif standing.rank > question.n:
        found.append(_evidence_cause(question, history, standing))
    return tuple(found)


def compare(question: Question, history: History, standing: Standing) -> Comparison | None:
    """Return what separates a product from the one it is measured against; None where there is no other.

    Args:
        question: which product, and which list.
        history: what the user did.
        standing: where the product stands.
    """
    ranked = top_products(standing.scores, standing.allowed, k=question.n + 1)
    place = min(question.n, len(ranked)) - 1
    if place >= 0 and ranked[place] == question.product:
        place += 1
    if not 0 <= place < len(ranked):
        return None
    bundle = question.ready.bundle
    # One by one, as the item is taken apart: float32 products of matrices differ in their last digits by shape.
    own, other = (bundle.scorer.split(history, np.array([row])) for row in (question.product, ranked[place]))
    parts, priors = np.concatenate([own.parts, other.parts], axis=2), np.concatenate([own.priors, other.priors], axis=1)
    blend, ids = bundle.scorer.blend, bundle.snapshot.ids("Product")
    names = (*blend.kernels, *blend.priors)
    by_kernel = _largest(names, np.concatenate([parts.sum(axis=1), priors]))
    by_history = _by_history([ids[row] for row in own.products], parts.sum(axis=0), priors.sum(axis=0))
    score = float(other.total[0])
    return Comparison(ids[ranked[place]], place + 1, score, float(own.total[0]) - score, by_kernel, by_history)


def _blocked_by(question: Question) -> Iterator[Cause]:
    """The parts of the filter that the product does not pass, one by one."""
    wish = question.filter
    parts = [("in_stock", Filter(in_stock=wish.in_stock))]
    parts += [("categories", Filter(in_stock=False, categories=(wanted,))) for wanted in wish.categories]
    parts += [
        ("brand", Filter(in_stock=False, brand=wish.brand)),
        ("price_max", Filter(in_stock=False, price_max=wish.price_max)),
        ("exclude_ids", Filter(in_stock=False, exclude_ids=wish.exclude_ids)),
    ]
    if wish.where is not None:
        parts += [("where", Filter(in_stock=False, where=str(part))) for part in conjuncts(parse_filter(wish.where))]
    for name, part in parts:
        if not question.ready.shelf.matching(part)[question.product]:
            yield _filter_cause(question, name, part)
    arranged = question.ready.arranged(wish.rules)
    for rule in arranged.rules:
        if rule.action == "hide" and arranged.about[rule.name][question.product]:
            yield Cause(CauseKind.RULE, f"The rule {rule.name} of the shop hides it")


def _filter_cause(question: Question, name: str, part: Filter) -> Cause:
    snapshot, product = question.ready.bundle.snapshot, question.product
    if name == "in_stock":
        return Cause(CauseKind.UNAVAILABLE, "The shop says that it is not available", name)
    if name == "categories":
        has = _linked(question.ready, "IN_CATEGORY", product)
        text = f"It is in {_listed(has)} and not in {part.categories[0]!r}" if has else "It is in no category"
    elif name == "brand":
        has = _linked(question.ready, "MADE_BY", product)
        text = f"Its brand is {_listed(has)} and not {part.brand!r}" if has else "It has no brand"
    elif name == "price_max":
        price = float(question.ready.shelf.price[product])
        has = () if np.isnan(price) else (f"{price:g}",)
        text = f"Its price is {price:g}, above {part.price_max:g}" if has else "It has no price"
    elif name == "where":
        return Cause(CauseKind.FILTER, f"The filter asks for {part.where}", name)
    else:
        has = (snapshot.ids("Product")[product],)
        text = "The request excludes it by its id"
    return Cause(CauseKind.FILTER, text, name, has)


def _evidence_cause(question: Question, history: History, standing: Standing) -> Cause:
    """Why a product that would not be among the n best stands so low."""
    scorer, every = question.ready.bundle.scorer, np.arange(len(standing.scores))
    if not len(history):
        text = "Nothing is known of the user, so only what is popular with everybody counts"
        return Cause(CauseKind.NO_EVIDENCE, f"{text}, and others are more popular")
    target = np.array([question.product])
    products = np.unique(history.product)
    if not scorer.split(history, target).parts.any():
        if not scorer.entries(every, target).any():
            return Cause(CauseKind.NO_EVIDENCE, "No kernel links it to any other product")
        text = f"Nothing among the {len(products)} products of the history speaks for it"
        return Cause(CauseKind.NO_EVIDENCE, text)
    ahead = "One product" if standing.rank == 2 else f"{standing.rank - 1:,} products"
    has = "has" if standing.rank == 2 else "have"
    text = f"{ahead} that may be recommended {has} a higher score, and the list takes {question.n}"
    return Cause(CauseKind.OUTSCORED, text)


def _linked(ready: Ready, relation: str, product: int) -> tuple[str, ...]:
    """What the nodes that a product points to are called."""
    snapshot = ready.bundle.snapshot
    edges, kind = snapshot.edges[relation], snapshot.schema.relation(relation).target
    first, last = np.searchsorted(edges.source, [product, product + 1])
    return tuple(ready.shelf.label(kind, int(row)) for row in edges.target[first:last])


def _listed(names: tuple[str, ...]) -> str:
    return " and ".join(names)


def _largest(names: Sequence[str], values: Float[np.ndarray, "source two"]) -> tuple[Difference, ...]:
    """Sources that add something to either product, those that separate the two most first."""
    found = [Difference(name, own, other) for name, (own, other) in zip(names, values.tolist(), strict=True)]
    return tuple(sorted((part for part in found if part.value or part.other), key=lambda part: -abs(part.difference)))


def _by_history(
    names: Sequence[str], values: Float[np.ndarray, "history two"], priors: Float[np.ndarray, " two"]
) -> tuple[Difference, ...]:
    """The products of the history that separate most, then the others and the priors in one."""
    found = _largest(names, values)
    rest = [priors.tolist(), *((part.value, part.other) for part in found[_TERMS:])]
    own, other = (math.fsum(pair[side] for pair in rest) for side in (0, 1))
    return (*found[:_TERMS], Difference(None, own, other))
