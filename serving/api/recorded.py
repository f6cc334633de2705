"""A record of a list as public JSON: its shape, and how the OpenAPI document describes it."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from serving.answer import SessionEvent
from serving.api.schemas import ItemOut
from serving.api.shape import Stamp, iso_time
from serving.records import Record, wish_fields
from serving.replay import Place, Replay


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RecordedEvent(_Part):
    """One event that counted."""

    product_id: str = Field(examples=["p01"])
    type: str = Field(examples=["viewed"])
    at: str | None = Field(description="ISO 8601 in UTC; null: the moment of the list.", examples=[None])


class RecordedEvents(_Part):
    """The history behind a list."""

    used: int = Field(description="Events that took part, those inside the model included.", examples=[12])
    after: int = Field(description="Last number of the event log that was inside the model.", examples=[0])
    until: int | None = Field(
        description="Last number of the event log that counted; null: the log was not read.", examples=[7]
    )
    logged: list[RecordedEvent] = Field(description="The user's events between the two, oldest first.")


class PlaceOut(_Part):
    """What stands at a rank."""

    product_id: str = Field(examples=["p02"])
    score: float = Field(examples=[0.61])


class DifferenceOut(_Part):
    """A rank at which the recorded list and the one computed again differ."""

    rank: int = Field(examples=[1])
    recorded: PlaceOut | None = Field(description="null: the recorded list had ended.")
    replayed: PlaceOut | None = Field(description="null: the list computed again had ended.")


class ReplayOut(_Part):
    """What came of computing the list again."""

    same: bool | None = Field(
        description="Whether products, order and scores are the same; null: it could not be computed.", examples=[True]
    )
    detail: str = Field(examples=["computed again, the list is the same: 10 products in the same order"])
    differences: list[DifferenceOut]


class RecordAnswer(_Part):
    """A list that was answered before, and what it was answered from."""

    request_id: str = Field(description="Of this request.", examples=["0b9f6c1e5a3d4c1f8f0e7a6b5c4d3e2f"])
    took_ms: float = Field(examples=[1.2])
    degraded: bool = Field(description="Something is not as fresh as it should be; /health/ready says what.")
    recommendation_id: str = Field(examples=["5f1c1e5a3d4c1f8f0e7a6b5c4d3e2f0b"])
    kind: Literal["recommend", "similar"] = Field(examples=["recommend"])
    at: str = Field(description="When it was answered; ages of events count from here.")
    user_id: str | None = Field(description="null: a session, or products alike.", examples=["u1"])
    request: dict[str, Any] = Field(
        description="What was asked for: user, session, n, offset, filter and paths, or product_id.",
        examples=[{"user_id": "u1", "session": [], "n": 10, "offset": 0, "filter": {"brand": "Acme"}, "paths": 0}],
    )
    model_version: str = Field(examples=["20260131T120000Z-1a2b3c4d"])
    graph_version: str = Field(examples=["9f86d081884c7d65"])
    events: RecordedEvents
    removed: dict[str, int] = Field(description="Products left out, by cause.", examples=[{"filter": 3, "seen": 12}])
    items: list[ItemOut] = Field(description="As they were sent.")
    replay: ReplayOut | None = Field(description="null: not asked for.")


def shape_record(
    record: Record, logged: tuple[SessionEvent, ...], *, replay: Replay | None, stamp: Stamp
) -> dict[str, Any]:
    """Return a record as public JSON.

    Args:
        record: the record.
        logged: events of the log that counted.
        replay: what came of computing the list again; None: not asked for.
        stamp: of the answer that shows the record.
    """
    sent = record.body()
    request = wish_fields(record.wish)
    if "session" in request:
        request["session"] = [_event(SessionEvent(**event)) for event in request["session"]]
    return {
        "request_id": stamp.request_id,
        "took_ms": stamp.took_ms,
        "degraded": stamp.degraded,
        "recommendation_id": record.recommendation_id,
        "kind": record.kind,
        "at": iso_time(record.at_ms),
        "user_id": record.user_id,
        "request": request,
        "model_version": record.model_version,
        "graph_version": record.graph_version,
        "events": {
            "used": sent["events_used"],
            "after": record.events_after,
            "until": record.events_until,
            "logged": [_event(event) for event in logged],
        },
        "removed": sent["removed"],
        "items": sent["items"],
        "replay": None if replay is None else _replay(replay),
    }


def _event(event: SessionEvent) -> dict[str, Any]:
    return {"product_id": event.product_id, "type": event.type, "at": iso_time(event.at_ms)}


def _replay(replay: Replay) -> dict[str, Any]:
    return {
        "same": replay.same,
        "detail": replay.detail,
        "differences": [
            {"rank": entry.rank, "recorded": _place(entry.recorded), "replayed": _place(entry.replayed)}
            for entry in replay.differences
        ],
    }


def _place(place: Place | None) -> dict[str, Any] | None:
    return None if place is None else {"product_id": place.product_id, "score": place.score}
