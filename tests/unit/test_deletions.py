"""Which users were deleted, as the state knows: by digests, in every process, with one secret."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from kg.errors import PrivacyError
from kg.snapshot import build_snapshot
from serving import deletions
from serving.event_checks import judge_events
from serving.events import EventLog, NewEvent
from tests.worlds import tiny_shop


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with EventLog.open(tmp_path / "state.db") as opened:
        yield opened


def event(user: str, number: int = 1) -> NewEvent:
    return NewEvent(event_id=f"e{number}", user_id=user, product_id="p01", type="bought", at_ms=1)


def test_nobody_is_deleted_in_the_beginning_and_no_secret_is_made(log: EventLog, tmp_path: Path) -> None:
    assert (False, 0, {}) == (log.forgets("u1"), log.deletions.last(), dict(log.deletions.digests()))
    assert not (tmp_path / "privacy.key").exists()


def test_a_deleted_user_is_known_as_such_by_another_process_too(log: EventLog, tmp_path: Path) -> None:
    number = log.deletions.add("u1", now_ms=7)

    with EventLog.open(tmp_path / "state.db") as other:
        assert (True, False, number) == (other.forgets("u1"), other.forgets("u2"), other.deletions.last())


def test_a_deletion_is_noticed_within_a_second(log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(deletions.time, "monotonic", lambda: now[0])
    assert not log.forgets("u1")
    with EventLog.open(tmp_path / "state.db") as other:
        other.deletions.add("u1", now_ms=7)

    now[0] += deletions.READ_EVERY_S

    assert log.forgets("u1")


def test_the_id_is_kept_only_until_the_graph_has_let_go(log: EventLog, tmp_path: Path) -> None:
    log.deletions.add("jane-roe", now_ms=7)
    waiting = dict(log.deletions.waiting())
    log.deletions.settle(waiting)
    log.rewrite()

    with sqlite3.connect(tmp_path / "state.db") as connection:
        rows = connection.execute("SELECT digest, user_id FROM deletions").fetchall()
    connection.close()
    secret = log.deletions.secret()
    assert ([(secret.digest("jane-roe"), None)], ["jane-roe"]) == (rows, list(waiting.values()))
    assert b"jane-roe" not in (tmp_path / "state.db").read_bytes()
    assert log.forgets("jane-roe")


def test_numbers_grow_even_after_somebody_was_allowed_back(log: EventLog) -> None:
    first = log.deletions.add("u1", now_ms=7)
    assert (True, False) == (log.deletions.allow("u1"), log.forgets("u1"))

    assert log.deletions.add("u1", now_ms=8) > first


def test_events_of_a_deleted_user_are_rejected_with_the_reason(log: EventLog) -> None:
    log.deletions.add("u1", now_ms=7)

    good, bad = judge_events([event("u1"), event("u2", 2)], build_snapshot(tiny_shop()), now_ms=10, forgets=log.forgets)

    assert (["u2"], [0]) == ([one.user_id for one in good], [one.index for one in bad])
    assert "the user was deleted; 'whycart users allow' lets one come back" == bad[0].reason


def test_without_the_secret_nobody_is_answered(log: EventLog, tmp_path: Path) -> None:
    log.deletions.add("u1", now_ms=7)
    (tmp_path / "privacy.key").unlink()

    with (
        EventLog.open(tmp_path / "state.db") as other,
        pytest.raises(PrivacyError, match=r"is not in .*privacy\.key, so nobody can be answered; put the file back"),
    ):
        other.forgets("u2")
    with EventLog.open(tmp_path / "state.db") as other, pytest.raises(PrivacyError, match="put the file back"):
        other.deletions.add("u2", now_ms=8)
    assert not (tmp_path / "privacy.key").exists()


def test_another_secret_is_noticed(log: EventLog, tmp_path: Path) -> None:
    log.deletions.add("u1", now_ms=7)
    (tmp_path / "privacy.key").write_text("another secret of this shop")

    with (
        EventLog.open(tmp_path / "state.db") as other,
        pytest.raises(
            PrivacyError, match=r"with the secret [0-9a-f]{8}, and .*privacy\.key holds [0-9a-f]{8}; put back"
        ),
    ):
        other.deletions.add("u2", now_ms=8)
