"""What requests of applications to the API may say.

Written from docs/openapi.json by `make openapi`; not to be changed by hand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypedDict


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing a user, or a visitor who is not logged in, did with a product."""

    product_id: str
    at: datetime | None = None
    """ISO 8601; not given: now."""
    event_id: str | None = None
    """Makes retries harmless; not given: one is made."""
    quantity: float | None = None
    recommendation_id: str | None = None
    """Id of the list that it came from."""
    session_id: str | None = None
    """In place of user_id: the session of a visitor who is not logged in."""
    type: str | None = None
    """A declared event type."""
    user_id: str | None = None
    value: float | None = None
    """Such as a rating."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explain:
    """How much of the why is wanted."""

    lang: str | None = None
    """BCP 47 tag; not given: the shop's."""
    paths: int | None = None
    """Most paths shown an item."""
    surface: Literal["short", "long"] | None = None
    """Whether words are a caption or a full sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Impression:
    """What a customer saw of one list, by its products or by their positions; of an empty list of them nothing."""

    recommendation_id: str
    """Of the list, as it came with it."""
    at: datetime | None = None
    """ISO 8601; not given: now."""
    positions: Sequence[int] | None = None
    """Their ranks, where not their ids are named."""
    product_ids: Sequence[str] | None = None
    """Products of the list that were seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What is new of a product; what is left out, or null, stays as it is."""

    product_id: str
    available: bool | None = None
    """false: no longer recommended."""
    brand: str | None = None
    """Name; a brand that the shop does not have is added."""
    brand_id: str | None = None
    """Id of the brand, where it has one."""
    categories: Sequence[str] | None = None
    """Paths such as `Food > Tea`, or the id or the only name of a category."""
    created_at: datetime | None = None
    """When it came into the shop; not given: a new product came now."""
    description: str | None = None
    image_url: str | None = None
    price: float | None = None
    properties: Mapping[str, str | bool | float] | None = None
    """Other properties, of those that the shop's products have."""
    title: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvent:
    """What an anonymous visitor, or a user just now, did."""

    product_id: str
    at: datetime | None = None
    """ISO 8601; not given: now."""
    type: str | None = None
    """A declared event type."""


class ListOptions(TypedDict, total=False):
    """What every route may be told that takes `exclude_id`."""

    n: int
    """How many products."""
    category: str | Sequence[str]
    """Category id or name; a product must be in or below each."""
    brand: str | None
    """Brand id or name."""
    price_max: float | None
    """Highest price; products without a price are left out."""
    filter: str | None
    """A filter over any property, see docs/filters.md."""
    in_stock: bool
    """Leave out products that are not available."""
    exclude_id: str | Sequence[str]
    """Products not wanted; more of them by POST."""
    device: str | None
    """What the list is shown on, in a word of the shop's; rules may hold for it."""
    place: str | None
    """Where it is asked from, in a word of the shop's; rules may hold for it."""
    lang: str | None
    """BCP 47 tag; not given: the shop's."""
    surface: Literal["short", "long"]
    """Whether words are a caption or a full sentence."""


class WishOptions(TypedDict, total=False):
    """What every route may be told that takes `exclude_ids`."""

    brand: str | None
    """Brand id or name."""
    categories: Sequence[str]
    """A product must be in or below each."""
    device: str | None
    """What the list is shown on, in a word of the shop's; rules may hold for it."""
    events: Sequence[SessionEvent]
    """Events of the session, oldest first; newer than the user's history."""
    exclude_ids: Sequence[str]
    """Products not wanted."""
    exclude_seen: bool | None
    """Leave out what the user had before."""
    filter: str | None
    """A filter over any property, see docs/filters.md."""
    in_stock: bool
    """Leave out products that are not available."""
    n: int
    """How many products."""
    place: str | None
    """Where it is asked from, in a word of the shop's; rules may hold for it."""
    price_max: float | None
    """Highest price."""
    session_id: str | None
    """Session of a visitor whose events came by `/v1/events`."""
    user_id: str | None


class AudiencesOptions(TypedDict, total=False):
    """What `audiences` may be told."""

    product: str | None
    """Product id."""
    brand: str | None
    """Brand id or name."""
    category: str | None
    """Category id or name."""
    n: int
    """Users listed."""
    offset: int
    """How many of the likeliest to skip."""
    exclude_had: bool
    """Leave out users who had to do with it."""


class ExplainProductOptions(ListOptions, total=False):
    """What `explain_product` may be told."""

    exclude_seen: bool | None
    """Leave out what the user had before; not given: as the model was measured."""
    paths: int
    """Most paths shown."""
    what_if: bool
    """Look for the smallest change of the history that turns the answer over."""


class ExplainProductToSessionOptions(WishOptions, total=False):
    """What `explain_product_to_session` may be told."""

    explain: Explain
    what_if: bool
    """Look for the smallest change of the history that turns the answer over."""


class FindProductsOptions(ListOptions, total=False):
    """What `find_products` may be told."""

    offset: int
    """How many of the best to skip."""
    user: str | None
    """Of equally fitting products those first that this user likes."""
    debug: bool
    """Say what was read off the search."""


