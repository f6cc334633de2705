"""Errors over HTTP: every 4xx and 5xx is `application/problem+json` (RFC 9457) with the id of the request.

A problem says what is wrong and what is allowed. It never shows a stack trace, and errors of ours say nothing about
the inside.
"""

import json
import logging
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from cypher.errors import InputError, UnknownQuery, WhycartError
from gnn.errors import BundleError
from kg.errors import GraphConnectionError, GraphTooSlow, LocalServerError, PrivacyError
from serving.errors import (
    Forbidden,
    NoBundleError,
    RuleChanged,
    SessionTaken,
    StateError,
    TooManyRequests,
    Unauthorized,
    UnknownProduct,
    UnknownRecommendation,
    UnknownRule,
    UnknownRun,
    UnknownUser,
)

logger = logging.getLogger(__name__)
MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:whycart:problem:"
MAX_ERRORS = 20
"""Most broken fields named in one problem."""
RETRY_AFTER_S = 2
_SHOWN = 100


def problem_body(status: int, detail: str, *, request_id: str, slug: str | None = None, **more: Any) -> dict[str, Any]:
    """Return a problem as the dictionary that is sent.

    Args:
        status: HTTP status, 400 to 599.
        detail: one or two sentences for the caller.
        request_id: id of the request.
        slug: last word of the problem's type; None: made from the status.
        more: further members.
    """
    phrase = HTTPStatus(status).phrase
    kind = slug or phrase.lower().replace(" ", "-")
    return {
        "type": TYPE_PREFIX + kind,
        "title": phrase,
        "status": status,
        "detail": detail,
        "request_id": request_id,
        **more,
    }


def problem_response(body: Mapping[str, Any], *, headers: Mapping[str, str] | None = None) -> Response:
    """Return a problem as a response."""
    return Response(json.dumps(body), int(body["status"]), dict(headers or {}), MEDIA_TYPE)


def install_problems(app: FastAPI) -> None:
    """Make the app answer every foreseen error with a problem; unforeseen ones are `serving.api.edge`'s."""
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(WhycartError, _on_whycart)


def request_id_of(request: Request) -> str:
    """Return the id that the edge gave to the request."""
    return str(request.state.request_id)


def _on_validation(request: Request, err: Exception) -> Response:
    found = err.errors() if isinstance(err, RequestValidationError) else ()
    request_id = request_id_of(request)
    if any(entry["type"] == "json_invalid" for entry in found):
        return problem_response(
            problem_body(400, "the body is not valid JSON", request_id=request_id, slug="malformed-json")
        )
    errors = list(_fields(found))
    named = "; ".join(f"{entry['field']}: {entry['detail']}" for entry in errors[:3])
    detail = f"the request cannot be used as it is: {named}"
    return problem_response(problem_body(422, detail, request_id=request_id, slug="invalid-request", errors=errors))


def _fields(found: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, str]]:
    for entry in list(found)[:MAX_ERRORS]:
        place, *names = entry["loc"]
        text = str(entry["msg"]).removeprefix("Value error, ")
        field = {"in": str(place), "field": ".".join(map(str, names)) or str(place), "detail": text}
        given = entry.get("input")
        if isinstance(given, str | int | float):
            field["got"] = str(given)[:_SHOWN]
        yield field


def _on_http(request: Request, err: Exception) -> Response:
    if not isinstance(err, HTTPException):
        raise err
    details = {
        404: "there is nothing at this address; /openapi.json lists every route",
        405: f"{request.method} is not allowed here; the header Allow names what is",
    }
    detail, headers = details.get(err.status_code, str(err.detail)), dict(err.headers or {})
    if err.status_code == 405 and (methods := _methods_here(request)):
        headers["Allow"] = ", ".join(methods)
    body = problem_body(err.status_code, detail, request_id=request_id_of(request))
    return problem_response(body, headers=headers)


