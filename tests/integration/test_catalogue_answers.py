"""Every query of the catalogue runs on both servers and gives the answers that pandas gives on the tiny shop."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd
import pytest

from cypher.catalogue import list_queries, load_query
from kg.ingest import ingest
from kg.store import GraphConfig, GraphStore
from tests.integration.conftest import EMPTY
from tests.worlds import BRANDS, CATEGORIES, DAY_MS, EVENTS, MONDAY, PRODUCTS, USERS, tiny_shop

Rows = list[dict[str, Any]]
WEEK_MS = 7 * DAY_MS


@pytest.fixture(scope="module", params=["local", "neo4j"])
def store(request: pytest.FixtureRequest) -> Iterator[GraphStore]:
    """Give a graph that holds the tiny shop, on each server in turn."""
    config: GraphConfig = request.getfixturevalue(f"{request.param}_config")
    with GraphStore.open(config) as opened:
        opened.write(EMPTY, [])
        ingest(opened, tiny_shop())
        yield opened


def events() -> pd.DataFrame:
    columns = ["event_id", "user_id", "product_id", "type", "day", "quantity", "value"]
    products = pd.DataFrame(
        [(key, *facts) for key, facts in PRODUCTS.items()],
        columns=["product_id", "title", "price", "brand_id", "category_id"],
    )
    return pd.DataFrame(EVENTS, columns=columns).merge(products, on="product_id").sort_values("event_id")


def bought() -> pd.DataFrame:
    every = events()
    return every[every["type"] == "bought"]


def below(category: str) -> set[str]:
    return {category}.union(*(below(child) for child, parent in CATEGORIES.items() if parent == category))


def user_history() -> Rows:
    mine = events().query("user_id == 'u1'").sort_values(["day", "event_id"], ascending=False)
    return [
        {
            "event_id": row.event_id,
            "type": row.type,
            "product_id": row.product_id,
            "title": row.title,
            "at": MONDAY + row.day * DAY_MS,
            "quantity": None if pd.isna(row.quantity) else row.quantity,
            "value": None if pd.isna(row.value) else row.value,
        }
        for row in mine.itertuples()
    ]


def co_purchased() -> Rows:
    buyers = set(bought().query("product_id == 'p01'")["user_id"])
    others = bought()[bought()["user_id"].isin(buyers)].query("product_id != 'p01'")
    counts = others.groupby(["product_id", "title"])["user_id"].nunique().reset_index(name="buyers")
    return counts.sort_values(["buyers", "product_id"], ascending=[False, True]).to_dict("records")


def also_bought() -> Rows:
    pairs = bought()[["user_id", "product_id", "title"]].drop_duplicates()
    mine = set(pairs.query("user_id == 'u1'")["product_id"])
    shared = pairs[pairs["product_id"].isin(mine)].query("user_id != 'u1'").groupby("user_id").size()
    others = pairs[pairs["user_id"].isin(shared.index) & ~pairs["product_id"].isin(mine)]
    others = others.assign(shared=others["user_id"].map(shared))
    counts = others.groupby(["product_id", "title"]).agg(buyers=("user_id", "count"), in_common=("shared", "sum"))
    order = ["in_common", "product_id"]
    return counts.reset_index().sort_values(order, ascending=[False, True]).to_dict("records")


def top_brands() -> Rows:
    mine = bought().query("user_id == 'u2'").dropna(subset="brand_id")
    counts = mine.groupby("brand_id").agg(purchases=("event_id", "count"), products=("product_id", "nunique"))
    ordered = counts.reset_index().sort_values(["purchases", "brand_id"], ascending=[False, True])
    return [
        {"brand_id": row.brand_id, "brand": BRANDS[row.brand_id], "purchases": row.purchases, "products": row.products}
        for row in ordered.itertuples()
    ]


def repeat_rate() -> Rows:
    pairs = bought().groupby(["category_id", "user_id", "product_id"]).size().reset_index(name="n")
    rows = [
        {
            "category_id": name,
            "category": str(name).title(),
            "pairs": len(group),
            "repeated": int((group["n"] > 1).sum()),
            "rate": float((group["n"] > 1).mean()),
        }
        for name, group in pairs.groupby("category_id")
    ]
    return sorted(rows, key=lambda row: (-row["rate"], row["category_id"]))


def brand_switching() -> Rows:
    within = bought()[bought()["category_id"].isin(below("food"))]
    first = within.groupby(["user_id", "brand_id"])["day"].min().reset_index()
    pairs = first.merge(first, on="user_id").query("day_x < day_y")
    counts = pairs.groupby(["brand_id_x", "brand_id_y"]).size().reset_index()
    counts.columns = pd.Index(["from_brand", "to_brand", "users"])
    order = ["users", "from_brand", "to_brand"]
    return counts.sort_values(order, ascending=[False, True, True]).to_dict("records")


def never_bought() -> Rows:
    seen = events()[events()["type"].isin(["viewed", "carted"])]["product_id"].value_counts()
    left = sorted(set(PRODUCTS) - set(bought()["product_id"]))
    rows = [{"product_id": key, "title": PRODUCTS[key][0], "attention": int(seen.get(key, 0))} for key in left]
    return sorted(rows, key=lambda row: (-row["attention"], row["product_id"]))


def demand() -> Rows:
    sold = bought().assign(week=lambda rows: rows["day"] // 7, revenue=lambda rows: rows["quantity"] * rows["price"])
    weeks = sold.groupby("week").agg(
        units=("quantity", "sum"), revenue=("revenue", "sum"), buyers=("user_id", "nunique")
    )
    return [{"week_start": MONDAY + int(row["week"]) * WEEK_MS, **row[1:]} for _, row in weeks.reset_index().iterrows()]


def funnel() -> Rows:
    users = events().groupby(["category_id", "type"])["user_id"].nunique().unstack(fill_value=0).reset_index()
    ordered = users.sort_values(["bought", "category_id"], ascending=[False, True])
    return [
        {
            "category_id": row.category_id,
            "category": row.category_id.title(),
            "viewers": row.viewed,
            "carters": row.carted,
            "buyers": row.bought,
        }
        for row in ordered.itertuples()
    ]


def brand_paths() -> Rows:
    same = events().query("user_id == 'u1' and brand_id == 'acme' and product_id != 'p04'")
    return [
        {
            "via_id": row.product_id,
            "brand_id": "acme",
            "brand": "Acme",
            "event_id": row.event_id,
            "type": row.type,
            "at": MONDAY + row.day * DAY_MS,
        }
        for row in same.sort_values(["day", "event_id"], ascending=False).itertuples()
    ]


def category_paths() -> Rows:
    same = events().query("user_id == 'u1' and category_id == 'coffee' and product_id != 'p04'")
    return [
        {
            "via_id": row.product_id,
            "category_id": "coffee",
            "category": "Coffee",
            "event_id": row.event_id,
            "type": row.type,
            "at": MONDAY + row.day * DAY_MS,
        }
        for row in same.sort_values(["day", "event_id"], ascending=False).itertuples()
    ]


def common_buyers() -> Rows:
    sold = bought()
    rows = []
    for via in sorted(set(events().query("user_id == 'u1'")["product_id"])):
        others = set(sold.query("product_id == @via")["user_id"]) & set(sold.query("product_id == 'p05'")["user_id"])
        if others - {"u1"}:
            rows.append({"via_id": via, "title": PRODUCTS[via][0], "buyers": len(others - {"u1"})})
    return rows


def direct_relations() -> Rows:
    mine = events().query("user_id == 'u2' and product_id == 'p01'")
    fact = {"via_id": "p01", "relation": "BOUGHT_TOGETHER", "outgoing": True, "at": MONDAY + 2 * DAY_MS, "weight": None}
    return [fact | {"event_id": row.event_id, "type": row.type} for row in mine.itertuples()]


def product_card() -> Rows:
    title, price, brand, category = PRODUCTS["p09"]
    facts = {"product_id": "p09", "title": title, "price": price, "available": False}
    return [facts | {"brand": BRANDS[str(brand)], "categories": [str(category).title()]}]


def node_counts() -> Rows:
    counts = {"Brand": len(BRANDS), "Category": len(CATEGORIES), "Product": len(PRODUCTS), "User": len(USERS)}
    return [{"label": label, "num_nodes": count} for label, count in counts.items()]


def relation_counts() -> Rows:
    counts = {kind.upper(): int(count) for kind, count in events()["type"].value_counts().items()}
    counts |= {"ALSO_BOUGHT": 2, "ALSO_VIEWED": 1, "BOUGHT_TOGETHER": 1, "CHILD_OF": 4, "IN_CATEGORY": 9, "MADE_BY": 9}
    return [{"relation": name, "num_edges": counts[name]} for name in sorted(counts)]


ANSWERS: Mapping[str, tuple[Mapping[str, Any], Callable[[], Rows]]] = {
    "also_bought_by_similar_users": ({"user_id": "u1"}, also_bought),
    "brand_switching": ({"category_id": "food"}, brand_switching),
    "category_funnel": ({}, funnel),
    "co_purchased": ({"product_id": "p01"}, co_purchased),
    "demand_by_week": ({}, demand),
    "node_counts": ({}, node_counts),
    "ping": ({}, lambda: [{"answer": 1}]),
    "product_card": ({"product_id": "p09"}, product_card),
    "products_never_bought": ({}, never_bought),
    "relation_counts": ({}, relation_counts),
    "repeat_purchase_rate": ({}, repeat_rate),
    "top_brands_for_user": ({"user_id": "u2"}, top_brands),
    "user_history": ({"user_id": "u1"}, user_history),
    "user_product_brand_product": ({"user_id": "u1", "product_id": "p04"}, brand_paths),
    "user_product_category_product": ({"user_id": "u1", "product_id": "p04"}, category_paths),
    "user_product_relation_product": ({"user_id": "u2", "product_id": "p03"}, direct_relations),
    "user_product_user_product": ({"user_id": "u1", "product_id": "p05"}, common_buyers),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_query_gives_the_known_answer(store: GraphStore, name: str) -> None:
    params, expected = ANSWERS[name]

    assert expected() == store.read(load_query(name), params)


@pytest.mark.parametrize("name", [name for name in ANSWERS if "limit" in load_query(name).params])
def test_a_limit_keeps_the_first_rows(store: GraphStore, name: str) -> None:
    params, expected = ANSWERS[name]

    assert expected()[:1] == store.read(load_query(name), {**params, "limit": 1})


def test_the_columns_are_those_of_the_header(store: GraphStore) -> None:
    for name, (params, _) in ANSWERS.items():
        query = load_query(name)
        for row in store.read(query, params):
            assert list(query.returns) == list(row), name


def test_a_time_bound_leaves_out_earlier_weeks(store: GraphStore) -> None:
    second_week = MONDAY + WEEK_MS

    rows = store.read(load_query("demand_by_week"), {"since_ms": second_week})

    assert demand()[1:] == rows


def test_no_query_for_people_is_without_a_known_answer() -> None:
    runnable = {query.name for query in list_queries("analytics", "paths", "read") if not query.placeholders}

    assert set() == runnable - set(ANSWERS)
