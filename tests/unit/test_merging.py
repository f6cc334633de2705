"""Products that a shop has several times: which are one, which id stays, and what becomes of all that hangs on them."""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.canonical import canonical_edges, canonical_events, canonical_nodes
from kg.errors import SchemaError
from kg.merge_rule import MergeRule, read_merge_rule
from kg.merging import MergedProduct, doubts_of, ids_merged, merge_products
from kg.schema import GraphSchema
from kg.tables import Tables
from tests.worlds import make_tables

GTIN = MergeRule(("gtin",))
PRODUCTS: tuple[Mapping[str, Any], ...] = (
    {"product_id": "p1", "title": "Green tea", "gtin": "40 1", "price": None, "created_at": 30},
    {"product_id": "p2", "title": "Green Tea!", "gtin": "40  1 ", "price": 4.0, "created_at": 20},
    {"product_id": "p3", "title": None, "gtin": "40 1", "price": 5.0, "created_at": None},
    {"product_id": "p4", "title": "Green tea", "gtin": None, "price": 4.5, "created_at": 10},
    {"product_id": "p5", "title": "Mug", "gtin": " ", "price": 2.0, "created_at": 10},
)
EDGES: Mapping[str, tuple[tuple[Any, ...], ...]] = {
    "MADE_BY": (("p1", "acme"), ("p3", "bolt"), ("p5", "bolt")),
    "IN_CATEGORY": (("p1", "tea"), ("p2", "drinks"), ("p3", "tea"), ("p5", "drinks")),
    "ALSO_BOUGHT": (("p1", "p2", 5), ("p1", "p4", 7), ("p3", "p4", 6), ("p5", "p3")),
    "BOUGHT_TOGETHER": (("p1", "p5"), ("p3", "p5", None, 2.0)),
}


def shop(
    products: Iterable[Mapping[str, Any]] = PRODUCTS, edges: Mapping[str, Iterable[tuple[Any, ...]]] = EDGES
) -> Tables:
    """Return a shop in which everybody bought every product once."""
    rows = [dict(row) for row in products]
    nodes = {
        "Product": rows,
        "User": [{"user_id": "u1"}],
        "Brand": [{"brand_id": "acme", "name": "ACME  Tea"}, {"brand_id": "bolt"}],
        "Category": [{"category_id": "drinks", "name": "Drinks"}, {"category_id": "tea", "name": "Tea"}],
    }
    events = [
        {"event_id": f"e-{row['product_id']}", "user_id": "u1", "product_id": row["product_id"], "type": "bought"}
        for row in rows
    ]
    return make_tables(GraphSchema(), nodes, edges=edges, events=events)


def products_of(tables: Tables) -> dict[str, dict[str, Any]]:
    return {row.pop("product_id"): row for row in tables.nodes["Product"].to_pylist()}


def pairs(tables: Tables, relation: str) -> list[tuple[str, str]]:
    return [(row["from_id"], row["to_id"]) for row in tables.edges[relation].to_pylist()]


def assert_canonical(tables: Tables) -> None:
    """Fail unless the tables are what they become when they are brought into the canonical form once more."""
    for label, table in tables.nodes.items():
        assert table.equals(canonical_nodes(tables.schema.nodes[label], table))
    for name, table in tables.edges.items():
        assert table.equals(canonical_edges(tables.schema.relation(name), table))
    assert tables.events.equals(canonical_events(tables.events))
    every = [*tables.nodes.values(), *tables.edges.values(), tables.events]
    assert {1} == {column.num_chunks for table in every for column in table.columns if table.num_rows}


def test_products_that_agree_become_one_with_the_oldest_id() -> None:
    merged = merge_products(shop(), GTIN)

    assert (MergedProduct("p2", ("p1", "p3")),) == merged.products
    assert ["p2", "p4", "p5"] == list(products_of(merged.tables))
    assert {"p1": "p2", "p3": "p2"} == merged.kept_of


def test_what_the_kept_one_does_not_say_the_others_say_in_order() -> None:
    rows = [dict(row) for row in PRODUCTS]
    rows[1] |= {"title": None, "price": None}
    rows[2] |= {"title": "Third"}

    kept = products_of(merge_products(shop(rows), GTIN).tables)["p2"]

    assert ("Green tea", 5.0, 20, "p1 | p3") == (kept["title"], kept["price"], kept["created_at"], kept["merged_ids"])


def test_edges_go_to_the_kept_one_without_doubles_and_loops() -> None:
    tables = merge_products(shop(), GTIN).tables

    assert [("p2", "acme"), ("p5", "bolt")] == pairs(tables, "MADE_BY")
    assert [("p2", "drinks"), ("p2", "tea"), ("p5", "drinks")] == pairs(tables, "IN_CATEGORY")
    assert [("p2", "p4"), ("p5", "p2")] == pairs(tables, "ALSO_BOUGHT")
    assert [6, None] == tables.edges["ALSO_BOUGHT"]["at"].to_pylist()
    assert [("p2", "p5")] == pairs(tables, "BOUGHT_TOGETHER")
    assert_canonical(tables)


