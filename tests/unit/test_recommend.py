"""The online path on tiny models: pages, filters, sessions, unknown users, products alike."""

from dataclasses import replace

import numpy as np
import pytest

from kg.snapshot import build_snapshot
from serving.answer import MAX_N, Filter, Reason, RecommendRequest, SessionEvent
from serving.errors import InputError, UnknownProduct
from serving.history import NoEvents, read_history
from serving.ready import Ready, prepare
from serving.recommend import recommend, similar
from tests.support.models import random_bundle
from tests.worlds import DAY_MS, MONDAY, PRODUCTS, tiny_shop

WISH = RecommendRequest(user_id="u2", n=10, paths=2)
EVERYTHING = Filter(in_stock=False)


class Logged:
    """An event log that holds these events of everybody."""

    def __init__(self, *events: SessionEvent) -> None:
        self.events = events
        self.asked: list[tuple[str, int]] = []

    def events_of(self, user_id: str, *, after: int) -> tuple[SessionEvent, ...]:
        self.asked.append((user_id, after))
        return self.events

    def forgets(self, user_id: str) -> bool:
        return user_id == "forgotten"


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    return prepare(random_bundle(build_snapshot(tiny_shop()), tmp_path_factory.mktemp("tiny")))


def ids(ready: Ready, wish: Filter, *, n: int = 10) -> list[str]:
    answer = recommend(ready, NoEvents(), replace(WISH, n=n, filter=wish))
    return [item.product_id for item in answer.items]


def test_products_come_in_order_of_their_scores(ready: Ready) -> None:
    scores = ready.bundle.scorer.score(read_history(ready.bundle.snapshot, 1, ()))
    available = [row for row, key in enumerate(PRODUCTS) if key != "p09"]

    expected = sorted(available, key=lambda row: (-scores[row], row))

    assert [list(PRODUCTS)[row] for row in expected] == ids(ready, Filter())


def test_an_answer_names_what_it_was_made_from(ready: Ready) -> None:
    answer = recommend(ready, NoEvents(), WISH)

    bundle = ready.bundle
    assert (bundle.version, bundle.snapshot.hash, 3) == (answer.model_version, answer.graph_version, answer.events_used)


def test_pages_follow_each_other(ready: Ready) -> None:
    whole = recommend(ready, NoEvents(), WISH).items

    pages = [
        item for offset in (0, 4, 8) for item in recommend(ready, NoEvents(), replace(WISH, n=4, offset=offset)).items
    ]

    assert [(item.product_id, item.rank) for item in whole] == [(item.product_id, item.rank) for item in pages]


def test_a_page_after_the_end_is_empty(ready: Ready) -> None:
    assert () == recommend(ready, NoEvents(), replace(WISH, offset=100)).items


@pytest.mark.parametrize(("n", "offset"), [(0, 0), (-1, 0), (MAX_N + 1, 0), (5, -1)])
def test_a_page_out_of_range_is_refused_with_its_value(n: int, offset: int, ready: Ready) -> None:
    with pytest.raises(InputError, match=str(offset if offset < 0 else n)):
        recommend(ready, NoEvents(), replace(WISH, n=n, offset=offset))
    with pytest.raises(InputError):
        similar(ready, "p01", n=n, offset=offset)


FILTERS = {
    "category by id": (Filter(categories=("tea",)), {"p01", "p02", "p08"}),
    "category by name": (Filter(categories=("Tea",)), {"p01", "p02", "p08"}),
    "category above": (Filter(categories=("drinks",)), {"p01", "p02", "p03", "p04", "p07", "p08"}),
    "name in another case": (Filter(categories=("COFFEE",)), {"p03", "p04"}),
    "two categories": (Filter(categories=("drinks", "coffee")), {"p03", "p04"}),
    "categories without a common product": (Filter(categories=("tea", "snacks")), set()),
    "brand by id": (Filter(brand="bolt"), {"p05", "p06", "p07"}),
    "brand by name": (Filter(brand="Core"), {"p08"}),
    "price": (Filter(price_max=3.0), {"p02", "p05", "p07"}),
    "price with what is not in stock": (Filter(price_max=2.0, in_stock=False), {"p07", "p09"}),
    "exclude": (Filter(brand="bolt", exclude_ids=("p05", "nothing")), {"p06", "p07"}),
    "seen": (Filter(exclude_seen=True), set(PRODUCTS) - {"p01", "p05", "p08", "p09"}),
    "brand and category": (Filter(brand="acme", categories=("tea",)), {"p01", "p02"}),
}


@pytest.mark.parametrize(("wish", "expected"), FILTERS.values(), ids=FILTERS.keys())
def test_a_filter_lets_through_what_it_says(wish: Filter, expected: set[str], ready: Ready) -> None:
    assert expected == set(ids(ready, wish))


@pytest.mark.parametrize(("wish", "expected"), FILTERS.values(), ids=FILTERS.keys())
def test_what_was_removed_is_counted(wish: Filter, expected: set[str], ready: Ready) -> None:
    removed = recommend(ready, NoEvents(), replace(WISH, filter=wish)).removed

    assert len(PRODUCTS) - len(expected) == removed["filter"] + removed["seen"]
    assert (3 if wish.exclude_seen else 0) == removed["seen"]


@pytest.mark.parametrize("wish", [Filter(categories=("toys",)), Filter(brand="toys")])
def test_a_filter_that_names_what_is_not_there_is_refused(wish: Filter, ready: Ready) -> None:
    with pytest.raises(InputError, match="'toys' in this shop"):
        recommend(ready, NoEvents(), replace(WISH, filter=wish))


