"""The answers of the API to those who look after a shop, one class for each shape.

Written from docs/openapi.json by `make openapi`; not to be changed by hand.
"""

from dataclasses import dataclass
from typing import Any, Literal

from serving.client.items import Item
from serving.client.parts import (
    Column,
    KeptRule,
    Person,
    PreviewItem,
    Query,
    RecordedEvents,
    Replay,
    Run,
    RunStep,
    UptakeRow,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewAnswer:
    """A list without a rule and with it."""

    after: list[PreviewItem]
    before: list[str]
    """Products without the rule."""
    changes_list: bool
    """Whether the rule changes such lists at all."""
    examples: list[str]
    """The first of them."""
    left: list[str]
    """Products that are no longer in the list."""
    num_products: int
    """Products that the rule is about."""
    request_id: str
    took_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QueriesAnswer:
    """The catalogue of queries."""

    queries: list[Query]
    request_id: str
    took_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAnswer:
    """A list that was answered before, and what it was answered from."""

    at: str
    """When it was answered; ages of events count from here."""
    degraded: bool
    """Something is not as fresh as it should be; /health/ready says what."""
    events: RecordedEvents
    graph_version: str
    items: list[Item]
    """As they were sent."""
    kind: Literal["recommend", "similar"]
    model_version: str
    recommendation_id: str
    removed: dict[str, int]
    """Products left out, by cause."""
    replay: Replay | None
    """null: not asked for."""
    request: dict[str, Any]
    """What was asked for: user, session, n, offset, filter and paths, or product_id."""
    request_id: str
    """Of this request."""
    took_ms: float
    user_id: str | None
    """null: a session, or products alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsAnswer:
    """Rows of the graph."""

    columns: list[Column]
    cut: str
    """Why rows are missing; empty when none is."""
    request_id: str
    rows: list[dict[str, Any]]
    """In the order of the query; times are ISO 8601."""
    took_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleAnswer:
    """One rule of the shop."""

    request_id: str
    rule: KeptRule
    took_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDeletedAnswer:
    """A rule that is gone."""

    name: str
    request_id: str
    took_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleWrittenAnswer:
    """A rule that was written."""

    created: bool
    """false: it took the place of one of its name."""
    request_id: str
    rule: KeptRule
    took_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesAnswer:
    """Every rule of the shop, by name."""

    request_id: str
    rules: list[KeptRule]
    took_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAnswer:
    """One run with its settings."""

    alarms: list[str]
    """What it saw of the live model's days that should wake somebody."""
    config: dict[str, Any]
    """Every setting it was told."""
    data: str | None
    """Input folder; null: the graph."""
    ended_at: str | None
    """null: it is under way, or its process died."""
    host: str
    outcome: Literal["running", "published", "refused", "failed", "stopped", "lost"]
    pid: int
    request_id: str
    run_id: str
    sentence: str
    """Verdict of the gate, or error."""
    snapshot: str | None
    """Hash of what it learned from."""
    started_at: str
    steps: list[RunStep]
    took_ms: float
    took_s: float
    version: str | None
    """The model it made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsAnswer:
    """The latest runs."""

    request_id: str
    runs: list[Run]
    """The newest first."""
    took_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UptakeAnswer:
    """What came of the lists of some days."""

    by: list[str]
    """What rows differ in."""
    days: float
    request_id: str
    rows: list[UptakeRow]
    since: str
    """ISO 8601; lists from here on."""
    took_ms: float
    until: str
    """ISO 8601; lists before this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDataAnswer:
    """Everything that is held of a user."""

    event_log: list[dict[str, Any]]
    """Events that came in by this API, those in the graph included."""
    exported_at: str
    """ISO 8601."""
    graph: Person
    recommendations: list[dict[str, Any]]
    """Lists that were answered and recorded."""
    request_id: str
    sessions: list[str]
    """Sessions that a login made the user's, as long as they are known."""
    took_ms: float
    user_id: str
    """As the graph has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDeletedAnswer:
    """What became of a deletion."""

    events: int
    """Events of the log that were deleted."""
    in_graph: bool
    """Whether the graph still holds the user: it lets go as soon as it can be reached."""
    models: str
    """What becomes of the copy in the model that is served."""
    recommendations: int
    """Recorded lists that were deleted."""
    request_id: str
    took_ms: float
