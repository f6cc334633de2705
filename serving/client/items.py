"""What the lists of the API and its explanations consist of.

Written from docs/openapi.json by `make openapi`; not to be changed by hand.
"""

from dataclasses import dataclass
from typing import Literal

CauseKind = Literal["unavailable", "filter", "rule", "seen", "shown_often", "no_evidence", "outscored"]
"""What keeps a product out of a list, in one word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of the history, and where the product stands after it; it was scored anew."""

    event: str | None
    """Type of each further event, now; null: the products are taken out."""
    product_ids: list[str]
    """Products taken out of the history, or products of further events."""
    rank: int
    """Rank after it, among what may be recommended."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """One term of the score; all terms of an item add up to its score."""

    kernel: str
    product_id: str | None
    """Product of the history; null for a prior, and for the rest of a kernel."""
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """An edge on a path, in the direction it has in the graph."""

    at: str | None
    """ISO 8601 in UTC."""
    from_: int
    """Place in `nodes`."""
    to: int
    """Place in `nodes`."""
    type: str
    weight: float | None
    """Customers behind an aggregated edge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryDifference:
    """What a product of the history adds to two scores."""

    difference: float
    """The first less the second."""
    other: float
    """What it adds to the other product."""
    product_id: str | None
    """Product of the history; null for priors and the many small ones together."""
    value: float
    """What it adds to the product asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelDifference:
    """What a kernel or prior adds to two scores."""

    difference: float
    """The first less the second."""
    kernel: str
    other: float
    """What it adds to the other product."""
    value: float
    """What it adds to the product asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What is known of a product; null where the shop says nothing."""

    brand: str | None
    categories: list[str]
    image_url: str | None
    price: float | None
    title: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node on a path."""

    id: str | None
    """External id; null for other users, who are never named."""
    label: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """What the user did that takes from the score, such as a return."""

    event: str
    """Event type of negative weight."""
    product_id: str
    text: str
    """A part of a sentence. Plain text: escape it."""
    value: float
    """What it takes from the score."""


Reason = Literal[
    "PATH",
    "COLLABORATIVE",
    "CONTENT",
    "BUY_AGAIN",
    "POPULAR_FALLBACK",
    "TRENDING",
    "NEW",
    "EXPLORATION",
    "PROMOTED",
    "MATCH",
]
"""Why an item is in a list, in one word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleMark:
    """A rule of the shop that moved an item."""

    action: Literal["pin", "boost", "bury", "hide", "cap"]
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One thing that keeps a product out of a list."""

    cause: CauseKind
    filter: str | None
    """`categories`, `brand`, `price_max`, `where`, `in_stock` or `exclude_ids`; null: no filter."""
    has: list[str]
    """What the product has where others are asked for."""
    text: str
    """The cause in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The product asked for beside another one."""

    by_history: list[HistoryDifference]
    """The gap by product; differences add up to it."""
    by_kernel: list[KernelDifference]
    """The gap by kernel and prior; differences add up to it."""
    gap: float
    """Score of the product asked for less this one's."""
    metadata: Metadata
    product_id: str
    """The other product."""
    rank: int
    """Its rank among what may be recommended."""
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A way through the graph from the user to the product; each of its edges exists."""

    contribution: float
    """Part of the score that rests on this path."""
    edges: list[Edge]
    nodes: list[Node]
    pattern: str
    text: str
    """The path in words. Plain text: escape it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """The smallest changes of the history that turn the answer over."""

    addition: Change | None
    """With which further events it comes into the list."""
    considered: int | None
    """Products of the history that a removal was looked for among; null: none was looked for."""
    exact: bool
    """Whether no smaller change does it for certain, or, where none is given, none at all."""
    own: Change | None
    """The event with the product itself that brings it in, if it does."""
    removal: Change | None
    """Without which products of the history it drops out of the list."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One product of a list."""

    although: Objection | None
    """What the user did that speaks against it; null: nothing."""
    contributions: list[Contribution]
    metadata: Metadata
    paths: list[Path]
    product_id: str
    rank: int
    """1 is the best."""
    reasons: list[Reason]
    rules: list[RuleMark]
    """Rules of the shop that moved it."""
    score: float
    source: str
    """The evidence that added most."""
    text: str
    """Why it is there: the strongest path in words, else the first reason. Plain text: escape it."""
