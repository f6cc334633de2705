"""Answers about demand over time."""

import pandas as pd

from tests.support.answers.frames import DAY_MS, Answer, Frames, Params, Rows, day_of, listed, week_of

SOLD = ("week_start", "units", "revenue", "buyers")


def _by_week(shop: Frames, sold: pd.DataFrame) -> Rows:
    rows = shop.titled(sold)
    rows["units"] = rows["quantity"].fillna(1.0)
    rows["paid"] = rows["units"] * rows["price"].fillna(0.0)
    rows["week_start"] = week_of(rows["at"])
    weeks = rows.groupby("week_start", as_index=False).agg(
        units=("units", "sum"), revenue=("paid", "sum"), buyers=("user_id", "nunique")
    )
    return listed(weeks, SOLD, {"week_start": True})


def demand_by_week(shop: Frames, params: Params) -> Rows:
    return _by_week(shop, shop.did("bought", since=params["since"]))


def category_demand_by_week(shop: Frames, params: Params) -> Rows:
    sold = shop.did("bought", since=params["since"])
    return _by_week(shop, sold[sold["product_id"].isin(shop.within(params["category_id"]))])


def product_demand_by_week(shop: Frames, params: Params) -> Rows:
    done = shop.did("viewed", "carted", "bought", since=params["since"])
    done = done[done["product_id"] == params["product_id"]]
    rows: Rows = []
    for week, own in done.groupby(week_of(done["at"])):
        sold = own[own["type"] == "bought"]
        rows.append(
            {
                "week_start": int(str(week)),
                "viewers": own.loc[own["type"] == "viewed", "user_id"].nunique(),
                "carts": int((own["type"] == "carted").sum()),
                "units": float(sold["quantity"].fillna(1.0).sum()),
                "buyers": sold["user_id"].nunique(),
            }
        )
    return rows


def demand_by_hour(shop: Frames, params: Params) -> Rows:
    sold = shop.did("bought", since=params["since"])
    clock = pd.to_datetime(sold["at"], unit="ms", utc=True)
    rows = (
        sold.assign(weekday=clock.dt.day_of_week, hour=clock.dt.hour)
        .groupby(["weekday", "hour"], as_index=False)
        .agg(purchases=("event_id", "count"), buyers=("user_id", "nunique"))
    )
    return listed(rows, ("weekday", "hour", "purchases", "buyers"), {"weekday": True, "hour": True})


def active_users_by_week(shop: Frames, params: Params) -> Rows:
    done = shop.did("viewed", "carted", "bought", timed=True)
    done = done.assign(week_start=week_of(done["at"]), bought=done["type"] == "bought")
    pairs = done.groupby(["user_id", "week_start"], as_index=False)["bought"].any()
    pairs["new"] = pairs["week_start"] == pairs.groupby("user_id")["week_start"].transform("min")
    rows = pairs.groupby("week_start", as_index=False).agg(
        users=("user_id", "count"), buyers=("bought", "sum"), new_users=("new", "sum")
    )
    return listed(rows, ("week_start", "users", "buyers", "new_users"), {"week_start": True})


def events_by_day(shop: Frames, params: Params) -> Rows:
    types = ("viewed", "carted", "bought", "rated")
    done = shop.did(*types, since=params["since"])
    rows = done.groupby([day_of(done["at"]) * DAY_MS, "type"]).size().unstack(fill_value=0)
    rows = rows.reindex(columns=list(types), fill_value=0).rename_axis("day").reset_index()
    return listed(rows, ("day", *types), {"day": False})


ANSWERS: dict[str, Answer] = {
    answer.__name__: answer
    for answer in (
        active_users_by_week,
        category_demand_by_week,
        demand_by_hour,
        demand_by_week,
        events_by_day,
        product_demand_by_week,
    )
}
