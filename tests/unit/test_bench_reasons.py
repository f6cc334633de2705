"""Explanation paths of peers and of Whycart in one form, beside hopwise's own figures; no peer runs here."""

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bench.peers.agreement import build_request, compare_with_hopwise
from bench.peers.reasons import interval, main, measure_lists
from bench.peers.walks import ShownPaths, interaction_times, node_degrees, path_tables, read_walks
from bench.peers.whycart import explained_lists, fit_bundle
from bench.reasons import reasons_page
from gnn.bundle import Bundle, write_bundle
from gnn.bundles import BundleStore
from gnn.split import DataSplit, split_snapshot
from kg.input_folder import write_folder
from kg.snapshot import build_snapshot
from serving.answer import Path as ShownPath
from serving.answer import PathEdge, PathNode
from serving.path_metrics import ListedPath, PathMeasure
from tests.support.models import content_of, random_bundle
from tests.worlds import tiny_shop

MEASURES = ("LIR", "SEP", "LID", "SED", "PTD", "PTC", "PPT")
SAYS_A_HALF = """
request = json.load(open(sys.argv[2]))
assert request["paths"] and request["times"] and request["degrees"]["user"]
figures = dict.fromkeys(("LIR", "SEP", "LID", "SED", "PTD", "PTC", "PPT"), 0.5)
json.dump({"exact": figures, "published": figures}, open(request["report"], "w"))
"""
"""In place of hopwise's metrics: a half for everything."""


@pytest.fixture(scope="module")
def split() -> DataSplit:
    return split_snapshot(build_snapshot(tiny_shop()), name="leave-one-out")


