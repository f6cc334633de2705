"""The route of search; what a search means and how products are ranked for it stand in `serving.search`."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from serving.api.admission import needs
from serving.api.conditional import NOT_MODIFIED, Facts, answered_unless_known
from serving.api.holding import Served
from serving.api.ids import UserId
from serving.api.routes import problems_of
from serving.api.schemas import SearchAnswer
from serving.api.services import Services
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
    responses=NOT_MODIFIED | problems_of(422, 503),
    dependencies=[needs("read")],
)
async def find_products(request: Request, query: Annotated[SearchQuery, Query()]) -> Response:
    """Return the products that a search means: by its words, mistyped ones included, by the meaning of the texts, and
    by the brands, categories and prices that it names."""

    def look(services: Services, served: Served) -> tuple[Facts | None, Callable[[], dict[str, Any]]]:
        bounds = services.ruled(query.filter(), "search")

        def find() -> dict[str, Any]:
            own = served if query.user is None else services.current.of(query.user)
            found = search(
                own.ready,
                query.q,
                n=query.n,
                offset=query.offset,
                filter=bounds,
                taste=None if query.user is None else taste_of(services, own, query.user),
                words=own.ready.words(query.lang, query.surface),
            )
            return shape_search(found, own.cards, stamp=services.stamp(request), debug=query.debug)

        return (query, bounds) if query.user is None else None, find

    return await answered_unless_known(request, look, is_short=False)
