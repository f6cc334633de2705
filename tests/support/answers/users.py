"""Answers about users."""

import numpy as np
import pandas as pd

from tests.support.answers.frames import DAY_MS, Answer, Frames, Params, Rows, day_of, listed


def also_bought_by_similar_users(shop: Frames, params: Params) -> Rows:
    pairs = shop.did("bought")[["user_id", "product_id"]].drop_duplicates()
    mine = set(pairs.loc[pairs["user_id"] == params["user_id"], "product_id"])
    others = pairs[pairs["user_id"] != params["user_id"]]
    shared = others[others["product_id"].isin(mine)].groupby("user_id").size()
    left = others[others["user_id"].isin(shared.index) & ~others["product_id"].isin(mine)]
    counts = left.assign(shared=left["user_id"].map(shared)).groupby("product_id", as_index=False)
    rows = shop.titled(counts.agg(buyers=("user_id", "count"), in_common=("shared", "sum")))
    return listed(rows, ("product_id", "title", "buyers", "in_common"), {"in_common": False, "product_id": True})


def top_brands_for_user(shop: Frames, params: Params) -> Rows:
    mine = shop.did("bought").query("user_id == @params['user_id']").merge(shop.made_by, on="product_id")
    rows = mine.groupby("brand_id", as_index=False).agg(
        purchases=("event_id", "count"), products=("product_id", "nunique")
    )
    rows["brand"] = rows["brand_id"].map(shop.brands)
    return listed(rows, ("brand_id", "brand", "purchases", "products"), {"purchases": False, "brand_id": True})


def top_categories_for_user(shop: Frames, params: Params) -> Rows:
    mine = shop.did("bought").query("user_id == @params['user_id']").merge(shop.in_category, on="product_id")
    rows = mine.groupby("category_id", as_index=False).agg(
        purchases=("event_id", "count"), products=("product_id", "nunique"), last_at=("at", "max")
    )
    rows["category"] = rows["category_id"].map(shop.categories)
    columns = ("category_id", "category", "purchases", "products", "last_at")
    return listed(rows, columns, {"purchases": False, "category_id": True})


def price_band_of_user(shop: Frames, params: Params) -> Rows:
    prices = shop.titled(shop.did("bought").query("user_id == @params['user_id']"))["price"].dropna().to_numpy(float)
    names = ("cheapest", "quarter", "median", "three_quarters", "dearest")
    found = np.quantile(prices, [0, 0.25, 0.5, 0.75, 1]).tolist() if len(prices) else [None] * 5
    return [{"purchases": len(prices), **dict(zip(names, found, strict=True))}]


def category_drift_of_user(shop: Frames, params: Params) -> Rows:
    mine = (
        shop.did("bought", timed=True).query("user_id == @params['user_id']").merge(shop.in_category, on="product_id")
    )
    early = mine["at"] < params["split"]
    before = mine[early]["category_id"].value_counts(normalize=True)
    after = mine[~early]["category_id"].value_counts(normalize=True)
    rows = pd.DataFrame({"category_id": sorted(set(mine["category_id"]))})
    rows["category"] = rows["category_id"].map(shop.categories)
    rows["share_before"] = rows["category_id"].map(before).fillna(0.0).astype(float)
    rows["share_after"] = rows["category_id"].map(after).fillna(0.0).astype(float)
    rows["change"] = rows["share_after"] - rows["share_before"]
    rows["size"] = rows["change"].abs().round(12)
    columns = ("category_id", "category", "share_before", "share_after", "change")
    return listed(rows, columns, {"size": False, "category_id": True})


def users_like_user(shop: Frames, params: Params) -> Rows:
    sets = shop.did("bought").groupby("user_id")["product_id"].agg(set)
    mine = sets.get(params["user_id"], set())
    rows = [
        {
            "user_id": user,
            "in_common": len(mine & theirs),
            "products": len(theirs),
            "jaccard": len(mine & theirs) / len(mine | theirs),
        }
        for user, theirs in sets.items()
        if user != params["user_id"] and len(mine & theirs) >= params["min_common"]
    ]
    return sorted(rows, key=lambda row: (-row["jaccard"], row["user_id"]))


