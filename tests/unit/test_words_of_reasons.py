"""Paths, habits and reasons in words: the texts of both languages, captions, and names that are data."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kg.paths import OTHERS, GraphEdge, GraphNode, GraphPath
from kg.schema import GraphSchema, declare
from kg.snapshot import build_snapshot
from serving.answer import Reason, RecommendRequest, Surface
from serving.history import NoEvents
from serving.language import Languages, known_languages
from serving.ready import prepare
from serving.recommend import recommend, similar
from serving.shelf import Shelf, build_shelf
from serving.words import (
    CAPTION,
    Words,
    describe_although,
    describe_habit,
    describe_item,
    describe_path,
    name_event,
)
from tests.support.models import random_bundle
from tests.worlds import make_tables, tiny_shop

NEW_YEAR = 1704067200000
DECLARED = {
    "graph": {
        "nodes": {"Material": {"text": ["name"]}},
        "relations": {
            "MADE_OF": {"from": "Product", "to": "Material", "reason": "made of {name}"},
            "SEEN_WITH": {"from": "Product", "to": "Material"},
            "ALSO_VIEWED": {"from": "Product", "to": "Product", "reason": "a look-alike of {name}"},
        },
    },
    "events": {"returned": {"weight": -4.0}},
}


def told(language: str, surface: Surface = "long", wording: Mapping[str, Any] | None = None) -> Words:
    return Words(Languages(wording or {}).find(language), surface)


def shop(**titles: str) -> Shelf:
    """Return the tiny shop with declared kinds, and other titles for some products."""
    tables = tiny_shop()
    schema = declare(GraphSchema(), DECLARED, where="test")
    nodes = {label: table.to_pylist() for label, table in tables.nodes.items()}
    for product in nodes["Product"]:
        product["title"] = titles.get(product["product_id"], product["title"])
    nodes["Material"] = [{"material_id": "oak", "name": "Oak"}]
    edges: dict[str, list[tuple[Any, ...]]] = {
        name: [tuple(row.values()) for row in table.to_pylist()] for name, table in tables.edges.items()
    }
    return build_shelf(build_snapshot(make_tables(schema, nodes, edges=edges, events=tables.events.to_pylist())))


SHOP = shop()


def node(kind: str, key: str) -> GraphNode:
    return GraphNode(kind, SHOP.snapshot.row(kind, key))


TEA, CAKE, MUG = (node("Product", key) for key in ("p01", "p05", "p10"))
PEOPLE = GraphNode("User", None)


def over_others() -> GraphPath:
    edges = (GraphEdge(OTHERS, 1, 0), GraphEdge(OTHERS, 1, 2))
    return GraphPath((TEA, PEOPLE, CAKE), edges, supporters=(52,), event="bought")


def over_others_twice() -> GraphPath:
    edges = tuple(GraphEdge(OTHERS, middle, end) for middle, end in ((1, 0), (1, 2), (3, 2), (3, 4)))
    return GraphPath((TEA, PEOPLE, MUG, PEOPLE, CAKE), edges, supporters=(5, 5), event="bought")


def others_then_brand() -> GraphPath:
    edges = (*(GraphEdge(OTHERS, 1, end) for end in (0, 2)), *(GraphEdge("MADE_BY", end, 3) for end in (2, 4)))
    return GraphPath((TEA, PEOPLE, MUG, node("Brand", "acme"), CAKE), edges, supporters=(5,), event="bought", top=3)


def brand_then_others() -> GraphPath:
    edges = (*(GraphEdge("MADE_BY", end, 1) for end in (0, 2)), *(GraphEdge(OTHERS, 3, end) for end in (2, 4)))
    return GraphPath((TEA, node("Brand", "acme"), MUG, PEOPLE, CAKE), edges, supporters=(5,), event="bought", top=1)


def over(relation: str, middle: GraphNode) -> GraphPath:
    return GraphPath((TEA, middle, CAKE), (GraphEdge(relation, 0, 1), GraphEdge(relation, 2, 1)))


def direct(relation: str) -> GraphPath:
    return GraphPath((TEA, CAKE), (GraphEdge(relation, 0, 1),))


PATHS: dict[str, tuple[GraphPath, str, int | None]] = {
    "others": (over_others(), "bought", None),
    "others counted": (over_others(), "carted", 1052),
    "others twice": (over_others_twice(), "bought", None),
    "others then brand": (others_then_brand(), "bought", None),
    "brand then others": (brand_then_others(), "bought", None),
    "brand": (over("MADE_BY", node("Brand", "acme")), "viewed", None),
    "category": (over("IN_CATEGORY", node("Category", "tea")), "rated", None),
    "declared relation": (over("MADE_OF", node("Material", "oak")), "bought", None),
    "relation without words": (over("SEEN_WITH", node("Material", "oak")), "bought", None),
    "built-in relation with the shop's words": (over("ALSO_VIEWED", MUG), "bought", None),
    "through a product": (over("ALSO_BOUGHT", MUG), "bought", None),
    "direct": (direct("BOUGHT_TOGETHER"), "bought", None),
    "declared event": (over_others(), "returned", None),
}
LONG = {
    "en": {
        "others": "You bought Green tea, and customers who chose it also chose this",
        "others counted": "You put Green tea in your cart, and 1,052 customers who chose it also chose this",
        "others twice": (
            "You bought Green tea; customers who chose it chose Plain mug, and those who chose Plain mug chose this"
        ),
        "others then brand": (
            "You bought Green tea; customers who chose it also chose Plain mug; this is made by Acme too"
        ),
        "brand then others": (
            "You bought Green tea; Plain mug, also made by Acme, was chosen by customers who also chose this"
        ),
        "brand": "You viewed Green tea, also made by Acme",
        "category": "You rated Green tea, also in Tea",
        "declared relation": "You bought Green tea, also made of Oak",
        "relation without words": "You bought Green tea, also seen with Oak",
        "built-in relation with the shop's words": "You bought Green tea; both are a look-alike of Plain mug",
        "through a product": "You bought Green tea; both are also bought with Plain mug",
        "direct": "You bought Green tea; this is bought together with it",
        "declared event": "You returned Green tea, and customers who chose it also chose this",
    },
    "zh": {
        "others": "您购买过“Green tea”，选择它的顾客也选择了这件商品",
        "others counted": "您把“Green tea”加入过购物车，选择它的1,052位顾客也选择了这件商品",
        "others twice": "您购买过“Green tea”；选择它的顾客选择了“Plain mug”，选择“Plain mug”的顾客又选择了这件商品",
        "others then brand": "您购买过“Green tea”；选择它的顾客也选择了“Plain mug”，这件商品与其同样由Acme出品",
        "brand then others": "您购买过“Green tea”；“Plain mug”同样由Acme出品，选择“Plain mug”的顾客也选择了这件商品",
        "brand": "您浏览过“Green tea”，这件商品同样由Acme出品",
        "category": "您评价过“Green tea”，这件商品同样属于Tea类",
        "declared relation": "您购买过“Green tea”，这件商品同样made of Oak",
        "relation without words": "您购买过“Green tea”，这件商品同样seen with Oak",
        "built-in relation with the shop's words": "您购买过“Green tea”；两者都a look-alike of “Plain mug”",
        "through a product": "您购买过“Green tea”；两者都常与“Plain mug”一起被购买",
        "direct": "您购买过“Green tea”；这件商品常与它在同一订单中购买",
        "declared event": "您有过returned“Green tea”的记录，选择它的顾客也选择了这件商品",
    },
}


@pytest.mark.parametrize("language", LONG)
@pytest.mark.parametrize("name", PATHS)
def test_a_path_in_a_full_sentence(name: str, language: str) -> None:
    path, event, count = PATHS[name]

    assert LONG[language][name] == describe_path(told(language), path, shelf=SHOP, event=event, count=count)


@pytest.mark.parametrize(
    ("language", "event", "text"),
    [
        ("en", "viewed", "Because you viewed Green tea"),
        ("en", "carted", "Because you put Green tea in your cart"),
        ("en", "bought", "Because you bought Green tea"),
        ("en", "rated", "Because you rated Green tea"),
        ("en", "returned", "Because you returned Green tea"),
        ("zh", "viewed", "因为您浏览过“Green tea”"),
        ("zh", "carted", "因为您把“Green tea”加入过购物车"),
        ("zh", "bought", "因为您购买过“Green tea”"),
        ("zh", "rated", "因为您评价过“Green tea”"),
        ("zh", "returned", "因为您有过returned“Green tea”的记录"),
    ],
)
def test_a_caption_says_what_the_customer_did(language: str, event: str, text: str) -> None:
    assert text == describe_path(told(language, "short"), over_others(), shelf=SHOP, event=event, count=52)


@pytest.mark.parametrize(
    ("language", "times", "last", "text"),
    [
        ("en", 1, None, "You bought this once"),
        ("en", 1, NEW_YEAR, "You bought this once, last on January 1, 2024"),
        ("en-GB", 3, NEW_YEAR, "You bought this 3 times, last on 1 January 2024"),
        ("en", 1200, None, "You bought this 1,200 times"),
        ("zh", 1, None, "您购买过这件商品，共1次"),
        ("zh-CN", 3, NEW_YEAR, "您购买过这件商品，共3次，最近一次是2024年1月1日"),
    ],
)
def test_a_habit_says_how_often_and_when_last(language: str, times: int, last: int | None, text: str) -> None:
    assert text == describe_habit(told(language), times, last, event="bought")


def test_a_caption_of_a_habit_has_no_date() -> None:
    assert "You bought this 3 times" == describe_habit(told("en", "short"), 3, NEW_YEAR, event="bought")


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        (
            "en",
            {
                "PATH": "Connected with what you chose",
                "COLLABORATIVE": "Chosen by customers whose history is like yours",
                "CONTENT": "Similar to what you looked for",
                "BUY_AGAIN": "You had this before",
                "POPULAR_FALLBACK": "Popular with many customers",
                "TRENDING": "Chosen by many customers of late",
            },
        ),
        (
            "zh",
            {
                "PATH": "与您选择过的商品有关联",
                "COLLABORATIVE": "与您经历相似的顾客也选择了它",
                "CONTENT": "与您关注过的商品相似",
                "BUY_AGAIN": "您以前选择过它",
                "POPULAR_FALLBACK": "受到许多顾客的欢迎",
                "TRENDING": "近来受到许多顾客的欢迎",
            },
        ),
    ],
)
def test_reasons_without_a_path_have_a_sentence(language: str, texts: dict[str, str]) -> None:
    said = {code: describe_item(told(language), (), (Reason(code),)) for code in texts}

    assert texts == said


@pytest.mark.parametrize("language", known_languages())
@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_sentence_in_every_language(reason: Reason, language: str) -> None:
    said = describe_item(told(language, "short"), (), (reason,))

    assert not said.startswith("reason_")
    assert len(said) <= CAPTION


@pytest.mark.parametrize(
    ("language", "event", "text"),
    [
        ("en", "returned", "although you returned Green tea"),
        ("en", "rated", "although you rated Green tea"),
        ("zh", "rated", "尽管您有过评价“Green tea”的记录"),
    ],
)
def test_what_speaks_against_a_product_is_said(language: str, event: str, text: str) -> None:
    assert text == describe_although(told(language), TEA.row or 0, shelf=SHOP, event=event)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_long_title_in_a_caption_is_cut_at_a_word(language: str) -> None:
    shelf = shop(p01="Organic first flush green tea of the southern mountains, loose leaf, 250 g")

    said = describe_path(told(language, "short"), over_others(), shelf=shelf, event="bought", count=None)

    expected = {
        "en": "Because you bought Organic first flush green tea of the…",
        "zh": "因为您购买过“Organic first flush green tea of the southern…”",
    }
    assert (expected[language], True) == (said, len(said) <= CAPTION)


def test_a_title_keeps_its_own_case() -> None:
    shelf = shop(p01="iPhone case")
    own = {"en": {"you_bought": "{product} was bought by you"}}

    said = describe_path(told("en", wording=own), over_others(), shelf=shelf, event="bought", count=None)

    assert "iPhone case was bought by you, and customers who chose it also chose this" == said


@pytest.mark.parametrize("surface", ["short", "long"])
@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("{name} {you} {0.__class__}", "{name} {you} {0.__class__}"),
        ("%s %(name)s \\g<0>", "%s %(name)s \\g<0>"),
        ("<b>Tea</b>", "<b>Tea</b>"),
        ("Green\ntea\r\n\tnow\x1b[31m", "Green tea now [31m"),
        ("Green\u202etea\u2066\u200f", "Greentea"),
        ("\u202e\n", "p01"),
    ],
)
def test_a_title_is_data(title: str, shown: str, surface: Surface) -> None:
    said = describe_path(told("en", surface), over_others(), shelf=shop(p01=title), event="bought", count=None)

    start, end = ("Because you bought ", "") if surface == "short" else ("You bought ", ", and customers who")
    assert said.startswith(f"{start}{shown}{end}")


def test_the_shops_words_replace_those_of_the_catalogue() -> None:
    own = {
        "en": {
            "others_counted": ("{count} other took {you}", "{count} others: {you}"),
            "you_bought": "you own {product}",
        }
    }

    said = [
        describe_path(told("en", wording=own), over_others(), shelf=SHOP, event="bought", count=count)
        for count in (1, 30)
    ]

    assert ["1 other took you own Green tea", "30 others: you own Green tea"] == said


def test_the_shops_words_of_one_language_leave_the_other_alone() -> None:
    own = {"en": {"others": "{you}: popular"}}

    said = describe_path(told("zh", wording=own), over_others(), shelf=SHOP, event="bought", count=None)

    assert LONG["zh"]["others"] == said


def test_declared_kinds_get_words_in_a_language() -> None:
    own = {"zh": {"relation_made_of": "含有{name}", "event_returned": "退回", "you_returned": "您退回过{product}"}}
    words = told("zh", wording=own)

    said = [
        describe_path(words, over("MADE_OF", node("Material", "oak")), shelf=SHOP, event="returned", count=None),
        name_event(words.language, "returned"),
        describe_although(words, TEA.row or 0, shelf=SHOP, event="returned"),
    ]

    assert ["您退回过“Green tea”，这件商品同样含有Oak", "退回", "尽管您有过退回“Green tea”的记录"] == said


def test_a_whole_answer_is_told_in_the_language_asked_for(tmp_path: Path) -> None:
    ready = prepare(random_bundle(build_snapshot(tiny_shop()), tmp_path))
    request = RecommendRequest(user_id="u1", n=5, paths=3)

    chinese = recommend(ready, NoEvents(), replace(request, language="zh"))
    captions = recommend(ready, NoEvents(), replace(request, surface="short"))

    texts = [text for item in chinese.items for text in (item.text, *(path.text for path in item.paths))]
    assert [] == [text for text in texts if not re.search("[\u4e00-\u9fff]", text)]
    short = [path.text for item in captions.items for path in item.paths]
    assert [] == [text for text in short if not text.startswith(("Because you ", "You "))]
    assert [item.product_id for item in chinese.items] == [item.product_id for item in captions.items]


def test_an_item_says_its_strongest_path(tmp_path: Path) -> None:
    ready = prepare(random_bundle(build_snapshot(tiny_shop()), tmp_path))

    items = recommend(ready, NoEvents(), RecommendRequest(user_id="u1", n=5, paths=3)).items

    assert [item.paths[0].text for item in items if item.paths] == [item.text for item in items if item.paths]


def test_products_alike_say_why_in_the_language_asked_for(tmp_path: Path) -> None:
    ready = prepare(random_bundle(build_snapshot(tiny_shop()), tmp_path))

    said = {item.text for item in similar(ready, "p01", n=5, words=ready.words("zh")).items}

    assert {"与您经历相似的顾客也选择了它", "与您关注过的商品相似"} >= said
