"""Business rules: what a shop itself says about its lists, for a while or for good.

    pin    products stand at given places            boost  products stand higher
    hide   products are left out                     bury   products stand lower
    cap    so many products of a brand, a category or of some products stand in so many places

A rule says which products it is about in the filter language or by their ids. Here a rule is only a checked value; how
it changes a list is `serving.arrangement`'s, where it is kept `serving.rule_log`'s.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from serving.errors import RuleError
from serving.filters import MAX_LENGTH

Action = Literal["pin", "boost", "bury", "hide", "cap"]
ACTIONS: tuple[Action, ...] = get_args(Action)
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
ListName = Literal["recommend", "similar", "bought_together", "trending", "new", "search"]
"""Lists that rules change."""
LISTS: tuple[ListName, ...] = get_args(ListName)
MAX_RULES = 200
"""Most rules of a shop."""
MAX_IDS = 500
"""Most products that a rule names."""
MAX_PLACE = 100
"""Last place of a list that a rule speaks of."""
MAX_NOTE = 200
MAX_WORDS = 50
"""Most devices, or places, that a rule names."""
STRENGTH = 0.3
"""How far a boost or bury moves products unless it is said otherwise."""
WITHIN = 10
"""Places that a cap looks at together unless it is said otherwise."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_WORD = re.compile(r"[a-z][a-z0-9_]{0,62}")
_HOURS = re.compile(r"(\d{1,2})-(\d{1,2})")
_LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029]*")
_OF_ACTION = {
    "strength": ("boost", "bury"),
    "positions": ("pin",),
    "most": ("cap",),
    "per": ("cap",),
    "within": ("cap",),
}
"""Fields that only some actions have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Where a list is asked for, in words of the shop."""

    device: str | None = None
    """On what it is shown, such as `phone`; None: it was not said."""
    place: str | None = None
    """From where it is asked for, such as `de`; None: it was not said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of a shop."""

    name: str
    """How it is called, in answers too: `spring-tea`."""
    action: Action
    where: str | None = None
    """The products it is about, in the filter language; None: those of `product_ids`, or for a cap all."""
    product_ids: tuple[str, ...] = ()
    """The products it is about; those pinned in this order."""
    strength: float | None = None
    """Of a boost or bury, above 0 to 1: how far products move, in parts of the distance from the best product of a list
    to the two hundredth; 1 puts all of them before, or behind, the two hundred best. None: STRENGTH."""
    positions: tuple[int, ...] = ()
    """Of a pin: the places, 1 is the first; none given: from the first on, one a product named, one for a filter."""
    most: int | None = None
    """Of a cap: how many products."""
    per: str | None = None
    """Of a cap: the kind of node (`brand`, `category`, a declared one) of each of which so many may stand; None: of all
    the products together that the rule is about."""
    within: int | None = None
    """Of a cap: places that are looked at together; None: WITHIN."""
    lists: tuple[ListName, ...] = ()
    """Lists that it changes; empty: all."""
    starts_at_ms: int | None = None
    """Epoch milliseconds from which it holds; None: at once."""
    ends_at_ms: int | None = None
    """Epoch milliseconds from which it no longer holds; None: never."""
    devices: tuple[str, ...] = ()
    """Devices that it holds for; empty: all, and where none is said."""
    places: tuple[str, ...] = ()
    """Places that it holds for; empty: all, and where none is said."""
    hours: str | None = None
    """Hours of the day that it holds in, by the shop's clock: `18-23` from 18:00 to before 23:00, `22-6` over midnight;
    None: all day."""
    weekdays: tuple[Weekday, ...] = ()
    """Days of the week that it holds on, by the shop's clock; empty: all."""
    note: str = ""
    """What it is for, for those who look after the rules."""

    def __post_init__(self) -> None:
        self._check_name()
        self._check_products()
        for field, actions in _OF_ACTION.items():
            if getattr(self, field) not in (None, ()) and self.action not in actions:
                raise self._wrong(f"{field} is of {' and '.join(actions)} only, not of {self.action}; leave it out")
        self._check_numbers()
        self._check_times()
        self._check_context()

    def holds(self, now_ms: int) -> bool:
        """Return whether it is in force."""
        begun = self.starts_at_ms is None or self.starts_at_ms <= now_ms
        return begun and (self.ends_at_ms is None or now_ms < self.ends_at_ms)

    def state(self, now_ms: int) -> Literal["waiting", "in force", "over"]:
        """Return what has become of it."""
        if self.holds(now_ms):
            return "in force"
        return "over" if self.ends_at_ms is not None and self.ends_at_ms <= now_ms else "waiting"

    def changes(self, name: ListName) -> bool:
        """Return whether it changes a list."""
        return not self.lists or name in self.lists

    def is_for(self, context: Context) -> bool:
        """Return whether it holds on a device and in a place."""
        here = not self.places or context.place in self.places
        return here and (not self.devices or context.device in self.devices)

    def is_at(self, moment: datetime) -> bool:
        """Return whether it holds at an hour of a day of the week, as a clock of the shop shows them."""
        if self.weekdays and WEEKDAYS[moment.weekday()] not in self.weekdays:
            return False
        if self.hours is None:
            return True
        first, end = map(int, self.hours.split("-"))
        return first <= moment.hour < end if first < end else moment.hour >= first or moment.hour < end

    def _check_name(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise RuleError(
                "a rule is called by small letters, digits, - and _, 63 at most, such as spring-tea; got "
                f"{self.name[:80]!r}"
            )
        if self.action not in ACTIONS:
            raise self._wrong(f"action must be one of {', '.join(ACTIONS)}, got {self.action!r}")
        for name in self.lists:
            if name not in LISTS:
                raise self._wrong(f"lists must be of {', '.join(LISTS)}, got {name!r}")
        if len(self.note) > MAX_NOTE or not _LINE.fullmatch(self.note):
            raise self._wrong(f"note must be one line of at most {MAX_NOTE} characters")

    def _check_products(self) -> None:
        if self.where is not None and self.product_ids:
            raise self._wrong("give a filter or product_ids, not both")
        if self.where is None and not self.product_ids and self.action != "cap":
            raise self._wrong("say which products it is about: a filter such as 'category = \"Tea\"', or product_ids")
        if self.where is not None and len(self.where) > MAX_LENGTH:
            raise self._wrong(f"the filter may have {MAX_LENGTH:,} characters, got {len(self.where):,}")
        if len(self.product_ids) > MAX_IDS:
            raise self._wrong(f"product_ids may be {MAX_IDS} at most, got {len(self.product_ids):,}; use a filter")

    def _check_numbers(self) -> None:
        if self.strength is not None and not 0.0 < self.strength <= 1.0:
            raise self._wrong(f"strength must be above 0 and at most 1, got {self.strength:g}")
        if any(not 1 <= place <= MAX_PLACE for place in self.positions):
            raise self._wrong(f"positions must be from 1 to {MAX_PLACE}, got {', '.join(map(str, self.positions))}")
        if len(set(self.positions)) < len(self.positions):
            raise self._wrong(f"positions must differ, got {', '.join(map(str, self.positions))}")
        if self.action == "cap" and self.most is None:
            raise self._wrong("a cap needs most: how many products may stand in so many places")
        if self.within is not None and not 1 <= self.within <= MAX_PLACE:
            raise self._wrong(f"within must be from 1 to {MAX_PLACE} places, got {self.within}")
        places = self.within or WITHIN
        if self.most is not None and not 1 <= self.most < places:
            raise self._wrong(f"most must be from 1 to {places - 1}, fewer than the {places} places, got {self.most}")

    def _check_times(self) -> None:
        if self.starts_at_ms is not None and self.ends_at_ms is not None and self.ends_at_ms <= self.starts_at_ms:
            raise self._wrong("it would end before it starts; give a later end")

    def _check_context(self) -> None:
        for field, words in (("devices", self.devices), ("places", self.places)):
            if len(words) > MAX_WORDS:
                raise self._wrong(f"{field} may be {MAX_WORDS} at most, got {len(words)}")
            for word in words:
                if not _WORD.fullmatch(word):
                    raise self._wrong(f"{field} are words of small letters, digits and _, got {word[:80]!r}")
        for day in self.weekdays:
            if day not in WEEKDAYS:
                raise self._wrong(f"weekdays must be of {', '.join(WEEKDAYS)}, got {day!r}")
        if self.hours is None:
            return
        found = _HOURS.fullmatch(self.hours)
        if found is None or not (int(found[1]) < 24 and int(found[2]) <= 24 and int(found[1]) != int(found[2])):
            raise self._wrong(f"hours must be two different hours of a day such as 18-23, got {self.hours[:80]!r}")

    def _wrong(self, what: str) -> RuleError:
        return RuleError(f"rule {self.name}: {what}")


def in_force(rules: Iterable[Rule], *, now_ms: int) -> tuple[Rule, ...]:
    """Return the rules that hold now, by name."""
    return tuple(sorted((rule for rule in rules if rule.holds(now_ms)), key=lambda rule: rule.name))


def fitting(rules: Iterable[Rule], context: Context, moment: datetime) -> tuple[Rule, ...]:
    """Return the rules that hold for a context, in the order they have.

    Args:
        rules: those in force.
        context: what a request says of itself.
        moment: now, as a clock of the shop shows it.
    """
    return tuple(rule for rule in rules if rule.is_for(context) and rule.is_at(moment))


def of_list(rules: Iterable[Rule], name: ListName) -> tuple[Rule, ...]:
    """Return the rules that change a list, in the order they have."""
    return tuple(rule for rule in rules if rule.changes(name))
