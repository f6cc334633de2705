"""Click-through and conversion: who is counted where, and what is kept apart."""

import math
from pathlib import Path

import pytest

from cypher.errors import InputError
from serving.click_through import Span, Tally, position_of, span_until
from tests.support.seen_lists import DAY_MS, HOUR_MS, T0, SeenLists, recorded


@pytest.fixture
def shop(tmp_path: Path) -> SeenLists:
    return SeenLists(tmp_path / "state.db")


def test_a_click_is_by_an_event_that_names_the_list_whoever_did_it_and_whenever(shop: SeenLists) -> None:
    shop.show(recorded(1, ["p1", "p2", "p3"], user=None), recorded(2, ["p1"], user=None))
    shop.do("p1", user="guest", named=1)
    shop.do("p1", user="guest", named=1, at_ms=T0 + 20 * DAY_MS, kind="bought")
    shop.do("p2", user="other", named=1)
    shop.do("p9", named=1)  # not in the list
    shop.do("p1", named=7)  # a list that nobody knows

    (row,) = shop.read().rows

    assert ((), Tally(2, 4, 2, 1)) == (row.key, row.told)
    assert Tally(0, 0, 0, 0) == row.attributed


def test_events_that_name_no_list_speak_for_lists_of_their_user_that_no_event_names(shop: SeenLists) -> None:
    shop.show(recorded(1, ["p1", "p2"]), recorded(2, ["p1", "p2"]), recorded(3, ["p1"], user="u2"))
    shop.do("p1", kind="bought")  # of list 1 only: list 2 is named
    shop.do("p2", named=2)
    shop.do("p1", user="u2", at_ms=T0 - 1)  # before the list

    (row,) = shop.read().rows

    assert (Tally(3, 5, 1, 0), Tally(2, 3, 1, 1)) == (row.told, row.attributed)


def test_they_do_so_for_some_days(shop: SeenLists) -> None:
    shop.show(recorded(1, ["p1", "p2"]))
    shop.do("p1", at_ms=T0 + DAY_MS)
    shop.do("p2", at_ms=T0 + DAY_MS + 1)

    assert (1, 2) == tuple(shop.read(days=days).rows[0].attributed.clicks for days in (1.0, 1.5))


def test_what_was_not_seen_is_no_impression_unless_it_was_clicked(shop: SeenLists) -> None:
    shop.show(*(recorded(number, ["p1", "p2", "p3", "p4"]) for number in (1, 2, 3)))
    shop.see(1, 1, 2)
    shop.see(2)
    shop.do("p4", named=1)
    shop.do("p1")  # of list 2, of which nothing was seen, and of list 3

    (row,) = shop.read().rows

    assert (Tally(2, 7, 1, 0), Tally(1, 4, 1, 0)) == (row.told, row.attributed)


def test_rows_differ_in_what_is_asked_for_and_stand_in_order(shop: SeenLists) -> None:
    shop.show(
        recorded(1, [f"p{number}" for number in range(1, 13)], placement="home_top", version="m2"),
        recorded(2, ["p1"], placement="basket", first_rank=21),
        recorded(3, ["p1", "p2"], alike=True),
    )

    def keys(*by: object) -> list[tuple[str | None, ...]]:
        return [row.key for row in shop.read(*by).rows]  # type: ignore[arg-type]

    assert [*((str(rank),) for rank in range(1, 11)), ("11-20",), ("21+",)] == keys("position")
    assert [("basket",), ("home_top",), (None,)] == keys("placement")
    assert [("recommend", "m1"), ("recommend", "m2"), ("similar", "m1")] == keys("surface", "model_version")
    assert [2, 2, 1] == [row.told.lists for row in shop.read("position").rows][:3]
    assert (2, 2) == (shop.read("position").rows[10].told.impressions, len(keys("surface", "surface")))


def test_only_lists_of_the_span_count(shop: SeenLists) -> None:
    last = T0 + 30 * DAY_MS
    shop.show(*(recorded(number, ["p1"], at_ms=at_ms) for number, at_ms in enumerate((T0 - 1, T0, last - 1, last))))

    assert [2, 1] == [shop.read(since_ms=since_ms).rows[0].told.lists for since_ms in (T0, T0 + 1)]


def test_lists_of_the_same_moment_are_all_read(shop: SeenLists) -> None:
    shop.show(*(recorded(number, ["p1"]) for number in range(450)))

    assert 450 == shop.read().rows[0].told.lists


def test_an_empty_log_has_no_rows(shop: SeenLists) -> None:
    assert () == shop.read("position").rows


def test_rates_come_with_wilsons_interval(shop: SeenLists) -> None:
    found = Tally(lists=100, impressions=100, clicks=10, conversions=0)

    # Wilson (1927), as Newcombe (1998), Statistics in Medicine 17:857-872 gives it: 10 of 100
    assert pytest.approx((0.1, 0.0552, 0.1744), abs=5e-5) == (
        found.click_through.mean,
        found.click_through.low,
        found.click_through.high,
    )
    assert 0.0 == found.conversion_rate.mean
    assert math.isnan(Tally(1, 1, 0, 0).conversion_rate.mean)
    assert (None, 0.0) == (
        Tally(1, 1, 0, 0).facts()["conversion_rate"],
        Tally(1, 1, 0, 0).facts()["click_through"]["mean"],
    )


@pytest.mark.parametrize(("rank", "position"), [(1, "1"), (10, "10"), (11, "11-20"), (20, "11-20"), (21, "21+")])
def test_far_positions_are_told_together(rank: int, position: str) -> None:
    assert position == position_of(rank)


def test_a_span_is_of_seven_days_unless_it_is_told(tmp_path: Path) -> None:
    assert (T0 - 7 * DAY_MS, 7.0) == (span_until(T0).since_ms, span_until(T0).days)
    assert T0 - HOUR_MS == span_until(T0, since_ms=T0 - HOUR_MS).since_ms
    with pytest.raises(InputError, match="since must lie before until"):
        span_until(T0, since_ms=T0)
    for days in (0.0, 366.0):
        with pytest.raises(InputError, match=r"days must be from 0\.01 to 365"):
            Span(since_ms=0, until_ms=1, days=days)
