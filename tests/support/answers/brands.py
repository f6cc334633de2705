"""Answers about brands."""

import pandas as pd

from tests.support.answers.frames import Answer, Frames, Params, Rows, listed, week_of


def _sold_within(shop: Frames, category_id: str) -> pd.DataFrame:
    """Purchases in a category or below it, one row for each brand of the product."""
    sold = shop.did("bought")
    return sold[sold["product_id"].isin(shop.within(category_id))].merge(shop.made_by, on="product_id")


def brand_switching(shop: Frames, params: Params) -> Rows:
    first = _sold_within(shop, params["category_id"]).dropna(subset="at").groupby(["user_id", "brand_id"])["at"].min()
    pairs = first.reset_index().merge(first.reset_index(), on="user_id").query("at_x < at_y")
    rows = pairs.groupby(["brand_id_x", "brand_id_y"]).size().reset_index()
    rows.columns = pd.Index(["from_brand", "to_brand", "users"])
    return listed(rows, ("from_brand", "to_brand", "users"), {"users": False, "from_brand": True, "to_brand": True})


def brand_loyalty(shop: Frames, params: Params) -> Rows:
    counts = (
        _sold_within(shop, params["category_id"]).groupby(["user_id", "brand_id"]).size().reset_index(name="purchases")
    )
    counts["every"] = counts.groupby("user_id")["purchases"].transform("sum")
    counts["loyal"] = counts["every"] == counts["purchases"]
    rows = counts.groupby("brand_id", as_index=False).agg(
        buyers=("user_id", "count"), loyal=("loyal", "sum"), purchases=("purchases", "sum"), every=("every", "sum")
    )
    rows = rows[rows["buyers"] >= params["min_buyers"]]
    rows = rows.assign(share=rows["purchases"] / rows["every"], brand=rows["brand_id"].map(shop.brands))
    return listed(rows, ("brand_id", "brand", "buyers", "loyal", "share"), {"buyers": False, "brand_id": True})


def brand_funnel(shop: Frames, params: Params) -> Rows:
    done = shop.did("viewed", "carted", "bought").merge(shop.made_by, on="product_id")
    rows = done.groupby(["brand_id", "type"])["user_id"].nunique().unstack(fill_value=0)
    rows = rows.reindex(columns=["viewed", "carted", "bought"], fill_value=0).reset_index()
    rows.columns = pd.Index(["brand_id", "viewers", "carters", "buyers"])
    rows["brand"] = rows["brand_id"].map(shop.brands)
    return listed(rows, ("brand_id", "brand", "viewers", "carters", "buyers"), {"buyers": False, "brand_id": True})


def brand_share_by_week(shop: Frames, params: Params) -> Rows:
    sold = _sold_within(shop, params["category_id"])
    sold = sold[sold["at"] >= params["since"]].astype({"at": "int64"})
    sold["week_start"] = week_of(sold["at"])
    rows = sold.groupby(["week_start", "brand_id"]).size().reset_index(name="purchases")
    rows["share"] = rows["purchases"] / rows.groupby("week_start")["purchases"].transform("sum")
    rows["brand"] = rows["brand_id"].map(shop.brands)
    order = {"week_start": True, "purchases": False, "brand_id": True}
    return listed(rows, ("week_start", "brand_id", "brand", "purchases", "share"), order)


def brands_bought_together(shop: Frames, params: Params) -> Rows:
    fans = shop.did("bought").merge(shop.made_by, on="product_id").groupby("brand_id")["user_id"].agg(set)
    mine = fans.get(params["brand_id"], set())
    rows = [
        {
            "brand_id": brand,
            "brand": shop.brands[str(brand)],
            "buyers": len(mine & theirs),
            "lift": len(mine & theirs) * len(shop.users) / (len(mine) * len(theirs)),
        }
        for brand, theirs in fans.items()
        if brand != params["brand_id"] and len(mine & theirs) >= params["min_buyers"]
    ]
    return sorted(rows, key=lambda row: (-row["lift"], row["brand_id"]))


def new_buyers_of_brand(shop: Frames, params: Params) -> Rows:
    made = shop.made_by
    sold = shop.did("bought", timed=True)
    sold = sold[sold["product_id"].isin(made.loc[made["brand_id"] == params["brand_id"], "product_id"])]
    weeks = sold.assign(week_start=week_of(sold["at"]))[["user_id", "week_start"]].drop_duplicates()
    weeks["new"] = weeks["week_start"] == weeks.groupby("user_id")["week_start"].transform("min")
    rows = weeks.groupby("week_start", as_index=False).agg(new_buyers=("new", "sum"), users=("user_id", "count"))
    rows["returning_buyers"] = rows["users"] - rows["new_buyers"]
    return listed(rows, ("week_start", "new_buyers", "returning_buyers"), {"week_start": True})


def brands_without_supply(shop: Frames, params: Params) -> Rows:
    made = shop.made_by.merge(shop.products[["product_id", "available"]], on="product_id")
    made["gone"] = made["available"].eq(False)
    brands = made.groupby("brand_id", as_index=False).agg(gone=("gone", "all"), products=("product_id", "count"))
    wanted = shop.did("viewed", "carted", "bought", since=params["since"]).merge(shop.made_by, on="product_id")
    users = wanted.groupby("brand_id", as_index=False).agg(users=("user_id", "nunique"), last_at=("at", "max"))
    rows = brands[brands["gone"]].merge(users, on="brand_id")
    rows["brand"] = rows["brand_id"].map(shop.brands)
    return listed(rows, ("brand_id", "brand", "products", "users", "last_at"), {"users": False, "brand_id": True})


def brand_prices(shop: Frames, params: Params) -> Rows:
    priced = shop.products.dropna(subset="price").astype({"price": float})
    priced = priced[priced["product_id"].isin(shop.within(params["category_id"]))].merge(shop.made_by, on="product_id")
    rows = priced.groupby("brand_id", as_index=False).agg(
        products=("product_id", "count"),
        cheapest=("price", "min"),
        median=("price", "median"),
        dearest=("price", "max"),
    )
    rows["brand"] = rows["brand_id"].map(shop.brands)
    columns = ("brand_id", "brand", "products", "cheapest", "median", "dearest")
    return listed(rows, columns, {"median": False, "brand_id": True})


ANSWERS: dict[str, Answer] = {
    answer.__name__: answer
    for answer in (
        brand_funnel,
        brand_loyalty,
        brand_prices,
        brand_share_by_week,
        brand_switching,
        brands_bought_together,
        brands_without_supply,
        new_buyers_of_brand,
    )
}
