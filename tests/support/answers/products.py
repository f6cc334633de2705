"""Answers about products."""

import pandas as pd

from tests.support.answers.frames import DAY_MS, Answer, Frames, Params, Rows, day_of, listed

BY_BUYERS = {"buyers": False, "product_id": True}
BY_BASKETS = {"baskets": False, "product_id": True}
BY_USERS = {"users": False, "product_id": True}


def co_purchased(shop: Frames, params: Params) -> Rows:
    sold = shop.did("bought")
    fans = set(sold.loc[sold["product_id"] == params["product_id"], "user_id"])
    others = sold[sold["user_id"].isin(fans) & (sold["product_id"] != params["product_id"])]
    rows = others.groupby("product_id", as_index=False).agg(buyers=("user_id", "nunique"))
    return listed(shop.titled(rows), ("product_id", "title", "buyers"), BY_BUYERS)


def co_purchase_lift(shop: Frames, params: Params) -> Rows:
    fans = shop.did("bought").groupby("product_id")["user_id"].agg(set)
    mine = fans.get(params["product_id"], set())
    rows = []
    for product_id, theirs in fans.items():
        both = len(mine & theirs)
        if product_id != params["product_id"] and both >= params["min_buyers"]:
            lift = both * len(shop.users) / (len(mine) * len(theirs))
            shares = {"support": both / len(shop.users), "confidence": both / len(mine), "lift": lift}
            rows.append({"product_id": product_id, "buyers": both, **shares})
    columns = ("product_id", "title", "buyers", "support", "confidence", "lift")
    found = pd.DataFrame(rows, columns=[name for name in columns if name != "title"])
    return listed(shop.titled(found), columns, {"lift": False, "product_id": True})


def _same_day(shop: Frames, product_id: str) -> pd.DataFrame:
    """Users, days and products of the baskets that hold this product."""
    sold = shop.did("bought", timed=True)
    sold = sold.assign(day=day_of(sold["at"]))[["user_id", "day", "product_id"]].drop_duplicates()
    with_it = sold.loc[sold["product_id"] == product_id, ["user_id", "day"]]
    return with_it.merge(sold, on=["user_id", "day"]).query("product_id != @product_id")


def bought_same_day(shop: Frames, params: Params) -> Rows:
    rows = _same_day(shop, params["product_id"]).groupby("product_id").size().reset_index(name="baskets")
    return listed(shop.titled(rows), ("product_id", "title", "baskets"), BY_BASKETS)


def complements(shop: Frames, params: Params) -> Rows:
    places = shop.in_category
    own = set(places.loc[places["product_id"] == params["product_id"], "category_id"])
    alike = set(places.loc[places["category_id"].isin(own), "product_id"])
    return [row for row in bought_same_day(shop, params) if row["product_id"] not in alike]


def bought_next(shop: Frames, params: Params) -> Rows:
    sold = shop.did("bought", timed=True)
    first = sold[sold["product_id"] == params["product_id"]].groupby("user_id")["at"].min()
    after = sold[sold["product_id"] != params["product_id"]].merge(first.rename("first_at"), on="user_id")
    after["wait"] = after["at"] - after["first_at"]
    soon = after[(after["wait"] > 0) & (after["wait"] <= params["within_days"] * DAY_MS)]
    waits = soon.groupby(["product_id", "user_id"], as_index=False)["wait"].min()
    rows = waits.groupby("product_id", as_index=False).agg(users=("user_id", "count"), mean=("wait", "mean"))
    rows["mean_days"] = rows["mean"] / DAY_MS
    return listed(shop.titled(rows), ("product_id", "title", "users", "mean_days"), BY_USERS)


def substitutes(shop: Frames, params: Params) -> Rows:
    places, seen, sold = shop.in_category, shop.did("viewed"), shop.did("bought")
    own = set(places.loc[places["product_id"] == params["product_id"], "category_id"])
    alike = set(places.loc[places["category_id"].isin(own), "product_id"]) - {params["product_id"]}
    viewers = seen.groupby("product_id")["user_id"].agg(set)
    buyers = sold.groupby("product_id")["user_id"].agg(set)
    my_viewers, my_buyers = viewers.get(params["product_id"], set()), buyers.get(params["product_id"], set())
    rows = pd.DataFrame({"product_id": sorted(alike)}, dtype=object)
    rows["viewers"] = [len(my_viewers & viewers.get(key, set())) for key in rows["product_id"]]
    rows["bought_both"] = [len(my_buyers & buyers.get(key, set())) for key in rows["product_id"]]
    order = {"viewers": False, "bought_both": True, "product_id": True}
    return listed(shop.titled(rows[rows["viewers"] > 0]), ("product_id", "title", "viewers", "bought_both"), order)


