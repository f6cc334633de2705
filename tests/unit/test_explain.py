"""Explanations: every edge shown exists, every path moved the score, contributions add up, nobody else is named.

The check of edges reads the tables by id and shares no code with what finds paths.
"""

import json
from collections import defaultdict
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path as FilePath

import numpy as np
import pytest

from gnn.bundle import Bundle, BundleContent, load_bundle, write_bundle
from gnn.score import Scorer, user_history
from kg.kernels import TEXT_KERNELS, USE_KERNELS
from kg.schema import GraphSchema, declare
from kg.snapshot import build_snapshot
from kg.sources.generated import GeneratedShop
from kg.tables import Tables
from serving.answer import Filter, Item, Path, PathEdge, PathNode, Reason, RecommendRequest
from serving.errors import UnknownProduct
from serving.history import NoEvents, read_history
from serving.ready import Ready, prepare
from serving.reason_config import ReasonConfig
from serving.recommend import recommend
from serving.roles import NETWORK
from tests.support.bundles import small_shop
from tests.support.explained import SHOPS, answers, explained, fresh_answers
from tests.support.models import content_of, random_bundle
from tests.support.random_shops import random_shop
from tests.worlds import make_tables, tiny_shop

MIN_SUPPORTERS, COUNT_FROM = ReasonConfig().min_supporters, ReasonConfig().count_from


class Ledger:
    """The facts of a shop by id, read row by row from its tables."""

    def __init__(self, tables: Tables) -> None:
        self.edges = {
            (name, row["from_id"], row["to_id"]) for name, table in tables.edges.items() for row in table.to_pylist()
        }
        self.did: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.events = set()
        for row in tables.events.to_pylist():
            relation = row["type"].upper()
            self.did[relation, row["product_id"]].add(row["user_id"])
            self.events.add((relation, row["user_id"], row["product_id"], row["at"]))
        self.types = {label: set(table.column(0).to_pylist()) for label, table in tables.nodes.items()}

    def faults(self, path: Path, *, user: str, product: str) -> list[str]:
        """Return what is wrong with a path; nothing for a true one."""
        found = []
        if (path.nodes[0].type, path.nodes[0].id, path.nodes[-1].id) != ("User", user, product):
            found.append("it does not lead from the user to the product")
        if any(node.id is not None and node.id not in self.types[node.type] for node in path.nodes):
            found.append("a node does not exist")
        if {(min(e.source, e.target), max(e.source, e.target)) for e in path.edges} != set(
            pairwise(range(len(path.nodes)))
        ):
            found.append("its edges are no chain")
        others = [place for place, node in enumerate(path.nodes) if place and node.type == "User"]
        for edge in path.edges:
            if edge.source in others:
                continue
            source, target = path.nodes[edge.source], path.nodes[edge.target]
            if source.type == "User":
                if (edge.type, source.id, target.id, edge.at_ms) not in self.events:
                    found.append(f"the user never did {edge.type} {target.id} at {edge.at_ms}")
            elif (edge.type, source.id, target.id) not in self.edges:
                found.append(f"no edge {source.id} -{edge.type}-> {target.id}")
        for place in others:
            found += self._faults_of_others(path, place, user)
        return found

    def _faults_of_others(self, path: Path, place: int, user: str) -> list[str]:
        sides = [edge for edge in path.edges if edge.source == place]
        users = [self.did[edge.type, path.nodes[edge.target].id or ""] for edge in sides]
        count = len(set.intersection(*users) - {user})
        found = [] if count >= MIN_SUPPORTERS else [f"only {count} others did this"]
        expected = float(count) if count >= COUNT_FROM else None
        if len(sides) != 2 or {edge.weight for edge in sides} != {expected}:
            found.append(f"{count} others, said are {[edge.weight for edge in sides]}")
        return found if path.nodes[place].id is None else [*found, "another user is named"]


