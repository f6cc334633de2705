"""The public JSON that v1 of the API answers with, as the OpenAPI document describes it.

Answers are shaped by `serving.api.shape` without these classes, which would cost as much as the recommendation; a test
checks real answers against them. What the API takes stands in `serving.api.wishes`.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from serving.answer import Reason
from serving.rules import Action
from serving.why_not import CauseKind


class _Answer(BaseModel):
    """An object that is sent."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Node(_Answer):
    """A node on a path."""

    id: str | None = Field(description="External id; null for other users, who are never named.", examples=["acme"])
    type: str = Field(examples=["Brand"])
    label: str = Field(examples=["Acme"])


class Edge(_Answer):
    """An edge on a path, in the direction it has in the graph."""

    type: str = Field(examples=["MADE_BY"])
    from_: int = Field(alias="from", description="Place in `nodes`.", examples=[1])
    to: int = Field(description="Place in `nodes`.", examples=[2])
    weight: float | None = Field(description="Customers behind an aggregated edge.", examples=[None])
    at: str | None = Field(description="ISO 8601 in UTC.", examples=["2026-01-31T12:00:00.000Z"])


class PathOut(_Answer):
    """A way through the graph from the user to the product; each of its edges exists."""

    nodes: list[Node]
    edges: list[Edge]
    contribution: float = Field(description="Part of the score that rests on this path.", examples=[0.21])
    pattern: str = Field(examples=["User-BOUGHT->Product-MADE_BY->Brand<-MADE_BY-Product"])
    text: str = Field(
        description="The path in words. Plain text: escape it.",
        examples=["You bought Green tea, also made by Acme"],
    )


class ContributionOut(_Answer):
    """One term of the score; all terms of an item add up to its score."""

    kernel: str = Field(examples=["brand"])
    product_id: str | None = Field(
        description="Product of the history; null for a prior, and for the rest of a kernel.", examples=["p01"]
    )
    value: float = Field(examples=[0.21])


class ObjectionOut(_Answer):
    """What the user did that takes from the score, such as a return."""

    product_id: str = Field(examples=["p07"])
    event: str = Field(description="Event type of negative weight.", examples=["returned"])
    value: float = Field(description="What it takes from the score.", examples=[-0.12])
    text: str = Field(
        description="A part of a sentence. Plain text: escape it.", examples=["although you returned Tea"]
    )


class Metadata(_Answer):
    """What is known of a product; null where the shop says nothing."""

    title: str | None = Field(examples=["Black tea"])
    brand: str | None = Field(examples=["Acme"])
    price: float | None = Field(examples=[3.0])
    image_url: str | None = Field(examples=[None])
    categories: list[str] = Field(examples=[["Tea"]])


class RuleMarkOut(_Answer):
    """A rule of the shop that moved an item."""

    name: str = Field(examples=["spring-tea"])
    action: Action = Field(examples=["boost"])


class ItemOut(_Answer):
    """One product of a list."""

    product_id: str = Field(examples=["p02"])
    rank: int = Field(description="1 is the best.", examples=[1])
    score: float = Field(examples=[0.61])
    source: str = Field(description="The evidence that added most.", examples=["brand"])
    reasons: list[Reason] = Field(examples=[["PATH"]])
    text: str = Field(
        description="Why it is there: the strongest path in words, else the first reason. Plain text: escape it.",
        examples=["You bought Green tea, also made by Acme"],
    )
    paths: list[PathOut]
    rules: list[RuleMarkOut] = Field(description="Rules of the shop that moved it.", examples=[[]])
    although: ObjectionOut | None = Field(description="What the user did that speaks against it; null: nothing.")
    contributions: list[ContributionOut]
    metadata: Metadata


class RecommendAnswer(_Answer):
    """A list of products and what it was made from."""

    request_id: str = Field(examples=["0b9f6c1e5a3d4c1f8f0e7a6b5c4d3e2f"])
    recommendation_id: str = Field(examples=["5f1c1e5a3d4c1f8f0e7a6b5c4d3e2f0b"])
    model_version: str = Field(examples=["20260131T120000Z-1a2b3c4d"])
    graph_version: str = Field(description="Hash of the snapshot behind the model.", examples=["9f86d081884c7d65"])
    took_ms: float = Field(examples=[4.2])
    degraded: bool = Field(description="Something is not as fresh as it should be; /health/ready says what.")
    events_used: int = Field(description="Events of the history that took part.", examples=[12])
    items: list[ItemOut]
    removed: dict[str, int] = Field(
        description="Products left out, by cause: filter, seen, not_seen, rule, shown, shown_often.",
        examples=[{"filter": 3, "seen": 12}],
    )
    rules: list[str] = Field(description="Rules of the shop that the list was made by.", examples=[["spring-tea"]])
    next_cursor: str | None = Field(
        description="`cursor` of the page after; null: there is none.", examples=["1x1EjqQUz0GE"]
    )


class RankAnswer(RecommendAnswer):
    """Products in the order of their scores."""

    unknown: list[str] = Field(description="Ids that the served model does not know.", examples=[["p99"]])


