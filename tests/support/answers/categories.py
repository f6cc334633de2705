"""Answers about categories."""

import pandas as pd

from tests.support.answers.frames import Answer, Frames, Params, Rows, listed


def category_funnel(shop: Frames, params: Params) -> Rows:
    done = shop.did("viewed", "carted", "bought").merge(shop.in_category, on="product_id")
    rows = done.groupby(["category_id", "type"])["user_id"].nunique().unstack(fill_value=0)
    rows = rows.reindex(columns=["viewed", "carted", "bought"], fill_value=0).reset_index()
    rows.columns = pd.Index(["category_id", "viewers", "carters", "buyers"])
    rows["category"] = rows["category_id"].map(shop.categories)
    columns = ("category_id", "category", "viewers", "carters", "buyers")
    return listed(rows, columns, {"buyers": False, "category_id": True})


def repeat_purchase_rate(shop: Frames, params: Params) -> Rows:
    pairs = shop.did("bought").groupby(["user_id", "product_id"]).size().reset_index(name="purchases")
    pairs = pairs.assign(again=pairs["purchases"] > 1).merge(shop.in_category, on="product_id")
    rows = pairs.groupby("category_id", as_index=False).agg(pairs=("again", "count"), repeated=("again", "sum"))
    rows = rows[rows["pairs"] >= params["min_pairs"]]
    rows = rows.assign(rate=rows["repeated"] / rows["pairs"], category=rows["category_id"].map(shop.categories))
    columns = ("category_id", "category", "pairs", "repeated", "rate")
    return listed(rows, columns, {"rate": False, "category_id": True})


def category_price_bands(shop: Frames, params: Params) -> Rows:
    inside = shop.products[shop.products["product_id"].isin(shop.within(params["category_id"]))].dropna(subset="price")
    inside = inside.assign(band_from=inside["price"].astype(float) // params["width"] * params["width"])
    sold = inside.merge(shop.did("bought"), on="product_id", how="left")
    rows = sold.groupby("band_from", as_index=False).agg(
        products=("product_id", "nunique"), purchases=("event_id", "count"), buyers=("user_id", "nunique")
    )
    return listed(rows, ("band_from", "products", "purchases", "buyers"), {"band_from": True})


def categories_bought_together(shop: Frames, params: Params) -> Rows:
    fans = shop.did("bought").merge(shop.in_category, on="product_id").groupby("category_id")["user_id"].agg(set)
    mine = fans.get(params["category_id"], set())
    rows = [
        {
            "category_id": category,
            "category": shop.categories[str(category)],
            "buyers": len(mine & theirs),
            "lift": len(mine & theirs) * len(shop.users) / (len(mine) * len(theirs)),
        }
        for category, theirs in fans.items()
        if category != params["category_id"] and len(mine & theirs) >= params["min_buyers"]
    ]
    return sorted(rows, key=lambda row: (-row["lift"], row["category_id"]))


def category_tree(shop: Frames, params: Params) -> Rows:
    counts = shop.in_category["category_id"].value_counts()

    def walk(category_id: str, depth: int) -> Rows:
        row = {
            "category_id": category_id,
            "category": shop.categories[category_id],
            "depth": depth,
            "parent_id": shop.child_of.get(category_id),
            "products": int(counts.get(category_id, 0)),
        }
        below = [child for child, parent in shop.child_of.items() if parent == category_id]
        return [row, *(found for child in below for found in walk(child, depth + 1))]

    if params["category_id"] not in shop.categories:
        return []
    return sorted(walk(params["category_id"], 0), key=lambda row: (row["depth"], row["category_id"]))


ANSWERS: dict[str, Answer] = {
    answer.__name__: answer
    for answer in (
        categories_bought_together,
        category_funnel,
        category_price_bands,
        category_tree,
        repeat_purchase_rate,
    )
}
