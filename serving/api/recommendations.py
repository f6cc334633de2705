"""The route that looks a list up by its recommendation_id. What a record is stands in `serving.records`."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from serving.api.admission import needs
from serving.api.ids import Id
from serving.api.recorded import RecordAnswer, shape_record
from serving.api.routes import as_json, problems_of
from serving.api.services import services_of
from serving.replay import replay

router = APIRouter(prefix="/v1")
RecommendationPath = Annotated[
    Id, Path(description="recommendation_id of an answer.", examples=["5f1c1e5a3d4c1f8f0e7a6b5c4d3e2f0b"])
]


class RecordQuery(BaseModel):
    """Whether to compute the list again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    replay: bool = Field(False, description="Compute the list again and say whether it is the same.", examples=[True])


@router.get(
    "/recommendations/{recommendation_id}",
    tags=["recommend"],
    summary="Look up a list that was answered before",
    response_model=RecordAnswer,
    responses=problems_of(404, 422, 503),
    dependencies=[needs("read")],
)
def look_up(
    request: Request, recommendation_id: RecommendationPath, query: Annotated[RecordQuery, Query()]
) -> Response:
    """Return what was asked, the model, the graph and the events behind the answer, and the answer itself.

    With `replay=true` the list is computed again from the same model, events and moment, and compared.
    """
    services = services_of(request)
    record = services.recorder.find(recommendation_id)

    replayed = None
    if query.replay:
        with services.replaying:
            replayed = replay(record, services.log, services.current.bundles, open_bundle=services.current.open_bundle)
    stamp = services.stamp(request)
    return as_json(shape_record(record, record.logged(services.log), replay=replayed, stamp=stamp))
