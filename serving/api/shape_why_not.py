"""Shapes what keeps a product out of a list, and what would turn that over, as the public JSON of v1."""

from typing import Any

from serving.api.cards import Cards
from serving.counterfactual import Change, WhatIf
from serving.explain import Explanation
from serving.why_not import Cause, Comparison, Difference


def shape_why_not(explanation: Explanation, cards: Cards) -> dict[str, Any]:
    """Return the members of an explanation that say where the product stands in the list and why."""
    against, turned = explanation.against, explanation.what_if
    return {
        "n": explanation.n,
        "rank_of_allowed": explanation.rank_of_allowed,
        "num_allowed": explanation.num_allowed,
        "by_kernel": explanation.by_kernel,
        "by_prior": explanation.by_prior,
        "against": None if against is None else _comparison(against, cards),
        "causes": [_cause(cause) for cause in explanation.causes],
        "what_if": None if turned is None else _what_if(turned),
    }


def _comparison(against: Comparison, cards: Cards) -> dict[str, Any]:
    return {
        "product_id": against.product_id,
        "rank": against.rank,
        "score": against.score,
        "gap": against.gap,
        "by_kernel": [_difference(part, "kernel") for part in against.by_kernel],
        "by_history": [_difference(part, "product_id") for part in against.by_history],
        "metadata": cards.card(against.product_id),
    }


def _difference(part: Difference, source: str) -> dict[str, Any]:
    return {source: part.source, "value": part.value, "other": part.other, "difference": part.difference}


def _cause(cause: Cause) -> dict[str, Any]:
    return {"cause": str(cause.kind), "text": cause.text, "filter": cause.filter, "has": list(cause.has)}


def _what_if(turned: WhatIf) -> dict[str, Any]:
    return {
        "removal": _change(turned.removal),
        "addition": _change(turned.addition),
        "own": _change(turned.own),
        "considered": turned.num_considered,
        "exact": turned.is_exact,
        "text": turned.text,
    }


def _change(change: Change | None) -> dict[str, Any] | None:
    if change is None:
        return None
    return {
        "product_ids": list(change.product_ids),
        "event": change.event,
        "rank": change.rank,
        "text": change.text,
    }
