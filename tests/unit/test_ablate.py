"""What is taken away in an ablation is gone, everything else stays, and each variant learns anew."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from gnn.ablate import FULL, VARIANTS, drop_edges, drop_texts, make_variants, shuffle_edges
from gnn.contest import ContestConfig, run_contest
from gnn.entrant import Entrant
from gnn.split import DataSplit, Trial, split_snapshot
from gnn.train import Trained, train_network
from kg.kernels import EntityKernel
from kg.operators import build_operators
from kg.snapshot import Snapshot, build_snapshot
from tests.support.learning import QUICK, drawn_vectors
from tests.support.random_shops import random_snapshot
from tests.worlds import tiny_shop_with_materials

SHOP = random_snapshot(0, users=20, events=400)
SPLIT = split_snapshot(SHOP, share=0.15)
NAMES = tuple(variant.name for variant in VARIANTS)


def make(names: tuple[str, ...], split: DataSplit = SPLIT, seed: int = 0) -> list[Entrant]:
    return list(make_variants(names, split, seed=seed, vectors=drawn_vectors(SHOP), config=QUICK))


def test_the_names_are_distinct_and_the_whole_is_among_them() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert FULL == NAMES[0]
    assert all(variant.says for variant in VARIANTS)


def test_without_edges_no_relation_has_any_and_nothing_else_changes() -> None:
    bare = drop_edges(SHOP)

    assert dict.fromkeys(SHOP.edges, 0) == {name: len(edges) for name, edges in bare.edges.items()}
    assert (SHOP.nodes, SHOP.events) == (bare.nodes, bare.events)


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_edges_keep_every_degree_and_link_something_else(seed: int) -> None:
    snapshot = random_snapshot(seed, products=40)
    shuffled = shuffle_edges(snapshot)

    for name, edges in snapshot.edges.items():
        dealt = shuffled.edges[name]
        for ends in ("source", "target"):
            assert Counter(getattr(edges, ends).tolist()) == Counter(getattr(dealt, ends).tolist()), name
    assert snapshot.edges["MADE_BY"].target.tolist() != shuffled.edges["MADE_BY"].target.tolist()


def test_shuffled_edges_are_sorted_and_keep_the_weights_of_their_sources() -> None:
    snapshot = random_snapshot(1, products=40)
    shuffled = shuffle_edges(snapshot)

    for name, edges in shuffled.edges.items():
        order = np.lexsort((edges.target, edges.source))
        assert list(range(len(edges))) == order.tolist(), name
        before = snapshot.edges[name]
        if edges.weight is not None and before.weight is not None:
            assert Counter(zip(before.source.tolist(), before.weight.tolist(), strict=True)) == Counter(
                zip(edges.source.tolist(), edges.weight.tolist(), strict=True)
            )


def test_the_tree_of_categories_stays_a_tree() -> None:
    assert SHOP.edges["CHILD_OF"] is shuffle_edges(SHOP).edges["CHILD_OF"]


def test_edges_are_shuffled_alike_in_every_run() -> None:
    first, second = (shuffle_edges(SHOP).edges["MADE_BY"].target.tolist() for _ in range(2))

    assert first == second


@pytest.mark.parametrize("snapshot", [SHOP, build_snapshot(tiny_shop_with_materials())], ids=["random", "tiny"])
def test_without_texts_only_the_keys_of_nodes_are_left(snapshot: Snapshot) -> None:
    bare = drop_texts(snapshot)

    assert {label: [snapshot.schema.nodes[label].key] for label in snapshot.nodes} == {
        label: table.column_names for label, table in bare.nodes.items()
    }
    assert {label: snapshot.ids(label) for label in snapshot.nodes} == {label: bare.ids(label) for label in bare.nodes}
    assert (snapshot.edges, snapshot.events) == (bare.edges, bare.events)


def test_a_changed_snapshot_has_a_hash_of_its_own() -> None:
    assert 4 == len({SHOP.hash, drop_edges(SHOP).hash, shuffle_edges(SHOP).hash, drop_texts(SHOP).hash})


def test_the_whole_plays_first() -> None:
    names = ("no_text", "mean", FULL, "paths")

    assert [FULL, "no_text", "mean", "paths"] == [entrant.name for entrant in make(names)]


@pytest.fixture(scope="module")
def kernels() -> dict[str, set[str]]:
    """The kernels that each variant has at hand."""
    trial, found = Trial(SPLIT.train, SPLIT.valid, exclude_seen=False), {}
    for entrant in make(NAMES):
        entrant.tune(trial)
        scorer: Any = entrant.fit(SPLIT.train_valid)
        found[entrant.name] = {kernel.name for kernel in scorer.kernels}
    return found


def test_each_variant_lacks_the_kernels_that_were_taken_away(kernels: dict[str, set[str]]) -> None:
    operators = build_operators(SPLIT.train_valid, QUICK.kernels.operators)
    graph = {kernel.name for kernel in operators if isinstance(kernel, EntityKernel)}
    relations = {prefix + name for name in ("also_bought", "bought_together") for prefix in ("", "shared_")}

    full, words = kernels[FULL], {"words", "next_words"}
    assert {"brand", "made_of", "category_1"} <= graph <= full
    assert {
        "no_graph": full - graph - relations - words,  # the only words of this shop that two share are brands
        "no_text": full - {"text", "ease_text"} - words,
        "text_only": {"text", "words"},
        "network": {"network"},
        "mean": full,
    } == {name: kernels[name] for name in ("no_graph", "no_text", "text_only", "network", "mean")}


def test_only_the_mean_averages_over_neighbours_and_what_needs_no_network_trains_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ways: list[str] = []

    def spied(*args: Any, **kwargs: Any) -> Trained:
        ways.append(kwargs["model"].gather)
        return train_network(*args, **kwargs)

    monkeypatch.setattr("gnn.learn.train_network", spied)
    trial, expected = Trial(SPLIT.train, SPLIT.valid, exclude_seen=False), {"mean": ["mean"], "text_only": []}
    for name in ("mean", "text_only", "paths", "no_graph"):
        ways.clear()
        make((name,))[0].tune(trial)
        assert expected.get(name, [] if name == "paths" else ["attention"]) == ways, name


def test_without_texts_the_network_sees_vectors_of_zero_and_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[tuple[bool, bool]] = []

    def spied(data: Any, *args: Any, **kwargs: Any) -> Trained:
        read.append((any(bool(table.any()) for table in data.x_dict.values()), data["Product"].num_words > 0))
        return train_network(data, *args, **kwargs)

    monkeypatch.setattr("gnn.learn.train_network", spied)
    for name in ("no_text", FULL):
        make((name,))[0].tune(Trial(SPLIT.train, SPLIT.valid, exclude_seen=False))

    assert [(False, False), (True, True)] == read


def test_a_tiny_ablation_runs_and_compares_everything_with_the_whole() -> None:
    config = ContestConfig(models=NAMES, ks=(5,), subject=FULL)

    found = run_contest(SHOP, lambda seed: SPLIT, make, config=config)

    assert set(NAMES) == {entry.name for entry in found.rounds}
    for entry in found.rounds:
        assert 0 <= entry.overall.values["ndcg@5"].mean() <= 1
