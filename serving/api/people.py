"""The routes about people: what one likes, one's first page, and who would like something."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from serving.answer import RecommendRequest
from serving.api.admission import needs
from serving.api.holding import Served
from serving.api.ids import Id
from serving.api.people_answers import (
    AudienceAnswer,
    HomeAnswer,
    ProfileAnswer,
    about,
    shape_audience,
    shape_home,
    shape_profile,
)
from serving.api.routes import UserPath, answered, check_types, problems_of, require_json
from serving.api.services import Services, services_of
from serving.api.values import MAX_OFFSET, Parameters
from serving.api.wishes import ChosenBody, RecommendQuery
from serving.audience import MOST, Target, audience_of
from serving.history import past_of
from serving.home import MAX_ROWS, home_of
from serving.profile import MOST as MOST_AFFINITIES
from serving.profile import profile_of
from serving.records import moment_of

MAX_LATER = 1000
"""Users with new events that an audience counts anew; of more, those whose events are the latest."""
MAX_IN_ROW = 50
Rows = Annotated[int, Field(ge=1, le=MAX_ROWS, description="Rows at most.", examples=[4])]
InRow = Annotated[int, Field(ge=1, le=MAX_IN_ROW, description="Products a row.", examples=[8])]
router = APIRouter(prefix="/v1", tags=["people"])
_READ = needs("read")


class ProfileQuery(Parameters):
    """How much of a profile is wanted."""

    n: int = Field(10, ge=1, le=MOST_AFFINITIES, description="Affinities of each kind.", examples=[5])


class HomeQuery(RecommendQuery):
    """How many rows, and what may be in them."""

    rows: Rows = 6
    n: InRow = 10


class HomeBody(ChosenBody):
    """A user, a session, or both, and what their first page may have."""

    rows: Rows = 6
    n: InRow = 10


class AudienceQuery(Parameters):
    """What an audience is looked for."""

    product: Id | None = Field(None, description="Product id.", examples=["p02"])
    brand: Id | None = Field(None, description="Brand id or name.", examples=["Acme"])
    category: Id | None = Field(None, description="Category id or name.", examples=["tea"])
    n: int = Field(100, ge=1, le=MOST, description="Users listed.", examples=[50])
    offset: int = Field(0, ge=0, le=MAX_OFFSET, description="How many of the likeliest to skip.", examples=[0])
    exclude_had: bool = Field(True, description="Leave out users who had to do with it.", examples=[True])


@router.get(
    "/profile/{user_id:path}",
    summary="What a user likes",
    response_model=ProfileAnswer,
    responses=problems_of(422, 503),
    dependencies=[_READ],
)
async def profile(request: Request, user_id: UserPath, query: Annotated[ProfileQuery, Query()]) -> Response:
    """Return the brands, categories and prices of what a user did, the latest events included, with evidence."""

    def find(services: Services, served: Served) -> dict[str, Any]:
        moment = moment_of(services.log, user_id)
        past = past_of(served.bundle, moment, RecommendRequest(user_id=user_id), now_ms=moment.now_ms)
        return shape_profile(profile_of(served.ready, past.read(), n=query.n), user_id)

    return await _answer(request, find, is_short=True, user_id=user_id)


@router.get(
    "/home/{user_id:path}",
    summary="The rows of a first page",
    response_model=HomeAnswer,
    responses=problems_of(422, 503),
    dependencies=[_READ],
)
async def home(request: Request, user_id: UserPath, query: Annotated[HomeQuery, Query()]) -> Response:
    """Return rows with titles: for you, buy again, because you chose, new, in demand; no product stands in two."""
    wish = replace(query.wish(user_id, services_of(request).lists), offset=0)
    return await _home(request, wish, rows=query.rows)


@router.post(
    "/home",
    summary="The rows of a first page for a user or for the visitor of a session",
    response_model=HomeAnswer,
    responses=problems_of(400, 408, 409, 413, 415, 422, 503),
    dependencies=[_READ, Depends(require_json)],
)
async def home_of_session(request: Request, body: HomeBody) -> Response:
    """Return the same rows for a user, for a session, or for both together."""
    check_types(request, body.events)
    services = services_of(request)
    return await _home(request, services.visited(body.wish(services.lists), body.session_id), rows=body.rows)


@router.get(
    "/audiences",
    summary="Who would like a product, a brand or a category",
    response_model=AudienceAnswer,
    responses=problems_of(404, 422, 503),
    dependencies=[needs("admin")],
)
async def audiences(request: Request, query: Annotated[AudienceQuery, Query()]) -> Response:
    """Return the users whose history speaks most for something, by the score that their own lists are ranked by."""

    def find(services: Services, served: Served) -> dict[str, Any]:
        target = Target(
            product_id=query.product, brand=query.brand, category=query.category, exclude_had=query.exclude_had
        )
        later = services.log.users(after=served.bundle.events_applied, limit=MAX_LATER)
        found = audience_of(served.ready, services.log, target, n=query.n, offset=query.offset, later=later)
        return shape_audience(found)

    return await _answer(request, find, is_short=False)


async def _home(request: Request, wish: RecommendRequest, *, rows: int) -> Response:
    def find(services: Services, served: Served) -> dict[str, Any]:
        ruled = replace(wish, filter=services.ruled(wish.filter))
        since = services.recent.counts(after=served.bundle.events_applied)
        moment = moment_of(services.log, wish.user_id)
        counted = services.counted(ruled, now_ms=moment.now_ms)
        found = home_of(served.ready, moment, since, counted, rows=rows, now_ms=moment.now_ms)
        return shape_home(found, served.cards)

    return await _answer(request, find, is_short=False, user_id=wish.user_id)


async def _answer(
    request: Request,
    find: Callable[[Services, Served], dict[str, Any]],
    *,
    is_short: bool,
    user_id: str | None = None,
) -> Response:
    def shaped(services: Services, served: Served) -> dict[str, Any]:
        found, bundle = find(services, served), served.bundle
        return about(services.stamp(request), model_version=bundle.version, graph_version=bundle.snapshot.hash) | found

    return await answered(request, shaped, is_short=is_short, user_id=user_id)