def refills_of_user(shop: Frames, params: Params) -> Rows:
    rows = []
    for product_id, own in shop.did("bought", timed=True).query("user_id == @params['user_id']").groupby("product_id"):
        times = day_of(own["at"]).nunique()
        if times > 1 and times >= params["min_times"]:
            first, last = int(own["at"].min()), int(own["at"].max())
            steps = {
                "every_days": (last - first) / DAY_MS / (times - 1),
                "due_at": last + (last - first) // (times - 1),
            }
            rows.append({"product_id": product_id, "times": times, "last_at": last, **steps})
    columns = ("product_id", "title", "times", "every_days", "last_at", "due_at")
    found = pd.DataFrame(rows, columns=[name for name in columns if name != "title"])
    return listed(shop.titled(found), columns, {"due_at": True, "product_id": True})


def purchases_per_user(shop: Frames, params: Params) -> Rows:
    counts = shop.did("bought")["user_id"].value_counts().reindex(shop.users, fill_value=0).value_counts()
    return [{"purchases": int(n), "users": int(users)} for n, users in counts.sort_index().items()]


def lapsed_users(shop: Frames, params: Params) -> Rows:
    rows = (
        shop.did("bought", timed=True)
        .groupby("user_id", as_index=False)
        .agg(purchases=("event_id", "count"), last_at=("at", "max"))
    )
    left = rows[(rows["last_at"] < params["before"]) & (rows["purchases"] >= params["min_purchases"])]
    return listed(left, ("user_id", "purchases", "last_at"), {"purchases": False, "user_id": True})


def best_customers(shop: Frames, params: Params) -> Rows:
    sold = shop.titled(shop.did("bought", since=params["since"]))
    sold["units"] = sold["quantity"].fillna(1.0)
    sold["paid"] = sold["units"] * sold["price"].fillna(0.0)
    sold["day"] = day_of(sold["at"])
    rows = sold.groupby("user_id", as_index=False).agg(
        days=("day", "nunique"), units=("units", "sum"), spent=("paid", "sum"), last_at=("at", "max")
    )
    return listed(rows, ("user_id", "days", "units", "spent", "last_at"), {"spent": False, "user_id": True})


def cohort_retention(shop: Frames, params: Params) -> Rows:
    length = params["period_days"] * DAY_MS
    sold = shop.did("bought", timed=True)
    sold = sold.assign(period=sold["at"] // length)
    sold["cohort"] = sold.groupby("user_id")["period"].transform("min")
    sold["periods_later"] = sold["period"] - sold["cohort"]
    rows = sold.groupby(["cohort", "periods_later"], as_index=False).agg(users=("user_id", "nunique"))
    size = rows[rows["periods_later"] == 0].set_index("cohort")["users"]
    rows["share"] = rows["users"] / rows["cohort"].map(size)
    rows["cohort_start"] = rows["cohort"] * length
    columns = ("cohort_start", "periods_later", "users", "share")
    return listed(rows, columns, {"cohort_start": True, "periods_later": True})


def entry_categories(shop: Frames, params: Params) -> Rows:
    sold = shop.did("bought", timed=True)
    first = sold[sold["at"] == sold.groupby("user_id")["at"].transform("min")].merge(shop.in_category, on="product_id")
    rows = first.groupby("category_id", as_index=False).agg(users=("user_id", "nunique"))
    rows["category"] = rows["category_id"].map(shop.categories)
    return listed(rows, ("category_id", "category", "users"), {"users": False, "category_id": True})


ANSWERS: dict[str, Answer] = {
    answer.__name__: answer
    for answer in (
        also_bought_by_similar_users,
        best_customers,
        category_drift_of_user,
        cohort_retention,
        entry_categories,
        lapsed_users,
        price_band_of_user,
        purchases_per_user,
        refills_of_user,
        top_brands_for_user,
        top_categories_for_user,
        users_like_user,
    )
}