@pytest.fixture(scope="module", params=SHOPS, ids=SHOPS.keys())
def drawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Ready, Tables]:
    """Give a model with drawn numbers, every kernel in use, over each shop in turn."""
    tables: Tables = SHOPS[request.param]()
    return prepare(random_bundle(build_snapshot(tables), tmp_path_factory.mktemp("drawn"))), tables


@pytest.fixture(scope="module")
def learned(small_bundle: Bundle) -> tuple[Ready, GeneratedShop]:
    return prepare(small_bundle), small_shop()


def check_paths(ready: Ready, ledger: Ledger) -> tuple[int, list[tuple[Path, list[str]]]]:
    """Return how many paths all answers show, and those in which the ledger finds a fault."""
    shown = [(user, item, path) for user, answer in answers(ready) for item in answer.items for path in item.paths]
    found = [(path, ledger.faults(path, user=user, product=item.product_id)) for user, item, path in shown]
    return len(shown), [(path, faults) for path, faults in found if faults]


def test_every_path_over_a_drawn_model_exists(drawn: tuple[Ready, Tables]) -> None:
    ready, tables = drawn

    num_paths, faults = check_paths(ready, Ledger(tables))

    assert [] == faults
    assert num_paths > 80


def test_thousands_of_paths_over_a_learned_model_exist(learned: tuple[Ready, GeneratedShop]) -> None:
    ready, shop = learned

    num_paths, faults = check_paths(ready, Ledger(shop.tables))

    assert [] == faults
    assert num_paths > 3000


def test_the_ledger_refuses_false_paths() -> None:
    """The oracle itself: each kind of lie is noticed."""
    ledger = Ledger(tiny_shop())
    you, tea, cake = PathNode("u1", "User", "you"), PathNode("p01", "Product", ""), PathNode("p02", "Product", "")
    brand, others = PathNode("acme", "Brand", ""), PathNode(None, "User", "")
    at = 1704067200000
    own = PathEdge("VIEWED", 0, 1, at)
    made = (PathEdge("MADE_BY", 1, 2), PathEdge("MADE_BY", 3, 2))
    true = Path((you, tea, brand, cake), (own, *made), 1.0, "", "")

    assert [] == ledger.faults(true, user="u1", product="p02")
    lies = [
        replace(true, edges=(replace(own, type="RATED"), *made)),
        replace(true, edges=(replace(own, at_ms=at + 1), *made)),
        replace(true, edges=(own, PathEdge("MADE_BY", 2, 1), made[1])),
        replace(true, nodes=(you, tea, PathNode("bolt", "Brand", ""), cake)),
        replace(true, edges=(own, made[0])),
        replace(true, nodes=(replace(you, id="u2"), tea, brand, cake)),
        replace(true, nodes=(you, tea, others, cake), edges=(own, PathEdge("BOUGHT", 2, 1), PathEdge("BOUGHT", 2, 3))),
    ]
    assert [] == [lie for lie in lies if not ledger.faults(lie, user="u1", product="p02")]


def test_contributions_add_up_to_the_score_that_was_ranked_by(drawn: tuple[Ready, Tables]) -> None:
    ready, _ = drawn
    snapshot, scorer = ready.bundle.snapshot, ready.bundle.scorer

    for user, answer in answers(ready):
        row = snapshot.row("User", user)
        scores = scorer.score(read_history(snapshot, row, ()))
        for item in answer.items:
            expected = scores[snapshot.row("Product", item.product_id)]
            assert pytest.approx(expected, abs=1e-5) == item.score
            assert pytest.approx(item.score, abs=1e-6) == sum(term.value for term in item.contributions)


