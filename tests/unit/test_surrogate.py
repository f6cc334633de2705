"""Rules of thumb: their facts are those a slow count finds, and they never see the users they are measured on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gnn.bundle import Bundle
from gnn.score import Scorer
from serving.groups import HABIT
from serving.overview import LENGTH, Lists, Sample, build_overview, draw_sample
from serving.overview_page import overview_page
from serving.shelf import Shelf, build_shelf
from serving.surrogate import DEPTH, Node, Surrogate, believed, fit_surrogates, item_features
from tests.support.models import random_bundle
from tests.support.random_shops import random_snapshot

FACTS = {"command": "whycart explain --global", "model": "m1"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return random_bundle(random_snapshot(1, users=60, products=40, events=900), tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def shelf(bundle: Bundle) -> Shelf:
    return build_shelf(bundle.snapshot)


@pytest.fixture(scope="module")
def sample(bundle: Bundle, shelf: Shelf) -> Sample:
    return draw_sample(shelf, bundle.scorer, exclude_seen=False)


@pytest.fixture(scope="module")
def trees(bundle: Bundle, shelf: Shelf, sample: Sample) -> tuple[Surrogate, ...]:
    return fit_surrogates(shelf, bundle.scorer, sample, seed=0)


def only_habit(scorer: Scorer) -> Scorer:
    """Return the model with nothing but own habit in it."""
    weights = np.where([[name == "habit"] for name in scorer.blend.kernels], scorer.blend.weights, 0.0)
    return replace(scorer, blend=replace(scorer.blend, weights=weights, prior_weights=np.zeros(2)))


def slow_features(bundle: Bundle, lists: Lists) -> list[list[float]]:
    """Return the features of each item, counted one by one."""
    snapshot = bundle.snapshot
    entities = {
        name: set(zip(snapshot.edges[name].source.tolist(), snapshot.edges[name].target.tolist(), strict=True))
        for name in ("MADE_BY", "IN_CATEGORY", "ALSO_BOUGHT", "ALSO_VIEWED", "BOUGHT_TOGETHER")
    }
    links = {frozenset(pair) for name in list(entities)[2:] for pair in entities[name]}
    rows = []
    for user, product in zip(lists.item_user.tolist(), lists.item_product.tolist(), strict=True):
        history = lists.histories[user]
        held = sorted(set(history.product.tolist()))
        shared = [
            sum(
                len({b for a, b in entities[name] if a == one} & {b for a, b in entities[name] if a == product})
                for one in held
            )
            for name in ("MADE_BY", "IN_CATEGORY")
        ]
        rows.append(
            [
                len(held),
                history.product.tolist().count(product),
                *shared,
                sum(frozenset((one, product)) in links for one in held if one != product),
                len(set(snapshot.events.user[snapshot.events.product == product].tolist())),
                float(history.age_days[-1]) if history.age_days is not None else 0.0,
            ]
        )
    return rows


def depth_of(node: Node) -> int:
    return 0 if node.yes is None or node.no is None else 1 + max(depth_of(node.yes), depth_of(node.no))


def test_the_facts_of_an_item_are_those_a_slow_count_finds(bundle: Bundle, sample: Sample) -> None:
    _, found = item_features(bundle.snapshot, sample.known)

    assert slow_features(bundle, sample.known) == found.tolist()


def test_without_a_clock_no_tree_asks_for_an_age(tmp_path: Path) -> None:
    bundle = random_bundle(random_snapshot(2, order="none"), tmp_path)
    sample = draw_sample(build_shelf(bundle.snapshot), bundle.scorer, exclude_seen=False)

    names, _ = item_features(bundle.snapshot, sample.known)

    assert [] == [name for name in names if "days" in name]


def test_no_tree_asks_more_than_three_questions_in_a_row(trees: tuple[Surrogate, ...]) -> None:
    assert [] == [tree.name for tree in trees if depth_of(tree.root) > DEPTH]


def test_everybody_and_new_users_get_a_tree(trees: tuple[Surrogate, ...]) -> None:
    assert ["everybody", "new: latest event only"] == [tree.name for tree in trees if tree.kind != LENGTH]


def test_a_tree_is_measured_on_items_it_was_not_learned_from(trees: tuple[Surrogate, ...]) -> None:
    whole = trees[0]

    assert (420, 180) == (whole.num_items, whole.num_held_out)


def test_the_gain_is_the_difference_of_the_two_accuracies(trees: tuple[Surrogate, ...]) -> None:
    whole = trees[0]

    assert pytest.approx(whole.gain.mean) == whole.accuracy.mean - whole.usual_accuracy.mean


def test_where_one_group_carries_everything_the_tree_is_one_leaf(bundle: Bundle, shelf: Shelf) -> None:
    scorer = only_habit(bundle.scorer)

    whole = fit_surrogates(shelf, scorer, draw_sample(shelf, scorer, exclude_seen=False), seed=0)[0]

    assert (Node(HABIT, 1.0, whole.num_items), 1.0, 0.0) == (whole.root, whole.accuracy.mean, whole.gain.mean)


def test_a_tree_that_gains_nothing_says_so(bundle: Bundle, shelf: Shelf) -> None:
    scorer = only_habit(bundle.scorer)

    whole = fit_surrogates(shelf, scorer, draw_sample(shelf, scorer, exclude_seen=False), seed=0)[0]

    assert "says no more than always naming habit" in believed(whole)


def test_a_small_sample_gets_no_tree(bundle: Bundle, shelf: Shelf) -> None:
    few = draw_sample(shelf, bundle.scorer, exclude_seen=False, users=19)

    assert () == fit_surrogates(shelf, bundle.scorer, few, seed=0)


def test_the_rules_hold_a_line_for_each_question_and_each_leaf(trees: tuple[Surrogate, ...]) -> None:
    def size(node: Node) -> int:
        return 1 if node.yes is None or node.no is None else 1 + size(node.yes) + size(node.no)

    assert [size(tree.root) for tree in trees] == [len(tree.rules.splitlines()) for tree in trees]


def test_the_page_asks_no_other_host_for_anything(
    bundle: Bundle, shelf: Shelf, sample: Sample, trees: tuple[Surrogate, ...]
) -> None:
    page = overview_page(build_overview(shelf, bundle.scorer, sample, seed=0), trees, facts=FACTS)

    assert [] == [word for word in ("http:", "https:", "src=", "<link", "@import", "<script") if word in page]


def test_the_page_draws_every_group_and_every_tree(
    bundle: Bundle, shelf: Shelf, sample: Sample, trees: tuple[Surrogate, ...]
) -> None:
    found = build_overview(shelf, bundle.scorer, sample, seed=0)

    page = overview_page(found, trees, facts=FACTS)

    assert 3 + len(found.groups) + len(trees) == page.count("<svg")


def test_the_name_of_a_category_is_text_on_the_page(bundle: Bundle, shelf: Shelf, sample: Sample) -> None:
    found = build_overview(shelf, bundle.scorer, sample, seed=0)
    odd = replace(found.everybody, kind="main category", name="<b>茶叶</b>")

    page = overview_page(replace(found, segments=(*found.segments, odd)), (), facts=FACTS)

    assert (False, True) == ("<b>茶叶</b>" in page, "&lt;b&gt;茶叶&lt;/b&gt;" in page)
