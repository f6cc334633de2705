"""Paths of five hops against slow loops over the events: found where there is one, and counted exactly."""

from collections.abc import Iterator
from math import sqrt

import numpy as np
import pytest

from kg.long_paths import Bounds, closeness, over_companion, over_two_products
from kg.paths import OTHERS, PathFinder
from kg.snapshot import Snapshot, build_snapshot
from tests.support.random_shops import random_shop


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return build_snapshot(random_shop(4, users=25, events=140))


@pytest.fixture(scope="module")
def finder(snapshot: Snapshot) -> PathFinder:
    return PathFinder(snapshot)


def everything(snapshot: Snapshot, *, user: int | None = None, at_least: int = 2) -> Bounds:
    products = np.ones(snapshot.num_nodes("Product"), dtype=bool)
    entities = {
        "MADE_BY": np.ones(snapshot.num_nodes("Brand"), dtype=bool),
        "IN_CATEGORY": np.ones(snapshot.num_nodes("Category"), dtype=bool),
    }
    return Bounds(user, at_least, products, entities)


def pairs(snapshot: Snapshot) -> Iterator[tuple[int, int]]:
    num = snapshot.num_nodes("Product")
    return ((first, second) for first in range(num) for second in range(num) if first != second)


def others_of(snapshot: Snapshot, event: str, first: int, second: int, user: int | None) -> int:
    """How many other users did this with both, by a loop."""
    kind = snapshot.event_names.index(event)
    events = list(zip(snapshot.events.user, snapshot.events.product, snapshot.events.kind, strict=True))
    sides = [{int(who) for who, what, how in events if what == product and how == kind} for product in (first, second)]
    return len((sides[0] & sides[1]) - {user})


@pytest.mark.parametrize("user", [None, 3])
def test_a_path_over_two_products_is_found_where_others_link_both_steps(
    user: int | None, snapshot: Snapshot, finder: PathFinder
) -> None:
    found = 0
    for first, second in pairs(snapshot):
        path = over_two_products(finder, first, second, bounds=everything(snapshot, user=user))
        steps = {
            event: [
                min(others_of(snapshot, event, first, middle, user), others_of(snapshot, event, middle, second, user))
                for middle in range(snapshot.num_nodes("Product"))
                if middle not in (first, second)
            ]
            for event in finder.events
        }
        if path is None:
            # A few of the closest are counted; with nobody left out the closest always has enough.
            assert user is not None or max(max(counts) for counts in steps.values()) < 2
            continue
        found += 1
        finder.verify(path, user=user)
        rows = [node.row for node in path.nodes]
        assert [first, None, rows[2], None, second] == rows
        assert path.supporters == tuple(
            others_of(snapshot, path.event or "", *ends, user) for ends in ((first, rows[2]), (rows[2], second))
        )
        assert min(path.supporters) >= 2

    assert found > 10


@pytest.mark.parametrize("relation", ["MADE_BY", "IN_CATEGORY"])
def test_a_path_over_a_companion_leads_over_an_entity_both_have(
    relation: str, snapshot: Snapshot, finder: PathFinder
) -> None:
    ways = set()
    for first, second in pairs(snapshot):
        path = over_companion(finder, relation, first, second, bounds=everything(snapshot))
        if path is None:
            continue
        finder.verify(path)
        assert (first, second) == (path.nodes[0].row, path.nodes[-1].row)
        assert path.nodes[2].row not in (first, second)
        ways.add(tuple(edge.relation for edge in path.edges))

    assert {(OTHERS, OTHERS, relation, relation), (relation, relation, OTHERS, OTHERS)} == ways


def test_nothing_leads_over_what_may_not_stand_in_between(snapshot: Snapshot, finder: PathFinder) -> None:
    free = everything(snapshot)
    nothing = Bounds(None, 2, np.zeros_like(free.products), free.entities)
    unnamed = Bounds(None, 2, free.products, {name: np.zeros_like(rows) for name, rows in free.entities.items()})

    for first, second in pairs(snapshot):
        assert over_two_products(finder, first, second, bounds=nothing) is None
        assert over_companion(finder, "MADE_BY", first, second, bounds=nothing) is None
        assert over_companion(finder, "MADE_BY", first, second, bounds=unnamed) is None


def test_closeness_is_the_cosine_of_each_step(snapshot: Snapshot, finder: PathFinder) -> None:
    checked = 0
    for first, second in pairs(snapshot):
        path = over_two_products(finder, first, second, bounds=everything(snapshot))
        if path is None:
            continue
        checked += 1
        fans = finder.num_users(path.event or "")
        near, middle, far = (float(fans[path.nodes[place].row or 0]) for place in (0, 2, 4))
        expected = path.supporters[0] / sqrt(near * middle) * path.supporters[1] / sqrt(middle * far)
        assert pytest.approx(expected) == closeness(finder, path)

    assert checked
