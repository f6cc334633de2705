"""Answers about one user's history and the ways from it to a product."""

import pandas as pd

from tests.support.answers.frames import Answer, Frames, Params, Rows, listed

NEWEST = {"moment": False, "event_id": False}


def _mine(shop: Frames, params: Params) -> pd.DataFrame:
    mine = shop.titled(shop.events[shop.events["user_id"] == params["user_id"]])
    return mine.assign(moment=mine["at"].fillna(-1))


def user_history(shop: Frames, params: Params) -> Rows:
    return listed(_mine(shop, params), ("event_id", "type", "product_id", "title", "at", "quantity", "value"), NEWEST)


def product_card(shop: Frames, params: Params) -> Rows:
    product = shop.products[shop.products["product_id"] == params["product_id"]]
    made, places = shop.made_by, shop.in_category
    brands = sorted(made.loc[made["product_id"] == params["product_id"], "brand_id"].map(shop.brands))
    categories = sorted(places.loc[places["product_id"] == params["product_id"], "category_id"].map(shop.categories))
    more = {"brand": brands[0] if brands else None, "categories": categories}
    facts = listed(product, ("product_id", "title", "price", "available"), {"product_id": True})
    return [row | more for row in facts]


def _over(shop: Frames, params: Params, ends: pd.DataFrame, key: str, names: dict[str, str]) -> Rows:
    """Paths over an entity that a product of the history shares with the one asked for."""
    wanted = set(ends.loc[ends["product_id"] == params["product_id"], key])
    via = _mine(shop, params).merge(ends[ends[key].isin(wanted)], on="product_id")
    via = via[via["product_id"] != params["product_id"]].assign(via_id=lambda rows: rows["product_id"])
    noun = key.removesuffix("_id")
    via[noun] = via[key].map(names)
    return listed(via, ("via_id", key, noun, "event_id", "type", "at"), {**NEWEST, key: True})


def user_product_brand_product(shop: Frames, params: Params) -> Rows:
    return _over(shop, params, shop.made_by, "brand_id", dict(shop.brands))


def user_product_category_product(shop: Frames, params: Params) -> Rows:
    return _over(shop, params, shop.in_category, "category_id", dict(shop.categories))


def user_product_user_product(shop: Frames, params: Params) -> Rows:
    fans = shop.did("bought").groupby("product_id")["user_id"].agg(set)
    wanted = fans.get(params["product_id"], set())
    seen = _mine(shop, params)[["product_id", "title"]].drop_duplicates("product_id")
    seen["buyers"] = [len((fans.get(key, set()) & wanted) - {params["user_id"]}) for key in seen["product_id"]]
    seen = seen[(seen["buyers"] > 0) & (seen["product_id"] != params["product_id"])]
    return listed(
        seen.assign(via_id=seen["product_id"]), ("via_id", "title", "buyers"), {"buyers": False, "via_id": True}
    )


def user_product_relation_product(shop: Frames, params: Params) -> Rows:
    target, edges = params["product_id"], shop.relations
    out = edges[edges["to_id"] == target].assign(via_id=lambda rows: rows["from_id"], outgoing=True)
    back = edges[edges["from_id"] == target].assign(via_id=lambda rows: rows["to_id"], outgoing=False)
    found = pd.concat([out, back])[["via_id", "relation", "outgoing", "at", "weight"]]
    mine = _mine(shop, params)[["product_id", "event_id", "type", "moment"]]
    rows = found.merge(mine, left_on="via_id", right_on="product_id")
    columns = ("via_id", "relation", "outgoing", "at", "weight", "event_id", "type")
    return listed(rows, columns, {"relation": True, "via_id": True, "outgoing": True, "event_id": True})


ANSWERS: dict[str, Answer] = {
    answer.__name__: answer
    for answer in (
        product_card,
        user_history,
        user_product_brand_product,
        user_product_category_product,
        user_product_relation_product,
        user_product_user_product,
    )
}
