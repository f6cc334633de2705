"""The checks of a shop's data, table by table. What a check and a finding are is `kg.health`'s."""

import numpy as np
import pandas as pd

from kg.health import Check, Found, Shop

DAY_MS = 86_400_000
NEVER = 2.0
"""A share that nothing exceeds: such a check warns at most."""
FAR_PRICE, FAR_QUANTITY = 6.0, 8.0
"""Robust standard deviations of the logarithm from which a price, a quantity is called far from the others."""
LONG_TITLE, SHORT_TITLE = 250, 3
BUSY_SHARE, BUSY_LEAST = 0.01, 1000
"""A user or product is called a supernode with more than this share of the events, and at least so many."""


def _of_products(shop: Shop, at_fault: "pd.Series[bool]") -> Found:
    return Found(shop.products.loc[at_fault.fillna(False).astype(bool), "product_id"].tolist(), len(shop.products))


def _missing(column: str) -> "Check":
    words = {"title": ("without a title", 0.0, 0.5), "description": ("without a description", 0.5, NEVER)}
    name, warn, fail = words.get(column, ("without a price", 0.2, NEVER))
    fix = f"fill the column {column} of products; texts and prices are what new products are recommended by"
    return Check(
        "products", column, name, warn, fail, fix, lambda shop: _of_products(shop, shop.products[column].isna())
    )


def _far_prices(shop: Shop) -> Found:
    priced = shop.products[shop.products["price"] > 0]
    return Found(_far(priced["price"], FAR_PRICE).map(priced["product_id"]).tolist(), len(priced))


def _far(values: "pd.Series[float]", limit: float) -> "pd.Series[int]":
    """Places of values far from the others, by median and median deviation of their logarithms; the farthest first."""
    logs = pd.Series(np.log(values.to_numpy(float)), index=values.index)
    spread = float((logs - logs.median()).abs().median()) * 1.4826
    distance = (logs - logs.median()).abs() / (spread or np.inf)
    return pd.Series(distance[distance > limit].sort_values(ascending=False).index)


def _without(relation: str, shop: Shop) -> Found:
    return _of_products(shop, ~shop.products["product_id"].isin(shop.ends(relation)["from_id"]))


def _same_titles(shop: Shop) -> Found:
    brand = shop.ends("MADE_BY").groupby("from_id")["to_id"].min()
    rows = shop.products.dropna(subset="title")
    key = rows["title"].str.strip().str.lower() + "\x1f" + rows["product_id"].map(brand).astype("string").fillna("")
    return Found(rows.loc[key.duplicated(keep="first"), "product_id"].tolist(), len(rows))


def _odd_titles(shop: Shop) -> Found:
    titles = shop.products["title"].dropna()
    length = titles.str.len()
    broken = titles.str.contains(r"<[a-zA-Z/]|&[a-z]+;|\ufffd", regex=True)
    odd = (length < SHORT_TITLE) | (length > LONG_TITLE) | broken
    return Found(shop.products.loc[odd[odd].index, "product_id"].tolist(), len(titles))


def _never(types: tuple[str, ...], shop: Shop) -> Found:
    done = shop.events.loc[shop.events["type"].isin(types), "product_id"]
    return _of_products(shop, ~shop.products["product_id"].isin(done))


def _users_with_at_most(events: int, shop: Shop) -> Found:
    counts = shop.events["user_id"].value_counts().reindex(shop.users, fill_value=0)
    return Found(counts[counts <= events].index.tolist(), len(counts))


def _supernodes(column: str, shop: Shop) -> Found:
    counts = shop.events[column].value_counts()
    busy = counts[(counts >= BUSY_LEAST) & (counts > BUSY_SHARE * len(shop.events))]
    return Found(busy.index.tolist(), len(counts))


def _no_purchases(shop: Shop) -> Found:
    return Found([] if (shop.events["type"] == "bought").any() else ["no event is a purchase"], 1)


def _no_time(shop: Shop) -> Found:
    return Found(shop.events.loc[shop.events["at"].isna(), "event_id"].tolist(), len(shop.events))


def _future(shop: Shop) -> Found:
    late = shop.timed[shop.timed["at"] > shop.now_ms + DAY_MS].sort_values("at", ascending=False)
    return Found(late["event_id"].tolist(), len(shop.timed))


