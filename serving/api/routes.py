"""The routes of v1: each parses, calls one function and shapes the answer.

What is taken stands in `serving.api.wishes`, what is sent in `serving.api.schemas`. Errors are raised here and become
problems in `serving.api.problems`.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from serving.answer import Answer, RecommendRequest
from serving.api.admission import needs
from serving.api.current import never
from serving.api.holding import Served
from serving.api.ids import Id, UserId
from serving.api.problems import MEDIA_TYPE
from serving.api.schemas import ExplainAnswer, Live, RankAnswer, Ready, RecommendAnswer
from serving.api.services import Services, compute, services_of
from serving.api.shape import shape_answer, shape_explanation
from serving.api.wishes import (
    ExplainBody,
    ExplainQuery,
    PlacedQuery,
    PlacedRecommendQuery,
    RankBody,
    RecommendBody,
    SessionEventIn,
)
from serving.errors import EventsError
from serving.event_checks import unknown_type
from serving.events import PENDING
from serving.explain import Explanation, explain
from serving.recommend import recommend, similar
from serving.records import Moment, SimilarRequest, clock_ms, moment_of, new_recommendation_id, record_of
from serving.runs import alarms_of
from serving.stages import lap

_REFERENCE = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


def problems_of(*statuses: int, keyed: bool = True) -> dict[int | str, dict[str, Any]]:
    """Return how the OpenAPI document describes these problems.

    Args:
        statuses: those of the route itself.
        keyed: whether the route may need a key, and so answers with 401, 403 and 429 too.
    """
    words = {
        400: "The body is not JSON.",
        401: "A key is needed, and none that is good was given.",
        403: "The key is not for such requests.",
        404: "No such product, or no such list.",
        408: "The body did not come within 30 seconds.",
        409: "The session is another user's.",
        412: "The rule has no version that If-Match names.",
        413: "The body is larger than 1 MiB.",
        415: "The body is not sent as application/json.",
        429: "The key, or this address with wrong ones, asked too often; Retry-After says when to ask again.",
        422: "The request cannot be used as it is.",
        503: "No model is loaded yet, or the event log cannot be used now.",
    }
    every = sorted({*statuses, *((401, 403, 429) if keyed else ())})
    return {status: {"description": words[status], **_REFERENCE} for status in every}


async def require_json(request: Request) -> None:
    """Refuse a body that is not declared as JSON; a browser cannot send JSON across sites without asking."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != "application/json":
        raise HTTPException(415, f"send the body as application/json, got {given[:100] or 'no content type'!r}")


UserPath = Annotated[UserId, Path(description="User id; an unknown user gets popular products.", examples=["u1"])]
ProductPath = Annotated[Id, Path(description="Product id.", examples=["p01"])]
_READ = needs("read")
_BODY = Depends(require_json)
_SHORT = 250
"""Items of a list that is computed at once; one with a path costs about as much as four without."""
router = APIRouter(prefix="/v1")
health = APIRouter()


@router.get(
    "/recommend/{user_id:path}",
    tags=["recommend"],
    summary="Recommend products to a user",
    response_model=RecommendAnswer,
    responses=problems_of(422, 503),
    dependencies=[_READ],
)
async def recommend_to_user(
    request: Request, user_id: UserPath, query: Annotated[PlacedRecommendQuery, Query()]
) -> Response:
    """Return the best products for a user, with the graph paths that carried their score if `explain=paths`."""
    return await _recommend(request, _ruled(request, query.wish(user_id, services_of(request).lists)))


@router.post(
    "/recommend",
    tags=["recommend"],
    summary="Recommend products to a user or to the visitor of a session",
    response_model=RecommendAnswer,
    responses=problems_of(400, 408, 409, 413, 415, 422, 503),
    dependencies=[_READ, _BODY],
)
async def recommend_to_session(request: Request, body: RecommendBody) -> Response:
    """Return the best products for a user, for a session, or for both together.

    The events of a session come with the request (`events`), or came by `/v1/events` (`session_id`).
    """
    check_types(request, body.events)
    services = services_of(request)
    wish = services.visited(body.wish(services.lists), body.session_id)
    return await _recommend(request, _ruled(request, wish))


