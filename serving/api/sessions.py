"""The route by which a visitor's session becomes a user's; what is known of a session stands in `serving.sessions`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from serving.api.admission import needs
from serving.api.ids import SessionId, UserId
from serving.api.routes import about, as_json, problems_of, require_json
from serving.api.services import services_of
from serving.api.values import Body

router = APIRouter(prefix="/v1")


class LoginBody(Body):
    """Who the visitor turned out to be."""

    user_id: UserId = Field(examples=["u1"])


class LoginAnswer(BaseModel):
    """What became of a login; it is on the disk."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    request_id: str = Field(examples=["0b9f6c1e5a3d4c1f8f0e7a6b5c4d3e2f"])
    took_ms: float = Field(examples=[4.2])
    user_id: str = Field(description="Whose the session is, as the graph knows the user.", examples=["u1"])
    events: int = Field(description="Events of the session that became the user's by this request.", examples=[3])


@router.post(
    "/sessions/{session_id:path}/login",
    tags=["events"],
    summary="Give a visitor's session to the user who logged in",
    response_model=LoginAnswer,
    responses=problems_of(400, 408, 409, 413, 415, 422, 503),
    dependencies=[needs("write"), Depends(require_json)],
)
def log_in(
    request: Request,
    session_id: Annotated[SessionId, Path(description="Id of the session.", examples=["s-7f3a"])],
    body: LoginBody,
) -> Response:
    """Give what was done in a session to a user: the user's next list counts it, and so does the graph, once.

    Events that come late for the session are the user's too. Done again it changes nothing; a session that is another
    user's is refused.
    """
    services = services_of(request)
    moved = services.log.sessions.login(session_id, body.user_id)
    if services.applier is not None:
        services.applier.wake()
    return as_json(about(request) | {"user_id": body.user_id, "events": moved})
