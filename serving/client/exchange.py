"""From a question to its answer: what is sent, what an error means, and when it is asked again.

It neither sends nor waits, so that one text serves programs that wait and programs that do not: `converse` says what to
do next, and whoever drives it says what came of that.
"""

import random
import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from serving.client.call import Call
from serving.client.errors import ConnectionFailed, Refused, UnexpectedAnswer, WrongArgument, kind_of
from serving.client.parts import FieldProblem, RejectedEvent, RejectedImpression, RejectedProduct
from serving.client.reading import read

T = TypeVar("T")
Outcome = httpx.Response | httpx.RequestError | None
"""What came of a step; None: it was a wait."""
Steps = Generator[httpx.Request | float, Outcome, T]
"""Requests to send and seconds to wait, and at the end the answer."""
DEFAULT_URL = "http://127.0.0.1:8000"
KEY_VARIABLE = "WHYCART_API_KEY"
_BUSY = frozenset({429, 502, 503, 504})
_LOST = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ConnectTimeout)
"""No answer will come. One that only takes long is not asked for again: that would make it take longer."""
_CONNECT_S = 5.0
_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often a question is asked again that the API could not answer, or that did not reach it."""

    times: int = 3
    """How often it is asked again; 0: never."""
    first_wait_s: float = 0.2
    """Seconds before the first time, where the API does not say (`Retry-After`); each further wait is twice as long."""
    longest_wait_s: float = 5.0
    """An API that wants a longer wait is not asked again."""

    def __post_init__(self) -> None:
        """Refuse what cannot be counted or waited."""
        for name in ("times", "first_wait_s", "longest_wait_s"):
            if (value := getattr(self, name)) < 0:
                raise WrongArgument(f"Retries.{name} must be at least 0, got {value}")

    def wait_s(self, asked: int, wanted_s: float | None) -> float | None:
        """Return the seconds before a question is asked again; None: it is not.

        Args:
            asked: how often it was asked; 1 is the first.
            wanted_s: what the API wants; None: it said nothing.
        """
        if asked > self.times or (wanted_s or 0.0) > self.longest_wait_s:
            return None
        if wanted_s is not None:
            return wanted_s
        # Some earlier and some later, so that clients that failed together do not come back together.
        return float(min(self.longest_wait_s, self.first_wait_s * 2 ** (asked - 1)) * random.uniform(0.5, 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How the API is asked."""

    base_url: str
    api_key: str | None
    timeout_s: float | None
    """How long an answer is waited for; None: as long as its kind needs."""
    retries: Retries
    new_request_id: Callable[[], str]


def manners(
    base_url: str,
    api_key: str | None,
    *,
    timeout_s: float | None,
    retries: Retries,
    new_request_id: Callable[[], str] | None,
    environment: Mapping[str, str],
) -> Manners:
    """Return how the API is asked.

    Raises:
        WrongArgument: an address that is none, a key that cannot be one, or a time that cannot be waited.
    """
    _check_url(base_url)
    key = api_key or environment.get(KEY_VARIABLE) or None
    if key is not None and not re.fullmatch(r"[!-~]+", key):
        raise WrongArgument(
            "the API key must be one line of letters, digits and signs; give what 'whycart keys create' printed"
        )
    if timeout_s is not None and not timeout_s > 0:
        raise WrongArgument(f"timeout_s must be above 0, got {timeout_s}; None takes what each route needs")
    return Manners(
        base_url=base_url.rstrip("/"),
        api_key=key,
        timeout_s=timeout_s,
        retries=retries,
        new_request_id=new_request_id or (lambda: uuid4().hex),
    )


def _check_url(base_url: str) -> None:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as err:
        raise WrongArgument(f"base_url is no address ({err}), got {base_url!r}; such as {DEFAULT_URL}") from err
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise WrongArgument(
            f"base_url must be http:// or https:// with a host, perhaps a port and a path, got {base_url!r}; such as "
            f"{DEFAULT_URL}"
        )


