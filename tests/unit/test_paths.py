"""Paths are found only where the snapshot holds every edge; each answer is checked against the shop by id."""

from dataclasses import replace

import pytest

from kg.errors import PathError
from kg.paths import OTHERS, GraphEdge, GraphNode, GraphPath, PathFinder
from kg.schema import GraphSchema
from kg.snapshot import Snapshot, build_snapshot
from tests.support.random_shops import random_shop
from tests.worlds import make_tables, tiny_shop


@pytest.fixture(scope="module")
def tiny() -> Snapshot:
    return build_snapshot(tiny_shop())


@pytest.fixture(scope="module")
def finder(tiny: Snapshot) -> PathFinder:
    return PathFinder(tiny)


def row(snapshot: Snapshot, key: str, label: str = "Product") -> int:
    found = snapshot.row(label, key)
    assert found is not None
    return found


def named(snapshot: Snapshot, path: GraphPath | None) -> list[str | None] | None:
    """Return the ids along a path."""
    if path is None:
        return None
    return [None if node.row is None else snapshot.ids(node.label)[node.row] for node in path.nodes]


def arrows(path: GraphPath) -> list[tuple[str, int, int]]:
    return [(edge.relation, edge.source, edge.target) for edge in path.edges]


def test_two_products_of_a_brand_are_linked_over_it(tiny: Snapshot, finder: PathFinder) -> None:
    path = finder.through_entity("MADE_BY", row(tiny, "p01"), row(tiny, "p02"), entity=row(tiny, "acme", "Brand"))

    assert ["p01", "acme", "p02"] == named(tiny, path)
    assert path is not None
    assert [("MADE_BY", 0, 1), ("MADE_BY", 2, 1)] == arrows(path)


@pytest.mark.parametrize(("first", "second"), [("p01", "p05"), ("p01", "p10"), ("p10", "p01")])
def test_no_path_leads_over_a_brand_that_one_of_them_has_not(
    first: str, second: str, tiny: Snapshot, finder: PathFinder
) -> None:
    entity = row(tiny, "acme", "Brand")

    assert finder.through_entity("MADE_BY", row(tiny, first), row(tiny, second), entity=entity) is None


def test_products_of_two_categories_meet_above_them(tiny: Snapshot, finder: PathFinder) -> None:
    drinks = row(tiny, "drinks", "Category")

    path = finder.through_entity("IN_CATEGORY", row(tiny, "p01"), row(tiny, "p03"), entity=drinks)

    assert ["p01", "tea", "drinks", "coffee", "p03"] == named(tiny, path)
    assert path is not None
    assert [("IN_CATEGORY", 0, 1), ("CHILD_OF", 1, 2), ("CHILD_OF", 3, 2), ("IN_CATEGORY", 4, 3)] == arrows(path)
    assert GraphNode("Category", drinks) == path.middle


def test_products_at_different_depths_meet_where_the_higher_one_is(tiny: Snapshot, finder: PathFinder) -> None:
    path = finder.through_entity(
        "IN_CATEGORY", row(tiny, "p01"), row(tiny, "p07"), entity=row(tiny, "drinks", "Category")
    )

    assert ["p01", "tea", "drinks", "p07"] == named(tiny, path)
    assert path is not None
    assert "drinks" == tiny.ids("Category")[path.middle.row or 0]


def test_products_of_one_category_meet_there_and_not_above(tiny: Snapshot, finder: PathFinder) -> None:
    for above in ("tea", "drinks", "food"):
        entity = row(tiny, above, "Category")
        path = finder.through_entity("IN_CATEGORY", row(tiny, "p01"), row(tiny, "p02"), entity=entity)
        assert ["p01", "tea", "p02"] == named(tiny, path)


@pytest.mark.parametrize(
    ("relation", "first", "second", "expected"),
    [
        ("ALSO_BOUGHT", "p01", "p05", [("ALSO_BOUGHT", 0, 1)]),
        ("ALSO_BOUGHT", "p05", "p01", [("ALSO_BOUGHT", 1, 0)]),
        ("BOUGHT_TOGETHER", "p03", "p01", [("BOUGHT_TOGETHER", 1, 0)]),
        ("ALSO_BOUGHT", "p01", "p06", None),
        ("ALSO_VIEWED", "p01", "p05", None),
    ],
)
def test_a_direct_edge_is_shown_in_the_direction_it_has(
    relation: str, first: str, second: str, expected: object, tiny: Snapshot, finder: PathFinder
) -> None:
    path = finder.direct(relation, row(tiny, first), row(tiny, second))

    assert expected == (None if path is None else arrows(path))


