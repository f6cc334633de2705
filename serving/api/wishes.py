"""What v1 of the API takes: parameters and bodies, checked once, and turned into the values the inside works with.

Answers are described in `serving.api.schemas`. Whether a product or an event type exists is not known here.
"""

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from cypher.errors import InputError
from serving.answer import Filter, RecommendRequest, SessionEvent
from serving.api.ids import Id, SessionId, UserId
from serving.api.values import (
    DEFAULT_PATHS,
    MAX_EXCLUDED,
    MAX_N,
    MAX_OFFSET,
    MAX_PATHS,
    MAX_RANKED,
    Body,
    Cursor,
    Device,
    Diversity,
    Lang,
    Mode,
    NewEvery,
    Number,
    Parameters,
    Placement,
    Room,
    ShownMost,
    Time,
    Where,
    Whereabouts,
    Word,
    to_ms,
)
from serving.cursor import read_cursor
from serving.events import MAX_EVENTS
from serving.rules import Context
from serving.slots import ListsConfig


class _ListQuery(Parameters):
    """Which products may be in a list, and how many are."""

    n: int = Field(10, ge=1, le=MAX_N, description="How many products.", examples=[20])
    category: list[Id] = Field(
        [], max_length=20, description="Category id or name; a product must be in or below each.", examples=[["Tea"]]
    )
    brand: Id | None = Field(None, description="Brand id or name.", examples=["Acme"])
    price_max: Annotated[Number, Field(ge=0)] | None = Field(
        None, description="Highest price; products without a price are left out.", examples=[9.5]
    )
    where: Where | None = Field(
        None,
        alias="filter",
        description="A filter over any property, see docs/filters.md.",
        examples=['price < 20 and not brand = "Acme"'],
    )
    in_stock: bool = Field(True, description="Leave out products that are not available.", examples=[True])
    exclude_id: list[Id] = Field(
        [], max_length=MAX_EXCLUDED, description="Products not wanted; more of them by POST.", examples=[["p05"]]
    )
    device: Device | None = None
    place: Whereabouts | None = None
    lang: Lang | None = None
    surface: Room = "long"

    def filter(self, *, exclude_seen: bool | None = None) -> Filter:
        """Return what may be recommended."""
        return Filter(
            categories=tuple(self.category),
            brand=self.brand,
            price_max=self.price_max,
            where=self.where,
            in_stock=self.in_stock,
            exclude_ids=tuple(self.exclude_id),
            exclude_seen=exclude_seen,
            context=Context(device=self.device, place=self.place),
        )


class SimilarQuery(_ListQuery):
    """Which products, and how many."""

    offset: int = Field(0, ge=0, le=MAX_OFFSET, description="How many of the best to skip.", examples=[0])


class PlacedQuery(SimilarQuery):
    """Which products, how many, and where they are shown."""

    placement: Placement | None = None


class RecommendQuery(SimilarQuery):
    """Which products, how many, and whether to say why."""

    exclude_seen: bool | None = Field(
        None, description="Leave out what the user had before; not given: as the model was measured.", examples=[True]
    )
    mode: Mode | None = None
    diversity: Diversity = 0.0
    new_every: NewEvery | None = None
    shown_most: ShownMost | None = None
    personalised: bool = Field(
        True, description="false: the list that everybody gets, whoever asks; the user's events are not read."
    )
    explain: Literal["paths"] | None = Field(None, description="`paths`: up to three graph paths an item.")

    @model_validator(mode="after")
    def _one_way(self) -> "RecommendQuery":
        _check_mode(self.mode, exclude_seen=self.exclude_seen, personalised=self.personalised)
        return self

    def wish(self, user_id: str, lists: ListsConfig) -> RecommendRequest:
        """Return the request of a user; what it leaves open is as the shop set it."""
        return RecommendRequest(
            user_id=user_id if self.personalised else None,
            n=self.n,
            offset=self.offset,
            filter=in_mode(self.filter(exclude_seen=self.exclude_seen), self.mode),
            diversity=self.diversity,
            new_every=_new_every(self.new_every, self.mode, lists),
            shown_most=lists.shown_most if self.shown_most is None else self.shown_most,
            paths=DEFAULT_PATHS if self.explain == "paths" else 0,
            language=self.lang,
            surface=self.surface,
        )


class PlacedRecommendQuery(RecommendQuery):
    """Which products, how many, whether to say why, where they are shown, and which page it is."""

    placement: Placement | None = None
    cursor: Cursor | None = None

    def wish(self, user_id: str, lists: ListsConfig) -> RecommendRequest:
        """Return the request of a user; what it leaves open is as the shop set it.

        Raises:
            InputError: no answer came with such a cursor.
        """
        wish, shown = RecommendQuery.wish(self, user_id, lists), _shown(self.cursor, self.offset)
        return replace(wish, placement=self.placement, shown=shown)