def audience_of_product(shop: Frames, params: Params) -> Rows:
    own = shop.events[shop.events["product_id"] == params["product_id"]]
    buyers = set(own.loc[own["type"] == "bought", "user_id"])
    left = own[own["type"].isin(["viewed", "carted"]) & ~own["user_id"].isin(buyers)]
    left = left.assign(views=left["type"] == "viewed", carts=left["type"] == "carted")
    rows = left.groupby("user_id", as_index=False).agg(
        views=("views", "sum"), carts=("carts", "sum"), last_at=("at", "max")
    )
    return listed(rows, ("user_id", "views", "carts", "last_at"), {"carts": False, "views": False, "user_id": True})


def _steps(shop: Frames) -> pd.DataFrame:
    """Users of each step by product."""
    done = (
        shop.did("viewed", "carted", "bought")
        .groupby(["product_id", "type"])["user_id"]
        .nunique()
        .unstack(fill_value=0)
    )
    done = done.reindex(columns=["viewed", "carted", "bought"], fill_value=0).reset_index()
    done.columns = pd.Index(["product_id", "viewers", "carters", "buyers"])
    return shop.titled(done)


def product_funnel(shop: Frames, params: Params) -> Rows:
    places = shop.in_category
    inside = places.loc[places["category_id"] == params["category_id"], "product_id"]
    rows = _steps(shop).query("viewers >= 1 and viewers >= @params['min_viewers']")
    rows = rows[rows["product_id"].isin(inside)].assign(rate=lambda found: found["buyers"] / found["viewers"])
    columns = ("product_id", "title", "viewers", "carters", "buyers", "rate")
    return listed(rows, columns, {"viewers": False, "product_id": True})


def much_viewed_little_bought(shop: Frames, params: Params) -> Rows:
    rows = _steps(shop).query("viewers >= 1 and viewers >= @params['min_viewers']")
    rows = rows.assign(rate=rows["buyers"] / rows["viewers"])
    order = {"rate": True, "viewers": False, "product_id": True}
    return listed(rows, ("product_id", "title", "viewers", "buyers", "rate"), order)


def products_never_bought(shop: Frames, params: Params) -> Rows:
    left = shop.products[~shop.products["product_id"].isin(shop.did("bought")["product_id"])]
    seen = shop.did("viewed", "carted")["product_id"].value_counts()
    rows = left.assign(attention=left["product_id"].map(seen).fillna(0).astype(int))
    return listed(rows, ("product_id", "title", "attention"), {"attention": False, "product_id": True})


def new_products(shop: Frames, params: Params) -> Rows:
    rows = shop.products[shop.products["created_at"] >= params["since"]].astype({"created_at": "int64"})
    sold = (
        shop.did("bought")
        .groupby("product_id")
        .agg(purchases=("event_id", "count"), buyers=("user_id", "nunique"), first_at=("at", "min"))
    )
    rows = rows.join(sold, on="product_id").fillna({"purchases": 0, "buyers": 0})
    columns = ("product_id", "title", "created_at", "purchases", "buyers", "first_at")
    return listed(rows, columns, {"created_at": False, "product_id": True})


def _momentum(shop: Frames, params: Params) -> pd.DataFrame:
    span, until = params["days"] * DAY_MS, params["until"]
    sold = shop.did("bought", since=until - 2 * span).query("at < @until")
    sold = sold.assign(before=sold["at"] < until - span, after=sold["at"] >= until - span)
    rows = sold.groupby("product_id", as_index=False).agg(before=("before", "sum"), after=("after", "sum"))
    return shop.titled(rows.assign(change=rows["after"] - rows["before"]))


MOMENTUM = ("product_id", "title", "before", "after", "change")


def fading_products(shop: Frames, params: Params) -> Rows:
    return listed(_momentum(shop, params).query("change < 0"), MOMENTUM, {"change": True, "product_id": True})