class SurfaceAnswer(_Answer):
    """A list about products and moments, the same for everybody who asks; it is not recorded."""

    request_id: str = Field(examples=["0b9f6c1e5a3d4c1f8f0e7a6b5c4d3e2f"])
    model_version: str = Field(examples=["20260131T120000Z-1a2b3c4d"])
    graph_version: str = Field(description="Hash of the snapshot behind the model.", examples=["9f86d081884c7d65"])
    took_ms: float = Field(examples=[1.7])
    degraded: bool = Field(description="Something is not as fresh as it should be; /health/ready says what.")
    items: list[ItemOut]
    removed: dict[str, int] = Field(description="Products left out, by cause.", examples=[{"filter": 3, "seen": 0}])
    rules: list[str] = Field(description="Rules of the shop that the list was made by.", examples=[["spring-tea"]])


class UnderstoodOut(_Answer):
    """What was read off a search."""

    words: list[str] = Field(description="Its words, without those that say a price.", examples=[["acme", "coffe"]])
    filters: list[str] = Field(
        description="What its words filter by, in the filter language.", examples=[['brand = "Acme"']]
    )
    dropped: list[str] = Field(
        description="What they would have filtered by, but nothing was left.", examples=[['category = "Snacks"']]
    )
    corrected: dict[str, str] = Field(
        description="Mistyped words, and what they were taken for.", examples=[{"coffe": "coffee"}]
    )


class SearchAnswer(SurfaceAnswer):
    """What a search found; it is not recorded."""

    understood: UnderstoodOut | None = Field(description="Only with `debug`.")


class DifferenceOut(_Answer):
    """One part of two scores, side by side."""

    value: float = Field(description="What it adds to the product asked for.", examples=[0.12])
    other: float = Field(description="What it adds to the other product.", examples=[0.33])
    difference: float = Field(description="The first less the second.", examples=[-0.21])


class KernelDifference(DifferenceOut):
    """What a kernel or prior adds to two scores."""

    kernel: str = Field(examples=["brand"])


class HistoryDifference(DifferenceOut):
    """What a product of the history adds to two scores."""

    product_id: str | None = Field(
        description="Product of the history; null for priors and the many small ones together.", examples=["p01"]
    )


class ComparisonOut(_Answer):
    """The product asked for beside another one."""

    product_id: str = Field(description="The other product.", examples=["p02"])
    rank: int = Field(description="Its rank among what may be recommended.", examples=[10])
    score: float = Field(examples=[0.61])
    gap: float = Field(description="Score of the product asked for less this one's.", examples=[-0.21])
    by_kernel: list[KernelDifference] = Field(description="The gap by kernel and prior; differences add up to it.")
    by_history: list[HistoryDifference] = Field(description="The gap by product; differences add up to it.")
    metadata: Metadata


class CauseOut(_Answer):
    """One thing that keeps a product out of a list."""

    cause: CauseKind = Field(examples=["filter"])
    text: str = Field(description="The cause in a sentence.", examples=["Its price is 9.5, above 8"])
    filter: str | None = Field(
        description="`categories`, `brand`, `price_max`, `where`, `in_stock` or `exclude_ids`; null: no filter.",
        examples=["price_max"],
    )
    has: list[str] = Field(description="What the product has where others are asked for.", examples=[["9.5"]])


class ChangeOut(_Answer):
    """A change of the history, and where the product stands after it; it was scored anew."""

    product_ids: list[str] = Field(
        description="Products taken out of the history, or products of further events.", examples=[["p01"]]
    )
    event: str | None = Field(
        description="Type of each further event, now; null: the products are taken out.", examples=["bought"]
    )
    rank: int = Field(description="Rank after it, among what may be recommended.", examples=[3])
    text: str = Field(examples=["With one further event 'bought' now, with Green tea, it would come to rank 3"])


class WhatIfOut(_Answer):
    """The smallest changes of the history that turn the answer over."""

    removal: ChangeOut | None = Field(description="Without which products of the history it drops out of the list.")
    addition: ChangeOut | None = Field(description="With which further events it comes into the list.")
    own: ChangeOut | None = Field(description="The event with the product itself that brings it in, if it does.")
    considered: int | None = Field(
        description="Products of the history that a removal was looked for among; null: none was looked for.",
        examples=[12],
    )
    exact: bool = Field(
        description="Whether no smaller change does it for certain, or, where none is given, none at all."
    )
    text: str = Field(examples=["Without Green tea in the history it would fall to rank 14, out of the list of 10"])


