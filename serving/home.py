"""The rows of a shop's first page for one user, as a story: for you -> again -> because -> new -> in demand.

Each row is a list that a route of its own would give, under a title; a product stands in one row only, the first that
has it. A row without products is left out, so a stranger sees what is in demand and what is new.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from cypher.errors import InputError
from gnn.score import History
from serving.answer import Answer, Filter, Item, RecommendRequest, check_page
from serving.events import EventCount
from serving.history import EventReader, past_of
from serving.profile import profile_of
from serving.ready import Ready
from serving.recommend import recommend, similar
from serving.rules import ListName, of_list
from serving.surfaces import Basket, bought_together, newest, trending
from serving.words import Words

Kind = Literal["for_you", "again", "because", "new", "trending"]
MAX_ROWS = 20
_BECAUSE = 2
"""Rows about a product that the user had."""
_LATEST = 10
"""Products of the history that such a row may be about."""


@dataclass(frozen=True, slots=True)
class About:
    """What a row is about."""

    type: str
    """`Product` or `Category`."""
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Row:
    """One list of the page."""

    kind: Kind
    title: str
    about: About | None
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Home:
    """The page."""

    rows: tuple[Row, ...]
    events_used: int


def home_of(
    ready: Ready,
    events: EventReader,
    since: Iterable[EventCount],
    request: RecommendRequest,
    *,
    rows: int = 6,
    now_ms: int | None = None,
) -> Home:
    """Return the rows of a user's page.

    Args:
        ready: the bundle.
        events: gives what the user did after the bundle was made.
        since: events of anybody that are not in the bundle, for what is in demand.
        request: who asks, how many products a row has, and what may be in it; each row goes by those of its rules that
            change its list.
        rows: how many at most.
        now_ms: epoch milliseconds that ages are counted from; None: the clock.

    Raises:
        InputError: rows or n out of range, a filter that cannot be used, or a language that nothing is told in.
    """
    check_page(request.n, 0)
    if not 1 <= rows <= MAX_ROWS:
        raise InputError(f"rows must be between 1 and {MAX_ROWS}, got {rows}")
    page = _Page(ready, events, tuple(since), request, now_ms)
    found, shown = list[Row](), set[str]()
    for row in page.rows():
        items = tuple(item for item in row.items if item.product_id not in shown)[: request.n]
        if items:
            shown |= {item.product_id for item in items}
            found.append(replace(row, items=_ranked(items)))
        if len(found) == rows:
            break
    return Home(tuple(found), len(page.history))


@dataclass(frozen=True)
class _Page:
    """What all rows are made from."""

    ready: Ready
    events: EventReader
    since: tuple[EventCount, ...]
    request: RecommendRequest
    now_ms: int | None

    @cached_property
    def words(self) -> Words:
        """How titles and reasons are told."""
        return self.ready.words(self.request.language, self.request.surface)

    @cached_property
    def history(self) -> History:
        """What the user did."""
        return past_of(self.ready.bundle, self.events, self.request, now_ms=self.now_ms).read()

    def rows(self) -> Iterator[Row]:
        """Every row that there may be, in order, longer than wanted, as others may take some of its products."""
        wanted = replace(self.request, n=min(500, self.request.n * 3))
        if len(self.history):  # what the user had and what not: these two share no product, and are as long as wanted
            discover = replace(self.request.filter, exclude_seen=True)
            yield self._row("for_you", self._recommend(replace(self.request, filter=discover)))
            again = replace(self.request.filter, exclude_seen=False, only_seen=True)
            yield self._row("again", self._recommend(replace(self.request, filter=again, new_every=0)))
            yield from self._because(wanted)
        yield from self._new(wanted)
        bounds = _of(_for_anybody(wanted.filter), "trending")
        hot = trending(self.ready, self.since, n=wanted.n, filter=bounds, words=self.words)
        yield self._row("trending", hot)

    def _because(self, wanted: RecommendRequest) -> Iterator[Row]:
        """What goes with, or is like, what the user had last."""
        history, ids = self.history, self.ready.bundle.snapshot.ids("Product")
        liked = history.product[history.weight > 0][::-1]
        liked = liked[self.ready.nameable[liked]]
        latest = list(dict.fromkeys(liked.tolist()))[:_LATEST]
        had, given = tuple(ids[row] for row in np.unique(history.product)), 0
        bounds = replace(_for_anybody(wanted.filter), exclude_ids=(*wanted.filter.exclude_ids, *had))
        for row in latest:
            key = ids[row]
            basket, words = Basket(product_ids=(key,)), self.words
            found = bought_together(self.ready, basket, n=wanted.n, filter=_of(bounds, "bought_together"), words=words)
            if len(found.items) < self.request.n:
                found = similar(self.ready, key, n=wanted.n, filter=_of(bounds, "similar"), words=words)
            if found.items:
                yield self._row("because", found, About("Product", key, self.ready.shelf.label("Product", row)))
                given += 1
            if given == _BECAUSE:
                return

    def _new(self, wanted: RecommendRequest) -> Iterator[Row]:
        """What is new in the category that the user likes most, or in the shop."""
        taste = self.ready.bundle.scorer.score(self.history) if len(self.history) else None
        bounds = _of(_for_anybody(wanted.filter), "new")
        for best in profile_of(self.ready, self.history, n=1).affinities.get("category", ()):
            inside = replace(bounds, categories=(*bounds.categories, best.id))
            found = newest(self.ready, n=wanted.n, taste=taste, filter=inside, words=self.words)
            yield self._row("new", found, About("Category", best.id, best.name))
        yield self._row("new", newest(self.ready, n=wanted.n, taste=taste, filter=bounds, words=self.words))

    def _recommend(self, request: RecommendRequest) -> Answer:
        bounds = _of(request.filter, "recommend")
        return recommend(self.ready, self.events, replace(request, filter=bounds), now_ms=self.now_ms)

    def _row(self, kind: Kind, answer: Answer, about: About | None = None) -> Row:
        return Row(kind, self._title(kind, about), about, answer.items)

    def _title(self, kind: Kind, about: About | None) -> str:
        if about is None:
            return self.words.language.text(f"home_{kind}")
        return self.words.language.text(f"home_{kind}_of", {"name": about.name})


def _for_anybody(bounds: Filter) -> Filter:
    """A filter without what it asks of the user's history."""
    return replace(bounds, exclude_seen=None, only_seen=False)


def _of(bounds: Filter, name: ListName) -> Filter:
    """A filter with those of its rules that change a list."""
    return replace(bounds, rules=of_list(bounds.rules, name)) if bounds.rules else bounds


def _ranked(items: tuple[Item, ...]) -> tuple[Item, ...]:
    return tuple(replace(item, rank=rank) for rank, item in enumerate(items, start=1))
