"""Search: terms, typing errors, names and prices, what is found in which order, and what it is made of."""

import json
import math
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from bench.search import main, mistyped
from bench.speed_page import speed_page
from cypher.errors import InputError
from gnn.bundles import BundleStore
from kg.snapshot import build_snapshot
from serving.answer import Filter
from serving.api.schemas import SearchAnswer
from serving.lexicon import Lexicon
from serving.query import MAX_QUERY
from serving.ready import Ready, prepare
from serving.search import Found, search
from serving.terms import Term, terms_of
from tests.support.api import problem, product_ids, running_api
from tests.support.tiny_bundle import publish_tiny_bundle
from tests.worlds import tiny_shop_with_materials


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> BundleStore:
    shop = build_snapshot(tiny_shop_with_materials())
    return publish_tiny_bundle(tmp_path_factory.mktemp("bundles"), snapshot=shop)


@pytest.fixture(scope="module")
def ready(bundles: BundleStore) -> Ready:
    return prepare(bundles.current())


@pytest.fixture(scope="module")
def client(bundles: BundleStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with running_api(bundles, tmp_path_factory.mktemp("state")) as opened:
        yield opened


def ids(found: Found) -> list[str]:
    return [item.product_id for item in found.answer.items]


@pytest.mark.parametrize(
    ("text", "stems"),
    [
        ("L’Oréal &amp; L'OREAL", ["loreal", "loreal"]),
        ("Hair Sprays, 3.4 oz", ["hair", "spray", "3", "4", "oz"]),
        ("多芬shampoo", ["多", "芬", "多芬", "shampoo"]),
        ("ｔｅａ Ⅳ", ["tea", "iv"]),
        ("--- ", []),
    ],
)
def test_a_text_is_cut_into_stems(text: str, stems: list[str]) -> None:
    assert stems == [term.stem for term in terms_of(text)]


@given(st.lists(st.lists(st.sampled_from(["tea", "mug", "nut", "oat"]), max_size=6), min_size=1, max_size=8))
def test_words_are_scored_by_bm25(texts: list[list[str]]) -> None:
    lexicon, mean = Lexicon([[" ".join(words)] for words in texts]), np.mean([len(words) for words in texts])
    for stem in ("tea", "mug"):
        holders = sum(stem in words for words in texts)
        idf = math.log(1 + (len(texts) - holders + 0.5) / (holders + 0.5))
        expected = []
        for words in texts:
            count = Counter(words)[stem]
            length = 1.5 * (0.25 + 0.75 * len(words) / mean) if mean else 1.0
            expected.append(idf * count / (count + length) if count else 0.0)

        assert pytest.approx(expected, rel=1e-4) == lexicon.scores(stem).tolist()


@pytest.mark.parametrize("typed", ["biscuit", "biscits", "bisccuits", "biscuts", "bicsuits", "biskuits"])
def test_a_mistyped_word_finds_what_was_meant(typed: str, ready: Ready) -> None:
    assert "p05" == ids(search(ready, f"oat {typed}", n=3))[0]


def test_what_was_corrected_is_told_and_a_known_word_is_left_alone(ready: Ready) -> None:
    assert {"lemonaed": "lemonade"} == search(ready, "lemonaed", n=1).corrected
    assert {} == search(ready, "lemonade", n=1).corrected


def test_the_last_word_may_be_only_begun(ready: Ready) -> None:
    assert ["p03"] == ids(search(ready, "esp", n=5))
    lexicon, _ = ready.search.made
    assert [] == lexicon.options(Term("esp", "esp"))


def test_short_words_and_numbers_are_not_guessed_at(ready: Ready) -> None:
    lexicon, _ = ready.search.made
    assert [] == lexicon.options(Term("mgu", "mgu"))
    assert [] == lexicon.options(Term("12345", "12345"))


def test_names_become_filters(ready: Ready) -> None:
    found = search(ready, "acme tea", n=10)

    assert ('brand = "Acme"', 'category = "Tea"') == found.filters
    assert {"p01", "p02"} == set(ids(found))


def test_a_declared_kind_is_a_name_too(ready: Ready) -> None:
    found = search(ready, "oak", n=10)

    assert (('material = "Oak"',), ["p10"]) == (found.filters, ids(found))


def test_a_category_does_not_filter_beside_words_that_are_no_names(ready: Ready) -> None:
    found = search(ready, "green tea", n=10)

    assert ((), "p01") == (found.filters, ids(found)[0])


def test_a_name_that_leaves_nothing_is_dropped(ready: Ready) -> None:
    found = search(ready, "acme snacks", n=10)

    assert (('brand = "Acme"',), ('category = "Snacks"',)) == (found.filters, found.dropped)
    assert {"p01", "p02", "p03", "p04"} == set(ids(found))


@pytest.mark.parametrize(
    ("text", "filters", "products"),
    [
        ("tea under $4", ["price <= 4", 'category = "Tea"'], {"p01", "p02"}),
        ("tea cheaper than 3.50 dollars", ["price <= 3.5", 'category = "Tea"'], {"p02"}),
        ("tea between 4 and 7", ["price >= 4", "price <= 7", 'category = "Tea"'], {"p01", "p08"}),
        ("tea above 5", ["price >= 5", 'category = "Tea"'], {"p08"}),
        ("tea 4元以下", ["price <= 4", 'category = "Tea"'], {"p01", "p02"}),
        ("tea 4到7元", ["price >= 4", "price <= 7", 'category = "Tea"'], {"p01", "p08"}),
        ("over $6", ["price >= 6"], {"p03", "p04", "p08"}),
    ],
)
def test_words_about_a_price_become_bounds(text: str, filters: list[str], products: set[str], ready: Ready) -> None:
    found = search(ready, text, n=10)

    assert (filters, products) == (list(found.filters), set(ids(found)))


def test_a_score_is_the_sum_of_what_it_is_made_of(ready: Ready) -> None:
    taste = np.random.default_rng(0).random(10)

    for item in search(ready, "tea or biscuits", n=10, taste=taste).answer.items:
        assert pytest.approx(item.score) == sum(part.value for part in item.contributions)
        assert item.source == max(item.contributions, key=lambda part: part.value).kernel


def test_a_user_changes_the_order_of_what_fits_alike_and_not_what_fits(ready: Ready) -> None:
    whole = search(ready, "tea", n=10)
    for liked in ids(whole):
        taste = np.zeros(10)
        taste[ready.product_row(liked)] = 1.0

        found = search(ready, "tea", n=10, taste=taste)

        assert (liked, set(ids(whole))) == (ids(found)[0], set(ids(found)))


def test_filters_bound_what_is_found_and_pages_go_on(ready: Ready) -> None:
    whole = ids(search(ready, "tea", n=10))

    assert whole[1:3] == ids(search(ready, "tea", n=2, offset=1))
    assert "p09" not in ids(search(ready, "rice crackers", n=10))
    assert "p09" == ids(search(ready, "rice crackers", n=10, filter=Filter(in_stock=False)))[0]
    assert "p02" not in ids(search(ready, "tea", n=10, filter=Filter(where="price > 3")))


def test_nothing_is_found_where_nothing_fits(ready: Ready) -> None:
    assert [] == ids(search(ready, "xylophone", n=10))
    assert [] == ids(search(ready, "!!!", n=10))


@pytest.mark.parametrize(("text", "says"), [(" ", "nothing to search for"), ("a" * (MAX_QUERY + 1), "fewer words")])
def test_a_search_that_cannot_be_read_is_refused(text: str, says: str, ready: Ready) -> None:
    with pytest.raises(InputError, match=says):
        search(ready, text, n=1)


@given(st.text(min_size=1, max_size=MAX_QUERY).filter(str.strip))
def test_any_text_is_answered(ready: Ready, text: str) -> None:
    scores = [item.score for item in search(ready, text, n=10).answer.items]

    assert scores == sorted(scores, reverse=True)


def test_the_route_says_what_it_understood_only_when_it_is_asked(client: TestClient) -> None:
    asked: dict[str, Any] = {"q": "acme coffe under $8", "user": "u1"}
    plain, debug = client.get("/v1/search", params=asked), client.get("/v1/search", params={**asked, "debug": "true"})

    assert SearchAnswer.model_validate(plain.json()).understood is None
    understood = SearchAnswer.model_validate(debug.json()).understood
    assert understood is not None
    assert ["price <= 8", 'brand = "Acme"', 'category = "Coffee"'] == understood.filters
    assert {"coffe": "coffee"} == understood.corrected
    assert ["p04"] == product_ids(plain)
    assert ["MATCH"] == plain.json()["items"][0]["reasons"]


def test_the_route_refuses_what_cannot_be_searched(client: TestClient) -> None:
    assert 422 == problem(client.get("/v1/search", params={"q": " "}))[0]
    assert 422 == problem(client.get("/v1/search"))[0]
    assert 422 == problem(client.get("/v1/search", params={"q": "a" * (MAX_QUERY + 1)}))[0]


def test_the_bench_measures_every_kind_of_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"p{place},Tea number {place} with herbs,Brand {place % 4},Tea > Leaf {place % 3}" for place in range(24)]
    (tmp_path / "products.csv").write_text("\n".join(["product_id,title,brand,categories", *rows]))
    (tmp_path / "events.csv").write_text("user_id,product_id,type\nu1,p1,bought\n")

    assert 0 == main(["--data", str(tmp_path), "--queries", "5", "--json", str(tmp_path / "found.json")])

    found = json.loads((tmp_path / "found.json").read_text())["searches"]
    assert [("type", 0), ("type", 1), ("title", 0), ("title", 1)] == [(row["kind"], row["errors"]) for row in found]
    assert all(0 <= row["found"] <= 1 and row["p50_ms"] <= row["p99_ms"] for row in found)
    assert 1 == found[0]["found"]
    assert "p99_ms" in capsys.readouterr().out
    assert "| type | 0 | 5 | 100.0% |" in speed_page([tmp_path / "found.json"])


def test_a_typing_error_is_one_error() -> None:
    for seed in range(50):
        assert 1 == OSA.distance("Espresso beans", mistyped("Espresso beans", random.Random(seed)))
    assert "tea mug" == mistyped("tea mug", random.Random(0))
