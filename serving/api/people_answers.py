"""A profile, a first page and an audience as public JSON: their shapes, and how the OpenAPI document describes them."""

from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from serving.api.cards import Cards
from serving.api.schemas import ItemOut
from serving.api.shape import Stamp, iso_time, shape_item
from serving.audience import Audience
from serving.home import Home
from serving.profile import Profile


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _About(_Part):
    """What every one of these answers carries."""

    request_id: str = Field(examples=["0b9f6c1e5a3d4c1f8f0e7a6b5c4d3e2f"])
    model_version: str = Field(examples=["20260131T120000Z-1a2b3c4d"])
    graph_version: str = Field(examples=["9f86d081884c7d65"])
    took_ms: float = Field(examples=[1.2])
    degraded: bool = Field(description="Something is not as fresh as it should be; /health/ready says what.")


class AffinityOut(_Part):
    """One brand, category or node of another kind."""

    id: str = Field(examples=["acme"])
    name: str = Field(examples=["Acme"])
    share: float = Field(description="Part of all that counts of the history; events fade.", examples=[0.62])
    lift: float | None = Field(description="How many times its share of the shop's demand.", examples=[1.8])
    events: int = Field(examples=[4])
    last: str | None = Field(
        description="Latest event, ISO 8601; null: without a clock.", examples=["2026-01-31T12:00:00.000Z"]
    )
    product_ids: list[str] = Field(description="Products that speak for it most.", examples=[["p01", "p03"]])


class PricesOut(_Part):
    """Quartiles of the prices of what the user had."""

    low: float = Field(examples=[2.5])
    median: float = Field(examples=[4.0])
    high: float = Field(examples=[9.0])
    products: int = Field(description="Products with a price.", examples=[3])


class ProfileAnswer(_About):
    """What a user likes."""

    user_id: str = Field(examples=["u1"])
    events_used: int = Field(description="0: nothing is known of the user.", examples=[5])
    products: int = Field(examples=[2])
    first: str | None = Field(description="ISO 8601.", examples=["2026-01-01T00:00:00.000Z"])
    last: str | None = Field(description="ISO 8601.", examples=["2026-01-31T12:00:00.000Z"])
    affinities: dict[str, list[AffinityOut]] = Field(description="By kind: brand, category, and declared ones.")
    prices: PricesOut | None


class AboutOut(_Part):
    """What a row is about."""

    type: str = Field(examples=["Product"])
    id: str = Field(examples=["p01"])
    name: str = Field(examples=["Green tea"])


class RowOut(_Part):
    """One row of the page."""

    kind: str = Field(description="`for_you`, `again`, `because`, `new` or `trending`.", examples=["because"])
    title: str = Field(examples=["Because you chose Green tea"])
    about: AboutOut | None
    items: list[ItemOut]


class HomeAnswer(_About):
    """The rows of a first page; no product stands in two of them."""

    events_used: int = Field(examples=[5])
    rows: list[RowOut]


class MemberOut(_Part):
    """One user of an audience."""

    user_id: str = Field(examples=["u3"])
    score: float = Field(examples=[0.41])
    product_id: str = Field(description="The product that speaks most for the user.", examples=["p02"])
    events: int = Field(description="Events of the user that the score rests on.", examples=[4])


class AudienceAnswer(_About):
    """Users that would like something, the likeliest first."""

    size: int = Field(description="Users whose history speaks for it, those not listed included.", examples=[120])
    users: int = Field(description="Users with a history.", examples=[1010])
    product_ids: list[str] = Field(description="Products that were scored.", examples=[["p02"]])
    members: list[MemberOut]


def about(stamp: Stamp, *, model_version: str, graph_version: str) -> dict[str, Any]:
    """Return what every one of these answers carries."""
    return {
        "request_id": stamp.request_id,
        "model_version": model_version,
        "graph_version": graph_version,
        "took_ms": stamp.took_ms,
        "degraded": stamp.degraded,
    }


def shape_profile(profile: Profile, user_id: str) -> dict[str, Any]:
    """Return a profile as public JSON."""
    affinities = {
        kind: [
            {
                "id": one.id,
                "name": one.name,
                "share": one.share,
                "lift": one.lift,
                "events": one.num_events,
                "last": iso_time(one.last_at_ms),
                "product_ids": list(one.product_ids),
            }
            for one in found
        ]
        for kind, found in profile.affinities.items()
    }
    prices = profile.prices
    return {
        "user_id": user_id,
        "events_used": profile.events_used,
        "products": profile.num_products,
        "first": iso_time(profile.first_at_ms),
        "last": iso_time(profile.last_at_ms),
        "affinities": affinities,
        "prices": None
        if prices is None
        else {"low": prices.low, "median": prices.median, "high": prices.high, "products": prices.num_products},
    }


def shape_home(home: Home, cards: Cards) -> dict[str, Any]:
    """Return a first page as public JSON."""
    rows = [
        {
            "kind": row.kind,
            "title": row.title,
            "about": None if row.about is None else asdict(row.about),
            "items": [shape_item(item, cards) for item in row.items],
        }
        for row in home.rows
    ]
    return {"events_used": home.events_used, "rows": rows}


def shape_audience(audience: Audience) -> dict[str, Any]:
    """Return an audience as public JSON."""
    members = [
        {"user_id": one.user_id, "score": one.score, "product_id": one.product_id, "events": one.num_events}
        for one in audience.members
    ]
    return {
        "size": audience.size,
        "users": audience.num_users,
        "product_ids": list(audience.product_ids),
        "members": members,
    }
