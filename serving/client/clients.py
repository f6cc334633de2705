"""The two clients: `Whycart` waits for each answer, `AsyncWhycart` is awaited.

They ask the same questions in the same way; here is only what differs, the sending and the waiting.
"""

import asyncio
import functools
import os
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Generic, ParamSpec, Self, TypeVar, overload

import httpx

from serving.client import routes
from serving.client.buffer import MAX_EVENTS, AsyncEventBuffer, EventBuffer
from serving.client.call import Call
from serving.client.exchange import DEFAULT_URL, Manners, Outcome, Retries, converse, manners

P = ParamSpec("P")
T = TypeVar("T")
_FEW_TIMES = Retries()


class _Route(Generic[P, T]):
    """A function of `serving.client.routes` as a method of both clients: what it returns is asked, or awaited."""

    def __init__(self, build: Callable[P, Call[T]]) -> None:
        self.build = build

    @overload
    def __get__(self, client: "Whycart", owner: object = None) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: "AsyncWhycart", owner: object = None) -> Callable[P, Awaitable[T]]: ...
    @overload
    def __get__(self, client: None, owner: object = None) -> "_Route[P, T]": ...
    def __get__(
        self, client: "Whycart | AsyncWhycart | None", owner: object = None
    ) -> "Callable[P, T] | Callable[P, Awaitable[T]] | _Route[P, T]":
        if client is None:
            return self
        send: Callable[[Call[T]], T | Awaitable[T]] = client.send

        @functools.wraps(self.build)
        def ask(*args: P.args, **options: P.kwargs) -> T | Awaitable[T]:
            return send(self.build(*args, **options))

        return ask  # type: ignore[return-value]  # which of both it is follows from the client


class _Questions:
    """What both clients can be asked; each method is described in `serving.client.routes`."""

    recommend = _Route(routes.recommend)
    recommend_session = _Route(routes.recommend_session)
    rank = _Route(routes.rank)
    similar = _Route(routes.similar)
    explain = _Route(routes.explain)
    explain_session = _Route(routes.explain_session)
    bought_together = _Route(routes.bought_together)
    bought_with_basket = _Route(routes.bought_with_basket)
    trending = _Route(routes.trending)
    new = _Route(routes.new)
    search = _Route(routes.search)
    home = _Route(routes.home)
    home_session = _Route(routes.home_session)
    profile = _Route(routes.profile)
    audiences = _Route(routes.audiences)
    user_data = _Route(routes.user_data)
    delete_user = _Route(routes.delete_user)
    send_events = _Route(routes.send_events)
    log_in = _Route(routes.log_in)
    send_impressions = _Route(routes.send_impressions)
    send_products = _Route(routes.send_products)
    rules = _Route(routes.rules)
    rule = _Route(routes.rule)
    write_rule = _Route(routes.write_rule)
    preview_rule = _Route(routes.preview_rule)
    delete_rule = _Route(routes.delete_rule)
    queries = _Route(routes.queries)
    query = _Route(routes.query)
    cypher = _Route(routes.cypher)
    recommendation = _Route(routes.recommendation)
    uptake = _Route(routes.uptake)
    runs = _Route(routes.runs)
    run = _Route(routes.run)
    live = _Route(routes.live)
    ready = _Route(routes.ready)
    metrics = _Route(routes.metrics)

    _how: Manners

    def __repr__(self) -> str:
        """Say which API is asked, and never the key."""
        return f"{type(self).__name__}({self._how.base_url!r})"


class Whycart(_Questions):
    """A client that waits for its answers; threads may share one.

    Example:
        with Whycart("http://127.0.0.1:8000") as shop:
            for item in shop.recommend("u1", n=5, explain="paths").items:
                print(item.product_id, item.text)
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout_s: float | None = None,
        retries: Retries = _FEW_TIMES,
        new_request_id: Callable[[], str] | None = None,
        http: httpx.Client | None = None,
    ) -> None:
        """Remember whom to ask and how; nothing is asked yet.

        Args:
            base_url: where the API listens.
            api_key: made by `whycart keys create`; None: what WHYCART_API_KEY says, if anything.
            timeout_s: how long an answer is waited for; None: 10 seconds, and 40 of the graph.
            retries: how often it is asked again.
            new_request_id: gives each request the id that the logs of the API know it by; None: a random one.
            http: connections of your own, for certificates and proxies, which you close; None: own ones.

        Raises:
            WrongArgument: an address that is none, or a time that cannot be waited.
        """
        self._how = manners(
            base_url,
            api_key,
            timeout_s=timeout_s,
            retries=retries,
            new_request_id=new_request_id,
            environment=os.environ,
        )
        self._http, self._is_own = http or httpx.Client(), http is None

    def send(self, call: Call[T]) -> T:
        """Ask a question of `serving.client.routes` and return its answer.

        Raises:
            ApiError: by its classes, what went wrong.
        """
        steps, outcome = converse(call, self._how, self._http.build_request), None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                answer: T = end.value
                return answer
            outcome = self._do(step)

    def _do(self, step: httpx.Request | float) -> Outcome:
        if not isinstance(step, httpx.Request):
            time.sleep(step)
            return None
        try:
            return self._http.send(step)
        except httpx.RequestError as err:
            return err

    def buffer(self, *, size: int = MAX_EVENTS) -> EventBuffer:
        """Return a buffer that sends events in batches of at most `size`, and what is left at the end of its `with`."""
        return EventBuffer(self.send, size=size)

    def close(self) -> None:
        """Close the connections, if they are the client's own."""
        if self._is_own:
            self._http.close()

    def __enter__(self) -> Self:
        """Give the client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()


class AsyncWhycart(_Questions):
    """A client for asyncio; tasks of one loop share one.

    Example:
        async with AsyncWhycart("http://127.0.0.1:8000") as shop:
            answer = await shop.recommend("u1", n=5, explain="paths")
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        timeout_s: float | None = None,
        retries: Retries = _FEW_TIMES,
        new_request_id: Callable[[], str] | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        """Remember whom to ask and how, as `Whycart` does; nothing is asked yet."""
        self._how = manners(
            base_url,
            api_key,
            timeout_s=timeout_s,
            retries=retries,
            new_request_id=new_request_id,
            environment=os.environ,
        )
        self._http, self._is_own = http or httpx.AsyncClient(), http is None

    async def send(self, call: Call[T]) -> T:
        """Ask a question of `serving.client.routes` and return its answer.

        Raises:
            ApiError: by its classes, what went wrong.
        """
        steps, outcome = converse(call, self._how, self._http.build_request), None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                answer: T = end.value
                return answer
            outcome = await self._do(step)

    async def _do(self, step: httpx.Request | float) -> Outcome:
        if not isinstance(step, httpx.Request):
            await asyncio.sleep(step)
            return None
        try:
            return await self._http.send(step)
        except httpx.RequestError as err:
            return err

    def buffer(self, *, size: int = MAX_EVENTS) -> AsyncEventBuffer:
        """Return a buffer that sends events in batches of at most `size`, and what is left at the end of its `with`."""
        return AsyncEventBuffer(self.send, size=size)

    async def aclose(self) -> None:
        """Close the connections, if they are the client's own."""
        if self._is_own:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        """Give the client."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.aclose()
