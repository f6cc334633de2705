"""Shapes answers as the public JSON of v1: plain dictionaries, built once and written once.

`serving.api.schemas` describes the same JSON for the OpenAPI document; a test holds the two together.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from serving.answer import Answer, Contribution, Item, Path
from serving.api.cards import Cards
from serving.api.shape_why_not import shape_why_not
from serving.explain import Explanation
from serving.search import Found


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every answer carries beside its content."""

    request_id: str
    took_ms: float
    degraded: bool
    recommendation_id: str | None = None
    """None for answers that are no recommendation."""


def shape_answer(answer: Answer, cards: Cards, *, stamp: Stamp) -> dict[str, Any]:
    """Return a list of recommended or similar products."""
    return {
        "request_id": stamp.request_id,
        "recommendation_id": stamp.recommendation_id,
        "model_version": answer.model_version,
        "graph_version": answer.graph_version,
        "took_ms": stamp.took_ms,
        "degraded": stamp.degraded,
        "events_used": answer.events_used,
        "items": [shape_item(item, cards) for item in answer.items],
        "removed": answer.removed,
        "rules": list(answer.rules),
        "next_cursor": answer.next_cursor,
    }


def shape_surface(answer: Answer, cards: Cards, *, stamp: Stamp) -> dict[str, Any]:
    """Return a list that is about nobody in particular: no record is kept, and nobody's events took part."""
    whole = shape_answer(answer, cards, stamp=stamp)
    return {
        name: value for name, value in whole.items() if name not in ("recommendation_id", "events_used", "next_cursor")
    }


def shape_search(found: Found, cards: Cards, *, stamp: Stamp, debug: bool) -> dict[str, Any]:
    """Return what a search found, and with `debug` what was read off it."""
    understood = {
        "words": [term.word for term in found.understood.terms],
        "filters": list(found.filters),
        "dropped": list(found.dropped),
        "corrected": found.corrected,
    }
    return {**shape_surface(found.answer, cards, stamp=stamp), "understood": understood if debug else None}


def shape_explanation(
    explanation: Explanation, cards: Cards, *, stamp: Stamp, model_version: str, graph_version: str
) -> dict[str, Any]:
    """Return why a product is, or is not, recommended."""
    return {
        "request_id": stamp.request_id,
        "model_version": model_version,
        "graph_version": graph_version,
        "took_ms": stamp.took_ms,
        "degraded": stamp.degraded,
        "item": shape_item(explanation.item, cards),
        "rank_of_all": explanation.rank_of_all,
        "num_products": explanation.num_products,
        "in_top": explanation.in_top,
        "removed_by": explanation.removed_by,
        **shape_why_not(explanation, cards),
    }


def shape_item(item: Item, cards: Cards) -> dict[str, Any]:
    """Return one product of a list."""
    return {
        "product_id": item.product_id,
        "rank": item.rank,
        "score": item.score,
        "source": item.source,
        "reasons": [str(reason) for reason in item.reasons],
        "text": item.text,
        "paths": [_path(path) for path in item.paths],
        "rules": [{"name": mark.name, "action": mark.action} for mark in item.rules],
        "although": None if item.although is None else asdict(item.although),
        "contributions": [_contribution(part) for part in item.contributions],
        "metadata": cards.card(item.product_id),
    }


def iso_time(at_ms: int | None) -> str | None:
    """Return epoch milliseconds as ISO 8601 in UTC: `2024-01-31T12:00:00.000Z`; None stays None."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _path(path: Path) -> dict[str, Any]:
    return {
        "nodes": [{"id": node.id, "type": node.type, "label": node.label} for node in path.nodes],
        "edges": [
            {
                "type": edge.type,
                "from": edge.source,
                "to": edge.target,
                "weight": edge.weight,
                "at": iso_time(edge.at_ms),
            }
            for edge in path.edges
        ],
        "contribution": path.contribution,
        "pattern": path.pattern,
        "text": path.text,
    }


def _contribution(part: Contribution) -> dict[str, Any]:
    return {"kernel": part.kernel, "product_id": part.product_id, "value": part.value}