@router.post(
    "/rank",
    tags=["recommend"],
    summary="Put products in order for a user or for the visitor of a session",
    response_model=RankAnswer,
    responses=problems_of(400, 408, 409, 413, 415, 422, 503),
    dependencies=[_READ, _BODY],
)
async def rank_products(request: Request, body: RankBody) -> Response:
    """Return up to 1,000 products by their score, best first; ids that the model does not know are named apart."""
    check_types(request, body.events)
    services = services_of(request)
    wish = services.visited(body.wish(), body.session_id)
    snapshot = services.current.of(wish.user_id).bundle.snapshot
    unknown = [key for key in dict.fromkeys(body.product_ids) if snapshot.row("Product", key) is None]
    return await _recommend(request, wish, unknown=unknown)


@router.get(
    "/similar/{product_id:path}",
    tags=["recommend"],
    summary="Products like one product",
    response_model=RecommendAnswer,
    responses=problems_of(404, 422, 503),
    dependencies=[_READ],
)
async def similar_products(
    request: Request, product_id: ProductPath, query: Annotated[PlacedQuery, Query()]
) -> Response:
    """Return the products most like one product, best first."""
    services = services_of(request)
    bounds = services.ruled(query.filter(), "similar")
    wish = SimilarRequest(
        product_id=product_id, n=query.n, offset=query.offset, filter=bounds, placement=query.placement
    )
    served = services.current.get()

    def work() -> Response:
        words = served.ready.words(query.lang, query.surface)
        found = similar(served.ready, product_id, n=wish.n, offset=wish.offset, filter=wish.filter, words=words)
        return _list(request, found, served, wish=wish, moment=moment_of(services.log, None))

    return await compute(services, work, is_short=wish.n <= _SHORT)


@router.get(
    "/explain",
    tags=["recommend"],
    summary="Say why a product is, or is not, recommended to a user",
    response_model=ExplainAnswer,
    responses=problems_of(404, 422, 503),
    dependencies=[_READ],
)
def explain_product(request: Request, query: Annotated[ExplainQuery, Query()]) -> Response:
    """Return a product's score for a user taken apart, its place in the list, and what keeps it out of it.

    With `what_if` also the smallest change of the history that would turn the answer over, which takes longer.
    """
    wish = query.wish(services_of(request).lists)
    return _explain(request, query.product, _ruled(request, wish), what_if=query.what_if)


@router.post(
    "/explain",
    tags=["recommend"],
    summary="Say why a product is, or is not, recommended to a user or to the visitor of a session",
    response_model=ExplainAnswer,
    responses=problems_of(400, 404, 408, 409, 413, 415, 422, 503),
    dependencies=[_READ, _BODY],
)
def explain_product_to_session(request: Request, body: ExplainBody) -> Response:
    """Return the same for a user, for a session, or for both together."""
    check_types(request, body.events)
    services = services_of(request)
    wish = services.visited(body.wish(services.lists), body.session_id)
    return _explain(request, body.product_id, _ruled(request, wish), what_if=body.what_if)


@health.get("/health/live", tags=["operation"], summary="Whether the process answers", response_model=Live)
async def live() -> Response:
    """Return 200 as long as the process answers."""
    return as_json({"status": "live"})


@health.get(
    "/health/ready",
    tags=["operation"],
    summary="Whether the process recommends",
    response_model=Ready,
    responses=problems_of(503, keyed=False),
)
def ready(request: Request) -> Response:
    """Return 200 once a bundle is loaded."""
    services = services_of(request)
    bundle = services.current.get().bundle
    causes = services.causes
    return as_json(
        {
            "status": "ready",
            "model_version": bundle.version,
            "graph_version": bundle.snapshot.hash,
            "degraded": bool(causes),
            "causes": causes,
        }
    )


@health.get(
    "/metrics",
    tags=["operation"],
    summary="Metrics in Prometheus' text format",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems_of(503)},
    dependencies=[_READ],
)
def metrics(request: Request) -> Response:
    """Return the metrics of this process."""
    services = services_of(request)
    since_ms = services.log.waiting_since_ms()
    last = next(iter(services.runs.all(limit=1)), None)
    report = services.current.bundles.report_of(None if last is None else last.version)
    services.metrics.set_runs(services.runs.latest_ends(), alarms=len(alarms_of(report)))
    text = services.metrics.render(
        waiting=services.log.count(PENDING),
        lag_s=0.0 if since_ms is None else max(0.0, time.time() - since_ms / 1000),
        degraded=bool(services.causes),
    )
    return Response(text, media_type=CONTENT_TYPE_LATEST)


