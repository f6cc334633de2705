"""What the other answers of the API consist of.

Written from docs/openapi.json by `make openapi`; not to be changed by hand.
"""

from dataclasses import dataclass
from typing import Any, Literal

from serving.client.items import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a row is about."""

    id: str
    name: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Affinity:
    """One brand, category or node of another kind."""

    events: int
    id: str
    last: str | None
    """Latest event, ISO 8601; null: without a clock."""
    lift: float | None
    """How many times its share of the shop's demand."""
    name: str
    product_ids: list[str]
    """Products that speak for it most."""
    share: float
    """Part of all that counts of the history; events fade."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of an answer."""

    name: str
    type: str
    """str, int, float, bool, time, list[str] or any."""
    unit: str
    """What its numbers count, where the name does not say it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldProblem:
    """One part of a request that is wrong."""

    detail: str
    field: str
    in_: str
    """path, query, header or body"""
    got: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRule:
    """A rule as it is kept."""

    action: Literal["pin", "boost", "bury", "hide", "cap"]
    changed_at: str
    """When it was written last."""
    devices: list[str]
    ends_at: str | None
    etag: str
    """Of the rule as it is kept, for `If-Match`; another one whenever it is written."""
    filter: str | None
    hours: str | None
    lists: list[Literal["recommend", "similar", "bought_together", "trending", "new", "search"]]
    most: int | None
    name: str
    note: str
    num_products: int | None
    """Products that it is about; null: it names what the shop does not have, and does nothing."""
    per: str | None
    places: list[str]
    positions: list[int]
    product_ids: list[str]
    starts_at: str | None
    state: str
    """`waiting`, `in force` or `over`."""
    strength: float | None
    weekdays: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]]
    within: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One user of an audience."""

    events: int
    """Events of the user that the score rests on."""
    product_id: str
    """The product that speaks most for the user."""
    score: float
    user_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What the graph holds of a user."""

    events: list[dict[str, Any]]
    """Oldest first; times are epoch milliseconds."""
    properties: dict[str, Any]
    """Of the node, the id included."""
    relations: list[dict[str, Any]]
    """Of kinds that the shop declared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What stands at a rank."""

    product_id: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewItem:
    """One place of a list with the rule."""

    product_id: str
    rank: int
    rank_before: int | None
    """Without the rule; null: it was not in the list."""
    rules: list[str]
    """Rules that moved it."""
    title: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Quartiles of the prices of what the user had."""

    high: float
    low: float
    median: float
    products: int
    """Products with a price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A query of the catalogue."""

    description: str
    example: dict[str, str]
    """Parameters to try on the generated shop."""
    heavy: bool
    """Whether it reads a large part of the graph."""
    name: str
    params: dict[str, Any]
    """Type, default and unit by name."""
    returns: dict[str, str]
    """Type by column."""
    topic: str
    units: dict[str, str]
    """What the numbers of a column count, where its name does not say it."""
    uses: str
    """Where it starts and how far it goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEvent:
    """One event that counted."""

    at: str | None
    """ISO 8601 in UTC; null: the moment of the list."""
    product_id: str
    type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedEvent:
    """An event that was not taken."""

    event_id: str
    index: int
    """Place in the request; 0 is the first."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedImpression:
    """An impression that was not taken."""

    index: int
    """Place in the request; 0 is the first."""
    reason: str
    recommendation_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedProduct:
    """A product that was not taken."""

    index: int
    """Place in the request; 0 is the first."""
    product_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStep:
    """A step that was finished."""

    line: str
    """What came out of it."""
    name: str
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A part of a number, with its 95% interval (Wilson's)."""

    high: float
    low: float
    mean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """What was read off a search."""

    corrected: dict[str, str]
    """Mistyped words, and what they were taken for."""
    dropped: list[str]
    """What they would have filtered by, but nothing was left."""
    filters: list[str]
    """What its words filter by, in the filter language."""
    words: list[str]
    """Its words, without those that say a price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A rank at which the recorded list and the one computed again differ."""

    rank: int
    recorded: Place | None
    """null: the recorded list had ended."""
    replayed: Place | None
    """null: the list computed again had ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEvents:
    """The history behind a list."""

    after: int
    """Last number of the event log that was inside the model."""
    logged: list[RecordedEvent]
    """The user's events between the two, oldest first."""
    until: int | None
    """Last number of the event log that counted; null: the log was not read."""
    used: int
    """Events that took part, those inside the model included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the page."""

    about: About | None
    items: list[Item]
    kind: str
    """`for_you`, `again`, `because`, `new` or `trending`."""
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run of the retraining."""

    alarms: list[str]
    """What it saw of the live model's days that should wake somebody."""
    data: str | None
    """Input folder; null: the graph."""
    ended_at: str | None
    """null: it is under way, or its process died."""
    host: str
    outcome: Literal["running", "published", "refused", "failed", "stopped", "lost"]
    pid: int
    run_id: str
    sentence: str
    """Verdict of the gate, or error."""
    snapshot: str | None
    """Hash of what it learned from."""
    started_at: str
    steps: list[RunStep]
    took_s: float
    version: str | None
    """The model it made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How often lists were seen and what came of it."""

    click_through: Share | None
    """Clicks by impressions; null: nothing was seen."""
    clicks: int
    """Impressions whose product something was done with."""
    conversion_rate: Share | None
    """Conversions by clicks; null: nothing was clicked."""
    conversions: int
    """Clicks whose product was bought."""
    impressions: int
    """Products of lists that were seen."""
    lists: int
    """Lists of which anything was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What came of computing the list again."""

    detail: str
    differences: list[Difference]
    same: bool | None
    """Whether products, order and scores are the same; null: it could not be computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UptakeRow:
    """What came of the lists of one row, by the events that name their list."""

    attributed: Tally
    click_through: Share | None
    """Clicks by impressions; null: nothing was seen."""
    clicks: int
    """Impressions whose product something was done with."""
    conversion_rate: Share | None
    """Conversions by clicks; null: nothing was clicked."""
    conversions: int
    """Clicks whose product was bought."""
    impressions: int
    """Products of lists that were seen."""
    lists: int
    """Lists of which anything was seen."""
    model_version: str | None
    """null: not told apart."""
    placement: str | None
    """null: none was given, or not told apart."""
    position: str | None
    """`1` to `10`, `11-20`, `21+`; null: not told apart."""
    surface: str | None
    """`recommend` or `similar`; null: not told apart."""
