"""Events gathered and sent in batches.

What could not be sent stays and can be sent again; each event has an id, so none counts twice. Nothing is sent in the
background, and nothing is kept beyond the process.
"""

import re
from collections.abc import Awaitable, Callable, Generator
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from serving.client.answers import EventsAnswer
from serving.client.call import Call, to_json
from serving.client.errors import InvalidRequest, WrongArgument
from serving.client.parts import RejectedEvent
from serving.client.routes import send_events, with_id
from serving.client.wishes import Event

MAX_EVENTS = 1000
"""Events of one request at most."""
_MAX_BYTES = 1_000_000
"""What the API takes of one request is a little more."""
_Flush = Generator[Call[EventsAnswer], EventsAnswer | InvalidRequest, None]
"""Batches to send; each is answered with what came of it."""


class _Gathered:
    """The events that wait, and what became of those that were sent."""

    def __init__(self, *, size: int) -> None:
        if not 1 <= size <= MAX_EVENTS:
            raise WrongArgument(f"size must be from 1 to {MAX_EVENTS} events, got {size}")
        self._size = size
        self._waiting: list[tuple[Event, int]] = []
        self._bytes = 0
        self.accepted = 0
        """Events that the API took."""
        self.duplicates = 0
        """Events that it knew already."""
        self.rejected: list[RejectedEvent] = []
        """Events that it does not take, with the reason; `index` is the place in their batch."""

    def __len__(self) -> int:
        """Return how many events wait."""
        return len(self._waiting)

    def _put(self, event: Event) -> None:
        """Keep an event; one that says no time happened now, not when it is sent."""
        whole = with_id(event if event.at is not None else replace(event, at=datetime.now(UTC)))
        num_bytes = len(to_json(whole)) + 1
        self._waiting.append((whole, num_bytes))
        self._bytes += num_bytes

    def _is_full(self) -> bool:
        return len(self._waiting) >= self._size or self._bytes > _MAX_BYTES

    def _batches(self, *, to_end: bool) -> _Flush:
        """Give the batches that are full, or all that waits."""
        while self._waiting and (to_end or self._is_full()):
            batch = self._batch()
            outcome = yield send_events(batch)
            done = self._refused(outcome, batch) if isinstance(outcome, InvalidRequest) else self._taken(outcome, batch)
            self._bytes -= sum(self._waiting[place][1] for place in done)
            self._waiting = [one for place, one in enumerate(self._waiting) if place not in done]

    def _batch(self) -> list[Event]:
        """The first events that fit into a request, one at least."""
        total, found = 0, list[Event]()
        for event, num_bytes in self._waiting[: self._size]:
            total += num_bytes
            if found and total > _MAX_BYTES:
                break
            found.append(event)
        return found

    def _taken(self, answer: EventsAnswer, batch: list[Event]) -> set[int]:
        self.accepted += answer.accepted
        self.duplicates += answer.duplicates
        self.rejected += answer.rejected
        return set(range(len(batch)))

    def _refused(self, error: InvalidRequest, batch: list[Event]) -> set[int]:
        """Put aside the events that a batch was refused for; the others are sent without them."""
        bad = {one.index: one for one in error.rejected if isinstance(one, RejectedEvent)}
        for wrong in error.errors:
            found = re.fullmatch(r"events\.(\d+)\.(.+)", wrong.field)
            if found is not None and (index := int(found[1])) < len(batch):
                reason = f"{found[2]}: {wrong.detail}"
                bad.setdefault(index, RejectedEvent(index=index, event_id=batch[index].event_id or "", reason=reason))
        if not bad and len(batch) == 1 and error.status in (413, 422):
            bad[0] = RejectedEvent(index=0, event_id=batch[0].event_id or "", reason=error.detail)
        if not bad:
            raise error
        self.rejected += bad.values()
        return set(bad)


class EventBuffer(_Gathered):
    """Events that wait to be sent by a `Whycart`. One thread uses it."""

    def __init__(self, send: Callable[[Call[EventsAnswer]], EventsAnswer], *, size: int) -> None:
        """Gather events for `send`, in batches of at most `size`."""
        super().__init__(size=size)
        self._send = send

    def add(self, event: Event) -> None:
        """Keep an event, and send a batch if it is full.

        Raises:
            ApiError: the batch could not be sent; its events stay, and `flush` tries again.
            WrongArgument: the event cannot be sent as JSON.
        """
        self._put(event)
        self._send_batches(to_end=False)

    def flush(self) -> None:
        """Send all that waits.

        Raises:
            ApiError: a batch could not be sent; its events stay.
        """
        self._send_batches(to_end=True)

    def _send_batches(self, *, to_end: bool) -> None:
        steps = self._batches(to_end=to_end)
        outcome: EventsAnswer | InvalidRequest | None = None
        while (call := _next(steps, outcome)) is not None:
            try:
                outcome = self._send(call)
            except InvalidRequest as err:
                outcome = err

    def __enter__(self) -> Self:
        """Give the buffer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send what is left, also after an error: it was done nevertheless."""
        self.flush()


class AsyncEventBuffer(_Gathered):
    """Events that wait to be sent by an `AsyncWhycart`. One task uses it."""

    def __init__(self, send: Callable[[Call[EventsAnswer]], Awaitable[EventsAnswer]], *, size: int) -> None:
        """Gather events for `send`, in batches of at most `size`."""
        super().__init__(size=size)
        self._send = send

    async def add(self, event: Event) -> None:
        """Keep an event, and send a batch if it is full; raises as `EventBuffer.add` does."""
        self._put(event)
        await self._send_batches(to_end=False)

    async def flush(self) -> None:
        """Send all that waits; raises as `EventBuffer.flush` does."""
        await self._send_batches(to_end=True)

    async def _send_batches(self, *, to_end: bool) -> None:
        steps = self._batches(to_end=to_end)
        outcome: EventsAnswer | InvalidRequest | None = None
        while (call := _next(steps, outcome)) is not None:
            try:
                outcome = await self._send(call)
            except InvalidRequest as err:
                outcome = err

    async def __aenter__(self) -> Self:
        """Give the buffer."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send what is left, also after an error: it was done nevertheless."""
        await self.flush()


def _next(steps: _Flush, outcome: EventsAnswer | InvalidRequest | None) -> Call[EventsAnswer] | None:
    """The next batch; None: nothing waits any more."""
    try:
        return next(steps) if outcome is None else steps.send(outcome)
    except StopIteration:
        return None