async def _recommend(request: Request, wish: RecommendRequest, **more: list[str]) -> Response:
    """Answer a wish; `more` goes into the answer as it is."""
    services = services_of(request)

    def work() -> Response:
        moment = moment_of(services.log, wish.user_id)
        asked = services.counted(wish, now_ms=moment.now_ms)

        def find(served: Served) -> Answer:
            return recommend(served.ready, moment, asked, now_ms=moment.now_ms)

        answer, served = services.current.ask(wish.user_id, find, is_empty=lambda answer: not answer.items)
        return _list(request, answer, served, wish=asked, moment=moment, **more)

    return await compute(services, work, is_short=wish.n * (1 + 3 * wish.paths) <= _SHORT)


def _ruled(request: Request, wish: RecommendRequest) -> RecommendRequest:
    """A wish with the rules of the shop in it."""
    return replace(wish, filter=services_of(request).ruled(wish.filter, "recommend"))


def check_types(request: Request, events: Sequence[SessionEventIn]) -> None:
    """Refuse a session with an event of a type that is not declared.

    Raises:
        EventsError: there is one.
    """
    snapshot = services_of(request).current.get().bundle.snapshot
    for place, event in enumerate(events):
        if event.type not in snapshot.schema.events:
            raise EventsError(f"events.{place}.type: {unknown_type(event.type, snapshot)}")


def _explain(request: Request, product_id: str, wish: RecommendRequest, *, what_if: bool) -> Response:
    services = services_of(request)

    def find(served: Served) -> Explanation:
        return explain(served.ready, services.log, product_id, request=asked, what_if=what_if)

    lap("request")
    with services.turn:
        lap("turn")
        asked = services.counted(wish, now_ms=clock_ms())
        found, served = services.current.ask(wish.user_id, find, is_empty=never)
    body = shape_explanation(
        found,
        served.cards,
        stamp=services.stamp(request),
        model_version=served.bundle.version,
        graph_version=served.bundle.snapshot.hash,
    )
    return as_json(body)


def _list(
    request: Request,
    answer: Answer,
    served: Served,
    *,
    wish: RecommendRequest | SimilarRequest,
    moment: Moment,
    **more: list[str],
) -> Response:
    """Shape a list with the cards of the bundle it came from, which may have been replaced meanwhile; record it."""
    services, list_id = services_of(request), new_recommendation_id()
    stamp = services.stamp(request, recommendation_id=list_id)
    response = as_json(shape_answer(answer, served.cards, stamp=stamp) | more)
    sent = bytes(response.body)
    services.metrics.count_items(item.reasons[0] for item in answer.items)
    services.recorder.add(record_of(wish, answer, sent, list_id=list_id, bundle=served.bundle, moment=moment))
    return response


async def answered(
    request: Request,
    find: Callable[[Services, Served], dict[str, Any]],
    *,
    is_short: bool,
    user_id: str | None = None,
) -> Response:
    """Answer with what is found in the bundle in use; no record is kept.

    Args:
        request: the request under way.
        find: gives the body.
        user_id: whose bundle is asked; None: nobody's in particular.
        is_short: whether it takes a few milliseconds at most.
    """
    services = services_of(request)

    def work() -> Response:
        body, _ = services.current.ask(user_id, lambda served: find(services, served), is_empty=never)
        return as_json(body)

    return await compute(services, work, is_short=is_short)


def about(request: Request) -> dict[str, Any]:
    """Return what the answers begin with that rest on no model: the id of the request and the milliseconds so far."""
    stamp = services_of(request).stamp(request)
    return {"request_id": stamp.request_id, "took_ms": stamp.took_ms}


def as_json(body: dict[str, Any]) -> Response:
    """Return an answer as it is sent."""
    response = Response(
        json.dumps(body, ensure_ascii=False, allow_nan=False, check_circular=False).encode(),
        media_type="application/json",
    )
    lap("shape")
    return response