class ExplainAnswer(_Answer):
    """Why a product is, or is not, recommended to a user."""

    request_id: str = Field(examples=["0b9f6c1e5a3d4c1f8f0e7a6b5c4d3e2f"])
    model_version: str = Field(examples=["20260131T120000Z-1a2b3c4d"])
    graph_version: str = Field(examples=["9f86d081884c7d65"])
    took_ms: float = Field(examples=[4.2])
    degraded: bool
    item: ItemOut
    rank_of_all: int = Field(description="Place among all products, before anything is left out.", examples=[7])
    num_products: int = Field(examples=[1500])
    in_top: bool = Field(description="Whether it is among the `n` best that may be recommended.", examples=[True])
    removed_by: str | None = Field(
        description="What keeps it out of lists: `unavailable`, `filter`, `rule`, `seen` or `shown_often`; null: none.",
        examples=["seen"],
    )
    n: int = Field(description="Length of the list.", examples=[10])
    rank_of_allowed: int = Field(
        description="Place among what may be recommended; of a product that may not, the place it would have.",
        examples=[4],
    )
    num_allowed: int = Field(description="Products that may be recommended.", examples=[1200])
    by_kernel: dict[str, float] = Field(
        description="What each kernel adds to the score.", examples=[{"brand": 0.31, "co_purchase": 0.12}]
    )
    by_prior: dict[str, float] = Field(
        description="What each prior adds; kernels and priors add up to the score.", examples=[{"popularity": 0.02}]
    )
    against: ComparisonOut | None = Field(
        description="The last product of the list beside this one; for the last itself, the first that is left out."
    )
    causes: list[CauseOut] = Field(description="Everything that keeps it out of the list; empty if it is in it.")
    what_if: WhatIfOut | None = Field(description="What would turn the answer over; null unless asked for.")


class RejectedEvent(_Answer):
    """An event that was not taken."""

    index: int = Field(description="Place in the request; 0 is the first.", examples=[1])
    event_id: str = Field(examples=["order-17-line-2"])
    reason: str = Field(examples=["no event type is named 'bougth'; did you mean 'bought'?"])


class EventsAnswer(_Answer):
    """What became of the events of a request; those accepted are on the disk."""

    request_id: str = Field(examples=["0b9f6c1e5a3d4c1f8f0e7a6b5c4d3e2f"])
    accepted: int = Field(examples=[1])
    duplicates: int = Field(description="Known by their event_id; they changed nothing.", examples=[0])
    kept_aside: int = Field(
        description="Events taken whose product is not known yet; they count when it has arrived.", examples=[0]
    )
    event_ids: list[str] = Field(description="Id of each event of the request, in its order.")
    rejected: list[RejectedEvent]


class RejectedProduct(_Answer):
    """A product that was not taken."""

    index: int = Field(description="Place in the request; 0 is the first.", examples=[2])
    product_id: str = Field(examples=["p12"])
    reason: str = Field(examples=["price '-1.0' must be at least 0"])


class ProductsAnswer(_Answer):
    """What became of the products of a request; those accepted are on the disk."""

    request_id: str = Field(examples=["0b9f6c1e5a3d4c1f8f0e7a6b5c4d3e2f"])
    accepted: int = Field(description="Rows that say something new.", examples=[1])
    unchanged: int = Field(description="Rows that say what is known; they changed nothing.", examples=[0])
    rejected: list[RejectedProduct]


class RejectedImpression(_Answer):
    """An impression that was not taken."""

    index: int = Field(description="Place in the request; 0 is the first.", examples=[1])
    recommendation_id: str = Field(examples=["5f1c1e5a3d4c1f8f0e7a6b5c4d3e2f0b"])
    reason: str = Field(examples=["the list has no product 'p99'; name products that it has, or their positions"])


class ImpressionsAnswer(_Answer):
    """What became of the impressions of a request; those accepted are on the disk."""

    request_id: str = Field(examples=["0b9f6c1e5a3d4c1f8f0e7a6b5c4d3e2f"])
    accepted: int = Field(description="Impressions that say something new.", examples=[1])
    duplicates: int = Field(description="Impressions that say what is known; they changed nothing.", examples=[0])
    rejected: list[RejectedImpression]


class Live(_Answer):
    """The process answers."""

    status: Literal["live"]


class Ready(_Answer):
    """The process recommends."""

    status: Literal["ready"]
    model_version: str = Field(examples=["20260131T120000Z-1a2b3c4d"])
    graph_version: str = Field(examples=["9f86d081884c7d65"])
    degraded: bool
    causes: list[str] = Field(description="Why answers are degraded.", examples=[["graph-unreachable"]])


class FieldProblem(BaseModel):
    """One part of a request that is wrong."""

    place: str = Field(alias="in", description="path, query, header or body", examples=["query"])
    field: str = Field(examples=["n"])
    detail: str = Field(examples=["Input should be less than or equal to 500"])
    got: str | None = Field(None, examples=["1000"])


class Problem(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:whycart:problem:invalid-request"])
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["the request cannot be used as it is"])
    request_id: str = Field(examples=["0b9f6c1e5a3d4c1f8f0e7a6b5c4d3e2f"])
    errors: list[FieldProblem] | None = Field(None, description="Only of an invalid request.")
    rejected: list[RejectedEvent | RejectedProduct | RejectedImpression] | None = Field(
        None, description="Only when no event, product or impression was taken."
    )


def problem_schema() -> dict[str, Any]:
    """Return the JSON schema of a problem with its parts inside, for the OpenAPI document."""
    return Problem.model_json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