class ExplainQuery(_ListQuery):
    """Which user, which product, and which list the product is, or is not, in."""

    user: UserId = Field(description="User id; an unknown user is answered too.", examples=["u1"])
    product: Id = Field(description="Product id.", examples=["p05"])
    exclude_seen: bool | None = Field(
        None, description="Leave out what the user had before; not given: as the model was measured.", examples=[True]
    )
    paths: int = Field(DEFAULT_PATHS, ge=1, le=MAX_PATHS, description="Most paths shown.", examples=[3])
    what_if: bool = Field(
        False, description="Look for the smallest change of the history that turns the answer over.", examples=[True]
    )
    lang: Lang | None = None
    surface: Room = "long"

    def wish(self, lists: ListsConfig) -> RecommendRequest:
        """Return the request whose answer is explained."""
        return RecommendRequest(
            user_id=self.user,
            n=self.n,
            shown_most=lists.shown_most,
            filter=self.filter(exclude_seen=self.exclude_seen),
            paths=self.paths,
            language=self.lang,
            surface=self.surface,
        )


class SessionEventIn(Body):
    """What an anonymous visitor, or a user just now, did."""

    product_id: Id = Field(examples=["p01"])
    type: Word = Field("viewed", description="A declared event type.", examples=["viewed"])
    at: Time | None = Field(None, description="ISO 8601; not given: now.", examples=["2026-01-31T12:00:00Z"])

    def event(self) -> SessionEvent:
        """Return the value the inside works with."""
        return SessionEvent(self.product_id, self.type, None if self.at is None else to_ms(self.at))


class ExplainIn(Body):
    """How much of the why is wanted."""

    paths: int = Field(DEFAULT_PATHS, ge=0, le=MAX_PATHS, description="Most paths shown an item.", examples=[3])
    lang: Lang | None = None
    surface: Room = "long"


_SOMEBODY: dict[str, Any] = {
    "anyOf": [
        {"properties": {"user_id": {"type": "string"}}, "required": ["user_id"]},
        {"properties": {"session_id": {"type": "string"}}, "required": ["session_id"]},
        {"properties": {"events": {"minItems": 1}}, "required": ["events"]},
    ]
}
"""What a body about somebody must have, in words of the OpenAPI document."""


class _Somebody(Body):
    """A user, a session, or both."""

    model_config = ConfigDict(json_schema_extra=_SOMEBODY)

    user_id: UserId | None = Field(None, examples=["u1"])
    session_id: SessionId | None = Field(
        None, description="Session of a visitor whose events came by `/v1/events`.", examples=["s-7f3a"]
    )
    events: list[SessionEventIn] = Field(
        [], max_length=MAX_EVENTS, description="Events of the session, oldest first; newer than the user's history."
    )

    @model_validator(mode="after")
    def _somebody(self) -> "_Somebody":
        if self.user_id is None and self.session_id is None and not self.events:
            raise ValueError("give user_id, session_id, events, or several of them")
        return self


class _ListBody(_Somebody):
    """A user, a session, or both, and which products may be in their list."""

    n: int = Field(10, ge=1, le=MAX_N, description="How many products.", examples=[20])
    categories: list[Id] = Field(
        [], max_length=20, description="A product must be in or below each.", examples=[["Tea"]]
    )
    brand: Id | None = Field(None, description="Brand id or name.", examples=["Acme"])
    price_max: Annotated[Number, Field(ge=0)] | None = Field(None, description="Highest price.", examples=[9.5])
    where: Where | None = Field(
        None,
        alias="filter",
        description="A filter over any property, see docs/filters.md.",
        examples=['price < 20 and not brand = "Acme"'],
    )
    in_stock: bool = Field(True, description="Leave out products that are not available.")
    exclude_ids: list[Id] = Field([], max_length=MAX_N, description="Products not wanted.", examples=[["p05"]])
    exclude_seen: bool | None = Field(None, description="Leave out what the user had before.")
    device: Device | None = None
    place: Whereabouts | None = None

    def request(self, explain: ExplainIn | None) -> RecommendRequest:
        """Return the request of the user or session, with as much of the why as is wanted."""
        return RecommendRequest(
            user_id=self.user_id,
            session=tuple(event.event() for event in self.events),
            n=self.n,
            filter=Filter(
                categories=tuple(self.categories),
                brand=self.brand,
                price_max=self.price_max,
                where=self.where,
                in_stock=self.in_stock,
                exclude_ids=tuple(self.exclude_ids),
                exclude_seen=self.exclude_seen,
                context=Context(device=self.device, place=self.place),
            ),
            paths=0 if explain is None else explain.paths,
            language=None if explain is None else explain.lang,
            surface="long" if explain is None else explain.surface,
        )


