"""The answers of the API to applications, one class for each shape.

Written from docs/openapi.json by `make openapi`; not to be changed by hand.
"""

from dataclasses import dataclass
from typing import Literal

from serving.client.items import Cause, Comparison, Item, WhatIf
from serving.client.parts import (
    Affinity,
    Member,
    Prices,
    RejectedEvent,
    RejectedImpression,
    RejectedProduct,
    Row,
    Understood,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AudienceAnswer:
    """Users that would like something, the likeliest first."""

    degraded: bool
    """Something is not as fresh as it should be; /health/ready says what."""
    graph_version: str
    members: list[Member]
    model_version: str
    product_ids: list[str]
    """Products that were scored."""
    request_id: str
    size: int
    """Users whose history speaks for it, those not listed included."""
    took_ms: float
    users: int
    """Users with a history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsAnswer:
    """What became of the events of a request; those accepted are on the disk."""

    accepted: int
    duplicates: int
    """Known by their event_id; they changed nothing."""
    event_ids: list[str]
    """Id of each event of the request, in its order."""
    kept_aside: int
    """Events taken whose product is not known yet; they count when it has arrived."""
    rejected: list[RejectedEvent]
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainAnswer:
    """Why a product is, or is not, recommended to a user."""

    against: Comparison | None
    """The last product of the list beside this one; for the last itself, the first that is left out."""
    by_kernel: dict[str, float]
    """What each kernel adds to the score."""
    by_prior: dict[str, float]
    """What each prior adds; kernels and priors add up to the score."""
    causes: list[Cause]
    """Everything that keeps it out of the list; empty if it is in it."""
    degraded: bool
    graph_version: str
    in_top: bool
    """Whether it is among the `n` best that may be recommended."""
    item: Item
    model_version: str
    n: int
    """Length of the list."""
    num_allowed: int
    """Products that may be recommended."""
    num_products: int
    rank_of_all: int
    """Place among all products, before anything is left out."""
    rank_of_allowed: int
    """Place among what may be recommended; of a product that may not, the place it would have."""
    removed_by: str | None
    """What keeps it out of lists: `unavailable`, `filter`, `rule`, `seen` or `shown_often`; null: none."""
    request_id: str
    took_ms: float
    what_if: WhatIf | None
    """What would turn the answer over; null unless asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeAnswer:
    """The rows of a first page; no product stands in two of them."""

    degraded: bool
    """Something is not as fresh as it should be; /health/ready says what."""
    events_used: int
    graph_version: str
    model_version: str
    request_id: str
    rows: list[Row]
    took_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpressionsAnswer:
    """What became of the impressions of a request; those accepted are on the disk."""

    accepted: int
    """Impressions that say something new."""
    duplicates: int
    """Impressions that say what is known; they changed nothing."""
    rejected: list[RejectedImpression]
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The process answers."""

    status: Literal["live"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginAnswer:
    """What became of a login; it is on the disk."""

    events: int
    """Events of the session that became the user's by this request."""
    request_id: str
    took_ms: float
    user_id: str
    """Whose the session is, as the graph knows the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductsAnswer:
    """What became of the products of a request; those accepted are on the disk."""

    accepted: int
    """Rows that say something new."""
    rejected: list[RejectedProduct]
    request_id: str
    unchanged: int
    """Rows that say what is known; they changed nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileAnswer:
    """What a user likes."""

    affinities: dict[str, list[Affinity]]
    """By kind: brand, category, and declared ones."""
    degraded: bool
    """Something is not as fresh as it should be; /health/ready says what."""
    events_used: int
    """0: nothing is known of the user."""
    first: str | None
    """ISO 8601."""
    graph_version: str
    last: str | None
    """ISO 8601."""
    model_version: str
    prices: Prices | None
    products: int
    request_id: str
    took_ms: float
    user_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RankAnswer:
    """Products in the order of their scores."""

    degraded: bool
    """Something is not as fresh as it should be; /health/ready says what."""
    events_used: int
    """Events of the history that took part."""
    graph_version: str
    """Hash of the snapshot behind the model."""
    items: list[Item]
    model_version: str
    next_cursor: str | None
    """`cursor` of the page after; null: there is none."""
    recommendation_id: str
    removed: dict[str, int]
    """Products left out, by cause: filter, seen, not_seen, rule, shown, shown_often."""
    request_id: str
    rules: list[str]
    """Rules of the shop that the list was made by."""
    took_ms: float
    unknown: list[str]
    """Ids that the served model does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The process recommends."""

    causes: list[str]
    """Why answers are degraded."""
    degraded: bool
    graph_version: str
    model_version: str
    status: Literal["ready"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendAnswer:
    """A list of products and what it was made from."""

    degraded: bool
    """Something is not as fresh as it should be; /health/ready says what."""
    events_used: int
    """Events of the history that took part."""
    graph_version: str
    """Hash of the snapshot behind the model."""
    items: list[Item]
    model_version: str
    next_cursor: str | None
    """`cursor` of the page after; null: there is none."""
    recommendation_id: str
    removed: dict[str, int]
    """Products left out, by cause: filter, seen, not_seen, rule, shown, shown_often."""
    request_id: str
    rules: list[str]
    """Rules of the shop that the list was made by."""
    took_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchAnswer:
    """What a search found; it is not recorded."""

    degraded: bool
    """Something is not as fresh as it should be; /health/ready says what."""
    graph_version: str
    """Hash of the snapshot behind the model."""
    items: list[Item]
    model_version: str
    removed: dict[str, int]
    """Products left out, by cause."""
    request_id: str
    rules: list[str]
    """Rules of the shop that the list was made by."""
    took_ms: float
    understood: Understood | None
    """Only with `debug`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceAnswer:
    """A list about products and moments, the same for everybody who asks; it is not recorded."""

    degraded: bool
    """Something is not as fresh as it should be; /health/ready says what."""
    graph_version: str
    """Hash of the snapshot behind the model."""
    items: list[Item]
    model_version: str
    removed: dict[str, int]
    """Products left out, by cause."""
    request_id: str
    rules: list[str]
    """Rules of the shop that the list was made by."""
    took_ms: float
