"""What requests of those who look after a shop may say.

Written from docs/openapi.json by `make openapi`; not to be changed by hand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypedDict


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a rule says; which fields go with which action stands in docs/rules.md."""

    action: Literal["pin", "boost", "bury", "hide", "cap"]
    devices: Sequence[str] | None = None
    """Devices that it holds for; empty: all."""
    ends_at: datetime | None = None
    """ISO 8601; null: never."""
    filter: str | None = None
    """Products that it is about."""
    hours: str | None = None
    """Hours of the day that it holds in, `[lists] time_zone`; null: all day."""
    lists: Sequence[Literal["recommend", "similar", "bought_together", "trending", "new", "search"]] | None = None
    """Lists that it changes; empty: all."""
    most: int | None = None
    """Of a cap: how many products."""
    note: str | None = None
    """What it is for."""
    per: str | None = None
    """Of a cap: `brand`, `category` or a declared kind; null: all together."""
    places: Sequence[str] | None = None
    """Places that it holds for; empty: all."""
    positions: Sequence[int] | None = None
    """Of a pin; 1 is the first."""
    product_ids: Sequence[str] | None = None
    """Products that it is about, instead of a filter."""
    starts_at: datetime | None = None
    """ISO 8601; null: at once."""
    strength: float | None = None
    """Of a boost or bury; not given: 0.3."""
    weekdays: Sequence[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] | None = None
    """Days of the week that it holds on; empty: all."""
    within: int | None = None
    """Of a cap: in so many places; not given: 10."""


class AskByBodyOptions(TypedDict, total=False):
    """What `ask_by_body` may be told."""

    params: Mapping[str, Any]
    """By name, as GET /v1/graph/queries lists them."""


class AskCypherOptions(TypedDict, total=False):
    """What `ask_cypher` may be told."""

    params: Mapping[str, Any]
    """Values by name."""
    rows: int
    """Most rows of the answer."""


class DeleteRuleOptions(TypedDict, total=False):
    """What `delete_rule` may be told."""

    if_match: str | None
    """`etag` of the rule as it was read: nothing is done if somebody changed it meanwhile."""


class ListRunsOptions(TypedDict, total=False):
    """What `list_runs` may be told."""

    n: int
    """How many of the latest."""


class LookUpOptions(TypedDict, total=False):
    """What `look_up` may be told."""

    replay: bool
    """Compute the list again and say whether it is the same."""


class PreviewRuleOptions(TypedDict, total=False):
    """What `preview_rule` may be told."""

    device: str | None
    """What the list is shown on, in a word of the shop's; rules may hold for it."""
    list: Literal["recommend", "similar", "bought_together", "trending", "new", "search"]
    """Which list."""
    n: int
    """Products of the list."""
    place: str | None
    """Where it is asked from, in a word of the shop's; rules may hold for it."""
    product_id: str | None
    """Of `similar` and `bought_together`."""
    q: str | None
    """Of `search`."""
    rule: Rule | None
    """What it would say; null: as it is kept, whether it holds or not."""
    user_id: str | None
    """Of `recommend`; null: nobody in particular."""


class TellUptakeOptions(TypedDict, total=False):
    """What `tell_uptake` may be told."""

    by: (
        Literal["surface", "placement", "position", "model_version"]
        | Sequence[Literal["surface", "placement", "position", "model_version"]]
    )
    """What rows differ in; of nothing there is one row."""
    since: datetime | None
    """ISO 8601; not given: seven days before `until`."""
    until: datetime | None
    """ISO 8601; not given: now."""
    days: float
    """Days after a list within which an event that names no list may speak for it."""


class WriteRuleOptions(TypedDict, total=False):
    """What `write_rule` may be told."""

    if_match: str | None
    """`etag` of the rule as it was read: nothing is done if somebody changed it meanwhile."""
    devices: Sequence[str]
    """Devices that it holds for; empty: all."""
    ends_at: datetime | None
    """ISO 8601; null: never."""
    filter: str | None
    """Products that it is about."""
    hours: str | None
    """Hours of the day that it holds in, `[lists] time_zone`; null: all day."""
    lists: Sequence[Literal["recommend", "similar", "bought_together", "trending", "new", "search"]]
    """Lists that it changes; empty: all."""
    most: int | None
    """Of a cap: how many products."""
    note: str
    """What it is for."""
    per: str | None
    """Of a cap: `brand`, `category` or a declared kind; null: all together."""
    places: Sequence[str]
    """Places that it holds for; empty: all."""
    positions: Sequence[int]
    """Of a pin; 1 is the first."""
    product_ids: Sequence[str]
    """Products that it is about, instead of a filter."""
    starts_at: datetime | None
    """ISO 8601; null: at once."""
    strength: float | None
    """Of a boost or bury; not given: 0.3."""
    weekdays: Sequence[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]]
    """Days of the week that it holds on; empty: all."""
    within: int | None
    """Of a cap: in so many places; not given: 10."""