def _silent_days(shop: Shop) -> Found:
    days = np.unique(shop.timed["at"].to_numpy() // DAY_MS)
    if len(days) < 2:
        return Found([], len(days))
    silent = np.setdiff1d(np.arange(days[0], days[-1] + 1), days)
    named = [str(np.datetime64(int(day), "D")) for day in silent]
    return Found(named, int(days[-1] - days[0] + 1))


def _flooded_days(shop: Shop) -> Found:
    counts = (shop.timed["at"] // DAY_MS).value_counts()
    flood = counts[counts > 5 * counts.median()]
    return Found([str(np.datetime64(int(str(day)), "D")) for day in flood.index], len(counts))


def _repeated(shop: Shop) -> Found:
    again = shop.timed.duplicated(["user_id", "product_id", "type", "at"])
    return Found(shop.timed.loc[again, "event_id"].tolist(), len(shop.timed))


def _far_quantities(shop: Shop) -> Found:
    sold = shop.events[shop.events["quantity"] > 0]
    return Found(_far(sold["quantity"], FAR_QUANTITY).map(sold["event_id"]).tolist(), len(sold))


def _unrated(shop: Shop) -> Found:
    rated = shop.events[shop.events["type"] == "rated"]
    return Found(rated.loc[rated["value"].isna(), "event_id"].tolist(), len(rated))


def _empty_categories(shop: Shop) -> Found:
    parents = dict(shop.ends("CHILD_OF").itertuples(index=False, name=None))
    filled = set(shop.ends("IN_CATEGORY")["to_id"])
    waiting = list(filled)
    while waiting:
        parent = parents.get(waiting.pop())
        if parent is not None and parent not in filled:
            filled.add(parent)
            waiting.append(parent)
    every = shop.tables.nodes["Category"]["category_id"].to_pylist()
    return Found([category for category in every if category not in filled], len(every))


def _empty_brands(shop: Shop) -> Found:
    every = shop.tables.nodes["Brand"]["brand_id"].to_pylist()
    filled = set(shop.ends("MADE_BY")["to_id"])
    return Found([brand for brand in every if brand not in filled], len(every))


CHECKS: tuple[Check, ...] = (
    *(_missing(column) for column in ("title", "description", "price")),
    Check(
        "products",
        "title",
        "with an odd title",
        0.0,
        NEVER,
        "people and BERT read titles: give one of 3 to 250 characters, without markup and broken letters",
        _odd_titles,
    ),
    Check(
        "products",
        "title",
        "with the title and brand of another",
        0.0,
        NEVER,
        "likely the same product twice: merge them, or say in the title what differs",
        _same_titles,
    ),
    Check(
        "products",
        "price",
        "with a price of 0 or less",
        0.0,
        NEVER,
        "leave the price empty where there is none",
        lambda shop: _of_products(shop, shop.products["price"] <= 0),
    ),
    Check(
        "products",
        "price",
        "with a price far from all others",
        0.0,
        NEVER,
        "look for a lost decimal point or another currency",
        _far_prices,
    ),
    Check(
        "products",
        "available",
        "that cannot be had",
        0.5,
        0.999,
        "lists hold what can be had; set available where it is wrong",
        lambda shop: _of_products(shop, shop.products["available"].eq(False)),
    ),
    Check(
        "products",
        "brand",
        "without a brand",
        0.2,
        NEVER,
        "brands carry loyalty and reasons; fill the column brand",
        lambda shop: _without("MADE_BY", shop),
    ),
    Check(
        "products",
        "categories",
        "without a category",
        0.1,
        NEVER,
        "categories carry reasons and new products; fill the column categories",
        lambda shop: _without("IN_CATEGORY", shop),
    ),
    Check(
        "products",
        "",
        "that nobody did anything with",
        0.8,
        NEVER,
        "cold products are found by text, brand and category alone: see that they have them",
        lambda shop: _never(tuple(shop.tables.schema.events), shop),
    ),
    Check(
        "products",
        "",
        "with a large share of all events",
        0.0,
        NEVER,
        "supernodes: is it a bag, a deposit or a test product that should not be recommended?",
        lambda shop: _supernodes("product_id", shop),
    ),
    Check(
        "users",
        "",
        "without an event",
        0.5,
        NEVER,
        "they are given what is popular; is a feed of events missing?",
        lambda shop: _users_with_at_most(0, shop),
    ),
    Check(
        "users",
        "",
        "with fewer than three events",
        0.8,
        NEVER,
        "most lists rest on little; add views or a longer history",
        lambda shop: _users_with_at_most(2, shop),
    ),
    Check(
        "users",
        "",
        "with a large share of all events",
        0.0,
        NEVER,
        "supernodes: is it a crawler, a till or a test account? Leave it out",
        lambda shop: _supernodes("user_id", shop),
    ),
    Check(
        "events", "type", "of a shop without any purchase", 0.0, NEVER, "add events of the type bought", _no_purchases
    ),
    Check(
        "events",
        "at",
        "without a time",
        0.0,
        NEVER,
        "events without a time cannot be cut off, decayed or put in order; fill the column at",
        _no_time,
    ),
    Check(
        "events",
        "at",
        "of the future",
        0.0,
        0.01,
        "times are UTC, ISO 8601 or epoch seconds or milliseconds; check clock and time zone of the source",
        _future,
    ),
    Check(
        "events", "at", "days without any event", 0.05, 0.9, "look for a gap in the feed on these days", _silent_days
    ),
    Check(
        "events",
        "at",
        "days with more than five times the usual number",
        0.0,
        NEVER,
        "look for a feed that was delivered twice, or a crawler",
        _flooded_days,
    ),
    Check(
        "events",
        "",
        "that repeat another to the millisecond",
        0.01,
        0.5,
        "the same user, product, type and time under another event_id: is the feed delivered twice?",
        _repeated,
    ),
    Check(
        "events",
        "quantity",
        "with a quantity far from all others",
        0.0,
        NEVER,
        "look for a weight in grams or a product number in the column quantity",
        _far_quantities,
    ),
    Check("events", "value", "that rate without a value", 0.0, NEVER, "fill the column value of ratings", _unrated),
    Check(
        "categories",
        "",
        "without a product in or below",
        0.3,
        NEVER,
        "empty branches of the tree: remove them, or is a column of products missing?",
        _empty_categories,
    ),
    Check(
        "brands", "", "without a product", 0.3, NEVER, "remove them, or is a column of products missing?", _empty_brands
    ),
)
"""Every check, in the order of the tables."""