@pytest.mark.parametrize(
    ("first", "second", "user", "expected"),
    [("p01", "p05", None, 1), ("p01", "p05", "u2", 0), ("p01", "p03", None, 2), ("p01", "p03", "u1", 1),
     ("p01", "p03", "u2", 2), ("p02", "p07", None, 0)],
)  # fmt: skip
def test_other_users_count_only_where_they_did_the_same_with_both(
    first: str, second: str, user: str | None, expected: int, tiny: Snapshot, finder: PathFinder
) -> None:
    """u3 viewed p01 and bought p05, u5 viewed p02 and bought p07: nobody can say that they bought both."""
    asking = None if user is None else row(tiny, user, "User")

    path = finder.through_users(row(tiny, first), row(tiny, second), user=asking)

    assert expected == (0 if path is None else path.supporters[0])
    if path is not None:
        assert ("bought", [first, None, second]) == (path.event, named(tiny, path))
        assert [(OTHERS, 1, 0), (OTHERS, 1, 2)] == arrows(path)


def test_a_path_over_users_may_need_more_of_them(tiny: Snapshot, finder: PathFinder) -> None:
    ends = row(tiny, "p01"), row(tiny, "p03")

    assert finder.through_users(*ends, user=None, at_least=3) is None
    assert finder.through_users(*ends, user=None, at_least=2) is not None


def test_a_shared_product_is_the_one_that_fewest_point_to() -> None:
    pairs = [("a", "x"), ("b", "x"), ("c", "x"), ("a", "y"), ("b", "y")]
    nodes = {"Product": [{"product_id": key} for key in "abcxy"]}
    snapshot = build_snapshot(make_tables(GraphSchema(), nodes, edges={"ALSO_BOUGHT": pairs}, events=[]))

    path = PathFinder(snapshot).through_product("ALSO_BOUGHT", row(snapshot, "a"), row(snapshot, "b"))

    assert ["a", "y", "b"] == named(snapshot, path)
    assert path is not None
    assert [("ALSO_BOUGHT", 0, 1), ("ALSO_BOUGHT", 2, 1)] == arrows(path)


def test_a_symmetric_relation_leads_over_a_shared_product_whichever_end_was_written_first() -> None:
    nodes = {"Product": [{"product_id": key} for key in "abz"]}
    edges = {"BOUGHT_TOGETHER": [("a", "b"), ("b", "z")]}
    snapshot = build_snapshot(make_tables(GraphSchema(), nodes, edges=edges, events=[]))
    finder = PathFinder(snapshot)

    path = finder.through_product("BOUGHT_TOGETHER", row(snapshot, "a"), row(snapshot, "z"))

    assert ["a", "b", "z"] == named(snapshot, path)
    assert path is not None
    assert [("BOUGHT_TOGETHER", 0, 1), ("BOUGHT_TOGETHER", 1, 2)] == arrows(path)
    finder.verify(path)


def test_a_directed_relation_leads_over_no_product_in_between(tiny: Snapshot, finder: PathFinder) -> None:
    assert finder.through_product("ALSO_BOUGHT", row(tiny, "p01"), row(tiny, "p02")) is None


def test_a_true_path_is_verified_and_a_false_one_refused(tiny: Snapshot, finder: PathFinder) -> None:
    acme, bolt = (GraphNode("Brand", row(tiny, key, "Brand")) for key in ("acme", "bolt"))
    first, second = GraphNode("Product", row(tiny, "p01")), GraphNode("Product", row(tiny, "p02"))
    edges = (GraphEdge("MADE_BY", 0, 1), GraphEdge("MADE_BY", 2, 1))
    finder.verify(GraphPath((first, acme, second), edges))

    with pytest.raises(PathError, match="holds no edge"):
        finder.verify(GraphPath((first, bolt, second), edges))
    with pytest.raises(PathError, match="holds no edge"):
        finder.verify(GraphPath((first, GraphNode("Brand", None), second), edges))


def test_a_false_count_of_users_is_refused(tiny: Snapshot, finder: PathFinder) -> None:
    path = finder.through_users(row(tiny, "p01"), row(tiny, "p03"), user=None)
    assert path is not None
    finder.verify(path)

    for lie in (replace(path, supporters=(3,)), replace(path, event="viewed"), replace(path, event=None)):
        with pytest.raises(PathError, match="the path claims"):
            finder.verify(lie)
    with pytest.raises(PathError, match="the path claims 2"):
        finder.verify(path, user=row(tiny, "u1", "User"))


@pytest.mark.parametrize("seed", range(3))
def test_every_edge_of_the_shop_and_no_other_is_there(seed: int) -> None:
    shop = random_shop(seed)
    snapshot = build_snapshot(shop)
    finder = PathFinder(snapshot)

    for name, table in shop.edges.items():
        kind = shop.schema.relation(name)
        expected = {(entry["from_id"], entry["to_id"]) for entry in table.to_pylist()}
        found = {
            (source, target)
            for a, source in enumerate(snapshot.ids(kind.source))
            for b, target in enumerate(snapshot.ids(kind.target))
            if finder.has_edge(name, a, b)
        }
        assert expected == found
