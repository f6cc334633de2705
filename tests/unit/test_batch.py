"""Lists for every user: those of single answers, in one file that is there whole or not at all, after any stop."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import serving.batch
from cypher.errors import InputError
from gnn.bundles import BundleStore
from kg.snapshot import build_snapshot
from serving.answer import Filter, RecommendRequest
from serving.arrivals import ready_with_arrivals
from serving.batch import COLUMNS, BatchStopped, Source, recommend_to_all
from serving.cli.main import main
from serving.events import EventLog
from serving.products import ProductLog
from serving.ready import prepare
from serving.reason_config import ReasonConfig
from serving.recommend import recommend
from tests.support.tiny_bundle import publish_tiny_bundle
from tests.worlds import tiny_shop

COMMAND = [sys.executable, "-c", "import sys; from serving.cli.main import main; sys.exit(main())"]
WISH = RecommendRequest(n=4, paths=2)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    publish_tiny_bundle(folder / "bundles")
    return folder


@pytest.fixture
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WHYCART_HOME", str(home))
    return home


def source_of(home: Path) -> Source:
    version = BundleStore(home / "bundles").current().version
    return Source(home / "bundles", version, ReasonConfig(), home / "state.db")


def users_of_shop() -> list[str]:
    return build_snapshot(tiny_shop()).ids("User")


def test_each_list_is_the_one_that_a_single_answer_gives(home: Path, tmp_path: Path) -> None:
    users, out, source = [*users_of_shop(), "stranger"], tmp_path / "lists.parquet", source_of(home)

    num_rows = recommend_to_all(users, out, source=source, wish=WISH, workers=1)

    table = pq.read_table(out)
    rows = table.to_pylist()
    assert table.schema.equals(COLUMNS)
    assert (len(rows), users) == (num_rows, list(dict.fromkeys(row["user_id"] for row in rows)))
    ready = prepare(BundleStore(source.bundles).load(source.version))
    with EventLog.open(source.state) as log:
        for user in users:
            answer = recommend(ready, log, RecommendRequest(user_id=user, n=4, paths=2))
            mine = [row for row in rows if row["user_id"] == user]
            assert [item.product_id for item in answer.items] == [row["product_id"] for row in mine]
            assert [item.rank for item in answer.items] == [row["rank"] for row in mine]
            assert [item.text for item in answer.items] == [row["text"] for row in mine]
            assert [list(map(str, item.reasons)) for item in answer.items] == [row["reasons"] for row in mine]
            shown = [[path.text for path in item.paths] for item in answer.items]
            assert shown == [[path["text"] for path in row["paths"]] for row in mine]
            assert {answer.model_version} == {row["model_version"] for row in mine}
    assert any(row["paths"] for row in rows)
    assert not (tmp_path / "lists.parquet.parts").exists()


def test_places_are_kept_for_new_products_as_in_single_answers(tmp_path: Path) -> None:
    publish_tiny_bundle(tmp_path / "bundles")
    source, wish = source_of(tmp_path), replace(WISH, new_every=2)
    with ProductLog.open(source.state) as log:
        log.append([("p11", {"product_id": "p11", "title": "Oolong tea", "categories": ["Tea"]})], known=())

    recommend_to_all(["u1", "u2"], tmp_path / "lists.parquet", source=source, wish=wish, workers=1)

    rows = pq.read_table(tmp_path / "lists.parquet").to_pylist()
    ready = ready_with_arrivals(BundleStore(source.bundles).load(source.version), source.state)
    with EventLog.open(source.state) as events:
        answers = [recommend(ready, events, replace(wish, user_id=user)) for user in ("u1", "u2")]
    assert [item.product_id for answer in answers for item in answer.items] == [row["product_id"] for row in rows]
    assert [("p11", 2)] * 2 == [(row["product_id"], row["rank"]) for row in rows if "EXPLORATION" in row["reasons"]]


def test_blocks_and_processes_make_no_difference(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users, source = users_of_shop(), source_of(home)
    monkeypatch.setattr(serving.batch, "_now_ms", lambda: 1_767_225_600_000)
    seen = []

    recommend_to_all(users, tmp_path / "one.parquet", source=source, wish=WISH, workers=1)
    monkeypatch.setattr(serving.batch, "BLOCK", 2)
    recommend_to_all(
        users, tmp_path / "two.parquet", source=source, wish=WISH, workers=2, progress=lambda *step: seen.append(step)
    )

    one, two = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("one", "two"))
    assert one.equals(two)
    assert 3 == pq.ParquetFile(tmp_path / "two.parquet").num_row_groups
    assert [0, 2, 4, 6] == [done for _, done, _ in seen]


def test_a_job_that_was_stopped_goes_on_and_ends_with_the_same_file(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users, source = users_of_shop(), source_of(home)
    monkeypatch.setattr(serving.batch, "BLOCK", 2)
    monkeypatch.setattr(serving.batch, "_now_ms", lambda: 1_767_225_600_000)
    recommend_to_all(users, tmp_path / "whole.parquet", source=source, wish=WISH, workers=1)

    def stop_at_four(step: str, done: int, total: int | None) -> None:
        if done == 4:
            raise KeyboardInterrupt

    out = tmp_path / "stopped.parquet"
    with pytest.raises(KeyboardInterrupt):
        recommend_to_all(users, out, source=source, wish=WISH, workers=1, progress=stop_at_four)
    parts = sorted((tmp_path / "stopped.parquet.parts").glob("part-*.parquet"))
    assert len(parts) >= 2
    assert not out.exists()
    monkeypatch.setattr(serving.batch, "_now_ms", lambda: 1_900_000_000_000)
    written = {part: part.stat().st_mtime_ns for part in parts}
    kept = []

    def look(step: str, done: int, total: int | None) -> None:
        kept.extend(part for part in written if part.exists() and part.stat().st_mtime_ns == written[part])

    recommend_to_all(users, out, source=source, wish=WISH, workers=1, progress=look)

    assert set(parts) == set(kept)
    assert (tmp_path / "whole.parquet").read_bytes() == out.read_bytes()


def test_parts_of_another_job_are_refused_until_told_to_begin_anew(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users, source, out = users_of_shop(), source_of(home), tmp_path / "lists.parquet"
    parts = tmp_path / "lists.parquet.parts"
    parts.mkdir()
    begun = {"version": source.version, "n": 9, "paths": 2, "language": None, "users": "x", "now_ms": 1}
    (parts / "job.json").write_text(json.dumps(begun))

    with pytest.raises(InputError, match=r"n 9, now 4; other users.*--restart"):
        recommend_to_all(users, out, source=source, wish=WISH, workers=1)
    recommend_to_all(users, out, source=source, wish=WISH, workers=1, restart=True)

    assert 24 == pq.read_table(out).num_rows


def test_a_filter_holds_for_every_list_and_belongs_to_the_job(home: Path, tmp_path: Path) -> None:
    users, source, out = users_of_shop(), source_of(home), tmp_path / "lists.parquet"
    wish = RecommendRequest(n=10, filter=Filter(where='price < 4 and not brand = "Acme"'))

    recommend_to_all(users, out, source=source, wish=wish, workers=1)

    assert {"p05", "p06", "p07"} == set(pq.read_table(out)["product_id"].to_pylist())
    parts = tmp_path / "lists.parquet.parts"
    parts.mkdir()
    begun = {"version": source.version, "n": 10, "paths": 0, "language": None, "users": "x", "now_ms": 1}
    (parts / "job.json").write_text(json.dumps(begun))
    with pytest.raises(InputError, match="where None, now price < 4"):
        recommend_to_all(users, out, source=source, wish=wish, workers=1)
    wrong = RecommendRequest(filter=Filter(where="colour = 1"))
    with pytest.raises(InputError, match="no property 'colour'"):
        recommend_to_all(users, out, source=source, wish=wrong, workers=1, restart=True)


@pytest.mark.slow
def test_a_command_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    publish_tiny_bundle(tmp_path / "bundles")
    ids, out = tmp_path / "ids.txt", tmp_path / "lists.parquet"
    ids.write_text("\n".join([*users_of_shop(), *(f"stranger{number:05d}" for number in range(3000))]))
    command = [*COMMAND, "recommend", "--all", "--out", str(out), "--users", str(ids), "--workers", "2", "--paths"]
    environment = {**os.environ, "WHYCART_HOME": str(tmp_path)}
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("lists.parquet.parts/part-*[0-9].parquet")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    num_parts = len(list(tmp_path.glob("lists.parquet.parts/part-*.parquet")))
    assert not out.exists()

    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stderr
    assert 1 <= num_parts <= 12
    rows = pq.read_table(out, columns=["user_id", "rank"]).to_pylist()
    assert 3006 * 9 == len(rows)
    assert len(rows) == len({(row["user_id"], row["rank"]) for row in rows})


def test_a_process_that_dies_is_said_and_what_is_written_stays(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = source_of(home), tmp_path / "lists.parquet"
    monkeypatch.setattr(serving.batch, "_start", os.abort)

    with pytest.raises(BatchStopped, match="ended early"):
        recommend_to_all(users_of_shop(), out, source=source, wish=WISH, workers=2)

    assert (tmp_path / "lists.parquet.parts" / "job.json").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--all"], "give --out FILE"),
        (["u1", "--all", "--out", "x.parquet"], "no USER"),
        ([], "give USER, or --all"),
        (["u1", "--workers", "2"], "go with --all"),
        (["--all", "--out", "x.csv"], "ends in .parquet"),
        (["--all", "--out", "x.parquet", "--users", "nowhere.txt"], "cannot be read"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(
    at_home: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == main(["recommend", *arguments])
    assert said in " ".join(capsys.readouterr().err.split())


def test_the_command_says_what_it_wrote(at_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "lists.parquet"

    with pytest.raises(SystemExit, match="0"):
        main(["recommend", "--all", "--out", str(out), "-n", "3", "--workers", "1"])

    assert "18 rows for 6 users" in capsys.readouterr().out
    assert 18 == pq.read_table(out).num_rows
