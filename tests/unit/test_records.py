"""Recorded lists in the state file: found by their id, gone when they expire or when a user is forgotten."""

import json
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from kg.snapshot import DAY_MS
from serving.answer import Filter, RecommendRequest, SessionEvent
from serving.audit_config import AuditConfig
from serving.errors import ConfigError, StateError, UnknownRecommendation
from serving.events import EventLog, NewEvent
from serving.records import DELETE_BATCH, Record, RecordLog, SimilarRequest
from serving.state import METADATA
from tests.support.old_state import make_version_1

NOW = 1_700_000_000_000


@pytest.fixture
def records(tmp_path: Path) -> Iterator[RecordLog]:
    with RecordLog.open(tmp_path / "state.db", AuditConfig()) as opened:
        yield opened


def record(number: int, *, user: str | None = "u1", at_ms: int = NOW, answer: bytes = b'{"items": []}') -> Record:
    return Record(
        recommendation_id=f"id{number}",
        at_ms=at_ms,
        wish=RecommendRequest(user_id=user),
        model_version="m",
        graph_version="g",
        events_after=0,
        events_until=3,
        answer=answer,
    )


WISHES = [
    RecommendRequest(user_id="u1"),
    RecommendRequest(
        session=(SessionEvent("p01"), SessionEvent("p02", "bought", 7)),
        n=3,
        offset=2,
        filter=Filter(
            categories=("tea", "Böden"),
            brand="acme",
            price_max=9.5,
            where="price < 9",
            exclude_ids=("p05",),
            exclude_seen=True,
        ),
        paths=3,
        placement="home_top",
    ),
    SimilarRequest(product_id="p01", n=4, filter=Filter(in_stock=False), placement="page"),
]


@pytest.mark.parametrize("wish", WISHES)
def test_a_record_comes_back_as_it_was_written(wish: RecommendRequest | SimilarRequest, records: RecordLog) -> None:
    written = Record(
        recommendation_id="a",
        at_ms=NOW,
        wish=wish,
        model_version="m",
        graph_version="g",
        events_after=4,
        events_until=None,
        answer=b'{"items": [1.5]}',
    )

    records.add([written])

    assert written == records.find("a", now_ms=NOW)


def test_a_record_of_a_release_without_placements_is_read(records: RecordLog) -> None:
    records.add([record(1)])
    with sqlite3.connect(records.path) as connection:
        (text,) = connection.execute("SELECT request FROM recommendations").fetchone()
        old = {name: value for name, value in json.loads(zlib.decompress(text)).items() if name != "placement"}
        connection.execute("UPDATE recommendations SET request = ?", (zlib.compress(json.dumps(old).encode()),))
    connection.close()

    assert record(1) == records.find("id1", now_ms=NOW)


def test_a_record_written_again_stays_as_it_is(records: RecordLog) -> None:
    records.add([record(1)])

    records.add([record(1, user="u2"), record(2)])

    assert ("u1", "u1") == (records.find("id1", now_ms=NOW).user_id, records.find("id2", now_ms=NOW).user_id)


def test_an_unknown_id_is_told_how_long_records_are_kept(records: RecordLog) -> None:
    with pytest.raises(UnknownRecommendation, match=r"under the id 'nope'; records are kept for 30 days"):
        records.find("nope")


def test_an_expired_record_is_not_found_although_it_is_still_there(records: RecordLog) -> None:
    records.add([record(1)])

    with pytest.raises(UnknownRecommendation):
        records.find("id1", now_ms=NOW + 30 * DAY_MS + 1)


def test_what_has_expired_is_deleted_and_the_rest_stays(records: RecordLog) -> None:
    old = [record(number, at_ms=NOW - DAY_MS) for number in range(DELETE_BATCH + 1)]
    records.add([*old, record(9999)])

    deleted = records.expire(now_ms=NOW + 30 * DAY_MS)

    assert (DELETE_BATCH + 1, "id9999") == (deleted, records.find("id9999", now_ms=NOW).recommendation_id)