def test_the_kept_one_keeps_its_own_brand() -> None:
    edges = {"MADE_BY": (("p1", "acme"), ("p2", "bolt"))}

    assert [("p2", "bolt")] == pairs(merge_products(shop(edges=edges), GTIN).tables, "MADE_BY")


def test_events_go_to_the_kept_one_and_keep_their_ids() -> None:
    merged = merge_products(shop(), GTIN)

    found = {row["event_id"]: row["product_id"] for row in merged.tables.events.to_pylist()}
    assert {"e-p1": "p2", "e-p2": "p2", "e-p3": "p2", "e-p4": "p4", "e-p5": "p5"} == found


def test_a_further_table_of_events_is_treated_alike() -> None:
    table = shop().events.slice(1, 3)

    found = merge_products(shop(), GTIN).events(table)

    assert ["p2", "p2", "p4"] == found["product_id"].to_pylist()
    assert table.schema.equals(found.schema)
    assert table.drop_columns(["product_id"]).equals(found.drop_columns(["product_id"]))


def test_one_that_is_in_the_graph_stays_before_older_ones() -> None:
    assert "p3" == merge_products(shop(), GTIN, known={"p3", "p4"}).products[0].kept


def test_the_smallest_id_stays_among_equals() -> None:
    rows = [{"product_id": key, "gtin": "1"} for key in ("b", "a", "c")]

    assert (MergedProduct("a", ("b", "c")),) == merge_products(shop(rows, {}), GTIN).products


def test_one_that_was_merged_away_before_does_not_come_back_by_being_older() -> None:
    merged = merge_products(shop(), GTIN, known={"p1", "p2"}, before={"p2": "p1"})

    assert (MergedProduct("p1", ("p2", "p3")),) == merged.products


def test_a_product_stays_what_it_was_when_only_its_other_id_is_listed() -> None:
    rows = [row for row in PRODUCTS if row["product_id"] in ("p2", "p5")]

    merged = merge_products(shop(rows, {}), GTIN, known={"p1", "p5"}, before={"p2": "p1"})

    assert (MergedProduct("p1", ("p2",)),) == merged.products
    assert ("p2", 4.0) == tuple(products_of(merged.tables)["p1"][name] for name in ("merged_ids", "price"))
    assert ["p1", "p5"] == merged.tables.events["product_id"].to_pylist()


def test_ids_that_are_not_listed_any_more_are_still_known() -> None:
    rows = [row for row in PRODUCTS if row["product_id"] in ("p1", "p5")]

    merged = merge_products(shop(rows, {}), GTIN, known={"p1", "p5"}, before={"p2": "p1"})

    assert ((), {"p2": "p1"}) == (merged.products, merged.kept_of)
    assert "p2" == products_of(merged.tables)["p1"]["merged_ids"]


def test_products_that_no_longer_agree_are_taken_apart() -> None:
    merged = merge_products(shop(), MergeRule(("title",)), known={"p1"}, before={"p2": "p1"})

    assert ({"p4": "p1"}, "p4") == (merged.kept_of, products_of(merged.tables)["p1"]["merged_ids"])
    assert ({}, ["p1", "p2", "p3", "p4", "p5"]) == (
        (apart := merge_products(shop(), None, known={"p1"}, before={"p2": "p1"})).kept_of,
        list(products_of(apart.tables)),
    )


def test_merging_what_is_merged_changes_nothing() -> None:
    once = merge_products(shop(), GTIN)

    twice = merge_products(once.tables, GTIN)

    assert once.tables == twice.tables
    assert {"p1": "p2", "p3": "p2"} == ids_merged(twice.tables.nodes["Product"])


def test_it_can_be_had_when_one_of_them_can() -> None:
    cases = [((False, True), True), ((False, None), None), ((None, True), True), ((False, False), False)]
    for flags, expected in cases:
        rows = [{"product_id": f"p{place}", "gtin": "1", "available": flag} for place, flag in enumerate(flags)]
        rows.append({"product_id": "p9", "gtin": None, "available": True})

        assert expected is products_of(merge_products(shop(rows, {}), GTIN).tables)["p0"]["available"]


def test_case_and_blanks_do_not_count_and_the_brand_is_called_by_its_name() -> None:
    rows = [
        {"product_id": "p1", "title": "Grüner  TEE", "gtin": "1"},
        {"product_id": "p2", "title": " grüner\u00a0tee", "gtin": "2"},
        {"product_id": "p3", "title": "GRU\u0308NER TEE", "gtin": "3"},
        {"product_id": "p4", "title": "Grüner Tee", "gtin": "4"},
    ]
    edges = {"MADE_BY": (("p1", "acme"), ("p2", "acme"), ("p3", "acme"), ("p4", "bolt"))}

    merged = merge_products(shop(rows, edges), MergeRule(("title", "brand")))

    assert (MergedProduct("p1", ("p2", "p3")),) == merged.products


