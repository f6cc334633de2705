"""The generated shop: its size, its truth, and that a seed fixes it."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.compute as pc
import pytest

from kg.errors import TableError
from kg.sources.generated import generated_shop

SMALL = {"products": 150, "brands": 12, "users": 40, "events": 1500}
FINGERPRINT = """
import hashlib
from kg.sources.generated import generated_shop
shop = generated_shop(products=60, brands=6, users=10, events=300, seed=3)
text = repr(shop.causes.to_pylist()) + repr(shop.tables.nodes["Product"].to_pylist())
print(hashlib.sha256(text.encode()).hexdigest())
"""


@pytest.fixture(scope="module")
def shop():
    return generated_shop(**SMALL)


def test_the_shop_has_the_size_that_was_asked_for(shop):
    tables = shop.tables

    assert tables.nodes["Product"].num_rows == 150
    assert tables.nodes["User"].num_rows == 40
    assert tables.nodes["Brand"].num_rows <= 12
    assert tables.events.num_rows == 1500
    assert tables.order == "clock"


def test_every_event_has_its_cause(shop):
    assert shop.causes["event_id"].to_pylist() == shop.tables.events["event_id"].to_pylist()
    assert set(shop.causes["cause"].to_pylist()) == {"brand", "taste", "complement", "popularity", "noise"}


def test_every_cause_names_a_node_that_is_in_the_graph(shop):
    ids = {label: set(table.column(0).to_pylist()) for label, table in shop.tables.nodes.items()}

    named = [row for row in shop.causes.to_pylist() if row["because_id"] is not None]

    assert named
    assert [row for row in named if row["because_id"] not in ids[row["because_label"]]] == []


def test_a_brand_cause_is_the_brand_of_the_product(shop):
    maker = {edge["from_id"]: edge["to_id"] for edge in shop.tables.edges["MADE_BY"].to_pylist()}

    rows = [row for row in shop.causes.to_pylist() if row["cause"] == "brand"]

    assert [row for row in rows if maker[row["product_id"]] != row["because_id"]] == []


def test_a_taste_cause_is_a_category_of_the_product(shop):
    inside = {edge["from_id"]: edge["to_id"] for edge in shop.tables.edges["IN_CATEGORY"].to_pylist()}

    rows = [row for row in shop.causes.to_pylist() if row["cause"] == "taste"]

    assert [row for row in rows if inside[row["product_id"]] != row["because_id"]] == []


def test_a_complement_follows_what_the_same_user_bought_before(shop):
    rows = shop.causes.to_pylist()
    bought = {}
    for row in sorted(rows, key=lambda row: row["at"]):
        if row["type"] == "bought":
            bought.setdefault((row["user_id"], row["product_id"]), row["at"])

    followers = [row for row in rows if row["cause"] == "complement"]
    early = [row for row in followers if not bought[row["user_id"], row["because_id"]] < row["at"]]

    assert followers
    assert early == []


def test_no_event_comes_before_its_product(shop):
    products = shop.tables.nodes["Product"]
    created = dict(zip(products["product_id"].to_pylist(), products["created_at"].to_pylist(), strict=True))

    events = shop.tables.events.to_pylist()

    assert [event for event in events if event["at"] < created[event["product_id"]]] == []


def test_the_tree_is_three_deep_and_both_languages_are_there(shop):
    parents = {edge["from_id"]: edge["to_id"] for edge in shop.tables.edges["CHILD_OF"].to_pylist()}
    leaf = shop.tables.edges["IN_CATEGORY"]["to_id"][0].as_py()
    titles = "".join(shop.tables.nodes["Product"]["title"].to_pylist())

    assert parents[parents[leaf]] not in parents
    assert any("一" <= sign <= "鿿" for sign in titles)
    assert any(sign in "abc" for sign in titles)


def test_some_products_are_cold(shop):
    created = shop.tables.nodes["Product"]["created_at"]
    last = pc.max(shop.tables.events["at"]).as_py()

    assert pc.sum(pc.greater(created, last - 50 * 86_400_000)).as_py() > 0


def test_the_same_seed_gives_the_same_shop_in_another_process():
    shop = generated_shop(products=60, brands=6, users=10, events=300, seed=3)
    text = repr(shop.causes.to_pylist()) + repr(shop.tables.nodes["Product"].to_pylist())

    result = subprocess.run(
        [sys.executable, "-c", FINGERPRINT],
        env={**os.environ, "PYTHONHASHSEED": "77"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    assert result.stdout.strip() == hashlib.sha256(text.encode()).hexdigest()


def test_another_seed_gives_another_shop(shop):
    assert generated_shop(**SMALL, seed=1).causes != shop.causes


@pytest.mark.parametrize("wrong", [{"products": 3}, {"brands": 1}, {"users": 0}, {"events": 0}])
def test_a_size_that_makes_no_shop_is_refused(wrong):
    with pytest.raises(TableError, match="a generated shop has"):
        generated_shop(**{**SMALL, **wrong})