def converse(call: Call[T], how: Manners, build: Callable[..., httpx.Request]) -> Steps[T]:
    """Give the steps to the answer of a question.

    Args:
        call: the question.
        how: how the API is asked.
        build: makes a request, as `build_request` of httpx does.

    Raises:
        ApiError: by its classes, what went wrong.
    """
    name, asked = f"{call.method} {call.route}", 0
    request_id = how.new_request_id()
    while True:
        asked += 1
        outcome = yield _request(call, how, build, request_id)
        if isinstance(outcome, httpx.Response) and outcome.is_success:
            return _answer(call, outcome, name)
        error = _error(name, outcome, how=how, asked=asked)
        wait_s = how.retries.wait_s(asked, getattr(error, "retry_after_s", None))
        if wait_s is None or not call.is_repeated or not _may_pass(outcome):
            raise error from (outcome if isinstance(outcome, Exception) else None)
        yield wait_s


def _request(call: Call[T], how: Manners, build: Callable[..., httpx.Request], request_id: str) -> httpx.Request:
    headers = {"Accept": "application/json, text/plain", "X-Request-ID": request_id}
    if how.api_key is not None:
        headers["X-API-Key"] = how.api_key
    if call.if_match is not None:
        headers["If-Match"] = call.if_match
    if call.content is not None:
        headers["Content-Type"] = "application/json"
    timeout_s = how.timeout_s or call.patience_s
    timeout = httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_S))
    return build(call.method, how.base_url + call.target, content=call.content, headers=headers, timeout=timeout)


def _may_pass(outcome: Outcome) -> bool:
    """Whether the same question may be answered a little later."""
    return outcome.status_code in _BUSY if isinstance(outcome, httpx.Response) else isinstance(outcome, _LOST)


def _answer(call: Call[T], response: httpx.Response, name: str) -> T:
    if issubclass(call.answer, str):
        return call.answer(response.text)
    return read(call.answer, _json(response, name), of=name)


def _json(response: httpx.Response, name: str) -> object:
    try:
        found: object = response.json()
    except ValueError as err:
        raise UnexpectedAnswer(
            f"{name} was answered with what is no JSON: {response.text[:_SHOWN]!r}; does the API listen at "
            f"{response.request.url.scheme}://{response.request.url.netloc.decode()}?"
        ) from err
    return found


def _error(name: str, outcome: Outcome, *, how: Manners, asked: int) -> Refused | ConnectionFailed:
    if isinstance(outcome, httpx.Response):
        return _refused(name, outcome)
    what = f"{type(outcome).__name__}: {outcome}" if str(outcome) else type(outcome).__name__
    return ConnectionFailed(
        f"{name} got no answer from {how.base_url}, asked {'once' if asked == 1 else f'{asked} times'} ({what}); does "
        "'whycart serve' run there?"
    )


def _refused(name: str, response: httpx.Response) -> Refused:
    """What an answer says that is an error; of one that is no problem of the API, what can be made of it."""
    body = _problem(response)
    errors = [read(FieldProblem, one, of=name) for one in body.get("errors") or ()]
    rejected = [_rejected(one, name) for one in body.get("rejected") or ()]
    wait = response.headers.get("retry-after", "")
    return kind_of(response.status_code)(
        f"{name}: {body['status']} {body['title']}: {body['detail']} (request {body['request_id']})",
        problem=body,
        errors=errors,
        rejected=rejected,
        retry_after_s=float(wait) if wait.isdecimal() else None,
    )


def _rejected(one: dict[str, Any], name: str) -> RejectedEvent | RejectedProduct | RejectedImpression:
    if "event_id" in one:
        return read(RejectedEvent, one, of=name)
    return read(RejectedProduct, one, of=name) if "product_id" in one else read(RejectedImpression, one, of=name)


def _problem(response: httpx.Response) -> dict[str, Any]:
    status = response.status_code
    known: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase if status in HTTPStatus.__members__.values() else "Unknown",
        "status": status,
        "detail": response.text[:_SHOWN] or "nothing more was said",
        "request_id": response.headers.get("x-request-id", response.request.headers["x-request-id"]),
    }
    if response.headers.get("content-type", "").partition(";")[0] != "application/problem+json":
        return known
    try:
        body = response.json()
    except ValueError:
        return known
    return known | body if isinstance(body, dict) else known
