"""What the routes of business rules send, and how it is made from what is kept. The routes are `serving.api.rules`."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cypher.errors import InputError
from serving.api.cards import Cards
from serving.api.shape import iso_time
from serving.arrangement import check_rule
from serving.rule_log import KeptRule
from serving.rule_preview import Preview
from serving.rules import Action, ListName, Rule, Weekday
from serving.shelf import Shelf


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KeptRuleOut(_Part):
    """A rule as it is kept."""

    name: str = Field(examples=["spring-tea"])
    state: str = Field(description="`waiting`, `in force` or `over`.", examples=["in force"])
    action: Action = Field(examples=["boost"])
    filter: str | None = Field(examples=['category = "Tea"'])
    product_ids: list[str] = Field(examples=[[]])
    strength: float | None = Field(examples=[0.3])
    positions: list[int] = Field(examples=[[]])
    most: int | None = Field(examples=[None])
    per: str | None = Field(examples=[None])
    within: int | None = Field(examples=[None])
    lists: list[ListName] = Field(examples=[["recommend"]])
    starts_at: str | None = Field(examples=["2026-03-01T00:00:00.000Z"])
    ends_at: str | None = Field(examples=["2026-04-01T00:00:00.000Z"])
    devices: list[str] = Field(examples=[["phone"]])
    places: list[str] = Field(examples=[["de", "at"]])
    hours: str | None = Field(examples=["18-23"])
    weekdays: list[Weekday] = Field(examples=[["sat", "sun"]])
    note: str = Field(examples=["Spring campaign"])
    changed_at: str = Field(description="When it was written last.", examples=["2026-02-20T09:30:00.000Z"])
    etag: str = Field(
        description="Of the rule as it is kept, for `If-Match`; another one whenever it is written.",
        examples=['"0f5b9c6a4e1d3b7c8a2f6e90"'],
    )
    num_products: int | None = Field(
        description="Products that it is about; null: it names what the shop does not have, and does nothing.",
        examples=[14],
    )


class RulesAnswer(_Part):
    """Every rule of the shop, by name."""

    request_id: str = Field(examples=["0b9f6c1e5a3d4c1f8f0e7a6b5c4d3e2f"])
    took_ms: float = Field(examples=[1.2])
    rules: list[KeptRuleOut]


class RuleAnswer(_Part):
    """One rule of the shop."""

    request_id: str = Field(examples=["0b9f6c1e5a3d4c1f8f0e7a6b5c4d3e2f"])
    took_ms: float = Field(examples=[1.2])
    rule: KeptRuleOut


class RuleWrittenAnswer(_Part):
    """A rule that was written."""

    request_id: str = Field(examples=["0b9f6c1e5a3d4c1f8f0e7a6b5c4d3e2f"])
    took_ms: float = Field(examples=[4.2])
    created: bool = Field(description="false: it took the place of one of its name.", examples=[True])
    rule: KeptRuleOut


class RuleDeletedAnswer(_Part):
    """A rule that is gone."""

    request_id: str = Field(examples=["0b9f6c1e5a3d4c1f8f0e7a6b5c4d3e2f"])
    took_ms: float = Field(examples=[4.2])
    name: str = Field(examples=["spring-tea"])


class PreviewItem(_Part):
    """One place of a list with the rule."""

    rank: int = Field(examples=[1])
    product_id: str = Field(examples=["p05"])
    title: str | None = Field(examples=["Green tea"])
    rank_before: int | None = Field(description="Without the rule; null: it was not in the list.", examples=[4])
    rules: list[str] = Field(description="Rules that moved it.", examples=[["spring-tea"]])


class PreviewAnswer(_Part):
    """A list without a rule and with it."""

    request_id: str = Field(examples=["0b9f6c1e5a3d4c1f8f0e7a6b5c4d3e2f"])
    took_ms: float = Field(examples=[6.1])
    num_products: int = Field(description="Products that the rule is about.", examples=[14])
    examples: list[str] = Field(description="The first of them.", examples=[["p01", "p05"]])
    changes_list: bool = Field(description="Whether the rule changes such lists at all.")
    before: list[str] = Field(description="Products without the rule.", examples=[["p02", "p05"]])
    after: list[PreviewItem]
    left: list[str] = Field(description="Products that are no longer in the list.", examples=[["p02"]])


def shape_rule(kept: KeptRule, shelf: Shelf | None, *, now_ms: int) -> dict[str, Any]:
    """Return a rule as machines are told of it.

    Args:
        kept: the rule.
        shelf: the catalogue that says how many products it is about; None: nobody does.
        now_ms: the time, epoch milliseconds.
    """
    rule = kept.rule
    return {
        "name": rule.name,
        "state": rule.state(now_ms),
        "action": rule.action,
        "filter": rule.where,
        "product_ids": list(rule.product_ids),
        "strength": rule.strength,
        "positions": list(rule.positions),
        "most": rule.most,
        "per": rule.per,
        "within": rule.within,
        "lists": list(rule.lists),
        "starts_at": iso_time(rule.starts_at_ms),
        "ends_at": iso_time(rule.ends_at_ms),
        "devices": list(rule.devices),
        "places": list(rule.places),
        "hours": rule.hours,
        "weekdays": list(rule.weekdays),
        "note": rule.note,
        "changed_at": iso_time(kept.changed_at_ms),
        "etag": f'"{kept.version}"',
        "num_products": None if shelf is None else _num_products(shelf, rule),
    }


def _num_products(shelf: Shelf, rule: Rule) -> int | None:
    try:
        return int(check_rule(shelf, rule).sum())
    except InputError:
        return None


def shape_preview(found: Preview, cards: Cards) -> dict[str, Any]:
    """Return a list without a rule and with it."""
    return {
        "num_products": found.num_products,
        "examples": list(found.examples),
        "changes_list": found.changes_list,
        "before": [item.product_id for item in found.before],
        "after": [
            {
                "rank": item.rank,
                "product_id": item.product_id,
                "title": cards.card(item.product_id)["title"],
                "rank_before": found.rank_before(item.product_id),
                "rules": [mark.name for mark in item.rules],
            }
            for item in found.after
        ],
        "left": list(found.left),
    }