def _methods_here(request: Request) -> list[str]:
    """Every documented method of the address of a request; the route that refuses it names its own only."""
    found: dict[str, list[str]] = {}
    for template, methods in request.app.openapi()["paths"].items():
        if re.fullmatch(re.sub(r"\\{\w+\\}", ".+", re.escape(template)), request.url.path):
            found[re.sub(r"\{\w+\}", "", template)] = sorted(method.upper() for method in methods)
    return found[max(found, key=len)] if found else []  # an id may hold slashes: what says most of the address counts


_UNKNOWN: Mapping[type[Exception], str] = {
    UnknownProduct: "unknown-product",
    UnknownRecommendation: "unknown-recommendation",
    UnknownUser: "unknown-user",
    UnknownRun: "unknown-run",
    UnknownRule: "unknown-rule",
    UnknownQuery: "unknown-query",
}
"""Errors about what is not there, answered with 404, and the last word of the problem's type."""


def _on_whycart(request: Request, err: Exception) -> Response:
    request_id = request_id_of(request)
    if isinstance(err, Unauthorized | Forbidden | TooManyRequests):
        return _not_admitted(err, request_id)
    slug = next((slug for kind, slug in _UNKNOWN.items() if isinstance(err, kind)), None)
    if slug is not None:
        return problem_response(problem_body(404, str(err), request_id=request_id, slug=slug))
    if isinstance(err, PrivacyError):
        logger.error("nobody can be told apart from who was deleted: %s", err, extra={"request_id": request_id})
        return unavailable("state", "the event log cannot be used now; nothing was taken, try again", request_id)
    if isinstance(err, SessionTaken):
        return problem_response(problem_body(409, str(err), request_id=request_id, slug="session-taken"))
    if isinstance(err, RuleChanged):
        return problem_response(problem_body(412, str(err), request_id=request_id, slug="rule-changed"))
    if isinstance(err, InputError):
        return problem_response(problem_body(422, str(err), request_id=request_id, slug="invalid-request"))
    if isinstance(err, NoBundleError | BundleError):
        return unavailable("no-model", "no model is loaded yet; publish one with 'whycart retrain'", request_id)
    if isinstance(err, GraphConnectionError | LocalServerError):
        logger.warning("the graph was not asked: %s", err, extra={"request_id": request_id})
        return unavailable("graph-unavailable", _of_graph(err), request_id)
    if isinstance(err, StateError):
        logger.error("the operational state cannot be used: %s", err, extra={"request_id": request_id})
        return unavailable("state", "the event log cannot be used now; nothing was taken, try again", request_id)
    logger.error("request failed: %s", err, extra={"request_id": request_id})
    return problem_response(internal_problem(request_id))


def _of_graph(err: WhycartError) -> str:
    """What a caller is told of the graph: nothing of addresses and folders, which the log has."""
    if isinstance(err, GraphTooSlow):
        return "the graph took too long to answer and was stopped; ask for less, or for one product, user or category"
    return "the graph cannot be asked now; try again"


def _not_admitted(err: Unauthorized | Forbidden | TooManyRequests, request_id: str) -> Response:
    """401 without a good key, 403 with one that is not for this, 429 with one that was used too often."""
    if isinstance(err, Unauthorized):
        return problem_response(
            problem_body(401, str(err), request_id=request_id), headers={"WWW-Authenticate": "Bearer"}
        )
    if isinstance(err, Forbidden):
        return problem_response(problem_body(403, str(err), request_id=request_id))
    body = problem_body(429, str(err), request_id=request_id)
    return problem_response(body, headers={"Retry-After": str(err.wait_s)})


def internal_problem(request_id: str) -> dict[str, Any]:
    """Return the problem of an error that is ours."""
    return problem_body(500, "an error of the server; its log has more under this request_id", request_id=request_id)


def unavailable(slug: str, detail: str, request_id: str) -> Response:
    """Return the problem of what cannot be answered now, and when to ask again."""
    body = problem_body(503, detail, request_id=request_id, slug=slug)
    return problem_response(body, headers={"Retry-After": str(RETRY_AFTER_S)})
