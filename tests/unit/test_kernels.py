"""Which kernels are built from a snapshot, under which names, and that each is of a kind an explanation knows."""

from dataclasses import replace

import numpy as np
import pytest

from gnn import kernels as module
from gnn.closed_form import fit_ease
from gnn.config import KernelConfig
from gnn.kernels import PRIORS, build_kernels, build_priors
from gnn.stopwatch import Stopwatch
from kg.kernels import TEXT_KERNELS, USE_KERNELS, EntityKernel, HabitKernel, Kernel, NeighbourKernel
from kg.operators import OperatorConfig, chain, co_purchase, interactions, next_purchase
from kg.snapshot import Snapshot, build_snapshot
from tests.support.random_shops import random_snapshot
from tests.worlds import tiny_shop

TINY = build_snapshot(tiny_shop())
CONFIG = KernelConfig(ease_regularisation=2.0)
EASE = {"ease": 1.0, "ease_loose": 0.25, "ease_strict": 5.0}
"""Strengths of the ridge in parts of the configured one."""


def vectors_of(snapshot: Snapshot) -> np.ndarray:
    vectors = np.random.default_rng(0).normal(size=(snapshot.num_nodes("Product"), 4)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def built(
    snapshot: Snapshot = TINY,
    config: KernelConfig = CONFIG,
    *,
    vectors: np.ndarray | None = None,
    clock: Stopwatch | None = None,
) -> dict[str, Kernel]:
    texts = vectors_of(snapshot) if vectors is None else vectors
    kernels = build_kernels(snapshot, texts, config=config, clock=clock or Stopwatch())
    found = {kernel.name: kernel for kernel in kernels}
    assert len(found) == len(kernels)
    return found


def matrix_of(kernel: Kernel) -> np.ndarray:
    assert isinstance(kernel, NeighbourKernel)
    return np.asarray(kernel.matrix.toarray())


def test_the_kernels_of_the_tiny_shop_are_known_and_always_in_the_same_order() -> None:
    expected = (
        "co_purchase next_purchase next_step same_basket brand category_1 category_2 category_3 also_bought "
        "also_viewed bought_together ease ease_loose ease_strict ease_text text words next_twice next_words habit"
    )

    assert expected.split() == list(built()) == list(built())


@pytest.mark.parametrize("snapshot", [TINY, random_snapshot(0), random_snapshot(2, order="none")], ids=str)
def test_every_kernel_is_of_a_kind_that_an_explanation_knows(snapshot: Snapshot) -> None:
    """Over an entity, a relation between products, own habit, text, or use."""
    relations = {prefix + name.lower() for name in snapshot.edges for prefix in ("", "shared_")}

    for name, kernel in built(snapshot).items():
        kinds = [
            isinstance(kernel, EntityKernel),
            isinstance(kernel, HabitKernel),
            name in relations and isinstance(kernel, NeighbourKernel),
            name in TEXT_KERNELS,
            name in USE_KERNELS,
        ]
        assert 1 == sum(kinds), name


@pytest.mark.parametrize(
    "only", [("text", "words"), ("words",), ("brand", "ease_strict"), ("next_words",), ("habit",)], ids=",".join
)
def test_only_the_kernels_that_are_named_are_built(only: tuple[str, ...]) -> None:
    whole, part = built(), built(config=replace(CONFIG, only=only))

    assert set(only) == set(part)
    every = np.arange(10)
    for name, kernel in part.items():
        np.testing.assert_array_equal(whole[name].entries(every, every), kernel.entries(every, every))


@pytest.mark.parametrize(("name", "factor"), EASE.items())
def test_a_small_catalogue_has_ease_under_several_strengths(name: str, factor: float) -> None:
    snapshot = random_snapshot(1, users=30, events=200)
    expected = fit_ease(interactions(snapshot), regularisation=2.0 * factor, top_k=12)

    np.testing.assert_allclose(matrix_of(expected), matrix_of(built(snapshot)[name]))


def test_a_small_catalogue_has_ease_helped_by_its_texts() -> None:
    snapshot = random_snapshot(1, users=30, events=200)
    expected = fit_ease(interactions(snapshot), regularisation=2.0, top_k=12, also=vectors_of(snapshot))
    found = built(snapshot)

    np.testing.assert_allclose(matrix_of(expected), matrix_of(found["ease_text"]))
    assert not np.allclose(matrix_of(found["ease"]), matrix_of(found["ease_text"]))


def test_smooth_kernels_need_enough_users_and_products_and_the_finer_one_a_catalogue_that_is_not_huge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_SMOOTH", (("smooth", 3, 0.3, 60), ("smooth_fine", 7, 0.4, 30)))
    shops = {num: random_snapshot(1, users=40, products=num, events=600) for num in (6, 30, 60, 61)}

    smooth = {num: {name for name in built(shop) if name.startswith("smooth")} for num, shop in shops.items()}

    assert {6: set(), 30: {"smooth", "smooth_fine"}, 60: {"smooth"}, 61: set()} == smooth


def test_a_large_catalogue_has_ease_under_one_strength(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SMALL", 9)

    assert {"ease"} == {name for name in built() if name.startswith("ease")}


def test_without_vectors_nothing_rests_on_what_texts_mean() -> None:
    found = set(built(vectors=np.zeros((10, 4), dtype=np.float32)))

    assert {"text", "ease_text"} == set(built()) - found


def test_without_words_in_common_nothing_rests_on_words() -> None:
    nodes = {label: table.select([0]) for label, table in TINY.nodes.items()}

    assert {"words", "next_words"} == set(built()) - set(built(replace(TINY, nodes=nodes)))


def test_what_comes_next_is_followed_twice_and_to_what_says_the_same() -> None:
    found, after = built(), next_purchase(TINY, OperatorConfig())
    words = found["words"]
    assert isinstance(words, NeighbourKernel)

    for name, second in (("next_twice", after.matrix), ("next_words", words.matrix)):
        expected = chain(name, after.matrix, second)
        np.testing.assert_allclose(matrix_of(expected), matrix_of(found[name]))
        assert matrix_of(expected).any()


def test_without_an_order_two_steps_are_walked_over_users() -> None:
    snapshot = random_snapshot(0, order="none")
    walk = co_purchase(snapshot, OperatorConfig()).matrix

    np.testing.assert_allclose(matrix_of(chain("next_twice", walk, walk)), matrix_of(built(snapshot)["next_twice"]))


def test_the_seconds_of_every_kernel_are_counted() -> None:
    clock = Stopwatch()

    found = built(clock=clock)

    assert set(found) - {"habit", "ease_loose", "ease_strict", "ease_text"} | {"smooth"} == set(clock.laps)


def test_a_shop_without_events_has_kernels_of_its_relations_and_texts() -> None:
    found = set(built(random_snapshot(0, events=0)))

    assert {"brand", "made_of", "also_bought", "text", "habit"} <= found
    assert "co_purchase" not in found


def test_priors_are_shares() -> None:
    priors = build_priors(random_snapshot(1, events=200), config=CONFIG)

    assert (len(PRIORS), 12) == priors.shape
    np.testing.assert_allclose(priors.sum(axis=1), 1.0, rtol=1e-5)