def test_without_anything_that_agrees_the_tables_stay_as_they_are() -> None:
    tables = shop()

    assert tables is merge_products(tables, MergeRule(("colour",))).tables


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["x", "X", " x ", "y", "", None]),
            st.sampled_from([None, 1, 2]),
            st.sampled_from([None, "t1", "t2"]),
            st.sampled_from([None, "acme", "bolt"]),
        ),
        min_size=1,
        max_size=7,
    ),
    st.sets(st.sampled_from([f"p{number}" for number in range(7)])),
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=6),
)
def test_a_naive_merging_finds_the_same(
    rows: list[tuple[Any, ...]], known: set[str], also: list[tuple[int, int]]
) -> None:
    products = [
        {"product_id": f"p{place}", "gtin": gtin, "created_at": at, "title": title}
        for place, (gtin, at, title, _) in enumerate(rows)
    ]
    made_by = [(f"p{place}", brand) for place, (_, _, _, brand) in enumerate(rows) if brand]
    bought = [(f"p{a}", f"p{b}") for a, b in also if a != b and a < len(rows) and b < len(rows)]
    tables = shop(products, {"MADE_BY": made_by, "ALSO_BOUGHT": bought})

    found = merge_products(tables, GTIN, known=known)

    expected, home = naive(products, dict(made_by), known)
    assert expected == {
        key: (row.get("title"), row.get("merged_ids"), dict(pairs(found.tables, "MADE_BY")).get(key))
        for key, row in products_of(found.tables).items()
    }
    ends = sorted({(home[a], home[b]) for a, b in bought if home[a] != home[b]})
    assert ends == pairs(found.tables, "ALSO_BOUGHT")
    assert [home[f"p{place}"] for place in range(len(rows))] == found.tables.events["product_id"].to_pylist()
    assert_canonical(found.tables)


def naive(
    products: list[dict[str, Any]], brands: Mapping[str, str], known: set[str]
) -> tuple[dict[str, tuple[str | None, str | None, str | None]], dict[str, str]]:
    """Title, merged ids and brand by id, and the id that stays by every id: pair by pair, with loops."""

    def text(row: Mapping[str, Any]) -> str:
        return " ".join(unicodedata.normalize("NFKC", row["gtin"] or "").casefold().split())

    home, expected = {}, {}
    for row in products:
        alike = [other for other in products if other is row or (text(row) and text(other) == text(row))]
        best = alike[0]
        for other in alike[1:]:
            if (other["product_id"] in known) != (best["product_id"] in known):
                best = other if other["product_id"] in known else best
            elif (other["created_at"] or 99) < (best["created_at"] or 99):
                best = other
        home[row["product_id"]] = best["product_id"]
        alike.sort(key=lambda one: (one["product_id"] not in known, one["created_at"] or 99, one["product_id"]))
        titles = [one["title"] for one in alike if one["title"]]
        brand = [brands[one["product_id"]] for one in alike if one["product_id"] in brands]
        others = sorted(one["product_id"] for one in alike if one is not best)
        expected[best["product_id"]] = (
            titles[0] if titles else None,
            " | ".join(others) or None,
            brand[0] if brand else None,
        )
    return expected, home


def test_a_rule_is_read_from_the_declaration() -> None:
    declared = {"merge": {"products": {"same": ["title", "brand", "title"]}}}

    assert MergeRule(("title", "brand")) == read_merge_rule(declared, where="whycart.toml")
    assert None is read_merge_rule({}, where="whycart.toml")


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"product": {}}, "[merge]: unknown key 'product'; did you mean 'products'?"),
        ({"products": {"sam": ["gtin"]}}, "[merge.products]: unknown key 'sam'; did you mean 'same'?"),
        ({"products": {"same": "gtin"}}, "same is a list of at least one property of products, such as ['gtin']"),
        ({"products": {"same": []}}, "got []"),
        ({"products": {"same": [3]}}, "got [3]"),
        ({"products": {}}, "got None"),
        ({"products": {"same": ["product_id"]}}, "in which no two products agree; name other properties"),
        ({"products": ["gtin"]}, "[merge.products] is a table of keys such as same = ['gtin'], got ['gtin']"),
        ("gtin", "a rule is written as [merge.products], got merge = 'gtin'"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(declared: Any, message: str) -> None:
    with pytest.raises(SchemaError) as refused:
        read_merge_rule({"merge": declared}, where="whycart.toml")

    assert message in str(refused.value)


def test_a_name_that_no_product_has_is_doubted() -> None:
    assert () == doubts_of(MergeRule(("gtin", "brand")), shop())
    doubt = "[merge.products] same names 'gtni', which is a property of no product, so nothing is merged; did you mean "
    assert (doubt + "'gtin'?",) == doubts_of(MergeRule(("gtni",)), shop())


def test_ids_are_read_back_from_a_column_of_numbers() -> None:
    table = pa.table({"product_id": ["1", "2"], "merged_ids": [7, None]})

    assert {"7": "1"} == ids_merged(table)
