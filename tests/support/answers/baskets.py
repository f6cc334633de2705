"""Answers about baskets: what one user bought on one day."""

import itertools
from collections import Counter

from tests.support.answers.frames import Answer, Frames, Params, Rows, day_of, listed, week_of


def basket_sizes(shop: Frames, params: Params) -> Rows:
    sold = shop.did("bought", since=params["since"])
    sizes = sold.assign(day=day_of(sold["at"])).groupby(["user_id", "day"])["product_id"].nunique().value_counts()
    return [{"products": int(size), "baskets": int(count)} for size, count in sizes.sort_index().items()]


def basket_pairs(shop: Frames, params: Params) -> Rows:
    sold = shop.did("bought", since=params["since"])
    baskets = sold.assign(day=day_of(sold["at"])).groupby(["user_id", "day"])["product_id"].agg(set)
    alone = Counter(product for basket in baskets for product in basket)
    pairs = Counter(
        pair for basket in baskets if len(basket) <= 50 for pair in itertools.combinations(sorted(basket), 2)
    )
    rows = [
        {
            "product_id": one,
            "other_id": other,
            "baskets": both,
            "support": both / len(baskets),
            "lift": both * len(baskets) / (alone[one] * alone[other]),
        }
        for (one, other), both in pairs.items()
        if both >= params["min_baskets"]
    ]
    return sorted(rows, key=lambda row: (-row["baskets"], row["product_id"], row["other_id"]))


def basket_value_by_week(shop: Frames, params: Params) -> Rows:
    sold = shop.titled(shop.did("bought", since=params["since"]))
    sold["units"] = sold["quantity"].fillna(1.0)
    sold["value"] = sold["units"] * sold["price"].fillna(0.0)
    sold["day"] = sold["at"] // 86_400_000
    baskets = sold.groupby(["user_id", "day"], as_index=False).agg(
        at=("at", "min"), value=("value", "sum"), units=("units", "sum")
    )
    baskets["week_start"] = week_of(baskets["at"])
    rows = baskets.groupby("week_start", as_index=False).agg(
        baskets=("user_id", "count"), mean_value=("value", "mean"), mean_units=("units", "mean")
    )
    return listed(rows, ("week_start", "baskets", "mean_value", "mean_units"), {"week_start": True})


ANSWERS: dict[str, Answer] = {answer.__name__: answer for answer in (basket_pairs, basket_sizes, basket_value_by_week)}