def test_a_filter_changes_no_score(ready: Ready) -> None:
    whole = {
        item.product_id: item.score for item in recommend(ready, NoEvents(), replace(WISH, filter=EVERYTHING)).items
    }

    part = recommend(ready, NoEvents(), replace(WISH, filter=Filter(categories=("tea",)))).items

    assert {item.product_id: whole[item.product_id] for item in part} == {item.product_id: item.score for item in part}


def test_an_unknown_user_gets_the_popular_and_is_told_so(ready: Ready) -> None:
    answer = recommend(ready, NoEvents(), replace(WISH, user_id="nobody"))

    priors = ready.bundle.scorer.blend.prior_weights @ ready.bundle.scorer.priors
    expected = sorted((row for row in range(10) if row != 8), key=lambda row: (-priors[row], row))
    assert [list(PRODUCTS)[row] for row in expected] == [item.product_id for item in answer.items]
    assert {Reason.POPULAR_FALLBACK, Reason.TRENDING} >= {reason for item in answer.items for reason in item.reasons}
    assert {Reason.POPULAR_FALLBACK} == {item.reasons[0] for item in answer.items}
    assert (0, {()}) == (answer.events_used, {item.paths for item in answer.items})


def test_a_user_without_events_is_served_like_an_unknown_one(ready: Ready) -> None:
    known, unknown = (recommend(ready, NoEvents(), replace(WISH, user_id=user)).items for user in ("u6", "nobody"))

    assert [(item.product_id, item.score) for item in known] == [(item.product_id, item.score) for item in unknown]


def test_a_session_without_a_user_is_explained_from_its_own_events(ready: Ready) -> None:
    session = (SessionEvent("p01", "viewed"), SessionEvent("p03", "bought"))

    answer = recommend(ready, NoEvents(), RecommendRequest(session=session, n=10, paths=3))

    paths = [path for item in answer.items for path in item.paths]
    assert paths
    assert {None} == {path.nodes[0].id for path in paths}
    assert {"p01", "p03"} == {path.nodes[1].id for path in paths}
    assert 2 == answer.events_used


def test_a_session_of_unknown_products_and_types_counts_for_nothing(ready: Ready) -> None:
    session = (SessionEvent("nothing", "viewed"), SessionEvent("p01", "dreamt of"))

    answer = recommend(ready, NoEvents(), RecommendRequest(session=session, n=3))

    assert (0, Reason.POPULAR_FALLBACK) == (answer.events_used, answer.items[0].reasons[0])


def test_events_of_the_log_count_like_those_of_the_request(ready: Ready) -> None:
    events = (SessionEvent("p04", "bought", MONDAY + 30 * DAY_MS), SessionEvent("p07", "viewed", MONDAY + 31 * DAY_MS))
    log = Logged(*events)

    from_log = recommend(ready, log, WISH)

    assert [("u2", ready.bundle.events_applied)] == log.asked
    assert from_log.items == recommend(ready, NoEvents(), replace(WISH, session=events)).items
    assert 5 == from_log.events_used
    assert from_log.items != recommend(ready, NoEvents(), WISH).items


def test_a_new_event_is_the_latest_step_of_the_history(ready: Ready) -> None:
    snapshot = ready.bundle.snapshot

    history = read_history(snapshot, snapshot.row("User", "u2"), (SessionEvent("p07"), SessionEvent("p02")))

    assert ["p01", "p05", "p08", "p07", "p02"] == [snapshot.ids("Product")[row] for row in history.product]
    assert 0 == history.rank[-1]
    assert list(history.rank) == sorted(history.rank, reverse=True)


def test_in_a_live_shop_ages_are_counted_from_the_clock(ready: Ready) -> None:
    snapshot = ready.bundle.snapshot
    now = int(snapshot.events.time.max()) + 10 * DAY_MS

    history = read_history(snapshot, snapshot.row("User", "u2"), (SessionEvent("p07"),), now_ms=now)

    assert history.age_days is not None
    assert [25.0, 25.0, 18.0, 0.0] == history.age_days.tolist()


def test_in_a_data_set_of_long_ago_the_clock_stands_at_its_end(ready: Ready) -> None:
    snapshot = ready.bundle.snapshot
    now = int(snapshot.events.time.max()) + 1000 * DAY_MS

    history = read_history(snapshot, snapshot.row("User", "u2"), (SessionEvent("p07", at_ms=now),), now_ms=now)

    assert history.age_days is not None
    assert pytest.approx([15.0, 15.0, 8.0, 0.0], abs=1e-6) == history.age_days.tolist()


def test_products_alike_are_the_nearest_by_both_vectors(ready: Ready) -> None:
    text = np.asarray(ready.bundle.text_vectors, dtype=np.float64)
    network = next(kernel for kernel in ready.bundle.scorer.kernels if kernel.name == "network")
    learned = np.asarray(network.target, dtype=np.float64)  # type: ignore[attr-defined]  # the only one with vectors
    learned /= np.linalg.norm(learned, axis=1, keepdims=True)
    near = {key: float(text[row] @ text[2] + learned[row] @ learned[2]) / 2 for row, key in enumerate(PRODUCTS)}
    expected = sorted((key for key in PRODUCTS if key not in ("p03", "p09")), key=lambda key: -near[key])

    answer = similar(ready, "p03", n=5)

    assert expected[:5] == [item.product_id for item in answer.items]
    assert pytest.approx([near[item.product_id] for item in answer.items], abs=1e-5) == [i.score for i in answer.items]
    assert [1, 2, 3, 4, 5] == [item.rank for item in answer.items]


def test_products_alike_to_an_unknown_one_are_refused(ready: Ready) -> None:
    with pytest.raises(UnknownProduct):
        similar(ready, "nothing", n=3)
