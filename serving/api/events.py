"""The route by which a shop tells what users did; what becomes of an event stands in `serving.events`."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ConfigDict, Field, model_validator

from kg.snapshot import Snapshot
from serving.api.admission import needs
from serving.api.ids import Id, SessionId, UserId
from serving.api.problems import problem_body, problem_response, request_id_of
from serving.api.routes import as_json, problems_of, require_json
from serving.api.schemas import EventsAnswer
from serving.api.services import services_of
from serving.api.values import Body, Number, Time, Word, to_ms
from serving.event_checks import judge_events
from serving.events import MAX_EVENTS, NewEvent, VisitorEvent, new_event_id
from serving.stages import lap

router = APIRouter(prefix="/v1")


_EITHER: dict[str, Any] = {
    "oneOf": [
        {"properties": {"user_id": {"type": "string"}}, "required": ["user_id"]},
        {"properties": {"session_id": {"type": "string"}}, "required": ["session_id"]},
    ]
}
"""What an event must have, in words of the OpenAPI document."""


class EventIn(Body):
    """One thing a user, or a visitor who is not logged in, did with a product."""

    model_config = ConfigDict(json_schema_extra=_EITHER)

    user_id: UserId | None = Field(None, examples=["u1"])
    session_id: SessionId | None = Field(
        None, description="In place of user_id: the session of a visitor who is not logged in.", examples=[None]
    )
    product_id: Id = Field(examples=["p05"])
    type: Word = Field("viewed", description="A declared event type.", examples=["bought"])
    at: Time | None = Field(None, description="ISO 8601; not given: now.", examples=["2026-01-31T12:00:00Z"])
    quantity: Annotated[Number, Field(ge=0)] | None = Field(None, examples=[1])
    value: Number | None = Field(None, description="Such as a rating.", examples=[4.5])
    event_id: Id | None = Field(
        None, description="Makes retries harmless; not given: one is made.", examples=["order-17-line-2"]
    )
    recommendation_id: Id | None = Field(
        None, description="Id of the list that it came from.", examples=["5f1c1e5a3d4c1f8f0e7a6b5c4d3e2f0b"]
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> "EventIn":
        if (self.user_id is None) == (self.session_id is None):
            raise ValueError("give user_id, or session_id for a visitor who is not logged in")
        return self

    def event(self, *, now_ms: int) -> NewEvent | VisitorEvent:
        """Return the value the inside works with."""
        done: dict[str, Any] = {
            "event_id": self.event_id or new_event_id(),
            "product_id": self.product_id,
            "type": self.type,
            "at_ms": now_ms if self.at is None else to_ms(self.at),
            "quantity": self.quantity,
            "value": self.value,
            "recommendation_id": self.recommendation_id,
        }
        if self.user_id is not None:
            return NewEvent(user_id=self.user_id, **done)
        return VisitorEvent(session_id=str(self.session_id), **done)


class EventsBody(Body):
    """Events to take in."""

    events: list[EventIn] = Field(min_length=1, max_length=MAX_EVENTS)


@router.post(
    "/events",
    tags=["events"],
    summary="Take in what users did",
    response_model=EventsAnswer,
    responses=problems_of(400, 408, 413, 415, 422, 503),
    dependencies=[needs("write"), Depends(require_json)],
)
def take_events(request: Request, body: EventsBody) -> Response:
    """Take in events; those accepted are on the disk, and the next recommendation takes them into account.

    Those of a visitor who is not logged in say `session_id` in place of `user_id`; `/v1/sessions/{session_id}/login`
    gives them to a user.

    An event of an unknown type, or too far in the future, is rejected with its reason while the others are taken. One
    with a product that is not known yet is kept aside and counts when the product has arrived. Sending the same
    `event_id` again changes nothing. A `recommendation_id` says which list an event came from.
    """
    services = services_of(request)
    now_ms = int(time.time() * 1000)
    events = [event.event(now_ms=now_ms) for event in body.events]
    snapshot: Snapshot = services.current.get().bundle.snapshot
    good, bad = judge_events(events, snapshot, now_ms=now_ms, forgets=services.log.forgets)
    lap("request")
    appended = services.log.append(good)
    lap("log")
    aside = sum(snapshot.product_of_event(event.product_id) is None for event in good)
    services.metrics.count_events(accepted=appended.accepted, duplicates=appended.duplicates, rejected=len(bad))
    rejected = [{"index": entry.index, "event_id": entry.event_id, "reason": entry.reason} for entry in bad]
    request_id = request_id_of(request)
    if not good:
        detail = f"none of the {len(events)} events can be taken; the first: {bad[0].reason}"
        return problem_response(
            problem_body(422, detail, request_id=request_id, slug="events-rejected", rejected=rejected)
        )
    if services.applier is not None:
        services.applier.wake()
    return as_json(
        {
            "request_id": request_id,
            "accepted": appended.accepted,
            "duplicates": appended.duplicates,
            "kept_aside": aside,
            "event_ids": [event.event_id for event in events],
            "rejected": rejected,
        }
    )
