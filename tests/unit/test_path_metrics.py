"""Measures of explanation paths: by hand, and against loops that share no code."""

import math

import numpy as np
import pandas as pd
import pytest

from serving.path_metrics import (
    ListedPath,
    PathTables,
    linking_recency,
    measure_paths,
    share_explained,
    shared_popularity,
)

TYPES = ("BOUGHT", "MADE_BY", "IN_CATEGORY", "SEQUEL")
TIMES = {"u": {"a": 30.0, "b": 10.0, "c": 20.0}, "v": {"a": 5.0}}
DEGREES = {"entity": {"x": 1.0, "y": 3.0, "z": 2.0}, "user": {"v": 4.0, "w": 2.0}}


def path(linking: str, shared: str, *relations: str, kind: str = "entity") -> ListedPath:
    return ListedPath(linking, kind, (shared,), ("BOUGHT", *relations))


def tables(num_relations: int = 20, num_patterns: int = 7) -> PathTables:
    return PathTables(linking_recency(TIMES), shared_popularity(DEGREES), num_relations, num_patterns)


def measured(lists: dict[str, list[ListedPath]], **limits: int) -> dict[str, float]:
    return {name: measure.mean for name, measure in measure_paths(lists, tables(**limits)).items()}


def naive_smooth(values: dict[str, float]) -> dict[str, float]:
    """The definition of pandas' adjusted exponential mean, every weight written out."""
    ordered = sorted(values.items(), key=lambda pair: pair[1])
    names, numbers = [name for name, _ in ordered], [number for _, number in ordered]
    if max(numbers) == min(numbers):
        numbers = list(range(len(numbers)))
    keep = 1 - 2 / (len(numbers) + 1)
    smooth = []
    for end in range(len(numbers)):
        weights = [keep ** (end - place) for place in range(end + 1)]
        smooth.append(sum(w * x for w, x in zip(weights, numbers, strict=False)) / sum(weights))
    return {
        name: (value - min(smooth)) / (max(smooth) - min(smooth)) for name, value in zip(names, smooth, strict=True)
    }


def naive_measures(lists: dict[str, list[ListedPath]], limits: PathTables) -> dict[str, float]:
    """Every measure with loops."""
    found: dict[str, list[float]] = {name: [] for name in ("LIR", "SEP", "LID", "SED", "PTD", "PTC", "PPT")}
    for user, paths in lists.items():
        if not paths:
            continue
        count = len(paths)
        for one in paths:
            recency = naive_smooth(TIMES_OF[user]) if len(TIMES_OF[user]) > 1 else {}
            found["LIR"].append(recency.get(one.linking, 0.0))
            values = naive_smooth(DEGREES_OF[one.kind])
            found["SEP"].append(np.mean([values[name] for name in one.shared]))
        same = sum(
            paths[i].relations[-1] == paths[j].relations[-1] for i in range(count) for j in range(count) if i != j
        )
        entities, patterns = [], []
        for one in paths:
            entity = (one.kind, one.shared if len(one.shared) == 1 else "several")
            entities += [] if entity in entities else [entity]
            patterns += [] if one.relations in patterns else [one.relations]
        types = {pattern[-1] for pattern in patterns}
        found["LID"].append(len({one.linking for one in paths}) / count)
        found["SED"].append(len(entities) / count)
        found["PTD"].append(len(types) / min(count, limits.num_relations))
        found["PTC"].append(1 - same / (count * (count - 1)) if count > 1 else 0.0)
        found["PPT"].append(min(1.0, len(patterns) / min(count, limits.num_patterns)))
    return {name: float(np.mean(values)) for name, values in found.items()}


RNG = np.random.default_rng(3)
PRODUCTS = [f"p{row}" for row in range(12)]
TIMES_OF = {
    f"u{row}": {name: float(RNG.integers(1, 9)) for name in PRODUCTS[: int(RNG.integers(1, 12))]} for row in range(9)
}
DEGREES_OF = {
    "entity": {f"e{row}": float(RNG.integers(1, 6)) for row in range(15)},
    "user": {name: float(len(times)) for name, times in TIMES_OF.items()},
}


def random_lists(seed: int) -> dict[str, list[ListedPath]]:
    rng = np.random.default_rng(seed)
    lists: dict[str, list[ListedPath]] = {}
    for user in TIMES_OF:
        lists[user] = []
        for _ in range(rng.integers(0, 11)):
            kind = str(rng.choice(["entity", "user"]))
            shared = rng.choice(list(DEGREES_OF[kind]), size=int(rng.integers(1, 4)), replace=False)
            relations = ("BOUGHT", *map(str, rng.choice(TYPES, size=2)))
            lists[user].append(ListedPath(str(rng.choice(PRODUCTS)), kind, tuple(map(str, shared)), relations))
    return lists


