"""The route of search; what a search means and how products are ranked for it stand in `serving.search`."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from serving.api.admission import needs
from serving.api.ids import UserId
from serving.api.routes import as_json, problems_of
from serving.api.schemas import SearchAnswer
from serving.api.services import compute, services_of
from serving.api.shape import shape_search
from serving.api.surfaces import taste_of
from serving.api.wishes import SimilarQuery
from serving.query import MAX_QUERY
from serving.search import search

router = APIRouter(prefix="/v1", tags=["surfaces"])


class SearchQuery(SimilarQuery):
    """What is searched for, by whom, and what may be in the answer."""

    q: str = Field(
        min_length=1,
        max_length=MAX_QUERY,
        pattern=r"\S",
        description="What is searched for, in the customer's words.",
        examples=["acme coffee under $8"],
    )
    user: UserId | None = Field(
        None, description="Of equally fitting products those first that this user likes.", examples=["u1"]
    )
    debug: bool = Field(False, description="Say what was read off the search.", examples=[True])


@router.get(
    "/search",
    summary="Search for products",
    response_model=SearchAnswer,
    responses=problems_of(422, 503),
    dependencies=[needs("read")],
)
async def find_products(request: Request, query: Annotated[SearchQuery, Query()]) -> Response:
    """Return the products that a search means: by its words, mistyped ones included, by the meaning of the texts, and
    by the brands, categories and prices that it names."""
    services = services_of(request)
    served = services.current.of(query.user)

    def work() -> Response:
        found = search(
            served.ready,
            query.q,
            n=query.n,
            offset=query.offset,
            filter=services.said(query.filter()),
            taste=None if query.user is None else taste_of(services, served, query.user),
            words=served.ready.words(query.lang, query.surface),
        )
        return as_json(shape_search(found, served.cards, stamp=services.stamp(request), debug=query.debug))

    return await compute(services, work, is_short=False)
