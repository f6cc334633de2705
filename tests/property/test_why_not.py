"""Why not, and what if: parts add up to the gap, and every counterfactual holds and cannot be made smaller.

The oracle scores every subset of a history by itself, ranks with a plain sort and shares no code with the searches.
"""

import functools
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, combinations

import numpy as np
import pytest

from gnn.removals import count_ahead
from gnn.score import History
from serving.answer import Filter, RecommendRequest, SessionEvent
from serving.explain import Explanation, explain
from serving.history import NoEvents, read_history
from serving.ready import Ready, prepare
from serving.recommend import recommend
from tests.support.models import random_bundle
from tests.support.random_shops import ORDERS, random_snapshot

N = 3
SHOPS = [(seed, exclude_seen) for seed in range(3) for exclude_seen in (False, True)]


@pytest.fixture(scope="module", params=SHOPS, ids=str)
def ready(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ready:
    """Give a model over a shop whose users had few products, so that every subset can be tried."""
    seed, exclude_seen = request.param
    snapshot = random_snapshot(seed, users=6, products=14, events=36, order=ORDERS[seed])
    room = tmp_path_factory.mktemp("small")
    return prepare(random_bundle(snapshot, room, seed=seed, exclude_seen=exclude_seen))


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    """Give a model over a shop whose users had many products each."""
    snapshot = random_snapshot(4, users=2, products=20, events=80)
    return prepare(random_bundle(snapshot, tmp_path_factory.mktemp("busy"), seed=4))


def ask(ready: Ready, user: str, product: int, n: int = N, wish: Filter | None = None) -> Explanation:
    """Return the explanation of a product row with counterfactuals."""
    key = ready.bundle.snapshot.ids("Product")[product]
    request = RecommendRequest(user_id=user, n=n, filter=wish or Filter(), paths=1)
    return explain(ready, NoEvents(), key, request=request, what_if=True)


def ask_plainly(ready: Ready, user: str, product: int) -> Explanation:
    key = ready.bundle.snapshot.ids("Product")[product]
    return explain(ready, NoEvents(), key, request=RecommendRequest(user_id=user, n=N, paths=1))


def history_of(ready: Ready, user: str) -> History:
    return read_history(ready.bundle.snapshot, ready.bundle.snapshot.row("User", user), ())


def slow_list(ready: Ready, history: History, n: int = N) -> list[int]:
    """The n best products by a plain sort."""
    scores = ready.bundle.scorer.score(history).tolist()
    had = set(history.product.tolist()) if ready.bundle.exclude_seen else set()
    return sorted(set(range(len(scores))) - had, key=lambda row: (-scores[row], row))[:n]


def subsets(pool: list[int]) -> Iterator[tuple[int, ...]]:
    """Every subset but the empty one, smallest first."""
    return chain.from_iterable(combinations(pool, size) for size in range(1, len(pool) + 1))


def few(ready: Ready) -> list[str]:
    """Users with a history that is small enough for every subset."""
    users = ready.bundle.snapshot.ids("User")
    return [user for user in users if 1 <= len(set(history_of(ready, user).product.tolist())) <= 8][:3]


def test_the_differences_add_up_to_the_gap(ready: Ready) -> None:
    for user in (*few(ready), "nobody"):
        for product in range(14):
            said = ask_plainly(ready, user, product)
            against = said.against
            assert against is not None
            gap = said.item.score - against.score
            sums = [sum(part.difference for part in parts) for parts in (against.by_kernel, against.by_history)]
            assert pytest.approx([gap, gap], abs=1e-9) == sums
            assert pytest.approx(gap, abs=1e-9) == against.gap


def test_kernels_and_priors_add_up_to_the_score(ready: Ready) -> None:
    said = [ask_plainly(ready, user, product) for user in few(ready) for product in range(14)]

    sums = [sum(why.by_kernel.values()) + sum(why.by_prior.values()) for why in said]

    assert pytest.approx([why.item.score for why in said], abs=1e-9) == sums


def test_a_product_has_no_cause_against_it_exactly_when_it_is_listed(ready: Ready) -> None:
    for user in few(ready):
        listed = slow_list(ready, history_of(ready, user))
        for product in range(14):
            said = ask_plainly(ready, user, product)
            assert (product in listed, product not in listed) == (said.in_top, bool(said.causes))


def test_a_removal_is_the_smallest_of_all_subsets_and_none_is_said_only_where_there_is_none(ready: Ready) -> None:
    row = functools.partial(ready.bundle.snapshot.row, "Product")
    checked = 0

    for user in few(ready):
        history = history_of(ready, user)
        pool = sorted(set(history.product.tolist()))
        lists = {taken: slow_list(ready, history.without(*taken)) for taken in subsets(pool)}
        for product in slow_list(ready, history):
            what_if = ask(ready, user, product).what_if
            assert what_if is not None
            sizes = [len(taken) for taken, listed in lists.items() if product not in listed]
            found = () if what_if.removal is None else tuple(sorted(map(row, what_if.removal.product_ids)))
            assert (min(sizes, default=0), True) == (len(found), what_if.is_exact)
            assert not found or product not in lists[found]
            checked += 1

    assert checked >= N


def test_a_removal_from_a_long_history_holds_and_no_part_of_it_does_as_well(busy: Ready) -> None:
    row = functools.partial(busy.bundle.snapshot.row, "Product")
    sizes = []

    for user in busy.bundle.snapshot.ids("User"):
        history = history_of(busy, user)
        assert len(set(history.product.tolist())) > 8
        for n in (1, 4, 8):
            for product in slow_list(busy, history, n)[:2]:
                what_if = ask(busy, user, product, n).what_if
                assert what_if is not None
                if what_if.removal is None:
                    continue
                found = [row(key) for key in what_if.removal.product_ids]
                works = [
                    taken for taken in subsets(found) if product not in slow_list(busy, history.without(*taken), n)
                ]
                assert [tuple(found)] == works
                sizes.append(len(found))

    assert set(sizes) & {1, 2}


def test_an_addition_brings_the_product_in_through_the_door_of_a_request(ready: Ready) -> None:
    found = 0

    for user in few(ready):
        for product in set(range(14)) - set(slow_list(ready, history_of(ready, user))):
            what_if = ask(ready, user, product).what_if
            assert what_if is not None
            for change in (what_if.addition, what_if.own):
                if change is not None and change.event is not None:
                    events = tuple(SessionEvent(key, change.event) for key in change.product_ids)
                    answer = recommend(ready, NoEvents(), RecommendRequest(user_id=user, session=events, n=N))
                    ranks = {item.product_id: item.rank for item in answer.items}
                    key = ready.bundle.snapshot.ids("Product")[product]
                    assert change.rank == ranks.get(key)
                    found += 1

    assert found > 5


def test_the_own_event_is_never_among_the_additions(ready: Ready) -> None:
    for user in few(ready):
        for product in range(14):
            what_if = ask(ready, user, product).what_if
            key = ready.bundle.snapshot.ids("Product")[product]
            assert what_if is not None
            assert what_if.addition is None or key not in what_if.addition.product_ids
            assert what_if.own is None or (key,) == what_if.own.product_ids


def test_no_addition_is_said_to_overcome_a_filter(ready: Ready) -> None:
    snapshot = ready.bundle.snapshot
    key, user = snapshot.ids("Product")[0], few(ready)[0]

    what_if = ask(ready, user, 0, wish=Filter(exclude_ids=(key,))).what_if

    assert what_if is not None
    assert (None, None, None, True) == (what_if.removal, what_if.addition, what_if.own, what_if.is_exact)
    assert "excludes it by its id" in what_if.text


@pytest.mark.parametrize("mass_power", [0.0, 1.0])
def test_counts_of_products_ahead_are_those_of_scoring_every_reduced_history(busy: Ready, mass_power: float) -> None:
    scorer = replace(busy.bundle.scorer, blend=replace(busy.bundle.scorer.blend, mass_power=mass_power))
    history = history_of(busy, busy.bundle.snapshot.ids("User")[0])
    pool = np.unique(history.product)[:5]
    sets = [(), *subsets(pool.tolist())]
    removed = np.array([[product in taken for product in pool] for taken in sets])
    every, none = np.ones(20, dtype=bool), np.zeros(20, dtype=bool)

    found = count_ahead(scorer, history, pool, removed=removed, target=3, allowed=every, freed=none)

    totals = [scorer.score(history.without(*taken)) for taken in sets]
    assert [int((scores > scores[3]).sum()) for scores in totals] == found.tolist()
