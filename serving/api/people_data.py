"""The routes by which a user's data is handed out and deleted. What is held stands in `serving.people_data`."""

import time
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from kg.snapshot import Snapshot
from serving.api.admission import needs
from serving.api.routes import UserPath, about, as_json, problems_of
from serving.api.services import Services, services_of
from serving.people_data import Forgotten, forget, hand_out

WAIT_S = 2.0
"""How long a deletion waits for the graph to let go of the user; after that the graph does so in the background."""
_LOOK_EVERY_S = 0.05
router = APIRouter(prefix="/v1/users", tags=["people"], dependencies=[needs("admin")])


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PersonOut(_Part):
    """What the graph holds of a user."""

    properties: dict[str, Any] = Field(description="Of the node, the id included.", examples=[{"user_id": "u1"}])
    events: list[dict[str, Any]] = Field(
        description="Oldest first; times are epoch milliseconds.",
        examples=[[{"type": "bought", "product_id": "p01", "event_id": "e1", "at": 1769860800000}]],
    )
    relations: list[dict[str, Any]] = Field(description="Of kinds that the shop declared.", examples=[[]])


class UserDataAnswer(_Part):
    """Everything that is held of a user."""

    request_id: str = Field(examples=["0b9f6c1e5a3d4c1f8f0e7a6b5c4d3e2f"])
    took_ms: float = Field(examples=[4.1])
    user_id: str = Field(description="As the graph has it.", examples=["u1"])
    exported_at: str = Field(description="ISO 8601.", examples=["2026-01-31T12:00:00.000+00:00"])
    graph: PersonOut
    sessions: list[str] = Field(
        description="Sessions that a login made the user's, as long as they are known.", examples=[["s-7f3a"]]
    )
    event_log: list[dict[str, Any]] = Field(
        description="Events that came in by this API, those in the graph included.", examples=[[]]
    )
    recommendations: list[dict[str, Any]] = Field(description="Lists that were answered and recorded.", examples=[[]])


class UserDeletedAnswer(_Part):
    """What became of a deletion."""

    request_id: str = Field(examples=["0b9f6c1e5a3d4c1f8f0e7a6b5c4d3e2f"])
    took_ms: float = Field(examples=[61.0])
    events: int = Field(description="Events of the log that were deleted.", examples=[12])
    recommendations: int = Field(description="Recorded lists that were deleted.", examples=[3])
    in_graph: bool = Field(
        description="Whether the graph still holds the user: it lets go as soon as it can be reached.", examples=[False]
    )
    models: str = Field(
        description="What becomes of the copy in the model that is served.",
        examples=["nobody is answered from it any more; it goes with the next model that is published"],
    )


@router.get(
    "/{user_id:path}",
    summary="Everything that is held of a user",
    response_model=UserDataAnswer,
    responses=problems_of(404, 422, 503),
)
def hand_out_user(request: Request, user_id: UserPath) -> Response:
    """Return what the graph, the event log and the recorded lists hold of a user."""
    services = services_of(request)
    with services.graph.store() as store:
        found = hand_out(
            user_id, log=services.log, records=services.recorder.records, store=store, schema=_snapshot(services).schema
        )
    return as_json(about(request) | found)


@router.delete(
    "/{user_id:path}",
    summary="Delete a user everywhere",
    response_model=UserDeletedAnswer,
    responses=problems_of(422, 503),
)
def delete_user(request: Request, user_id: UserPath) -> Response:
    """Delete a user with events and recorded lists, and keep an old file from bringing the user back.

    From this answer on the user is unknown to this process, and a second later to all others. Done again, or of a user
    nobody knows, it is answered the same.
    """
    services = services_of(request)
    done = forget(
        [user_id],
        log=services.log,
        records=services.recorder.records,
        store=None,
        schema=_snapshot(services).schema,
    )
    in_graph = not _let_go(services)
    return as_json(about(request) | _told(done, in_graph=in_graph))


def _told(done: Forgotten, *, in_graph: bool) -> dict[str, Any]:
    return {
        "events": done.events,
        "recommendations": done.lists,
        "in_graph": in_graph,
        "models": "nobody is answered from it any more; it goes with the next model that is published",
    }


def _let_go(services: Services) -> bool:
    """Wake whoever writes to the graph, and return whether the graph has let go of everybody soon after."""
    if services.applier is None:
        return False
    services.applier.wake()
    until = time.monotonic() + WAIT_S
    while services.log.deletions.waiting():
        if time.monotonic() > until:
            return False
        time.sleep(_LOOK_EVERY_S)
    return True


def _snapshot(services: Services) -> Snapshot:
    return services.current.get().bundle.snapshot