@pytest.mark.parametrize("seed", range(20))
def test_every_measure_is_what_loops_say(seed: int) -> None:
    lists = random_lists(seed)
    limits = PathTables(linking_recency(TIMES_OF), shared_popularity(DEGREES_OF), 1 + seed % 6, 1 + seed % 8)

    found = {name: measure.mean for name, measure in measure_paths(lists, limits).items()}

    assert naive_measures(lists, limits) == pytest.approx(found, abs=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_recency_is_the_exponential_mean_of_pandas(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = {f"p{row}": float(at) for row, at in enumerate(rng.integers(874724710, 893286638, 40))}
    smooth = pd.Series(sorted(times.values())).ewm(span=40).mean()
    expected = ((smooth - smooth.min()) / (smooth.max() - smooth.min())).tolist()

    found = linking_recency({"u": times})["u"]

    assert expected == pytest.approx([found[name] for name in sorted(times, key=lambda name: times[name])], abs=1e-12)


def test_three_interactions_have_the_recency_worked_out_by_hand() -> None:
    # n = 3, weights fall by 1/2: 10, (20 + 5) / 1.5 = 50/3, (30 + 10 + 2.5) / 1.75 = 170/7; stretched by 100/7
    expected = {"b": 0.0, "c": (50 / 3 - 10) * 7 / 100, "a": 1.0}

    assert expected == pytest.approx(linking_recency(TIMES)["u"])


def test_a_single_interaction_has_no_recency() -> None:
    assert {"a": 0.0} == linking_recency(TIMES)["v"]


def test_interactions_of_one_moment_count_by_their_place() -> None:
    assert {"a": 0.0, "b": 1.0} == linking_recency({"u": {"a": 7.0, "b": 7.0}})["u"]


def test_the_entity_with_most_relationships_of_its_kind_is_the_most_popular() -> None:
    found = shared_popularity(DEGREES)

    assert (1.0, 0.0, 1.0) == (found["entity"]["y"], found["entity"]["x"], found["user"]["v"])


def test_two_paths_have_the_measures_worked_out_by_hand() -> None:
    lists = {"u": [path("a", "y", "MADE_BY", "MADE_BY"), path("a", "x", "MADE_BY", "IN_CATEGORY")]}

    expected = {"LIR": 1.0, "SEP": 0.5, "LID": 0.5, "SED": 1.0, "PTD": 1.0, "PTC": 1.0, "PPT": 1.0}
    assert expected == measured(lists)


def test_recency_and_popularity_are_means_over_paths_and_diversity_over_users() -> None:
    many = [path("b", "x", "MADE_BY", "MADE_BY")] * 3
    lists = {"u": many, "v": [path("a", "y", "SEQUEL")]}

    found = measured(lists)

    assert {"SEP": 1 / 4, "LID": (1 / 3 + 1) / 2} == {name: found[name] for name in ("SEP", "LID")}


def test_a_path_of_several_entities_has_their_mean_popularity() -> None:
    several = ListedPath("a", "user", ("v", "w"), ("BOUGHT", "BOUGHT", "BOUGHT"))

    assert 0.5 == measured({"u": [several]})["SEP"]


def test_paths_of_several_entities_name_none_and_count_as_one() -> None:
    several = [ListedPath("a", "user", shared, ("BOUGHT",) * 3) for shared in (("v", "w"), ("w", "v"))]

    assert 0.5 == measured({"u": several})["SED"]


def test_no_list_can_have_more_types_than_there_are_relations() -> None:
    lists = {"u": [path("a", "x", "MADE_BY"), path("a", "x", "SEQUEL"), path("a", "x", "SEQUEL")]}

    assert 1.0 == measured(lists, num_relations=2)["PTD"]


def test_a_product_outside_the_history_has_no_recency() -> None:
    assert 0.0 == measured({"v": [path("zzz", "x", "MADE_BY")]})["LIR"]


def test_without_any_path_nothing_is_measured() -> None:
    assert all(math.isnan(value) for value in measured({"u": []}).values())


def test_the_share_of_explained_products_counts_users_without_paths() -> None:
    lists = {"u": [path("a", "x", "MADE_BY")]}

    assert 1 / 4 == share_explained(lists, {"u": 2, "v": 2}).mean
