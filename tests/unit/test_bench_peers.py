"""What other recommenders are handed, and how their lists are scored; none of them runs here."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.peers.__main__ import main, read_split
from bench.peers.environments import REQUIREMENTS
from bench.peers.export import knowledge, links, positive_pairs, write_peer_files
from bench.peers.models import PEERS, find_peer
from bench.peers.run import DRIVERS, PeerFailed, run_peer
from bench.peers.score import rank_lists, ranks_in_lists, read_lists, score_lists
from gnn.split import DataSplit, Targets, split_snapshot
from kg.input_folder import write_folder
from kg.snapshot import build_snapshot
from tests.worlds import tiny_shop, tiny_shop_with_materials

PARTS = ("train", "valid", "test")
KNOWS_THE_TEST_PART = """
import numpy as np, pandas as pd
request = json.load(open(sys.argv[2]))
pairs = pd.read_csv(request["data"] + "/final/final.test.inter", sep="\\t")
np.savez(request["lists"], users=pairs["user_id:token"], products=pairs[["item_id:token"]])
json.dump({"epochs": 1, "peak_rss_mb": 1.0}, open(request["report"], "w"))
"""
"""A driver that recommends what it is tested on; needs one test pair a user."""


@pytest.fixture(scope="module")
def split() -> DataSplit:
    return split_snapshot(build_snapshot(tiny_shop()), name="random", share=0.3, seed=1)


@pytest.fixture(scope="module")
def files(split: DataSplit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    write_peer_files(split, folder)
    return folder


def pairs_of(folder: Path, name: str, part: str) -> set[tuple[int, int]]:
    table = pd.read_csv(folder / name / f"{name}.{part}.inter", sep="\t")
    assert ["user_id:token", "item_id:token"] == list(table.columns)
    found = set(table.itertuples(index=False, name=None))
    assert len(found) == len(table)
    return found


def events_of(snapshot) -> set[tuple[int, int]]:
    return set(zip(snapshot.events.user.tolist(), snapshot.events.product.tolist(), strict=True))


def targets_of(targets: Targets) -> set[tuple[int, int]]:
    return set(zip(targets.user.tolist(), targets.product.tolist(), strict=True))


def test_the_files_to_tune_on_hold_exactly_the_split(split: DataSplit, files: Path) -> None:
    expected = [events_of(split.train), targets_of(split.valid), targets_of(split.test)]

    assert expected == [pairs_of(files, "tune", part) for part in PARTS]


def test_the_files_to_finish_on_train_on_validation_too(split: DataSplit, files: Path) -> None:
    expected = [events_of(split.train_valid), targets_of(split.valid), targets_of(split.test)]

    assert expected == [pairs_of(files, "final", part) for part in PARTS]


def test_no_pair_of_only_the_test_part_is_trained_on(split: DataSplit, files: Path) -> None:
    only_test = targets_of(split.test) - events_of(split.train_valid)

    assert only_test
    for name in ("tune", "final"):
        assert set() == only_test & pairs_of(files, name, "train")


def test_every_product_of_the_catalogue_can_be_ranked(files: Path) -> None:
    assert list(range(10)) == pd.read_csv(files / "tune" / "tune.item", sep="\t")["item_id:token"].tolist()


def test_an_event_of_negative_weight_is_no_training_pair() -> None:
    snapshot = build_snapshot(tiny_shop_with_materials())
    returned = snapshot.event_names.index("returned")
    assert returned in snapshot.events.kind

    expected = {
        pair
        for pair, kind in zip(
            zip(snapshot.events.user.tolist(), snapshot.events.product.tolist(), strict=True),
            snapshot.events.kind.tolist(),
            strict=True,
        )
        if kind != returned
    }

    found = positive_pairs(snapshot)
    assert expected == set(zip(found.user.tolist(), found.product.tolist(), strict=True))


def test_the_graph_holds_each_edge_of_the_snapshot_once() -> None:
    snapshot = build_snapshot(tiny_shop_with_materials())
    expected = set()
    for name, edges in snapshot.edges.items():
        kind = snapshot.schema.relation(name)
        for source, target in zip(edges.source.tolist(), edges.target.tolist(), strict=True):
            expected.add((f"{kind.source}:{source}", name, f"{kind.target}:{target}"))

    triples = list(knowledge(snapshot).itertuples(index=False, name=None))

    assert expected == set(triples)
    assert len(expected) == len(triples)


def test_products_without_a_fact_are_linked_to_no_entity(split: DataSplit) -> None:
    found = links(knowledge(split.train))

    assert list(range(9)) == found["item_id:token"].tolist()
    assert [f"Product:{row}" for row in range(9)] == found["entity_id:token"].tolist()


def test_a_given_split_is_read_from_the_folder(tmp_path: Path) -> None:
    (tmp_path / "products.csv").write_text("product_id\na\nb\nc\nd\n")
    (tmp_path / "events.csv").write_text("user_id,product_id\n" + "".join(f"u,{name}\nv,{name}\n" for name in "abcd"))
    (tmp_path / "split_train.csv").write_text("user_id,product_id\nu,a\nu,b\nv,c\nv,d\n")
    (tmp_path / "split_valid.csv").write_text("user_id,product_id\nu,c\n")
    (tmp_path / "split_test.csv").write_text("user_id,product_id\nu,d\nv,a\n")

    split = read_split(tmp_path, name="given", seed=0, relations="all")

    assert {(0, 3), (1, 0)} == targets_of(split.test)
    assert {(0, 2)} == targets_of(split.valid)


def test_a_target_has_the_rank_of_its_place_and_none_when_it_is_not_listed() -> None:
    lists = np.array([[4, 2, 9], [7, -1, -1]])
    wanted = np.array([[2, 5], [7, -1]])

    assert [[2.0, np.inf], [1.0, np.inf]] == ranks_in_lists(lists, wanted).tolist()


def test_lists_are_matched_to_users_whatever_their_order() -> None:
    targets = Targets(np.array([1, 3, 3]), np.array([5, 6, 7]), 0)

    ranking = rank_lists(targets, np.array([3, 0, 1]), np.array([[7, 6], [1, 2], [8, 5]]))

    assert [1, 3] == ranking.users.tolist()
    assert [[2.0, np.inf], [2.0, 1.0]] == ranking.ranks.tolist()
    assert [1, 2] == ranking.num_relevant.tolist()


def test_a_user_without_a_list_counts_as_zero() -> None:
    targets = Targets(np.array([0, 1]), np.array([5, 5]), 0)

    found = score_lists(rank_lists(targets, np.array([1]), np.array([[5, 4]])), [2])

    assert 0.5 == found["metrics"]["hit@2"]["mean"]
    assert [0.0, 1.0] == found["per_user"]["ndcg@2"]


@pytest.mark.parametrize(
    ("users", "products", "message"),
    [([0, 0], [[1], [2]], "two lists"), ([0, 1], [[1, 1], [2, -1]], "twice")],
)
def test_lists_that_make_no_sense_are_refused(users, products, message) -> None:
    with pytest.raises(ValueError, match=message):
        rank_lists(Targets(np.array([0]), np.array([1]), 0), np.array(users), np.array(products))


def test_a_split_with_candidates_is_refused() -> None:
    targets = Targets(np.array([0]), np.array([1]), 0, candidates=np.array([[2, 3]]))

    with pytest.raises(ValueError, match="candidates"):
        rank_lists(targets, np.array([0]), np.array([[1]]))


def test_a_cutoff_beyond_the_lists_is_refused() -> None:
    ranking = rank_lists(Targets(np.array([0]), np.array([1]), 0), np.array([0]), np.array([[1]]))

    with pytest.raises(ValueError, match="k=2"):
        score_lists(ranking, [1, 2])


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_peer_has_an_environment_and_a_driver_that_knows_nothing_of_whycart(peer) -> None:
    driver = DRIVERS / f"{peer.library}_driver.py"

    assert peer.library in REQUIREMENTS
    imports = [line for line in driver.read_text().splitlines() if line.startswith(("import ", "from "))]
    assert not [line for line in imports if line.split()[1].partition(".")[0] in {"bench", "gnn", "kg", "serving"}]


def test_an_unknown_peer_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(ValueError, match="recbole:KGIN"):
        find_peer("recbole:KGINN")


def test_a_driver_gets_its_request_and_its_cost_is_noted(files: Path, tmp_path: Path) -> None:
    python = fake_python(
        tmp_path,
        "import numpy as np\n"
        "request = json.load(open(sys.argv[2]))\n"
        "sum(range(10**6))\n"
        "np.savez(request['lists'], users=[0], products=[[1]])\n"
        "json.dump({'epochs': request['epochs'], 'asked': request['params']}, open(request['report'], 'w'))\n",
    )

    found = run_peer(find_peer("recbole:KGIN"), python, data=files, scratch=tmp_path / "s", seed=3, epochs=2)

    assert 2 == found["epochs"]
    assert 0.005 == found["asked"]["learning_rate"]
    assert 3 == json.loads((tmp_path / "s" / "request.json").read_text())["seed"]
    assert found["cpu_s"] > 0
    assert [[1]] == read_lists(tmp_path / "s" / "lists.npz")[1].tolist()


def test_a_driver_that_fails_says_what_it_said(files: Path, tmp_path: Path) -> None:
    python = fake_python(tmp_path, "raise SystemExit('no such model')\n")

    with pytest.raises(PeerFailed, match="no such model"):
        run_peer(find_peer("recbole:BPR"), python, data=files, scratch=tmp_path / "s", seed=0)


def test_results_hold_each_peer_with_what_each_user_got(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tiny_shop(), tmp_path)
    python = fake_python(tmp_path, KNOWS_THE_TEST_PART)
    monkeypatch.setattr("bench.peers.__main__.make_environment", lambda library, folder: python)
    options = [str(tmp_path), "--environments", str(tmp_path / "peers"), "--json", str(tmp_path / "out.json")]
    options += ["--split", "leave-one-out", "--k", "1"]

    assert 0 == main([*options, "--models", "recbole:LightGCN"])
    assert 0 == main([*options, "--models", "recbole:KGIN"])

    found = json.loads((tmp_path / "out.json").read_text())
    assert ["recbole:LightGCN", "recbole:KGIN"] == list(found["models"])
    assert ["u1", "u2", "u3", "u4", "u5"] == found["users"]
    assert [1.0] * 5 == found["models"]["recbole:KGIN"]["per_user"]["ndcg@1"]
    assert {"mean": 1.0, "low": 1.0, "high": 1.0} == found["models"]["recbole:KGIN"]["metrics"]["recall@1"]


def test_a_peer_that_needs_validation_is_not_run_without(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_folder(tiny_shop(), tmp_path)
    options = [str(tmp_path), "--json", str(tmp_path / "out.json"), "--no-tune"]

    assert 2 == main([*options, "--models", "hopwise:PGPR,recbole:BPR"])
    assert "recbole:BPR cannot" in capsys.readouterr().out


def test_a_path_model_is_told_how_long_to_train_without_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tiny_shop(), tmp_path)
    python = fake_python(tmp_path, KNOWS_THE_TEST_PART)
    monkeypatch.setattr("bench.peers.__main__.make_environment", lambda library, folder: python)
    options = [str(tmp_path), "--environments", str(tmp_path / "peers"), "--json", str(tmp_path / "out.json")]
    options += ["--split", "leave-one-out", "--k", "1", "--models", "hopwise:CAFE"]

    assert 0 == main([*options, "--no-tune", "--embedding-epochs", "60"])

    (request,) = (json.loads(file.read_text()) for file in tmp_path.rglob("request.json"))
    assert (False, 60, 50) == (request["tune"], request["embedding_epochs"], request["epochs"])


def test_one_peer_that_fails_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tiny_shop(), tmp_path)
    python = fake_python(tmp_path, "if 'BPR' in sys.argv[2]:\n    raise SystemExit('broken')\n" + KNOWS_THE_TEST_PART)
    monkeypatch.setattr("bench.peers.__main__.make_environment", lambda library, folder: python)
    options = [str(tmp_path), "--environments", str(tmp_path / "peers"), "--json", str(tmp_path / "out.json")]

    code = main([*options, "--split", "leave-one-out", "--k", "1", "--models", "recbole:BPR,recbole:KGIN"])

    assert 1 == code
    assert ["recbole:KGIN"] == list(json.loads((tmp_path / "out.json").read_text())["models"])


def fake_python(folder: Path, source: str) -> Path:
    """Return a program that runs this source in place of the driver it is given."""
    path, script = folder / "python", folder / "fake.py"
    script.write_text("import json, sys\n" + source)
    path.write_text(f'#!/bin/sh\nexec {sys.executable} {script} "$@"\n')
    path.chmod(0o755)
    return path
