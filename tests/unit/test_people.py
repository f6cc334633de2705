"""What one likes, one's first page, and who would like something."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from cypher.errors import InputError
from gnn.bundles import BundleStore
from gnn.crowd import histories_of_all, score_for_all
from gnn.score import History, user_history
from kg.snapshot import build_snapshot
from serving.api.people_answers import AudienceAnswer, HomeAnswer, ProfileAnswer
from serving.audience import Target, audience_of
from serving.history import NoEvents
from serving.profile import profile_of
from serving.ready import Ready, prepare
from serving.reason_config import ReasonConfig
from tests.support.api import problem, running_api
from tests.support.tiny_bundle import publish_tiny_bundle
from tests.worlds import MONDAY, tiny_shop

NOW = MONDAY + 20 * 86_400_000


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> BundleStore:
    return publish_tiny_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="module")
def ready(bundles: BundleStore) -> Ready:
    return prepare(bundles.current())


@pytest.fixture
def client(bundles: BundleStore, tmp_path: Path) -> Iterator[TestClient]:
    with running_api(bundles, tmp_path) as opened:
        yield opened


def history(ready: Ready, user: str) -> History:
    snapshot = ready.bundle.snapshot
    row = snapshot.row("User", user)
    assert row is not None
    return user_history(snapshot, row, now_ms=NOW)


def test_a_brand_has_the_share_of_what_counts(ready: Ready) -> None:
    mine = history(ready, "u2")  # p01 of Acme at day 2, p05 of Bolt at day 2, p08 of Core at day 9, all bought
    found = profile_of(ready, mine)

    brands = {one.name: one for one in found.affinities["brand"]}
    fade = lambda day: 0.5 ** ((20 - day) / mine.half_life_days[0])  # noqa: E731
    total = fade(2) * 2 + fade(9)
    assert ["Core", "Acme", "Bolt"] == [one.name for one in found.affinities["brand"]]
    assert (fade(9) / total, fade(2) / total) == pytest.approx((brands["Core"].share, brands["Acme"].share))
    assert (("p08",), 1) == (brands["Core"].product_ids, brands["Core"].num_events)
    assert MONDAY + 9 * 86_400_000 == brands["Core"].last_at_ms == found.last_at_ms
    assert 1.0 == pytest.approx(sum(one.share for one in found.affinities["brand"]))


def test_categories_are_those_that_products_stand_in_themselves(ready: Ready) -> None:
    names = {one.name for one in profile_of(ready, history(ready, "u2")).affinities["category"]}

    assert {"Tea", "Snacks"} == names


def test_lift_compares_with_the_demand_of_all(ready: Ready) -> None:
    (acme, *_) = profile_of(ready, history(ready, "u1")).affinities["brand"]
    heat, member = ready.demand.heat, ready.shelf.of_brand.tocsr()
    row = ready.bundle.snapshot.row("Brand", "acme")

    expected = acme.share / (heat[member[:, [row]].toarray().ravel()].sum() / heat.sum())
    assert ("Acme", expected) == (acme.name, pytest.approx(acme.lift))


def test_prices_are_quartiles_by_what_counts(ready: Ready) -> None:
    prices = profile_of(ready, history(ready, "u3")).prices

    assert prices is not None
    assert (2.5, 2.5, 3.5, 3) == (prices.low, prices.median, prices.high, prices.num_products)


def test_of_a_stranger_nothing_is_known(ready: Ready) -> None:
    nothing = history(ready, "u6")
    found = profile_of(ready, nothing)

    assert (0, None, {"brand": (), "category": ()}) == (found.events_used, found.prices, found.affinities)


def test_sensitive_categories_and_what_is_in_them_are_left_out(bundles: BundleStore) -> None:
    quiet = prepare(bundles.current(), ReasonConfig(never_mention=("Tea",)))
    found = profile_of(quiet, history(quiet, "u2"))

    assert {"Snacks"} == {one.name for one in found.affinities["category"]}
    assert {"Bolt"} == {one.name for one in found.affinities["brand"]}
    assert 1 == found.num_products


def test_too_many_affinities_are_refused(ready: Ready) -> None:
    with pytest.raises(InputError, match="n must be between 1 and 50, got 51"):
        profile_of(ready, history(ready, "u1"), n=51)


def test_everybodys_score_is_that_of_each_alone(ready: Ready) -> None:
    snapshot, scorer = ready.bundle.snapshot, ready.bundle.scorer
    targets = np.array([1, 4, 7])

    whole, user = histories_of_all(snapshot, now_ms=NOW)
    found = score_for_all(scorer, whole, user, targets, num_users=snapshot.num_nodes("User"))

    for row in range(snapshot.num_nodes("User")):
        alone = scorer.score(user_history(snapshot, row, now_ms=NOW))[targets]
        np.testing.assert_allclose(found[row] + scorer.prior_parts(targets).sum(axis=0), alone, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("order", ["position", "none"])
def test_the_same_without_a_clock(order: Any, tmp_path: Path) -> None:
    shop = build_snapshot(tiny_shop())
    times = shop.events.step.astype(np.int64) * (order == "position")
    step = shop.events.step * (order == "position")
    shop = replace(shop, order=order, events=replace(shop.events, time=times, step=step))
    whole, user = histories_of_all(shop, now_ms=NOW)

    for row in range(shop.num_nodes("User")):
        alone, mine = user_history(shop, row, now_ms=NOW), user == row
        assert (alone.rank.tolist(), alone.weight.tolist()) == (whole.rank[mine].tolist(), whole.weight[mine].tolist())
    assert whole.age_days is None


def test_an_audience_is_ordered_by_the_lists_own_scores(ready: Ready) -> None:
    found = audience_of(ready, NoEvents(), Target(product_id="p02", exclude_had=False), n=10, now_ms=NOW)
    scores = {}
    for user in ("u1", "u2", "u3", "u4", "u5"):
        scores[user] = float(ready.bundle.scorer.score(history(ready, user))[1])

    assert sorted(scores, key=lambda user: -scores[user])[: len(found.members)] == [
        one.user_id for one in found.members
    ]
    assert {one.user_id: one.score for one in found.members} == pytest.approx(
        {one.user_id: scores[one.user_id] for one in found.members}
    )
    assert (5, len(found.members)) == (found.num_users, found.size)


def test_who_had_it_is_left_out_unless_wanted(ready: Ready) -> None:
    without = audience_of(ready, NoEvents(), Target(brand="Acme"), n=10, now_ms=NOW)
    whole = audience_of(ready, NoEvents(), Target(brand="Acme", exclude_had=False), n=10, now_ms=NOW)

    assert set() == {one.user_id for one in without.members}
    assert {"u1", "u2", "u3", "u4", "u5"} == {one.user_id for one in whole.members}
    assert ("p01", "p02", "p03", "p04") == whole.product_ids


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (Target(), "give what the audience is looked for"),
        (Target(product_id="p01", brand="Acme"), "and not all of them"),
        (Target(brand="Nobody"), "no brand 'Nobody'"),
        (Target(brand="Acme", category="Snacks"), "no product that is available"),
    ],
)
def test_a_target_that_is_none_is_refused(target: Target, said: str, ready: Ready) -> None:
    with pytest.raises(InputError, match=said):
        audience_of(ready, NoEvents(), target, n=5)


def test_a_profile_counts_what_was_sent_just_now(client: TestClient) -> None:
    before = ProfileAnswer.model_validate(client.get("/v1/profile/visitor").json())
    event = {"user_id": "visitor", "product_id": "p08", "type": "bought"}
    client.post("/v1/events", json={"events": [event]})

    after = ProfileAnswer.model_validate(client.get("/v1/profile/visitor").json())

    assert (0, 1) == (before.events_used, after.events_used)
    assert ["Core"] == [one.name for one in after.affinities["brand"]]
    assert 422 == problem(client.get("/v1/profile/u1?n=51"))[0]


def test_a_first_page_has_rows_with_titles_and_no_product_twice(client: TestClient) -> None:
    page = HomeAnswer.model_validate(client.get("/v1/home/u1?n=2&rows=8&explain=paths").json())

    kinds = [row.kind for row in page.rows]
    shown = [item.product_id for row in page.rows for item in row.items]
    assert ["for_you", "again"] == kinds[:2]
    assert len(shown) == len(set(shown))
    assert {"p01", "p03"} == {item.product_id for item in page.rows[1].items}
    assert all([1, 2][: len(row.items)] == [item.rank for item in row.items] for row in page.rows)
    because = next(row for row in page.rows if row.kind == "because")
    assert because.about is not None
    assert f"Because you chose {because.about.name}" == because.title
    assert any(item.paths for item in page.rows[0].items)


def test_a_stranger_sees_what_is_new_and_in_demand(client: TestClient) -> None:
    page = client.get("/v1/home/stranger?n=3").json()

    assert [("new", "New in the shop"), ("trending", "In demand now")] == [
        (row["kind"], row["title"]) for row in page["rows"]
    ]
    everybodys = client.get("/v1/home/u1?n=3&personalised=false").json()
    assert page["rows"] == everybodys["rows"]


def test_titles_are_told_in_the_language_asked_for(client: TestClient) -> None:
    titles = [row["title"] for row in client.get("/v1/home/u1?n=2&lang=zh").json()["rows"]]

    assert "为你推荐" == titles[0]


def test_a_row_keeps_to_the_filter(client: TestClient) -> None:
    page = client.get("/v1/home/u1?n=5&filter=price<4").json()

    assert page["rows"]
    assert all(item["metadata"]["price"] < 4 for row in page["rows"] for item in row["items"])


def test_an_audience_over_http_counts_what_was_sent_just_now(client: TestClient) -> None:
    before = AudienceAnswer.model_validate(client.get("/v1/audiences?category=coffee&exclude_had=true").json())
    event = {"user_id": "newcomer", "product_id": "p02", "type": "bought"}
    client.post("/v1/events", json={"events": [event]})

    after = AudienceAnswer.model_validate(client.get("/v1/audiences?category=coffee").json())

    assert "newcomer" not in {one.user_id for one in before.members}
    assert "newcomer" in {one.user_id for one in after.members}
    assert before.users + 1 == after.users
    assert 404 == problem(client.get("/v1/audiences?product=nothing"))[0]
    assert 422 == problem(client.get("/v1/audiences"))[0]
