"""The routes of lists about products and moments: what is bought together, what is in demand, what is new.

They are not recorded, and are the same for everybody unless a user is named for the order of what is new, so the others
have an ETag; what they are ordered by stands in `serving.surfaces`.
"""

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Query, Request, Response
from jaxtyping import Float
from pydantic import Field

from serving.answer import Answer, Filter, RecommendRequest
from serving.api.admission import needs
from serving.api.conditional import NOT_MODIFIED, Facts, answered_unless_known
from serving.api.holding import Served
from serving.api.ids import Id, UserId
from serving.api.routes import ProductPath, problems_of, require_json
from serving.api.schemas import SurfaceAnswer
from serving.api.services import Services
from serving.api.shape import shape_surface
from serving.api.values import MAX_N, MAX_OFFSET, Body, Device, Lang, Room, Where, Whereabouts
from serving.api.wishes import SimilarQuery
from serving.history import past_of
from serving.records import moment_of
from serving.rules import Context
from serving.surfaces import MAX_BASKET, NEW_DAYS, Basket, bought_together, newest, trending

Budget = Annotated[
    float,
    Field(
        gt=0,
        allow_inf_nan=False,
        description="What the products may cost together; those without a price are out.",
        examples=[25],
    ),
]
Look = tuple[Facts | None, Callable[[], Answer]]
"""What a list follows from, None where that is more than model, state and request; and what finds it."""
router = APIRouter(prefix="/v1", tags=["surfaces"])
_READ = needs("read")


class TogetherQuery(SimilarQuery):
    """Which products beside one, how many, and what they may cost together."""

    budget: Budget | None = None


class NewQuery(SimilarQuery):
    """Which new products, how many, and for whom."""

    days: int = Field(NEW_DAYS, ge=1, le=36_500, description="How long a product counts as new.", examples=[30])
    user: UserId | None = Field(None, description="Those first that this user likes most.", examples=["u1"])


class BasketBody(Body):
    """A basket, and what is wanted beside it."""

    product_ids: list[Id] = Field(min_length=1, max_length=MAX_BASKET, examples=[["p01", "p03"]])
    strict: bool = Field(False, description="Only what goes with every product of the basket.", examples=[False])
    budget: Budget | None = None
    n: int = Field(10, ge=1, le=MAX_N, description="How many products.", examples=[3])
    offset: int = Field(0, ge=0, le=MAX_OFFSET, description="How many of the best to skip.", examples=[0])
    where: Where | None = Field(
        None, alias="filter", description="A filter over any property, see docs/filters.md.", examples=["price < 20"]
    )
    in_stock: bool = Field(True, description="Leave out products that are not available.", examples=[True])
    device: Device | None = None
    place: Whereabouts | None = None
    lang: Lang | None = None
    surface: Room = "long"

    def filter(self) -> Filter:
        """Return what may be in the answer."""
        context = Context(device=self.device, place=self.place)
        return Filter(where=self.where, in_stock=self.in_stock, context=context)


@router.get(
    "/bought-together/{product_id:path}",
    summary="What customers had together with one product",
    response_model=SurfaceAnswer,
    responses=NOT_MODIFIED | problems_of(404, 422, 503),
    dependencies=[_READ],
)
async def together_with(
    request: Request, product_id: ProductPath, query: Annotated[TogetherQuery, Query()]
) -> Response:
    """Return the products that customers had as well, those with most customers in common first."""
    return await _together(request, Basket(product_ids=(product_id,), budget=query.budget), query)


@router.post(
    "/bought-together",
    summary="What customers had together with the products of a basket",
    response_model=SurfaceAnswer,
    responses=problems_of(400, 404, 408, 413, 415, 422, 503),
    dependencies=[_READ, Depends(require_json)],
)
async def together_with_basket(request: Request, body: BasketBody) -> Response:
    """Return what goes with a basket: with one of its products at least, or with all of them (`strict`).

    With a `budget` the products of the answer together cost no more.
    """
    basket = Basket(product_ids=tuple(body.product_ids), is_strict=body.strict, budget=body.budget)
    return await _together(request, basket, body)


@router.get(
    "/trending",
    summary="What is in demand now",
    response_model=SurfaceAnswer,
    responses=NOT_MODIFIED | problems_of(422, 503),
    dependencies=[_READ],
)
async def in_demand(request: Request, query: Annotated[SimilarQuery, Query()]) -> Response:
    """Return the products that most was done with of late, events of this moment included."""

    def look(services: Services, served: Served) -> Look:
        since = services.recent.counted(after=served.bundle.events_applied)
        bounds = services.ruled(query.filter(), "trending")

        def find() -> Answer:
            words = served.ready.words(query.lang, query.surface)
            return trending(served.ready, since.counts, n=query.n, offset=query.offset, filter=bounds, words=words)

        return (query, bounds, since.digest), find

    return await _answer(request, look)


@router.get(
    "/new",
    summary="What is new in the shop",
    response_model=SurfaceAnswer,
    responses=NOT_MODIFIED | problems_of(422, 503),
    dependencies=[_READ],
)
async def new_products(request: Request, query: Annotated[NewQuery, Query()]) -> Response:
    """Return the newest products, or with `user` those of them first that the user likes most."""

    def look(services: Services, served: Served) -> Look:
        bounds = services.ruled(query.filter(), "new")

        def find() -> Answer:
            return newest(
                served.ready,
                n=query.n,
                offset=query.offset,
                days=query.days,
                taste=None if query.user is None else taste_of(services, served, query.user),
                filter=bounds,
                words=served.ready.words(query.lang, query.surface),
            )

        return (query, bounds) if query.user is None else None, find

    return await _answer(request, look)


def taste_of(services: Services, served: Served, user_id: str) -> Float[np.ndarray, " product"]:
    """Return the score of each product for a user, events of this moment included."""
    moment = moment_of(services.log, user_id)
    past = past_of(served.bundle, moment, RecommendRequest(user_id=user_id), now_ms=moment.now_ms)
    return served.bundle.scorer.score(past.read())


async def _together(request: Request, basket: Basket, asked: TogetherQuery | BasketBody) -> Response:
    def look(services: Services, served: Served) -> Look:
        bounds = services.ruled(asked.filter(), "bought_together")

        def find() -> Answer:
            words = served.ready.words(asked.lang, asked.surface)
            return bought_together(served.ready, basket, n=asked.n, offset=asked.offset, filter=bounds, words=words)

        return (basket, asked, bounds), find

    return await _answer(request, look)


async def _answer(request: Request, look: Callable[[Services, Served], Look]) -> Response:
    def shaped(services: Services, served: Served) -> tuple[Facts | None, Callable[[], dict[str, Any]]]:
        facts, find = look(services, served)
        return facts, lambda: shape_surface(find(), served.cards, stamp=services.stamp(request))

    return await answered_unless_known(request, shaped, is_short=True)