def test_paths_never_claim_more_than_what_speaks_for_the_product(drawn: tuple[Ready, Tables]) -> None:
    """Kernels of EASE may also speak against it, so the bound is not the score but all that is above 0 in it."""
    ready, _ = drawn
    snapshot, scorer = ready.bundle.snapshot, ready.bundle.scorer

    for user, answer in answers(ready):
        history = read_history(snapshot, snapshot.row("User", user), ())
        targets = np.array([snapshot.row("Product", item.product_id) for item in answer.items])
        positive = np.maximum(scorer.split(history, targets).parts, 0.0).sum(axis=(0, 1))
        for item, bound in zip(answer.items, positive.tolist(), strict=True):
            assert all(path.contribution > 0 for path in item.paths)
            assert sum(path.contribution for path in item.paths) <= bound + 1e-6


def test_without_the_product_a_path_starts_from_the_score_falls(drawn: tuple[Ready, Tables]) -> None:
    ready, _ = drawn
    snapshot, scorer = ready.bundle.snapshot, ready.bundle.scorer
    checked = 0

    for user, answer in answers(ready):
        history = read_history(snapshot, snapshot.row("User", user), ())
        for item in answer.items:
            target = snapshot.row("Product", item.product_id)
            for path in item.paths:
                start = snapshot.row("Product", path.nodes[1].id or "")
                assert start is not None
                checked += 1
                assert scorer.score(history.without(start))[target] < item.score + 1e-6

    assert checked > 80


def test_no_other_user_is_in_any_answer(drawn: tuple[Ready, Tables]) -> None:
    ready, _ = drawn
    users = ready.bundle.snapshot.ids("User")

    for user, answer in answers(ready):
        text = json.dumps(asdict(answer))
        assert [] == [other for other in users if other != user and f'"{other}"' in text]


def test_users_that_a_shop_links_to_products_by_a_relation_are_not_named(tmp_path: FilePath) -> None:
    declared = {"graph": {"relations": {"REVIEWED": {"from": "User", "to": "Product", "reason": "reviewed by {name}"}}}}
    schema = declare(GraphSchema(), declared, where="test")
    shop = tiny_shop()
    nodes = {label: table.to_pylist() for label, table in shop.nodes.items()}
    edges = {name: [tuple(row.values()) for row in table.to_pylist()] for name, table in shop.edges.items()}
    edges["REVIEWED"] = [("u2", product) for product in ("p01", "p02", "p03", "p10")]
    tables = make_tables(schema, nodes, edges=edges, events=shop.events.to_pylist())
    ready = prepare(random_bundle(build_snapshot(tables), tmp_path))
    assert "reviewed" in {kernel.name for kernel in ready.bundle.scorer.kernels}

    text = json.dumps([asdict(answer) for user, answer in answers(ready) if user != "u2"])

    assert '"u2"' not in text


def test_others_are_counted_only_from_the_bound_up(tmp_path: FilePath) -> None:
    tables = random_shop(1, users=70, events=1500)
    ready = prepare(random_bundle(build_snapshot(tables), tmp_path))

    edges = [
        edge for _, answer in answers(ready) for item in answer.items for path in item.paths for edge in path.edges
    ]
    texts = [path.text for _, answer in answers(ready) for item in answer.items for path in item.paths]

    counts = {edge.weight for edge in edges if edge.weight is not None}
    assert counts
    assert min(counts) >= COUNT_FROM
    said = [
        int(word) for text in texts for word, after in pairwise(text.split()) if after == "customers" and word.isdigit()
    ]
    assert {int(count) for count in counts} == set(said)


def worded_shop() -> Tables:
    """A shop with every kernel there can be: many users with an order, and words that two products share each."""
    shop = random_shop(1, users=70, events=1500)
    nodes = {label: table.to_pylist() for label, table in shop.nodes.items()}
    for number, product in enumerate(nodes["Product"]):
        product["title"] = f"pair{number // 2}"
    edges = {name: [tuple(row.values()) for row in table.to_pylist()] for name, table in shop.edges.items()}
    return make_tables(shop.schema, nodes, edges=edges, events=shop.events.to_pylist())


@pytest.fixture(scope="module")
def worded() -> BundleContent:
    return content_of(build_snapshot(worded_shop()))


