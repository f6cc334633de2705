"""The event log: durable, idempotent, shared by processes, and careful about what it takes."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kg.errors import GraphBusyError
from kg.snapshot import Snapshot, build_snapshot
from serving.answer import SessionEvent
from serving.errors import EventsError, StateError
from serving.event_checks import judge_events
from serving.events import APPLIED, PENDING, REFUSED, Appended, EventLog, NewEvent
from serving.state import FORMAT_VERSION
from tests.worlds import DAY_MS, MONDAY, tiny_shop


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with EventLog.open(tmp_path / "home" / "state.db") as opened:
        yield opened


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return build_snapshot(tiny_shop())


def event(number: int, *, user: str = "u1", product: str = "p01", at_ms: int | None = None) -> NewEvent:
    return NewEvent(
        event_id=f"e{number}", user_id=user, product_id=product, type="bought", at_ms=number if at_ms is None else at_ms
    )


def test_appended_events_are_counted_and_found_by_user(log: EventLog) -> None:
    appended = log.append([event(1), event(2, user="u2"), event(3, product="p02")])

    assert Appended(3, 0) == appended
    assert (SessionEvent("p01", "bought", 1), SessionEvent("p02", "bought", 3)) == log.events_of("u1")


def test_a_retry_changes_nothing(log: EventLog) -> None:
    log.append([event(1), event(2)])

    appended = log.append([event(1), event(2), event(3)])

    assert (Appended(1, 2), 3) == (appended, len(log.events_of("u1")))


def test_an_event_twice_in_one_request_counts_once(log: EventLog) -> None:
    assert Appended(1, 1) == log.append([event(1), event(1)])


def test_events_come_back_oldest_first_whatever_the_order_of_arrival(log: EventLog) -> None:
    log.append([event(1, at_ms=300), event(2, at_ms=100), event(3, at_ms=200)])

    assert [100, 200, 300] == [found.at_ms for found in log.events_of("u1")]


def test_only_events_after_a_sequence_number_are_given(log: EventLog) -> None:
    log.append([event(1), event(2)])
    seq = log.last_seq()
    log.append([event(3)])

    assert [3] == [found.at_ms for found in log.events_of("u1", after=seq)]


def test_an_empty_log_is_at_zero(log: EventLog) -> None:
    assert (0, 0, ()) == (log.last_seq(), log.applied_seq(), log.events_of("nobody"))


def test_the_applied_number_stops_before_the_first_waiting_event(log: EventLog) -> None:
    log.append([event(number) for number in range(1, 6)])
    first = [logged.seq for logged in log.read(PENDING)]

    log.mark([first[0], first[1], first[3]], APPLIED)

    assert first[1] == log.applied_seq()


def test_a_refused_event_does_not_hold_back_the_others(log: EventLog) -> None:
    log.append([event(1), event(2)])
    first, second = (logged.seq for logged in log.read(PENDING))

    log.mark([first], REFUSED, note="no such product")
    log.mark([second], APPLIED)

    assert (second, 1) == (log.applied_seq(), log.count(REFUSED))


def test_two_processes_see_each_others_events(log: EventLog) -> None:
    with EventLog.open(log.path) as other:
        other.append([event(1)])

        assert 1 == len(log.events_of("u1"))


def test_only_one_process_writes_to_the_graph_at_a_time(log: EventLog) -> None:
    with (
        EventLog.open(log.path) as other,
        log.applying(),
        pytest.raises(GraphBusyError, match="another process"),
        other.applying(wait_s=0),
    ):
        pass


def test_an_event_without_an_id_gets_one() -> None:
    made = [NewEvent(user_id="u1", product_id="p01", at_ms=1).event_id for _ in range(2)]

    assert [32, 32, 2] == [*map(len, made), len(set(made))]


def test_only_the_owner_may_read_the_state(log: EventLog) -> None:
    log.append([event(1)])

    files = [file for file in log.path.parent.iterdir() if file.name != "state.db.apply.lock"]

    assert {0o600} == {stat.S_IMODE(file.stat().st_mode) for file in files}


def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    code = (
        "import sys, pathlib; from serving.events import EventLog, NewEvent\n"
        "log = EventLog.open(pathlib.Path(sys.argv[1]))\n"
        "for number in range(100_000):\n"
        "    log.append([NewEvent(event_id=str(number), user_id='u', product_id='p', at_ms=number)])\n"
        "    sys.stdout.write(f'{number}\\n'); sys.stdout.flush()\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    stdout = writer.stdout
    assert stdout is not None
    acknowledged = [int(stdout.readline()) for _ in range(50)]
    os.kill(writer.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in stdout if line.endswith("\n")]
    writer.wait(timeout=10)
    stdout.close()

    with EventLog.open(path) as log:
        found = {int(logged.event.event_id) for logged in log.read(PENDING, limit=100_000)}

    assert set() == set(acknowledged) - found


def test_a_state_file_of_another_format_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "state.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(StateError, match=f"format version 99, this release reads up to {FORMAT_VERSION}"):
        EventLog.open(tmp_path / "state.db")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_text("not a database at all\n" * 100)

    with pytest.raises(StateError, match="not a usable state file"):
        EventLog.open(tmp_path / "state.db")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")

    with pytest.raises(StateError, match="cannot be opened"):
        EventLog.open(tmp_path / "home" / "state.db")


GOOD = NewEvent(event_id="x", user_id="u1", product_id="p01", type="bought", at_ms=MONDAY)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (replace(GOOD, type="bougth"), "did you mean 'bought'?"),
        (replace(GOOD, type="zzz"), "known: bought, carted, rated, viewed"),
        (replace(GOOD, at_ms=MONDAY + DAY_MS + 1), "more than one day in the future"),
        (replace(GOOD, at_ms=-1), "before 1970"),
        (replace(GOOD, user_id=""), "user_id must have 1 to 200 characters"),
        (replace(GOOD, user_id="u" * 201), "user_id must have 1 to 200 characters"),
        (replace(GOOD, event_id="a\nb"), "event_id must have 1 to 200 characters without control characters"),
        (replace(GOOD, product_id="\ud800"), "product_id must have"),
    ],
)
def test_a_broken_event_is_rejected_with_its_reason_and_the_others_pass(
    broken: NewEvent, reason: str, snapshot: Snapshot
) -> None:
    good, rejected = judge_events([GOOD, broken], snapshot, now_ms=MONDAY)

    assert ((GOOD,), 1) == (good, rejected[0].index)
    assert reason in rejected[0].reason


def test_too_many_events_are_refused(snapshot: Snapshot) -> None:
    with pytest.raises(EventsError, match="1001 events in one request, at most 1000"):
        judge_events([GOOD] * 1001, snapshot, now_ms=int(time.time() * 1000))
