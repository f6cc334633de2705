"""The route by which a shop tells what customers saw of lists; what becomes of it stands in `serving.impressions`."""

import time
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field, model_validator

from serving.answer import MAX_N
from serving.api.admission import needs
from serving.api.ids import Id
from serving.api.problems import problem_body, problem_response, request_id_of
from serving.api.recorder import SETTLE_S
from serving.api.routes import as_json, problems_of, require_json
from serving.api.schemas import ImpressionsAnswer
from serving.api.services import services_of
from serving.api.values import MAX_OFFSET, Body, Time, to_ms
from serving.impressions import MAX_IMPRESSIONS, NewImpression

router = APIRouter(prefix="/v1")
Position = Annotated[int, Field(ge=1, le=MAX_OFFSET + MAX_N)]


class ImpressionIn(Body):
    """What a customer saw of one list, by its products or by their positions; of an empty list of them nothing."""

    recommendation_id: Id = Field(
        description="Of the list, as it came with it.", examples=["5f1c1e5a3d4c1f8f0e7a6b5c4d3e2f0b"]
    )
    product_ids: list[Id] | None = Field(
        None, max_length=MAX_N, description="Products of the list that were seen.", examples=[["p02", "p05"]]
    )
    positions: list[Position] | None = Field(
        None, max_length=MAX_N, description="Their ranks, where not their ids are named.", examples=[[1, 2]]
    )
    at: Time | None = Field(None, description="ISO 8601; not given: now.", examples=["2026-01-31T12:00:00Z"])

    @model_validator(mode="after")
    def _one_way(self) -> "ImpressionIn":
        if (self.product_ids is None) == (self.positions is None):
            raise ValueError("give product_ids or positions; an empty list says that nothing was seen")
        return self

    def impression(self, *, now_ms: int) -> NewImpression:
        """Return the value the inside works with."""
        return NewImpression(
            recommendation_id=self.recommendation_id,
            product_ids=tuple(self.product_ids or ()),
            positions=tuple(self.positions or ()),
            at_ms=now_ms if self.at is None else to_ms(self.at),
        )


class ImpressionsBody(Body):
    """Impressions to take in."""

    impressions: list[ImpressionIn] = Field(min_length=1, max_length=MAX_IMPRESSIONS)


@router.post(
    "/impressions",
    tags=["events"],
    summary="Take in what customers saw of lists",
    response_model=ImpressionsAnswer,
    responses=problems_of(400, 408, 413, 415, 422, 503),
    dependencies=[needs("write"), Depends(require_json)],
)
def take_impressions(request: Request, body: ImpressionsBody) -> Response:
    """Take in which products of which lists were seen; those accepted are on the disk.

    A list that is not recorded, or not any more, is rejected with the reason while the others are taken, and so is one
    that does not have the products or positions named. What is said of a list adds up; saying it again changes nothing.
    A list that nothing was said of counts as shown whole.
    """
    services, request_id = services_of(request), request_id_of(request)
    now_ms = int(time.time() * 1000)
    given = [one.impression(now_ms=now_ms) for one in body.impressions]
    noted = services.recorder.records.impressions.append(given, now_ms=now_ms, wait_s=SETTLE_S)
    rejected = [
        {"index": one.index, "recommendation_id": one.recommendation_id, "reason": one.reason} for one in noted.refused
    ]
    if len(rejected) == len(given):
        detail = f"none of the {len(given)} impressions can be taken; the first: {rejected[0]['reason']}"
        return problem_response(
            problem_body(422, detail, request_id=request_id, slug="impressions-rejected", rejected=rejected)
        )
    return as_json(
        {
            "request_id": request_id,
            "accepted": noted.accepted,
            "duplicates": noted.duplicates,
            "rejected": rejected,
        }
    )