def ready_with(name: str, content: BundleContent, room: FilePath) -> Ready:
    """Return a model that has one kernel and a trace of popularity."""
    whole = content.scorer
    row = whole.blend.kernels.index(name)
    blend = replace(
        whole.blend, kernels=(name,), weights=whole.blend.weights[[row]], prior_weights=np.array([1e-6, 0.0])
    )
    scorer = Scorer((whole.kernels[row],), whole.priors, blend)
    return prepare(load_bundle(write_bundle(replace(content, scorer=scorer), room)))


def items_by(name: str, content: BundleContent, room: FilePath) -> list[Item]:
    """Return ten explained recommendations for every user of a model that has one kernel and a trace of popularity."""
    return [item for _, answer in fresh_answers(ready_with(name, content, room)) for item in answer.items]


def test_a_reason_of_a_habit_counts_what_it_says(worded: BundleContent, tmp_path: FilePath) -> None:
    did: dict[tuple[str, str, str], int] = defaultdict(int)
    for row in worded_shop().events.to_pylist():
        did[row["user_id"], row["product_id"], row["type"].upper()] += 1
    checked = 0

    for user, answer in fresh_answers(ready_with("habit", worded, tmp_path)):
        for item in answer.items:
            for path in item.paths:
                count = did[user, item.product_id, path.edges[0].type]
                words = "once" if count == 1 else f"{count} times"
                checked += 1
                assert 2 == len(path.nodes)
                assert f" this {words}" in path.text

    assert checked > 20


def test_the_worded_shop_has_every_kernel_that_has_a_kind(worded: BundleContent) -> None:
    assert set() == (TEXT_KERNELS | USE_KERNELS) - set(worded.scorer.blend.kernels)


@pytest.mark.parametrize("name", sorted(TEXT_KERNELS))
def test_what_texts_say_is_content_and_never_a_path(name: str, worded: BundleContent, tmp_path: FilePath) -> None:
    items = items_by(name, worded, tmp_path)

    assert {(Reason.CONTENT,), (Reason.POPULAR_FALLBACK,)} >= {item.reasons for item in items}
    assert (Reason.CONTENT,) in {item.reasons for item in items}
    assert {()} == {item.paths for item in items}


@pytest.mark.parametrize("name", sorted(USE_KERNELS - {NETWORK}))
def test_what_users_did_is_shown_by_a_path_over_other_users(
    name: str, worded: BundleContent, tmp_path: FilePath
) -> None:
    items = items_by(name, worded, tmp_path)

    kinds = {reason for item in items for reason in item.reasons}
    assert {Reason.PATH, Reason.COLLABORATIVE} == kinds - {Reason.POPULAR_FALLBACK}
    ways = {tuple(node.type for node in path.nodes) for item in items for path in item.paths}
    assert ("User", "Product", "User", "Product") in ways
    assert {None} == {node.id for item in items for path in item.paths for node in path.nodes[2::2]}


def test_what_the_network_learned_rests_on_typed_paths_and_on_nothing_else(
    worded: BundleContent, tmp_path: FilePath
) -> None:
    items = items_by(NETWORK, worded, tmp_path)

    ways = {tuple(edge.type for edge in path.edges[1:2]) for item in items for path in item.paths}
    assert {("MADE_BY",), ("IN_CATEGORY",), ("BOUGHT",)} <= ways
    for item in items:
        said = sum(max(term.value, 0.0) for term in item.contributions if term.kernel == NETWORK)
        assert sum(path.contribution for path in item.paths) <= said + 1e-6


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_no_more_paths_are_shown_than_asked_for_and_each_only_once(limit: int, drawn: tuple[Ready, Tables]) -> None:
    ready, _ = drawn
    for user in ready.bundle.snapshot.ids("User"):
        answer = recommend(ready, NoEvents(), RecommendRequest(user_id=user, n=10, paths=limit))
        for item in answer.items:
            ways = [(path.nodes, path.edges) for path in item.paths]
            assert len(ways) <= limit
            assert len(set(ways)) == len(ways)
            after_first = [path.contribution for path in item.paths[1:]]
            assert sorted(after_first, reverse=True) == after_first


