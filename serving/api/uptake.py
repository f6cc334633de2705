"""The route that tells what came of lists: click-through and conversion. They stand in `serving.click_through`."""

import time
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from serving.api.admission import needs
from serving.api.routes import about, as_json, problems_of
from serving.api.services import services_of
from serving.api.values import Parameters, Time, to_ms
from serving.click_through import MAX_DAYS, MIN_DAYS, PARTS, TAKEN_DAYS, ClickLog, Part, span_until

router = APIRouter(prefix="/v1", tags=["operation"])


class UptakeQuery(Parameters):
    """Which lists, and what they are told apart by."""

    by: list[Part] = Field(
        [],
        max_length=len(PARTS),
        description="What rows differ in; of nothing there is one row.",
        examples=[["position"]],
    )
    since: Time | None = Field(
        None, description="ISO 8601; not given: seven days before `until`.", examples=["2026-01-24T00:00:00Z"]
    )
    until: Time | None = Field(None, description="ISO 8601; not given: now.", examples=["2026-01-31T00:00:00Z"])
    days: float = Field(
        TAKEN_DAYS,
        ge=MIN_DAYS,
        le=MAX_DAYS,
        allow_inf_nan=False,
        description="Days after a list within which an event that names no list may speak for it.",
        examples=[7],
    )


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ShareOut(_Part):
    """A part of a number, with its 95% interval (Wilson's)."""

    mean: float = Field(examples=[0.05])
    low: float = Field(examples=[0.04])
    high: float = Field(examples=[0.06])


class TallyOut(_Part):
    """How often lists were seen and what came of it."""

    lists: int = Field(description="Lists of which anything was seen.", examples=[200])
    impressions: int = Field(description="Products of lists that were seen.", examples=[2000])
    clicks: int = Field(description="Impressions whose product something was done with.", examples=[100])
    click_through: ShareOut | None = Field(description="Clicks by impressions; null: nothing was seen.")
    conversions: int = Field(description="Clicks whose product was bought.", examples=[20])
    conversion_rate: ShareOut | None = Field(description="Conversions by clicks; null: nothing was clicked.")


class UptakeRowOut(TallyOut):
    """What came of the lists of one row, by the events that name their list."""

    surface: str | None = Field(description="`recommend` or `similar`; null: not told apart.", examples=["recommend"])
    placement: str | None = Field(description="null: none was given, or not told apart.", examples=["home_top"])
    position: str | None = Field(description="`1` to `10`, `11-20`, `21+`; null: not told apart.", examples=["1"])
    model_version: str | None = Field(description="null: not told apart.", examples=["20260131T120000Z-1a2b3c4d"])
    attributed: TallyOut = Field(
        description="Those lists of known users that no event names, by their users' events that name no list."
    )


class UptakeAnswer(_Part):
    """What came of the lists of some days."""

    request_id: str = Field(examples=["0b9f6c1e5a3d4c1f8f0e7a6b5c4d3e2f"])
    took_ms: float = Field(examples=[120.0])
    by: list[str] = Field(description="What rows differ in.", examples=[["position"]])
    since: str = Field(description="ISO 8601; lists from here on.", examples=["2026-01-24T00:00:00.000Z"])
    until: str = Field(description="ISO 8601; lists before this.", examples=["2026-01-31T00:00:00.000Z"])
    days: float = Field(examples=[7.0])
    rows: list[UptakeRowOut]


@router.get(
    "/uptake",
    summary="Click-through and conversion of lists",
    response_model=UptakeAnswer,
    responses=problems_of(422, 503),
    dependencies=[needs("admin")],
)
def tell_uptake(request: Request, query: Annotated[UptakeQuery, Query()]) -> Response:
    """Return how often recorded lists were seen, and what customers did with their products.

    Clicks are by the events that name their list; events that name none are counted apart, in `attributed`.
    """
    until_ms = int(time.time() * 1000) + 1 if query.until is None else to_ms(query.until)
    since_ms = None if query.since is None else to_ms(query.since)
    span = span_until(until_ms, since_ms=since_ms, days=query.days)
    with ClickLog.open(services_of(request).log.path) as log:
        facts = log.read(span, by=query.by).facts()
    return as_json(about(request) | facts)