@pytest.fixture(scope="module")
def bundle(split: DataSplit, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return random_bundle(split.train_valid, tmp_path_factory.mktemp("bundles"), exclude_seen=True)


def shown(*ids: str | None, types: str, relations: str) -> ShownPath:
    """A path as an answer holds it."""
    nodes = tuple(PathNode(name, kind, "") for name, kind in zip(ids, types.split(), strict=True))
    edges = tuple(PathEdge(name, place, place + 1) for place, name in enumerate(relations.split()))
    return ShownPath(nodes, edges, 1.0, "", "")


def test_the_times_are_those_of_each_user_s_events(split: DataSplit) -> None:
    events, expected = split.train_valid.events, {}
    for user, product, at in zip(events.user, events.product, events.time, strict=True):
        of_user = expected.setdefault(f"User:{user}", {})
        of_user[f"Product:{product}"] = max(int(at), of_user.get(f"Product:{product}", int(at)))

    assert expected == interaction_times(split.train_valid)


def test_degrees_count_each_edge_at_both_ends(split: DataSplit) -> None:
    seen, expected = split.train_valid, Counter()
    for name, edges in seen.edges.items():
        kind = seen.schema.relation(name)
        for source, target in set(zip(edges.source.tolist(), edges.target.tolist(), strict=True)):
            expected.update([f"{kind.source}:{source}", f"{kind.target}:{target}"])
    pairs = set(zip(seen.events.user.tolist(), seen.events.product.tolist(), strict=True))
    expected.update(f"Product:{product}" for _, product in pairs)

    assert {"user": Counter(f"User:{user}" for user, _ in pairs), "entity": expected} == node_degrees(seen)


def test_a_path_over_an_entity_keeps_its_last_entity_and_its_relations(split: DataSplit) -> None:
    seen = split.train_valid
    user, products, brand = seen.ids("User")[0], seen.ids("Product"), seen.ids("Brand")[1]
    path = shown(
        user, products[2], brand, products[4], types="User Product Brand Product", relations="BOUGHT MADE_BY MADE_BY"
    )

    expected = ListedPath("Product:2", "entity", ("Brand:1",), ("BOUGHT", "MADE_BY", "MADE_BY"))
    assert expected == ShownPaths(seen).read(path)


def test_a_path_over_unnamed_users_stands_for_all_who_chose_both_products(split: DataSplit) -> None:
    seen = split.train_valid
    pairs = set(zip(seen.events.user.tolist(), seen.events.product.tolist(), strict=True))
    chose = {product: {user for user, chosen in pairs if chosen == product} for _, product in pairs}
    left, right = next(
        (one, other)
        for one in sorted(chose)
        for other in sorted(chose)
        if one < other and len(chose[one] & chose[other]) > 1
    )
    asks, *others = sorted(chose[left] & chose[right])
    users, products = seen.ids("User"), seen.ids("Product")
    path = shown(
        users[asks],
        products[left],
        None,
        products[right],
        types="User Product User Product",
        relations="BOUGHT BOUGHT BOUGHT",
    )

    assert tuple(f"User:{user}" for user in others) == ShownPaths(seen).read(path).shared


def test_only_the_paths_of_the_first_products_of_a_list_are_read(tmp_path: Path) -> None:
    def steps(product: int) -> list[list[str]]:
        return [["BOUGHT", "Product:9"], ["BOUGHT", "User:3"], ["BOUGHT", f"Product:{product}"]]

    (tmp_path / "paths.json").write_text(json.dumps([[0, product, steps(product)] for product in (5, 6, 7)]))

    found = read_walks(tmp_path / "paths.json", k=2, lists={0: [4, 6, 5], 1: [5]})

    assert {"User:0": [ListedPath("Product:9", "user", ("User:3",), ("BOUGHT",) * 3)], "User:1": []} == found


def test_whycart_s_paths_start_at_products_of_the_user_s_history(split: DataSplit, bundle: Bundle) -> None:
    times = interaction_times(split.train_valid)

    found = explained_lists(bundle, split.test.users.tolist(), k=4)

    assert any(found.paths.values())
    for user, paths in found.paths.items():
        assert set() == {path.linking for path in paths} - set(times[user])


def test_whycart_s_lists_hold_nothing_that_the_user_had(split: DataSplit, bundle: Bundle) -> None:
    times = interaction_times(split.train_valid)
    users = split.test.users.tolist()

    found = explained_lists(bundle, users, k=4)

    for user, products in zip(users, found.products.tolist(), strict=True):
        assert set() == {f"Product:{product}" for product in products if product >= 0} & set(times[f"User:{user}"])


def test_a_fit_is_used_again_only_for_the_same_events(split: DataSplit, tmp_path: Path) -> None:
    store = BundleStore(tmp_path)
    store.publish(write_bundle(content_of(split.train_valid), tmp_path).name)

    assert store.current_version() == fit_bundle(split, tmp_path, seed=0, reuse=True).version


def test_users_and_entities_get_numbers_of_their_own_for_hopwise(split: DataSplit) -> None:
    seen = split.train_valid
    degrees = node_degrees(seen)

    found = build_request({}, times=interaction_times(seen), degrees=degrees, tables=path_tables(seen))

    numbers = [number for kind in ("user", "entity") for number, _ in found["degrees"][kind]]
    assert len(set(numbers)) == len(numbers) == sum(map(len, degrees.values()))


def test_both_sides_measure_the_first_of_several_entities(split: DataSplit, tmp_path: Path) -> None:
    seen = split.train_valid
    users = tuple(node_degrees(seen)["user"])
    user, product = next((user, product) for user, of in interaction_times(seen).items() for product in of)
    one = {user: [ListedPath(product, "user", users[:1], ("BOUGHT",) * 3)]}
    several = {user: [ListedPath(product, "user", users, ("BOUGHT",) * 3)]}
    about = {"times": interaction_times(seen), "degrees": node_degrees(seen), "tables": path_tables(seen)}
    python = fake_python(tmp_path, SAYS_A_HALF)

    first, second = (
        compare_with_hopwise(lists, **about, python=python, scratch=tmp_path / "s") for lists in (one, several)
    )

    assert first == second
    assert {"whycart": 1.0, "exact": 0.5, "published": 0.5} == first["LID"]


def test_an_interval_is_around_the_weighted_mean() -> None:
    found = interval(PathMeasure(np.array([1.0, 4.0]), np.array([2.0, 4.0])))

    assert 5 / 6 == pytest.approx(found["mean"])
    assert found["low"] <= found["mean"] <= found["high"]


def test_lists_are_measured_with_their_paths(split: DataSplit, bundle: Bundle) -> None:
    users = split.test.users
    found = explained_lists(bundle, users.tolist(), k=4)

    measured = measure_lists(
        (users, found.products), found.paths, split=split, tables=path_tables(split.train_valid), k=4
    )

    assert {*MEASURES, "explained"} == set(measured["paths"])
    assert sum(map(len, found.paths.values())) == measured["num_paths"] == sum(measured["types"].values())


def test_a_peer_that_did_not_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_folder(tiny_shop(), tmp_path)
    options = ["--environments", str(tmp_path / "peers"), "--json", str(tmp_path / "out.json")]

    assert 2 == main([str(tmp_path), *options, "--split", "leave-one-out", "--models", "hopwise:CAFE"])
    assert "hopwise:CAFE" in capsys.readouterr().out


def test_the_command_s_results_make_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tiny_shop(), tmp_path)
    python = fake_python(tmp_path, SAYS_A_HALF)
    monkeypatch.setattr("bench.peers.reasons.make_environment", lambda library, folder: python)
    monkeypatch.setattr(
        "bench.peers.reasons.fit_bundle",
        lambda split, folder, *, seed, reuse: random_bundle(split.train_valid, folder, exclude_seen=True),
    )
    out = tmp_path / "shop.json"
    options = ["--environments", str(tmp_path / "peers"), "--json", str(out), "--k", "3"]

    assert 0 == main([str(tmp_path), *options, "--split", "leave-one-out", "--models", "whycart"])

    recency = json.loads(out.read_text())["models"]["whycart"]["paths"]["LIR"]["mean"]
    page = reasons_page([out])
    assert "## shop" in page
    assert f"**{recency:.3f}**" in page