def test_without_paths_no_explanation_is_made(learned: tuple[Ready, GeneratedShop]) -> None:
    ready, _ = learned

    answer = recommend(ready, NoEvents(), RecommendRequest(user_id=ready.bundle.snapshot.ids("User")[0]))

    assert [((), ())] * 10 == [(item.paths, item.contributions) for item in answer.items]


def test_path_is_a_reason_only_where_a_path_is_shown(drawn: tuple[Ready, Tables]) -> None:
    ready, _ = drawn

    items = [item for _, answer in answers(ready) for item in answer.items]

    assert [item for item in items if item.paths] == [item for item in items if item.reasons[0] == Reason.PATH]
    assert all(item.reasons for item in items)


def test_an_explained_product_says_its_rank_among_all(drawn: tuple[Ready, Tables]) -> None:
    ready, _ = drawn
    snapshot, user = ready.bundle.snapshot, ready.bundle.snapshot.ids("User")[0]
    scores = ready.bundle.scorer.score(read_history(snapshot, 0, ()))
    order = sorted(range(len(scores)), key=lambda row: (-scores[row], row))

    for rank, row in enumerate(order, start=1):
        said = explained(ready, user, snapshot.ids("Product")[row])
        assert (rank, rank, len(scores)) == (said.rank_of_all, said.item.rank, said.num_products)


def test_what_keeps_a_product_out_is_said(tmp_path: FilePath) -> None:
    ready = prepare(random_bundle(build_snapshot(tiny_shop()), tmp_path, exclude_seen=True))

    said = {product: explained(ready, "u1", product) for product in ready.bundle.snapshot.ids("Product")}

    assert {"p01": "seen", "p03": "seen", "p09": "unavailable"} == {
        product: why.removed_by for product, why in said.items() if why.removed_by
    }
    listed = recommend(ready, NoEvents(), RecommendRequest(user_id="u1", n=10))
    assert {item.product_id for item in listed.items} == {product for product, why in said.items() if why.in_top}


def test_an_unknown_product_cannot_be_explained(learned: tuple[Ready, GeneratedShop]) -> None:
    with pytest.raises(UnknownProduct, match="knows no product 'nothing'"):
        explained(learned[0], "u000", "nothing")


def test_to_an_unknown_user_the_popular_is_the_reason(learned: tuple[Ready, GeneratedShop]) -> None:
    ready, _ = learned

    said = explained(ready, "nobody", ready.bundle.snapshot.ids("Product")[0])

    assert () == said.item.paths
    assert {Reason.POPULAR_FALLBACK} <= set(said.item.reasons) <= {Reason.POPULAR_FALLBACK, Reason.TRENDING}


def test_the_history_of_a_snapshot_and_of_a_request_is_the_same(drawn: tuple[Ready, Tables]) -> None:
    snapshot = drawn[0].bundle.snapshot
    end = int(snapshot.events.time.max())

    for user in range(snapshot.num_nodes("User")):
        first, second = user_history(snapshot, user, now_ms=end), read_history(snapshot, user, ())
        np.testing.assert_array_equal(first.product, second.product)
        np.testing.assert_array_equal(first.rank, second.rank)
        if first.age_days is not None and second.age_days is not None:
            np.testing.assert_array_equal(first.age_days, second.age_days)


def test_a_filter_of_nothing_lets_everything_available_through(drawn: tuple[Ready, Tables]) -> None:
    ready, _ = drawn

    allowed, removed = ready.allow(Filter(), None)

    assert (int(ready.shelf.available.sum()), 0) == (int(allowed.sum()), removed["seen"])
