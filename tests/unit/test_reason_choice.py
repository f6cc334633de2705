"""Which of the true reasons are said, and in which order; what is never said; what speaks against."""

from collections import Counter
from dataclasses import replace
from pathlib import Path as FilePath

import numpy as np
import pytest

from gnn.bundle import Bundle, load_bundle, write_bundle
from gnn.score import Decay, Scorer
from kg.schema import GraphSchema
from kg.snapshot import build_snapshot
from kg.tables import Tables
from serving.errors import ConfigError
from serving.explain import explain_items
from serving.history import read_history
from serving.ready import Ready, prepare
from serving.reason_config import ReasonConfig
from tests.support.explained import AT_MOST, SHOPS, answers, fresh_answers
from tests.support.models import content_of, random_bundle
from tests.worlds import DAY_MS, MONDAY, make_tables, tiny_shop


@pytest.fixture(scope="module", params=SHOPS, ids=SHOPS.keys())
def drawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ready, Tables]:
    """Give a model with drawn numbers, every kernel in use, over each shop in turn."""
    tables: Tables = SHOPS[request.param]()
    return prepare(random_bundle(build_snapshot(tables), tmp_path_factory.mktemp("drawn"))), tables


def test_the_first_paths_of_a_list_are_of_more_kinds_than_those_of_its_items_alone(drawn: tuple[Ready, Tables]) -> None:
    """What stood first above stands back a little; explained alone, every item begins with what carries most."""
    ready, _ = drawn
    together, alone = 0, 0
    for user, answer in answers(ready):
        history = read_history(ready.bundle.snapshot, ready.bundle.snapshot.row("User", user), ())
        row = ready.bundle.snapshot.row("User", user)
        rows = [ready.product_row(item.product_id) for item in answer.items]
        spread = ready.bundle.scorer.spread(history)
        single = [
            explain_items(ready, np.array([product]), spread, user=row, paths=AT_MOST, first_rank=1)[0]
            for product in rows
        ]
        together += len({item.paths[0].pattern for item in answer.items if item.paths})
        alone += len({item.paths[0].pattern for item in single if item.paths})

    assert together > alone


def test_of_two_equal_reasons_the_recent_one_is_chosen(tmp_path: FilePath) -> None:
    """Two products of one brand under a kernel that never fades; the reason starts from the one bought later."""
    keys = ("old", "new", "wanted", *"abcdefgh")
    nodes = {
        "Product": [{"product_id": key} for key in keys],
        "User": [{"user_id": "u1"}],
        "Brand": [{"brand_id": "acme"}],
    }
    edges = {"MADE_BY": [(key, "acme") for key in keys[:3]]}
    events = [
        {"event_id": key, "user_id": "u1", "product_id": key, "type": "bought", "at": MONDAY + day * DAY_MS}
        for day, key in enumerate(keys[:2])
    ]
    shop = make_tables(GraphSchema(), nodes, edges=edges, events=events)
    content = content_of(build_snapshot(shop))
    brand = next(kernel for kernel in content.scorer.kernels if kernel.name == "brand")
    weights = {"decays": (Decay("rank"),), "weights": np.ones((1, 1)), "mass_power": 0.0}
    blend = replace(content.scorer.blend, kernels=("brand",), **weights)
    scorer = Scorer((brand,), content.scorer.priors, blend)
    ready = prepare(load_bundle(write_bundle(replace(content, scorer=scorer), tmp_path)))
    spread = ready.bundle.scorer.spread(read_history(ready.bundle.snapshot, 0, ()))

    (item,) = explain_items(ready, np.array([ready.product_row("wanted")]), spread, user=0, paths=1, first_rank=1)

    assert ["new"] == [path.nodes[1].id for path in item.paths]


def test_what_must_never_be_mentioned_is_in_no_reason(drawn: tuple[Ready, Tables]) -> None:
    ready, _ = drawn
    snapshot = ready.bundle.snapshot
    named = Counter(
        node.id
        for _, answer in answers(ready)
        for item in answer.items
        for path in item.paths
        for node in path.nodes
        if node.type == "Category"
    )
    secret = named.most_common(1)[0][0]
    assert secret is not None
    row = snapshot.row("Category", secret)
    below = {snapshot.ids("Product")[product] for product in ready.shelf.in_category[:, [row]].indices}

    discreet = prepare(ready.bundle, ReasonConfig(never_mention=(secret,)))

    said = [
        (path.nodes[-1].id, node)
        for _, answer in fresh_answers(discreet)
        for item in answer.items
        for path in item.paths
        for node in path.nodes[:-1]
    ]
    assert said
    assert [] == [node for target, node in said if node.id == secret or (node.id in below and node.id != target)]


def test_a_category_that_must_never_be_mentioned_and_is_not_there_is_refused(small_bundle: Bundle) -> None:
    with pytest.raises(ConfigError, match=r"never_mention names the category 'Teaa', which this shop does not have"):
        prepare(small_bundle, ReasonConfig(never_mention=("Teaa",)))


def test_a_product_that_is_gone_is_no_reason(tmp_path: FilePath) -> None:
    ready = prepare(random_bundle(build_snapshot(tiny_shop()), tmp_path))
    gone = [row for row, available in enumerate(ready.shelf.available.tolist()) if not available]
    assert gone

    paths = [path for _, answer in answers(ready) for item in answer.items for path in item.paths]

    ids = {ready.bundle.snapshot.ids("Product")[row] for row in gone}
    assert [] == [path for path in paths for node in path.nodes[:-1] if node.id in ids]


def test_what_was_returned_speaks_against_and_is_said(drawn: tuple[Ready, Tables]) -> None:
    ready, tables = drawn
    snapshot, scorer = ready.bundle.snapshot, ready.bundle.scorer
    returned = {(row["user_id"], row["product_id"]) for row in tables.events.to_pylist() if row["type"] == "returned"}
    checked = 0

    for user, answer in answers(ready):
        history = read_history(snapshot, snapshot.row("User", user), ())
        for item in answer.items:
            if item.although is None:
                continue
            checked += 1
            target, against = (snapshot.row("Product", key) for key in (item.product_id, item.although.product_id))
            assert (user, item.although.product_id) in returned
            assert ("returned", True) == (item.although.event, item.although.value < 0)
            assert scorer.score(history.without(against))[target] > item.score - 1e-6
            assert item.although.text.startswith("although you returned ")

    assert bool(checked) == bool(returned)
