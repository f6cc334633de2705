"""Cursors: what they hold, and lists that stay whole while models and histories change."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from gnn.bundles import BundleStore
from kg.snapshot import build_snapshot
from serving.answer import Filter, RecommendRequest
from serving.cursor import MAX_CHARACTERS, MAX_SHOWN, mark_of, marks_of, read_cursor, write_cursor
from serving.errors import InputError
from serving.history import NoEvents
from serving.ready import Ready, prepare
from serving.recommend import recommend
from serving.rules import Rule
from tests.support.api import problem, product_ids, running_api, until
from tests.support.models import random_bundle
from tests.support.tiny_bundle import publish_tiny_bundle
from tests.worlds import tiny_shop

MARKS = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=MAX_SHOWN - 1)
WISH = RecommendRequest(user_id="u2", n=3, filter=Filter(exclude_seen=False))


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    return prepare(random_bundle(build_snapshot(tiny_shop()), tmp_path_factory.mktemp("tiny")))


def pages(ready: Ready, wish: RecommendRequest) -> list[list[str]]:
    found: list[list[str]] = []
    while True:
        answer = recommend(ready, NoEvents(), wish)
        found.append([item.product_id for item in answer.items])
        ranks = [item.rank for item in answer.items]
        assert [len(wish.shown) + place for place in range(1, len(ranks) + 1)] == ranks
        assert answer.removed.get("shown", 0) == len(wish.shown)
        if answer.next_cursor is None:
            return found
        wish = replace(wish, shown=read_cursor(answer.next_cursor))


def together(found: list[list[str]]) -> list[str]:
    return [product_id for page in found for product_id in page]


@given(MARKS)
def test_a_cursor_holds_what_was_shown(shown: list[int]) -> None:
    text = write_cursor(shown)

    assert text is not None
    assert len(text) <= MAX_CHARACTERS
    assert tuple(shown) == read_cursor(text)


def test_a_mark_is_the_same_everywhere_and_always() -> None:
    assert [mark_of("p01"), mark_of("绿茶")] == marks_of(["p01", "绿茶"]).tolist()
    assert "1AQAAAA" == write_cursor([1])


@pytest.mark.parametrize("shown", [[], [7] * MAX_SHOWN])
def test_there_is_no_page_after_nothing_and_after_so_many(shown: list[int]) -> None:
    assert write_cursor(shown) is None


@pytest.mark.parametrize(
    "text", ["", "1", "2AQAAAA", "1AQA", "1AQAAA=", "1A", "1AQAAAAA", "page 2", "1" + "A" * MAX_CHARACTERS, "１AQAAAA"]
)
def test_what_came_with_no_answer_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="came with no answer; send next_cursor as it came"):
        read_cursor(text)


def test_pages_are_the_list(ready: Ready) -> None:
    whole = [item.product_id for item in recommend(ready, NoEvents(), replace(WISH, n=9)).items]

    assert whole == together(pages(ready, WISH))
    assert [3, 3, 3, 0] == [len(page) for page in pages(ready, WISH)]


def test_pins_keep_their_places_over_pages(ready: Ready) -> None:
    rule = Rule(name="coffee", action="pin", where='category = "Coffee"', positions=(1, 5))
    wish = replace(WISH, filter=replace(WISH.filter, rules=(rule,)))
    whole = [item.product_id for item in recommend(ready, NoEvents(), replace(wish, n=9)).items]

    found = pages(ready, wish)

    assert whole == together(found)


@pytest.mark.parametrize("more", [{"diversity": 0.6}, {"new_every": 2}], ids=str)
def test_no_page_repeats_a_product(ready: Ready, more: dict[str, Any]) -> None:
    shown = together(pages(ready, replace(WISH, **more)))

    assert len(set(shown)) == len(shown) == 9


def test_a_list_with_an_offset_or_at_its_end_has_no_page_after(ready: Ready) -> None:
    assert recommend(ready, NoEvents(), replace(WISH, offset=3)).next_cursor is None
    assert recommend(ready, NoEvents(), replace(WISH, n=10)).next_cursor is None


@pytest.fixture
def bundles(tmp_path: Path) -> BundleStore:
    return publish_tiny_bundle(tmp_path / "bundles")


def test_no_product_comes_twice_though_a_user_goes_on_and_another_model_is_published(
    bundles: BundleStore, tmp_path: Path
) -> None:
    with running_api(bundles, tmp_path) as client:
        first = client.get("/v1/recommend/u1?n=3&mode=both").json()
        event = {"user_id": "u1", "product_id": "p10", "type": "bought"}
        assert 200 == client.post("/v1/events", json={"events": [event]}).status_code
        second = page_after(client, first)
        publish_tiny_bundle(tmp_path / "bundles", decay=1.0)
        assert until(lambda: client.get("/health/ready").json()["model_version"] != first["model_version"])
        third = page_after(client, second)

        assert [1, 2, 3, 4, 5, 6, 7, 8, 9] == [
            item["rank"] for page in (first, second, third) for item in page["items"]
        ]
        shown = [item["product_id"] for page in (first, second, third) for item in page["items"]]
        assert 9 == len(set(shown))
        assert 6 == third["removed"]["shown"]


def page_after(client: TestClient, page: Any) -> Any:
    answer = client.post("/v1/recommend", json={"user_id": "u1", "n": 3, "mode": "both", "cursor": page["next_cursor"]})
    assert 200 == answer.status_code, answer.text
    by_address = client.get("/v1/recommend/u1", params={"n": 3, "mode": "both", "cursor": page["next_cursor"]})
    assert product_ids(answer) == product_ids(by_address)
    return answer.json()


def test_a_page_is_computed_again_from_its_record(bundles: BundleStore, tmp_path: Path) -> None:
    with running_api(bundles, tmp_path) as client:
        page = page_after(client, client.get("/v1/recommend/u1?n=3&mode=both").json())

        record = client.get(f"/v1/recommendations/{page['recommendation_id']}?replay=true").json()

        assert record["replay"]["same"]


def test_a_cursor_that_is_none_and_one_beside_an_offset_are_refused(bundles: BundleStore, tmp_path: Path) -> None:
    with running_api(bundles, tmp_path) as client:
        wrong = problem(client.get("/v1/recommend/u1?cursor=page2"))
        both = problem(client.post("/v1/recommend", json={"user_id": "u1", "cursor": "1AQAAAA", "offset": 3}))

        assert (422, True) == (wrong[0], "the cursor 'page2' came with no answer" in wrong[2])
        assert (422, "cursor and offset both say where a page begins; give one of them") == (both[0], both[2])


def test_ranked_products_have_no_page_after(bundles: BundleStore, tmp_path: Path) -> None:
    with running_api(bundles, tmp_path) as client:
        answer = client.post("/v1/rank", json={"user_id": "u1", "product_ids": ["p01", "p02"]})

        assert answer.json()["next_cursor"] is None


def test_marks_of_a_catalogue_are_apart(ready: Ready) -> None:
    assert len(np.unique(ready.marks)) == len(ready.marks) == 10