class ChosenBody(_ListBody):
    """A user, a session, or both, and how their lists are chosen."""

    mode: Mode | None = None
    diversity: Diversity = 0.0
    new_every: NewEvery | None = None
    shown_most: ShownMost | None = None
    explain: ExplainIn | None = Field(None, description="Not given: no paths and no contributions.")

    @model_validator(mode="after")
    def _one_way(self) -> "ChosenBody":
        _check_mode(self.mode, exclude_seen=self.exclude_seen, personalised=True)
        return self

    def wish(self, lists: ListsConfig) -> RecommendRequest:
        """Return the request of the user or session; what it leaves open is as the shop set it."""
        wish = self.request(self.explain)
        return replace(
            wish,
            filter=in_mode(wish.filter, self.mode),
            diversity=self.diversity,
            new_every=_new_every(self.new_every, self.mode, lists),
            shown_most=lists.shown_most if self.shown_most is None else self.shown_most,
        )


class RecommendBody(ChosenBody):
    """A wish for recommendations: a user, the events of a session, or both."""

    offset: int = Field(0, ge=0, le=MAX_OFFSET, description="How many of the best to skip.", examples=[0])
    placement: Placement | None = None
    cursor: Cursor | None = None

    def wish(self, lists: ListsConfig) -> RecommendRequest:
        """Return the request of the user or session; what it leaves open is as the shop set it.

        Raises:
            InputError: no answer came with such a cursor.
        """
        wish, shown = ChosenBody.wish(self, lists), _shown(self.cursor, self.offset)
        return replace(wish, offset=self.offset, placement=self.placement, shown=shown)


class RankBody(_Somebody):
    """Products to put in order for a user, a session, or both."""

    product_ids: list[Id] = Field(min_length=1, max_length=MAX_RANKED, examples=[["p01", "p02", "p05"]])
    explain: ExplainIn | None = Field(None, description="Not given: no paths and no contributions.")
    placement: Placement | None = None

    def wish(self) -> RecommendRequest:
        """Return the request for exactly these products, whether they are in stock or not."""
        return RecommendRequest(
            user_id=self.user_id,
            session=tuple(event.event() for event in self.events),
            n=len(set(self.product_ids)),
            filter=Filter(in_stock=False, exclude_seen=False, only_ids=tuple(dict.fromkeys(self.product_ids))),
            paths=0 if self.explain is None else self.explain.paths,
            language=None if self.explain is None else self.explain.lang,
            surface="long" if self.explain is None else self.explain.surface,
            placement=self.placement,
        )


class ExplainBody(_ListBody):
    """A product, and the user, the session, or both, to whom it is, or is not, recommended."""

    product_id: Id = Field(examples=["p05"])
    explain: ExplainIn = Field(ExplainIn(paths=DEFAULT_PATHS), description="How much of the why is wanted.")
    what_if: bool = Field(
        False, description="Look for the smallest change of the history that turns the answer over.", examples=[True]
    )

    def wish(self, lists: ListsConfig) -> RecommendRequest:
        """Return the request whose answer is explained."""
        return replace(self.request(self.explain), shown_most=lists.shown_most)


def _shown(cursor: str | None, offset: int) -> tuple[int, ...]:
    """What the pages before showed."""
    if cursor is None:
        return ()
    if offset:
        raise InputError("cursor and offset both say where a page begins; give one of them")
    return read_cursor(cursor)


def in_mode(wish: Filter, mode: Mode | None) -> Filter:
    """Return a filter with what a mode asks for; None asks for nothing."""
    if mode is None:
        return wish
    return replace(wish, exclude_seen=mode == "discover", only_seen=mode == "again")


def _new_every(given: int | None, mode: Mode | None, lists: ListsConfig) -> int:
    """How many places one is kept of; none in a list of what the user had."""
    return 0 if mode == "again" else lists.new_every if given is None else given


def _check_mode(mode: Mode | None, *, exclude_seen: bool | None, personalised: bool) -> None:
    if mode is not None and exclude_seen is not None:
        raise ValueError("mode and exclude_seen say the same thing; give one of them")
    if mode == "again" and not personalised:
        raise ValueError("mode=again asks for what the user had, so personalised=false has nothing to list")
