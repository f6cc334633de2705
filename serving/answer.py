"""What goes into a recommendation and what comes out: values shared by spines, API and command line."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from cypher.errors import InputError
from serving.rules import Action, Context, Rule

Surface = Literal["short", "long"]
"""Where words stand: a caption, or a place for a full sentence."""
MAX_N = 1000
"""Most items of one answer."""


class Reason(StrEnum):
    """Why an item is in a list, in one word."""

    PATH = "PATH"
    """At least one verified path through the graph carried score."""
    COLLABORATIVE = "COLLABORATIVE"
    """Customers with similar histories, without one path that could be shown."""
    CONTENT = "CONTENT"
    """Its text is near to what the user had."""
    BUY_AGAIN = "BUY_AGAIN"
    """The user had it before and repeats such things."""
    POPULAR_FALLBACK = "POPULAR_FALLBACK"
    """Many customers choose it; the only reason where nothing is known of the user that speaks for it."""
    TRENDING = "TRENDING"
    """Many customers choose it of late."""
    NEW = "NEW"
    """It is new in the shop."""
    EXPLORATION = "EXPLORATION"
    """It is new, nobody had it yet, and a place was kept for such a product."""
    PROMOTED = "PROMOTED"
    """A rule of the shop put it on its place, or moved it up."""
    MATCH = "MATCH"
    """It fits the words of a search."""


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """One event handed in with a request or read from the event log."""

    product_id: str
    type: str = "viewed"
    at_ms: int | None = None
    """Epoch milliseconds; None: now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What may be recommended at all."""

    categories: tuple[str, ...] = ()
    """Category ids or names; a product must be in or below each."""
    brand: str | None = None
    """Brand id or name."""
    price_max: float | None = None
    """Highest price; products without a price are left out."""
    in_stock: bool = True
    """Leave out products whose `available` is false."""
    where: str | None = None
    """A filter in words (`serving.filters`), such as `price < 20 and brand = "Acme"`."""
    exclude_ids: tuple[str, ...] = ()
    """Product ids that are not wanted."""
    exclude_seen: bool | None = None
    """Leave out what the user had before; None: as the model was measured."""
    only_seen: bool = False
    """Leave out what the user did not have before."""
    only_ids: tuple[str, ...] | None = None
    """Nothing but these products; None: the whole catalogue."""
    context: Context = field(default_factory=Context)
    """Where the list is asked for, which rules may hold for; it leaves nothing out itself."""
    rules: tuple[Rule, ...] = ()
    """What the shop itself says about the list, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendRequest:
    """One wish for a list."""

    user_id: str | None = None
    """Known or unknown user; None for a session without one."""
    session: tuple[SessionEvent, ...] = ()
    """Further events, oldest first, that count as the latest of the history."""
    n: int = 10
    """How many; 1 to 500."""
    offset: int = 0
    """How many of the best to skip; 0 or more."""
    shown: tuple[int, ...] = ()
    """Marks of the products of the pages before (`serving.cursor`), which are left out; ranks go on behind them."""
    shown_most: int = 0
    """How often the user may be shown a product without choosing it before others come first; 0: as often as may be."""
    shown_often: tuple[int, ...] = ()
    """Marks of the products that were shown so often (`serving.showings`), which come last."""
    filter: Filter = field(default_factory=Filter)
    diversity: float = 0.0
    """How much unlike each other the items are to be; 0: the best ones, whatever they are like, to 1."""
    new_every: int = 0
    """One of so many places is kept for a new product; 0: none."""
    paths: int = 0
    """Paths shown an item at most; 0 leaves explanations out."""
    language: str | None = None
    """BCP 47 tag of the language that reasons are told in; None: the shop's."""
    surface: Surface = "long"
    """How much room the words have."""
    placement: str | None = None
    """Where in the shop the list stands, as the shop calls it; it changes nothing in the list."""


@dataclass(frozen=True, slots=True)
class PathNode:
    """A node on a path. `id` is None for other users, who are never named."""

    id: str | None
    type: str
    label: str


@dataclass(frozen=True, slots=True)
class PathEdge:
    """An edge on a path, in the direction it has in the graph. `source` and `target` are places in the node list."""

    type: str
    source: int
    target: int
    at_ms: int | None = None
    weight: float | None = None
    """Number of customers behind an aggregated edge; only from the anonymity bound up."""


@dataclass(frozen=True, slots=True)
class Path:
    """A way through the graph from the user to a product, and what it added to the score."""

    nodes: tuple[PathNode, ...]
    edges: tuple[PathEdge, ...]
    contribution: float
    """Part of the item's score that rests on this path."""
    pattern: str
    """Meta-path: `User-BOUGHT->Product-MADE_BY->Brand<-MADE_BY-Product`."""
    text: str
    """The path in words; plain text."""


@dataclass(frozen=True, slots=True)
class Objection:
    """What the user did with a product of the history that speaks against an item; without it the score is higher."""

    product_id: str
    event: str
    """Event type of negative weight, such as `returned`."""
    value: float
    """What it takes from the score; below 0."""
    text: str
    """A part of a sentence: `although you returned Tea`."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """One term of an item's score; all terms of an item add up to its score."""

    kernel: str
    """Kernel or prior."""
    product_id: str | None
    """Product of the history the term rests on; None for a prior, and for the many small terms of a kernel together."""
    value: float


@dataclass(frozen=True, slots=True)
class RuleMark:
    """A rule of the shop that moved an item."""

    name: str
    action: Action


@dataclass(frozen=True, slots=True)
class Item:
    """One recommended product."""

    product_id: str
    rank: int
    """1 is the best."""
    score: float
    source: str
    """Kernel or prior that added most."""
    reasons: tuple[Reason, ...]
    paths: tuple[Path, ...]
    contributions: tuple[Contribution, ...]
    """Largest terms first; empty unless explanations were asked for."""
    text: str
    """Why it is there in one sentence: the strongest path, else the reason that carried most."""
    rules: tuple[RuleMark, ...] = ()
    """Rules of the shop that moved it."""
    although: Objection | None = None
    """What the user did that speaks against it most; None where nothing does, or explanations were not asked for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A list and what it was made from."""

    items: tuple[Item, ...]
    model_version: str
    """Bundle the list came from."""
    graph_version: str
    """Hash of the snapshot that the bundle was made from."""
    events_used: int
    """Events of the history that took part."""
    removed: dict[str, int]
    """Products left out, by cause: `filter`, `seen`, `not_seen`, `rule`, `shown`, `shown_often`."""
    rules: tuple[str, ...] = ()
    """Rules of the shop that the list was made by."""
    next_cursor: str | None = None
    """What asks for the page after; None: there is none, or such lists have no pages."""


def check_diversity(diversity: float) -> None:
    """Refuse a diversity out of range.

    Raises:
        InputError: it is not between 0 and 1.
    """
    if not 0.0 <= diversity <= 1.0:
        raise InputError(f"diversity must be between 0 and 1, got {diversity:g}")


def check_page(n: int, offset: int) -> None:
    """Refuse a page of a list that is out of range.

    Raises:
        InputError: n is not between 1 and 500, or offset is below 0.
    """
    if not 1 <= n <= MAX_N:
        raise InputError(f"n must be between 1 and {MAX_N}, got {n}")
    if offset < 0:
        raise InputError(f"offset must be 0 or more, got {offset}")