def rising_products(shop: Frames, params: Params) -> Rows:
    return listed(_momentum(shop, params).query("change > 0"), MOMENTUM, {"change": False, "product_id": True})


def best_sellers(shop: Frames, params: Params) -> Rows:
    sold = shop.titled(shop.did("bought", since=params["since"]))
    if params["until"] is not None:
        sold = sold[sold["at"] < params["until"]]
    sold = sold.assign(units=sold["quantity"].fillna(1.0))
    sold["paid"] = sold["units"] * sold["price"].fillna(0.0)
    rows = sold.groupby(["product_id", "title"], as_index=False, dropna=False).agg(
        units=("units", "sum"), revenue=("paid", "sum"), buyers=("user_id", "nunique")
    )
    return listed(rows, ("product_id", "title", "units", "revenue", "buyers"), {"units": False, "product_id": True})


def product_repeat_rate(shop: Frames, params: Params) -> Rows:
    sold = shop.did("bought", timed=True)
    pairs = (
        sold.assign(day=day_of(sold["at"]))
        .groupby(["product_id", "user_id"], as_index=False)
        .agg(times=("day", "nunique"), first=("at", "min"), last=("at", "max"))
    )
    pairs["again"] = pairs["times"] > 1
    pairs["span"] = (pairs["last"] - pairs["first"]).where(pairs["again"], 0)
    rows = pairs.groupby("product_id", as_index=False).agg(
        buyers=("user_id", "count"), repeaters=("again", "sum"), spans=("span", "sum"), times=("times", "sum")
    )
    rows = rows[rows["buyers"] >= params["min_buyers"]]
    steps = rows["times"] - rows["buyers"]
    rows = rows.assign(
        rate=rows["repeaters"] / rows["buyers"], every_days=(rows["spans"] / DAY_MS / steps).where(steps > 0)
    )
    columns = ("product_id", "title", "buyers", "repeaters", "rate", "every_days")
    return listed(shop.titled(rows), columns, {"rate": False, "buyers": False, "product_id": True})


def best_rated_products(shop: Frames, params: Params) -> Rows:
    rated = shop.did("rated").dropna(subset="value")
    rows = rated.groupby("product_id", as_index=False).agg(ratings=("value", "count"), mean=("value", "mean"))
    rows = shop.titled(rows[rows["ratings"] >= params["min_ratings"]])
    return listed(
        rows, ("product_id", "title", "ratings", "mean"), {"mean": False, "ratings": False, "product_id": True}
    )


def wanted_but_unavailable(shop: Frames, params: Params) -> Rows:
    gone = shop.products.loc[shop.products["available"].eq(False), "product_id"]
    wanted = shop.did("viewed", "carted", "bought", since=params["since"])
    wanted = wanted[wanted["product_id"].isin(gone)].assign(cart=lambda rows: rows["type"] == "carted")
    rows = wanted.groupby("product_id", as_index=False).agg(
        users=("user_id", "nunique"), carts=("cart", "sum"), last_at=("at", "max")
    )
    return listed(shop.titled(rows), ("product_id", "title", "users", "carts", "last_at"), BY_USERS)


def left_in_the_cart(shop: Frames, params: Params) -> Rows:
    carts = shop.did("carted", since=params["since"]).groupby(["user_id", "product_id"], as_index=False)["at"].max()
    sold = shop.did("bought", timed=True).groupby(["user_id", "product_id"], as_index=False).agg(sold_at=("at", "max"))
    pairs = carts.merge(sold, on=["user_id", "product_id"], how="left")
    left = pairs[~(pairs["sold_at"] >= pairs["at"])]
    rows = left.groupby("product_id", as_index=False).agg(users=("user_id", "count"), last_at=("at", "max"))
    return listed(shop.titled(rows), ("product_id", "title", "users", "last_at"), BY_USERS)


ANSWERS: dict[str, Answer] = {
    answer.__name__: answer
    for answer in (
        audience_of_product,
        best_rated_products,
        best_sellers,
        bought_next,
        bought_same_day,
        co_purchase_lift,
        co_purchased,
        complements,
        fading_products,
        left_in_the_cart,
        much_viewed_little_bought,
        new_products,
        product_funnel,
        product_repeat_rate,
        products_never_bought,
        rising_products,
        substitutes,
        wanted_but_unavailable,
    )
}
