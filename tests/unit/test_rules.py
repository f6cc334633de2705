"""Business rules as values: what may be said, and when it holds."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from serving.errors import ConfigError, RuleError
from serving.rules import MAX_IDS, Context, Rule, fitting, in_force, of_list
from serving.slots import ListsConfig

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a bad name": ({"name": "Spring Tea"}, "a rule is called by small letters, digits, - and _"),
    "an unknown action": ({"action": "shout"}, "action must be one of pin, boost, bury, hide, cap, got 'shout'"),
    "an unknown list": ({"lists": ("basket",)}, "lists must be of recommend, similar"),
    "no products": ({"where": None}, "say which products it is about"),
    "two ways to say which": ({"product_ids": ("p01",)}, "give a filter or product_ids, not both"),
    "too many ids": ({"where": None, "product_ids": ("p",) * (MAX_IDS + 1)}, "500 at most, got 501; use a filter"),
    "a filter without end": ({"where": "x" * 2001}, "the filter may have 2,000 characters, got 2,001"),
    "no strength": ({"strength": 0.0}, "strength must be above 0 and at most 1, got 0"),
    "too much strength": ({"strength": 1.5}, "strength must be above 0 and at most 1, got 1.5"),
    "strength of a pin": ({"action": "pin", "strength": 0.5}, "strength is of boost and bury only, not of pin"),
    "positions of a boost": ({"positions": (1,)}, "positions is of pin only, not of boost; leave it out"),
    "a place too far": ({"action": "pin", "positions": (101,)}, "positions must be from 1 to 100, got 101"),
    "a place twice": ({"action": "pin", "positions": (2, 2)}, "positions must differ, got 2, 2"),
    "a cap without a number": ({"action": "cap"}, "a cap needs most"),
    "a cap that caps nothing": ({"action": "cap", "most": 10}, "most must be from 1 to 9, fewer than the 10 places"),
    "a cap of no place": ({"action": "cap", "most": 1, "within": 0}, "within must be from 1 to 100 places, got 0"),
    "an end before its start": ({"starts_at_ms": 2000, "ends_at_ms": 2000}, "it would end before it starts"),
    "a device of two words": ({"devices": ("my phone",)}, "devices are words of small letters, digits and _"),
    "too many places": ({"places": ("de",) * 51}, "places may be 50 at most, got 51"),
    "a day that is none": ({"weekdays": ("someday",)}, "weekdays must be of mon, tue, wed, thu, fri, sat, sun"),
    "hours that are none": ({"hours": "8-25"}, "hours must be two different hours of a day such as 18-23, got '8-25'"),
    "no hour at all": ({"hours": "8-8"}, "hours must be two different hours of a day"),
    "a note of two lines": ({"note": "a\nb"}, "note must be one line of at most 200 characters"),
}


def rule(**said: Any) -> Rule:
    return Rule(**{"name": "spring-tea", "action": "boost", "where": 'category = "Tea"', **said})


@pytest.mark.parametrize(("said", "why"), WRONG.values(), ids=WRONG)
def test_what_makes_no_sense_is_refused(said: dict[str, Any], why: str) -> None:
    with pytest.raises(RuleError, match=re.escape(why)):
        rule(**said)


def test_a_rule_holds_from_its_start_to_before_its_end() -> None:
    one = rule(starts_at_ms=1000, ends_at_ms=2000)

    assert [False, True, True, False] == [one.holds(now) for now in (999, 1000, 1999, 2000)]
    assert ["waiting", "in force", "over"] == [one.state(now) for now in (999, 1500, 2000)]


def test_without_times_it_holds_for_good() -> None:
    assert rule().holds(0)
    assert "in force" == rule().state(10**15)


def test_those_in_force_come_by_name() -> None:
    rules = [rule(name="b"), rule(name="over", ends_at_ms=10), rule(name="a")]

    assert ["a", "b"] == [one.name for one in in_force(rules, now_ms=10)]


def test_a_rule_changes_the_lists_it_names_or_all() -> None:
    some, every = rule(name="some", lists=("similar", "new")), rule(name="every")

    assert (some, every) == of_list((some, every), "new")
    assert (every,) == of_list((some, every), "recommend")


NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
"""A Saturday."""


def at(hour: int, *, day: int = 28) -> datetime:
    return NOON.replace(day=day, hour=hour)


def test_a_rule_holds_on_its_devices_and_in_its_places() -> None:
    rules = (
        rule(name="all"),
        rule(name="here", places=("de", "at")),
        rule(name="phones", devices=("phone",)),
        rule(name="phones-here", devices=("phone",), places=("de",)),
    )

    def names(**said: str) -> list[str]:
        return [one.name for one in fitting(rules, Context(**said), NOON)]

    assert ["all"] == names()
    assert ["all", "phones"] == names(device="phone", place="fr")
    assert ["all", "here"] == names(device="tablet", place="at")
    assert ["all", "here", "phones", "phones-here"] == names(device="phone", place="de")


@pytest.mark.parametrize(
    ("hours", "holding"), [("18-23", [18, 22]), ("22-6", [0, 5, 22, 23]), ("0-6", [0, 5]), ("18-24", [18, 22, 23])]
)
def test_a_rule_holds_in_its_hours(hours: str, holding: list[int]) -> None:
    one = rule(hours=hours)

    assert holding == [hour for hour in (0, 5, 6, 17, 18, 22, 23) if one.is_at(at(hour))]


def test_a_rule_holds_on_its_days() -> None:
    one = rule(weekdays=("sat", "sun"), hours="10-12")

    assert [False, True, True, False] == [one.is_at(at(11, day=day)) for day in (27, 28, 29, 30)]
    assert not one.is_at(at(12))


def test_the_clock_is_that_of_the_shops_time_zone() -> None:
    with pytest.raises(ConfigError, match=r"\[lists\] time_zone must be the name of a time zone .* got 'Mars/Base'"):
        ListsConfig(time_zone="Mars/Base")
    hours = [ListsConfig(time_zone=name).clock().utcoffset() for name in ("UTC", "Asia/Tokyo")]
    assert [0, 9] == [offset.total_seconds() / 3600 for offset in hours if offset is not None]