def test_lists_that_a_peer_left_are_measured_and_told_with_its_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tiny_shop(), tmp_path)
    python = fake_python(tmp_path, SAYS_A_HALF)
    monkeypatch.setattr("bench.peers.reasons.make_environment", lambda library, folder: python)
    scratch = tmp_path / "peers" / "runs" / f"{tmp_path.name}-leave-one-out-0-all" / "hopwise-PGPR"
    scratch.mkdir(parents=True)
    np.savez(scratch / "lists.npz", users=[0, 1], products=[[8, 9], [9, -1]])
    steps = [["BOUGHT", "Product:0"], ["BOUGHT", "User:1"], ["BOUGHT", "Product:8"]]
    (scratch / "paths.json").write_text(json.dumps([[0, 8, steps]]))
    phases = [{"name": "final embeddings", "epochs": 60}, {"name": "final", "epochs": 50}, {"name": "rank"}]
    report = {"epochs": 50, "tuned": False, "phases": phases, "hyper_parameters": {}, "versions": {}}
    (scratch / "report.json").write_text(json.dumps(report))
    out = tmp_path / "shop.json"
    options = ["--environments", str(tmp_path / "peers"), "--json", str(out), "--k", "2"]

    assert 0 == main([str(tmp_path), *options, "--split", "leave-one-out", "--models", "hopwise:PGPR"])

    found = json.loads(out.read_text())["models"]["hopwise:PGPR"]
    assert (1, 1 / 3) == (found["num_paths"], found["paths"]["explained"]["mean"])
    assert "60 epochs of TransE, then 50 of its own, as asked for" in reasons_page([out])


def fake_python(folder: Path, source: str) -> Path:
    """Return a program that runs this source in place of the driver it is given."""
    path, script = folder / "python", folder / "fake.py"
    script.write_text("import json, sys\n" + source)
    path.write_text(f'#!/bin/sh\nexec {sys.executable} {script} "$@"\n')
    path.chmod(0o755)
    return path
