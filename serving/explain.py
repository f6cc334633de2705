"""Why a product stands where it stands: the score taken apart, and the graph paths that carried it.

A path is shown only if each of its edges is in the snapshot and only if the product's score falls when the product of
the history it starts from is taken away. Attention weights are never shown.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from gnn.score import Spread
from serving.answer import Item, Reason, RecommendRequest, check_page
from serving.counterfactual import WhatIf
from serving.counterfactual import what_if as find_what_if
from serving.evidence import Evidence, contributions, take_apart
from serving.history import EventReader, past_of
from serving.ready import Ready
from serving.reasons import listen, objection, reason_codes, true_paths
from serving.stages import lap
from serving.standing import Question
from serving.why_not import BLOCKING, Cause, Comparison, compare, find_causes
from serving.words import Words, describe_item


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a product is, or is not, recommended to a user."""

    item: Item
    """The product as an item, `rank` among all products."""
    rank_of_all: int
    """Rank among the whole catalogue; 1 is the best."""
    num_products: int
    rank_of_allowed: int
    """Rank among what may be recommended; for a product that may not, the rank it would have."""
    num_allowed: int
    """Products that may be recommended."""
    n: int
    """Length of the list that was asked about."""
    removed_by: str | None
    """What keeps it out of lists: `unavailable`, `filter`, `rule`, `seen`, `shown_often`; None: nothing."""
    in_top: bool
    """Whether it is among the n best that may be recommended."""
    by_kernel: dict[str, float]
    """What each kernel adds to the score, largest first; those that add nothing are left out."""
    by_prior: dict[str, float]
    """What each prior adds to the score; with the kernels they add up to it."""
    against: Comparison | None
    """The product beside the last of the list; None where there is no other."""
    causes: tuple[Cause, ...]
    """Everything that keeps it out of the list; empty for a product that is in it."""
    what_if: WhatIf | None
    """The smallest changes that turn the answer over; None unless asked for."""


def explain_items(
    ready: Ready,
    targets: Int[np.ndarray, " target"],
    spread: Spread,
    *,
    user: int | None,
    paths: int,
    first_rank: int,
    words: Words | None = None,
) -> tuple[Item, ...]:
    """Return ranked products as items.

    With paths the score of an item is the sum of its contributions, without them the one it was ranked by; both are the
    same to the last digits of float32.

    Args:
        ready: the bundle.
        targets: product rows in order.
        spread: what the user did, spread over the catalogue.
        user: row of the user, None when unknown.
        paths: paths shown an item at most; 0 leaves paths and contributions out.
        first_rank: rank of the first target.
        words: how reasons are told; None: in the shop's language, in full sentences.
    """
    if not len(targets):
        return ()
    evidence = take_apart(ready, targets, spread, user=user, words=words)
    if not paths:
        by_kernel = ready.bundle.scorer.by_kernel(spread, targets)
        return tuple(_plain_items(evidence, by_kernel, first_rank=first_rank))
    plain = tuple(_plain_items(evidence, evidence.parts.sum(axis=1), first_rank=first_rank))
    return _with_reasons(evidence, plain, paths=paths)


def explain(
    ready: Ready, events: EventReader, product_id: str, *, request: RecommendRequest, what_if: bool = False
) -> Explanation:
    """Return why a product is, or is not, in the answer to a request.

    Args:
        ready: the bundle.
        events: gives what the user did after the bundle was made.
        product_id: any product of the bundle.
        request: the wish; its `offset` and `n` together are the length of the list.
        what_if: whether to look for the smallest changes of the history that turn the answer over.

    Raises:
        UnknownProduct: the bundle does not hold the product.
        InputError: n or offset out of range, a filter that names what the shop does not have, or a language that
            reasons are not told in.
    """
    check_page(request.n, request.offset)
    bundle = ready.bundle
    product = ready.product_row(product_id)
    past = past_of(bundle, events, request)
    history = past.read()
    lap("history")
    question = Question(ready, product, request.filter, request.offset + request.n, request.shown_often)
    spread = bundle.scorer.spread(history)
    standing = question.judge(spread.scores, history)
    lap("score")
    words, rank = ready.words(request.language, request.surface), standing.rank_of_all
    target = np.array([product])
    (item,) = explain_items(ready, target, spread, user=past.user, paths=request.paths, first_rank=rank, words=words)
    split = bundle.scorer.split(history, target)
    causes = find_causes(question, history, standing)
    lap("reasons")
    return Explanation(
        replace(item, score=float(split.total[0])),  # what the parts below add up to
        standing.rank_of_all,
        len(standing.scores),
        standing.rank,
        int(standing.allowed.sum()),
        question.n,
        next((str(cause.kind) for cause in causes if cause.kind in BLOCKING), None),
        standing.is_listed,
        _largest_first(bundle.scorer.blend.kernels, split.parts.sum(axis=(1, 2))),
        _largest_first(bundle.scorer.blend.priors, split.priors.sum(axis=1)),
        compare(question, history, standing),
        causes,
        find_what_if(question, past, standing, causes) if what_if else None,
    )


def _largest_first(names: tuple[str, ...], values: Float[np.ndarray, " source"]) -> dict[str, float]:
    pairs = sorted(zip(names, values.tolist(), strict=True), key=lambda pair: -abs(pair[1]))
    return {name: value for name, value in pairs if value}


def _plain_items(
    evidence: Evidence, by_kernel: Float[np.ndarray, "kernel target"], *, first_rank: int
) -> Iterator[Item]:
    """The targets with their scores and reason codes, without paths and contributions."""
    blend, ids = evidence.scorer.blend, evidence.ready.bundle.snapshot.ids("Product")
    names = (*blend.kernels, *blend.priors)
    columns = zip(evidence.targets.tolist(), by_kernel.T.tolist(), evidence.priors.T.tolist(), strict=True)
    for rank, (product, said, by_prior) in enumerate(columns, start=first_rank):
        values = [*said, *by_prior]
        source = names[values.index(max(values))]
        reasons = reason_codes(evidence, said, by_prior)
        text = describe_item(evidence.words, (), reasons)
        yield Item(ids[product], rank, sum(values), source, reasons, (), (), text)


def _with_reasons(evidence: Evidence, items: tuple[Item, ...], *, paths: int) -> tuple[Item, ...]:
    """The items with the paths that carried them, their contributions, and what speaks against them."""
    voices, told = listen(evidence), Counter[str]()
    terms = contributions(evidence, voices.parts)
    found = []
    for place, item in enumerate(items):
        shown = true_paths(evidence, voices, place, limit=paths, told=told)
        reasons = (Reason.PATH, *item.reasons) if shown else item.reasons
        text = describe_item(evidence.words, shown, reasons)
        against = objection(evidence, voices, place)
        found.append(
            replace(item, reasons=reasons, paths=shown, contributions=terms[place], text=text, although=against)
        )
    return tuple(found)
