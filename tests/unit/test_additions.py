"""Products that are added to a snapshot, and the model that takes them in without changing anybody else's score."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gnn.bundle import Bundle
from gnn.newcomers import Newcomers
from gnn.score import user_history
from kg.additions import Additions, base_hash, check_products, with_additions
from kg.operators import strongest
from kg.snapshot import Snapshot, build_snapshot
from tests.support.tiny_bundle import publish_tiny_bundle
from tests.worlds import tiny_shop, tiny_shop_with_materials

OOLONG = {"product_id": "n1", "title": "Oolong tea", "brand": "Acme", "categories": ["Tea"], "price": 3}


@pytest.fixture(scope="module")
def shop() -> Snapshot:
    return build_snapshot(tiny_shop())


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return publish_tiny_bundle(tmp_path_factory.mktemp("bundles")).current()


def checked(shop: Snapshot, *rows: dict[str, Any]) -> Additions:
    additions, bad = check_products(rows, shop)
    assert () == bad
    return additions


def links(shop: Snapshot, relation: str, source: str) -> set[str]:
    kind, edges = shop.schema.relation(relation), shop.edges[relation]
    row = shop.row(kind.source, source)
    return {shop.ids(kind.target)[target] for target in edges.target[edges.source == row].tolist()}


def test_a_name_that_only_one_category_has_stands_for_it(shop: Snapshot) -> None:
    grown = with_additions(shop, checked(shop, OOLONG), number=1)

    assert ({"acme"}, {"tea"}) == (links(grown, "MADE_BY", "n1"), links(grown, "IN_CATEGORY", "n1"))
    assert shop.num_nodes("Category") == grown.num_nodes("Category")
    assert [10, 3.0, "Oolong tea"] == [
        grown.row("Product", "n1"),
        grown.nodes["Product"]["price"][10].as_py(),
        grown.nodes["Product"]["title"][10].as_py(),
    ]


def test_a_path_adds_the_categories_that_are_missing(shop: Snapshot) -> None:
    row = {"product_id": "n2", "brand": "Delta", "categories": ["Food > Sweets > Bars"]}
    grown = with_additions(shop, checked(shop, row), number=1)

    (bars,) = links(grown, "IN_CATEGORY", "n2")
    (sweets,) = links(grown, "CHILD_OF", bars)
    (brand,) = links(grown, "MADE_BY", "n2")
    assert {"food"} == links(grown, "CHILD_OF", sweets)
    names = [
        grown.nodes[label]["name"][grown.row(label, key)].as_py()
        for label, key in (("Brand", brand), ("Category", bars))
    ]
    assert ["Delta", "Bars"] == names


def test_of_a_known_product_properties_change_and_links_stay(shop: Snapshot) -> None:
    row = {"product_id": "p01", "price": 5.5, "available": False, "brand": "Bolt"}
    grown = with_additions(shop, checked(shop, row), number=3)

    table = grown.nodes["Product"].to_pylist()
    assert [("p01", 5.5, False), ("p02", 3.0, True)] == [
        (r["product_id"], r["price"], r["available"]) for r in table[:2]
    ]
    assert {"acme"} == links(grown, "MADE_BY", "p01")
    assert (shop.hash, 3) == base_hash(grown.hash)
    assert (shop.hash, 0) == base_hash(shop.hash)


def test_everything_that_was_there_keeps_its_row(shop: Snapshot) -> None:
    grown = with_additions(shop, checked(shop, {**OOLONG, "product_id": "a-first"}), number=1)

    for label in shop.nodes:
        assert shop.ids(label) == grown.ids(label)[: shop.num_nodes(label)]
    assert np.all(np.diff(grown.edges["MADE_BY"].source) >= 0)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"titel": "x"}, "no property 'titel'; did you mean 'title'"),
        ({"colour": "red"}, "no property 'colour'; there are: available, brand"),
        ({"price": -1.0}, "price '-1.0' must be at least 0"),
        ({"price": "dear"}, "price 'dear' must be a finite number"),
        ({"available": "perhaps"}, "must be true or false"),
        ({"created_at": "soon"}, "must be an ISO 8601 time"),
        ({"categories": ["Food > "]}, "has an empty name in a path"),
        ({"product_id": "x" * 201}, "longer than the 200 characters"),
    ],
)
def test_what_cannot_be_taken_is_named_and_the_others_are_taken(
    row: dict[str, Any], reason: str, shop: Snapshot
) -> None:
    additions, bad = check_products([{"product_id": "bad", **row}, OOLONG], shop)

    assert [0] == [entry.index for entry in bad]
    assert reason in bad[0].reason
    assert ["n1"] == list(additions.products)


def test_a_value_of_another_type_than_the_shop_has_is_refused() -> None:
    shop = build_snapshot(tiny_shop_with_materials())
    rows = [
        {"product_id": "n1", "grams": 250},
        {"product_id": "n2", "grams": "a lot"},
        {"product_id": "n3", "grams": 1.5},
    ]

    additions, bad = check_products(rows, shop)

    assert {"n1": {"grams": 250}} == dict(additions.products)
    assert [1, 2] == [entry.index for entry in bad]
    assert "is no int64, as this property is in this shop" in bad[0].reason


def unit(*rows: Any) -> Any:
    table = np.array(rows, dtype=np.float32)
    return table / np.linalg.norm(table, axis=1, keepdims=True)


def test_a_newcomer_changes_nobodys_score(bundle: Bundle) -> None:
    shop = bundle.snapshot
    grown = with_additions(shop, checked(shop, OOLONG, {"product_id": "n2", "title": "Green tea, large"}), number=2)
    joined = Newcomers(bundle).join(grown, unit(bundle.text_vectors[0] + 0.1, bundle.text_vectors[4] - 0.1))

    for user in range(shop.num_nodes("User")):
        history = user_history(shop, user, now_ms=shop.last_time or 0)
        before, after = bundle.scorer.score(history), joined.scorer.score(history)
        np.testing.assert_allclose(after[:10], before, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(joined.scorer.split(history, np.arange(12)).total, after, rtol=1e-5, atol=1e-7)


def test_a_newcomer_is_near_to_those_that_read_alike_and_share_its_entities(bundle: Bundle) -> None:
    shop = bundle.snapshot
    grown = with_additions(shop, checked(shop, OOLONG), number=1)
    joined = Newcomers(bundle).join(grown, unit(bundle.text_vectors[1]))

    kernels = {kernel.name: kernel for kernel in joined.scorer.kernels}
    new, every = np.array([10]), np.arange(10)
    brand = kernels["brand"].entries(every, new)[:, 0]
    assert {"p01", "p02", "p03", "p04"} == {shop.ids("Product")[row] for row in np.flatnonzero(brand)}
    text = kernels["text"].entries(every, new)[:, 0]
    assert 1 == int(text.argmax())
    assert 0.7 * np.log(2.0) ** 0.3 == pytest.approx(text[1], rel=1e-5)
    assert 0.0 == kernels["co_purchase"].entries(every, new).sum()
    assert 0.0 == sum(
        kernel.entries(new, new).sum()
        for kernel in kernels.values()
        if kernel.name != "habit" and kernel.name not in ("smooth", "smooth_fine")
    )


def test_a_newcomer_without_text_and_links_is_there_and_says_nothing(bundle: Bundle) -> None:
    grown = with_additions(bundle.snapshot, checked(bundle.snapshot, {"product_id": "n9"}), number=1)
    joined = Newcomers(bundle).join(grown, np.zeros((1, 8), dtype=np.float32))
    history = user_history(bundle.snapshot, 0, now_ms=bundle.snapshot.last_time or 0)

    assert 0.0 == joined.scorer.score(history)[10]


def test_full_rows_take_only_what_is_stronger(tmp_path: Path) -> None:
    import scipy.sparse as sp

    from gnn.newcomers import _above, _least

    matrix = sp.csr_array(np.array([[0.5, 0.9, 0.0], [0.2, 0.0, 0.0]], dtype=np.float32))
    least = _least(matrix, 2)
    assert [0.5, 0.0] == least.tolist()
    kept = _above(sp.csr_array(np.array([[0.4, 0.6], [0.1, 0.0]], dtype=np.float32)), least).toarray()
    np.testing.assert_allclose(kept, [[0.0, 0.6], [0.1, 0.0]])
    np.testing.assert_allclose(strongest(matrix, top_k=1, first_row=3).toarray(), [[0.0, 0.9, 0.0], [0.2, 0.0, 0.0]])
    np.testing.assert_allclose(matrix.toarray(), [[0.5, 0.9, 0.0], [0.2, 0.0, 0.0]])
