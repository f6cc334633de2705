"""Business rules as values: what may be said, and when it holds."""

import re
from typing import Any

import pytest

from serving.errors import RuleError
from serving.rules import MAX_IDS, Rule, in_force, of_list

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a bad name": ({"name": "Spring Tea"}, "a rule is called by small letters, digits, - and _"),
    "an unknown action": ({"action": "shout"}, "action must be one of pin, boost, bury, hide, cap, got 'shout'"),
    "an unknown list": ({"lists": ("search",)}, "lists must be of recommend, similar"),
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
