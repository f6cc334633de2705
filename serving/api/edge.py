"""The edge of the HTTP process: ids, sizes, times, metrics and one log line for every request.

An ASGI wrapper around the whole app. It knows no route; it logs the route's template, never a path, a query or a body,
because those name people.
"""

import asyncio
import json
import logging
import re
import time
import uuid
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kg.privacy import Secret
from serving.api.ids import USER_SECRET
from serving.api.metrics import Metrics
from serving.api.problems import MEDIA_TYPE, internal_problem, problem_body
from serving.stages import STAGES, Stages
from serving.tracing import Traces

logger = logging.getLogger(__name__)
MAX_BODY_BYTES = 1024 * 1024
HEADER = "X-Request-ID"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
BODY_S = 30.0
"""How long a body may take to come."""
_TOO_SLOW = f"the body did not come within {BODY_S:.0f} seconds; send it again"
_TOO_LARGE = f"the body is larger than {MAX_BODY_BYTES:,} bytes; send it in several requests"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


class Edge:
    """Wraps an app; one instance serves all its requests."""

    def __init__(
        self, app: ASGIApp, metrics: Metrics, secret: Secret | None = None, traces: Traces | None = None
    ) -> None:
        """Wrap `app`, count in `metrics` and tell `traces`; with a secret users are known by pseudonyms."""
        self._app = app
        self._metrics = metrics
        self._secret = secret
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        USER_SECRET.set(self._secret)
        await _Exchange(scope, receive, send).run(self._app, self._metrics, self._traces)


class _Exchange:
    """One request on its way in and its answer on its way out."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive_raw, self._send_raw = scope, receive, send
        self._headers = Headers(scope=scope)
        self._watch = Stages()
        self._status: int | None = None
        self._received_bytes = 0
        self._body_until = time.monotonic() + BODY_S
        self._is_whole = False
        given = self._headers.get(HEADER, "")
        self._request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex

    async def run(self, app: ASGIApp, metrics: Metrics, traces: Traces | None) -> None:
        """Hand the request to the app, and answer for it where it fails."""
        state = self._scope.setdefault("state", {})
        state["request_id"], state["started"] = self._request_id, self._watch.started_s
        STAGES.set(self._watch)
        try:
            if self._announced_bytes() > MAX_BODY_BYTES:
                await self._answer(problem_body(413, _TOO_LARGE, request_id=self._request_id))
            else:
                await app(self._scope, self._receive, self._send)
        except Exception:  # the edge of the process: whatever fails, the caller gets a problem
            logger.exception("request failed", extra={"request_id": self._request_id})
            if self._status is None:
                await self._answer(internal_problem(self._request_id))
        finally:
            self._finish(metrics, traces)

    def _announced_bytes(self) -> int:
        given = self._headers.get("content-length", "")
        return int(given) if given.isdecimal() and len(given) < 16 else 0

    async def _receive(self) -> Message:
        message = await (self._receive_raw() if self._is_whole else self._receive_in_time())
        self._received_bytes += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if self._received_bytes > MAX_BODY_BYTES:
            raise HTTPException(413, _TOO_LARGE)
        return message

    async def _receive_in_time(self) -> Message:
        """The next part of the body; a client that sends it drop by drop does not hold a place for ever."""
        try:
            async with asyncio.timeout(self._body_until - time.monotonic()):
                return await self._receive_raw()
        except TimeoutError as err:
            raise HTTPException(408, _TOO_SLOW) from err

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = MutableHeaders(scope=message)
            headers[HEADER] = self._request_id
            headers["X-Content-Type-Options"] = "nosniff"
            headers.setdefault("Cache-Control", "no-store")
            headers["Server-Timing"] = self._timing()
        await self._send_raw(message)

    async def _answer(self, problem: dict[str, Any]) -> None:
        body = json.dumps(problem).encode()
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        await self._send({"type": "http.response.start", "status": problem["status"], "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    def _timing(self) -> str:
        """The whole time and that of each stage, as a browser shows them."""
        times = {"app": (time.perf_counter() - self._watch.started_s) * 1000, **self._watch.totals_ms()}
        return ", ".join(f"{stage};dur={took_ms:.2f}" for stage, took_ms in times.items())

    def _finish(self, metrics: Metrics, traces: Traces | None) -> None:
        ended_s = time.perf_counter()
        took_s = ended_s - self._watch.started_s
        route = getattr(self._scope.get("route"), "path", "other").replace(":path}", "}")
        method = self._scope["method"] if self._scope["method"] in _METHODS else "other"
        status = self._status or 499
        metrics.observe(method, route, status=status, took_s=took_s)
        facts = {
            "method": method,
            "route": route,
            "status": status,
            "took_ms": round(took_s * 1000, 2),
            "request_id": self._request_id,
        }
        logger.log(logging.WARNING if status >= 500 else logging.INFO, "request", extra=facts)
        if traces is not None:
            told: dict[str, str | int] = {
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": status,
                "whycart.request_id": self._request_id,
            }
            traces.answer(self._watch, f"{method} {route}", ended_s=ended_s, facts=told, headers=self._headers)
