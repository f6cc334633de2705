"""What was seen of lists: taken where the list is known, harmless to repeat, and gone with the list."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.audit_config import AuditConfig
from serving.errors import EventsError
from serving.impressions import Impressions, NewImpression, Noted, Seen
from serving.records import RecordLog
from tests.support.seen_lists import DAY_MS, T0, list_id, recorded


@pytest.fixture
def records(tmp_path: Path) -> Iterator[RecordLog]:
    with RecordLog.open(tmp_path / "state.db", AuditConfig()) as opened:
        opened.add([recorded(1, ["p1", "p2", "p3"]), recorded(2, ["p7", "p8"], user="u2", first_rank=11)])
        yield opened


@pytest.fixture
def impressions(records: RecordLog) -> Impressions:
    return records.impressions


def of_list(number: int, *products: str, positions: tuple[int, ...] = (), at_ms: int = T0) -> NewImpression:
    return NewImpression(recommendation_id=list_id(number), product_ids=products, positions=positions, at_ms=at_ms)


def taken(impressions: Impressions, *given: NewImpression, now_ms: int = T0) -> Noted:
    return impressions.append(given, now_ms=now_ms)


def positions(impressions: Impressions, number: int) -> list[int]:
    return [one.position for one in impressions.of([list_id(number)]).get(list_id(number), [])]


def test_products_and_positions_say_the_same(impressions: Impressions) -> None:
    noted = taken(impressions, of_list(1, "p3", "p1"), of_list(2, positions=(12,)))

    assert Noted(2, 0, ()) == noted
    assert ([0, 1, 3], [0, 12]) == (positions(impressions, 1), positions(impressions, 2))


def test_what_is_said_of_a_list_adds_up_and_what_is_known_stays(impressions: Impressions) -> None:
    first = taken(impressions, of_list(1, "p1"))
    again = taken(impressions, of_list(1, "p1", at_ms=T0 + 9), of_list(1, "p1", "p2"))

    assert ((1, 0), (1, 1)) == ((first.accepted, first.duplicates), (again.accepted, again.duplicates))
    assert [Seen(0, T0), Seen(1, T0), Seen(2, T0)] == impressions.of([list_id(1)])[list_id(1)]


def test_that_nothing_was_seen_can_be_said(impressions: Impressions) -> None:
    assert 1 == taken(impressions, of_list(1)).accepted

    assert ([0], []) == (positions(impressions, 1), positions(impressions, 2))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (of_list(9, "p1"), "no list is recorded under the id '0+9'; records are kept for 30 days"),
        (of_list(1, "p1", "p9"), "the list has no product 'p9'; name products that it has, or their positions"),
        (of_list(1, positions=(4,)), "the list has no position 4; it has ranks 1 to 3"),
        (of_list(2, positions=(1,)), "the list has no position 1; it has ranks 11 to 12"),
        (of_list(1, "p1", at_ms=T0 + 2 * DAY_MS), "at lies more than one day in the future"),
        (of_list(1, "p1", at_ms=-1), "at lies before 1970"),
    ],
)
def test_what_cannot_be_taken_is_named_and_the_rest_is_taken(
    given: NewImpression, words: str, impressions: Impressions
) -> None:
    noted = taken(impressions, of_list(2, "p7"), given, of_list(1, "p2"))

    assert (2, [1]) == (noted.accepted, [one.index for one in noted.refused])
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(noted.refused[0].reason)


def test_an_expired_list_is_no_longer_known(impressions: Impressions) -> None:
    noted = taken(impressions, of_list(1, "p1"), now_ms=T0 + 30 * DAY_MS + 1)

    assert (0, list_id(1)) == (noted.accepted, noted.refused[0].recommendation_id)


def test_too_many_at_once_are_refused(impressions: Impressions) -> None:
    with pytest.raises(EventsError, match="1001 impressions in one request, at most 1000 are allowed"):
        taken(impressions, *[of_list(1, "p1")] * 1001)


def test_a_list_that_is_recorded_a_moment_later_is_waited_for(
    records: RecordLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.impressions.time.sleep", lambda seconds: records.add([recorded(3, ["p1"])]))

    noted = records.impressions.append([of_list(3, "p1")], now_ms=T0, wait_s=0.1)

    assert 1 == noted.accepted


def test_they_go_with_the_lists_of_a_user_and_others_stay(records: RecordLog) -> None:
    taken(records.impressions, of_list(1, "p1"), of_list(2, "p7"))

    records.delete_user("u1")

    assert ([], [0, 11]) == (positions(records.impressions, 1), positions(records.impressions, 2))


def test_they_go_with_lists_that_expire(records: RecordLog) -> None:
    taken(records.impressions, of_list(1, "p1"), of_list(2, "p7"))

    records.expire(now_ms=T0 + 30 * DAY_MS + 1)

    with sqlite3.connect(records.path) as connection:
        assert [(0,)] == connection.execute("SELECT count(*) FROM impressions").fetchall()
    connection.close()