def test_a_user_is_forgotten_and_others_are_not(records: RecordLog) -> None:
    records.add([record(1), record(2, user="u2"), record(3, user=None)])

    deleted = records.delete_user("u1")

    assert (1, 0, 1) == (deleted, records.count_of("u1"), records.count_of("u2"))


def test_nothing_of_a_forgotten_user_stays_in_the_files(records: RecordLog) -> None:
    name = "very-special-user-4711"
    for first in range(0, 2000, 50):
        records.add([record(number, user=name if number % 3 else f"u{number}") for number in range(first, first + 50)])
    files = [records.path, records.path.with_name("state.db-wal")]
    before = sum(file.read_bytes().count(name.encode()) for file in files)

    records.delete_user(name)

    assert before > 0
    assert 0 == sum(file.read_bytes().count(name.encode()) for file in files)


def test_while_somebody_reads_a_forgotten_user_is_said_to_leave_traces(
    records: RecordLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.state.BUSY_TIMEOUT_S", 0.05)
    with RecordLog.open(records.path, AuditConfig()) as impatient, sqlite3.connect(records.path) as reader:
        impatient.add([record(1)])
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM recommendations").fetchone()
        with pytest.raises(StateError, match=r"rows were deleted, but traces stay in .* do it again"):
            impatient.delete_user("u1")
    reader.close()


def test_several_processes_write_to_one_file(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from serving.audit_config import AuditConfig\n"
        "from serving.records import RecordLog\n"
        "from tests.unit.test_records import record\n"
        "first = int(sys.argv[2])\n"
        "with RecordLog.open(pathlib.Path(sys.argv[1]), AuditConfig()) as records:\n"
        "    for number in range(first, first + 20): records.add([record(number)])\n"
    )
    path, root = tmp_path / "state.db", Path(__file__).parents[2]
    writers = [subprocess.Popen([sys.executable, "-c", code, path, str(first)], cwd=root) for first in (0, 100)]
    codes = [writer.wait(timeout=120) for writer in writers]

    with RecordLog.open(path, AuditConfig()) as records:
        assert ([0, 0], 40) == (codes, records.count_of("u1"))


def test_a_file_of_the_first_format_is_brought_up_and_keeps_its_events(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    make_version_1(path)

    with RecordLog.open(path, AuditConfig()) as records, EventLog.open(path) as log:
        records.add([record(1)])

        assert (1, 1) == (records.count_of("u1"), len(log.events_of("u1")))


def test_a_file_brought_up_has_what_a_new_file_has(tmp_path: Path) -> None:
    make_version_1(tmp_path / "old.db")
    found = []
    for name in ("old.db", "new.db"):
        RecordLog.open(tmp_path / name, AuditConfig()).close()
        with sqlite3.connect(tmp_path / name) as connection:
            rows = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
            rows = [" ".join(sql.split()) for (sql,) in rows]  # a column that was added stands on the line before
            found.append((rows, connection.execute("PRAGMA user_version").fetchone()))
        connection.close()

    assert found[0] == found[1]


def test_events_of_a_file_brought_up_may_name_lists(tmp_path: Path) -> None:
    make_version_1(tmp_path / "state.db")
    later = NewEvent(event_id="e2", user_id="u1", product_id="p02", at_ms=2, recommendation_id="a" * 32)

    with EventLog.open(tmp_path / "state.db") as log:
        log.append([later])
        found = log.every_event_of("u1")

    assert ([None, "a" * 32], later) == ([event.recommendation_id for event in found], found[1])


def test_every_table_belongs_to_a_format_version(tmp_path: Path) -> None:
    RecordLog.open(tmp_path / "state.db", AuditConfig()).close()
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(tmp_path / "state.db")))
    try:
        assert set() == set(METADATA.tables) - set(sa.inspect(engine).get_table_names())
    finally:
        engine.dispose()


@pytest.mark.parametrize("days", [0, -1, 36_501])
def test_days_out_of_range_are_refused(days: int) -> None:
    with pytest.raises(ConfigError, match=f"keep_days must be between 1 and 36,500, got {days}"):
        AuditConfig(keep_days=days)