class HomeOptions(ListOptions, total=False):
    """What `home` may be told."""

    offset: int
    """How many of the best to skip."""
    exclude_seen: bool | None
    """Leave out what the user had before; not given: as the model was measured."""
    mode: Literal["discover", "again", "both"] | None
    """`discover`: what the user never had, `again`: only what the user had, `both`."""
    diversity: float
    """How much unlike each other the items are to be; 0: not at all."""
    new_every: int | None
    """One of so many places is kept for a new product; 0: none. Not given: as the shop set it."""
    shown_most: int | None
    """Times that a product may be shown and not chosen before others come first; 0: no bound."""
    personalised: bool
    """false: the list that everybody gets, whoever asks; the user's events are not read."""
    explain: Literal["paths"] | None
    """`paths`: up to three graph paths an item."""
    rows: int
    """Rows at most."""


class HomeOfSessionOptions(WishOptions, total=False):
    """What `home_of_session` may be told."""

    diversity: float
    """How much unlike each other the items are to be; 0: not at all."""
    explain: Explain | None
    """Not given: no paths and no contributions."""
    mode: Literal["discover", "again", "both"] | None
    """`discover`: what the user never had, `again`: only what the user had, `both`."""
    new_every: int | None
    """One of so many places is kept for a new product; 0: none. Not given: as the shop set it."""
    rows: int
    """Rows at most."""
    shown_most: int | None
    """Times that a product may be shown and not chosen before others come first; 0: no bound."""


class InDemandOptions(ListOptions, total=False):
    """What `in_demand` may be told."""

    offset: int
    """How many of the best to skip."""


class NewProductsOptions(ListOptions, total=False):
    """What `new_products` may be told."""

    offset: int
    """How many of the best to skip."""
    days: int
    """How long a product counts as new."""
    user: str | None
    """Those first that this user likes most."""


class ProfileOptions(TypedDict, total=False):
    """What `profile` may be told."""

    n: int
    """Affinities of each kind."""


class RankProductsOptions(TypedDict, total=False):
    """What `rank_products` may be told."""

    events: Sequence[SessionEvent]
    """Events of the session, oldest first; newer than the user's history."""
    explain: Explain | None
    """Not given: no paths and no contributions."""
    placement: str | None
    """Where in the shop the list stands, as the shop calls it; recorded."""
    session_id: str | None
    """Session of a visitor whose events came by `/v1/events`."""
    user_id: str | None


class RecommendToSessionOptions(WishOptions, total=False):
    """What `recommend_to_session` may be told."""

    cursor: str | None
    """`next_cursor` of the page before: what was shown is left out, whatever changed meanwhile."""
    diversity: float
    """How much unlike each other the items are to be; 0: not at all."""
    explain: Explain | None
    """Not given: no paths and no contributions."""
    mode: Literal["discover", "again", "both"] | None
    """`discover`: what the user never had, `again`: only what the user had, `both`."""
    new_every: int | None
    """One of so many places is kept for a new product; 0: none. Not given: as the shop set it."""
    offset: int
    """How many of the best to skip."""
    placement: str | None
    """Where in the shop the list stands, as the shop calls it; recorded."""
    shown_most: int | None
    """Times that a product may be shown and not chosen before others come first; 0: no bound."""


class RecommendToUserOptions(ListOptions, total=False):
    """What `recommend_to_user` may be told."""

    offset: int
    """How many of the best to skip."""
    exclude_seen: bool | None
    """Leave out what the user had before; not given: as the model was measured."""
    mode: Literal["discover", "again", "both"] | None
    """`discover`: what the user never had, `again`: only what the user had, `both`."""
    diversity: float
    """How much unlike each other the items are to be; 0: not at all."""
    new_every: int | None
    """One of so many places is kept for a new product; 0: none. Not given: as the shop set it."""
    shown_most: int | None
    """Times that a product may be shown and not chosen before others come first; 0: no bound."""
    personalised: bool
    """false: the list that everybody gets, whoever asks; the user's events are not read."""
    explain: Literal["paths"] | None
    """`paths`: up to three graph paths an item."""
    placement: str | None
    """Where in the shop the list stands, as the shop calls it; recorded."""
    cursor: str | None
    """`next_cursor` of the page before: what was shown is left out, whatever changed meanwhile."""


class SimilarProductsOptions(ListOptions, total=False):
    """What `similar_products` may be told."""

    offset: int
    """How many of the best to skip."""
    placement: str | None
    """Where in the shop the list stands, as the shop calls it; recorded."""


class TogetherWithOptions(ListOptions, total=False):
    """What `together_with` may be told."""

    offset: int
    """How many of the best to skip."""
    budget: float | None
    """What the products may cost together; those without a price are out."""


class TogetherWithBasketOptions(TypedDict, total=False):
    """What `together_with_basket` may be told."""

    budget: float | None
    """What the products may cost together; those without a price are out."""
    device: str | None
    """What the list is shown on, in a word of the shop's; rules may hold for it."""
    filter: str | None
    """A filter over any property, see docs/filters.md."""
    in_stock: bool
    """Leave out products that are not available."""
    lang: str | None
    """BCP 47 tag; not given: the shop's."""
    n: int
    """How many products."""
    offset: int
    """How many of the best to skip."""
    place: str | None
    """Where it is asked from, in a word of the shop's; rules may hold for it."""
    strict: bool
    """Only what goes with every product of the basket."""
    surface: Literal["short", "long"]
    """Whether words are a caption or a full sentence."""
