"""Click-through against loops over all lists and all events, for random shops."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving import click_through
from serving.click_through import PARTS, Part, Row
from tests.support.seen_lists import DAY_MS, HOUR_MS, T0, SeenLists, recorded

PRODUCTS = [f"p{number}" for number in range(6)]
USERS = ["u1", "u2"]
DAYS = 1.0


@dataclass
class Shown:
    """A list, and what was said of it."""

    products: list[str]
    user: str | None
    at_ms: int
    placement: str | None
    version: str
    first_rank: int
    alike: bool
    said: list[list[int]] = field(default_factory=list)


@dataclass
class Done:
    """An event."""

    product: str
    user: str
    kind: str
    at_ms: int
    named: int | None


hours = st.integers(0, 48).map(lambda hour: T0 + hour * HOUR_MS)
shown = st.builds(
    Shown,
    st.lists(st.sampled_from(PRODUCTS), min_size=1, max_size=4, unique=True),
    st.sampled_from([None, *USERS]),
    hours,
    st.sampled_from([None, "home", "basket"]),
    st.sampled_from(["m1", "m2"]),
    st.sampled_from([1, 9, 20]),
    st.booleans(),
    st.lists(st.lists(st.integers(0, 3), max_size=3), max_size=2),
)
done = st.builds(
    Done,
    st.sampled_from(PRODUCTS),
    st.sampled_from(USERS),
    st.sampled_from(["viewed", "bought"]),
    hours,
    st.none() | st.integers(0, 5),
)


def position(rank: int) -> str:
    if rank > 20:
        return "21+"
    return "11-20" if rank > 10 else str(rank)


def naive(lists: list[Shown], events: list[Done], by: list[Part]) -> dict[tuple[str | None, ...], list[list[int]]]:
    """Counts of each row, first those of named lists, then the attributed ones."""
    rows: dict[tuple[str | None, ...], list[list[int]]] = {}
    members: dict[tuple[tuple[str | None, ...], int], set[int]] = {}
    for number, one in enumerate(lists):
        user = None if one.alike else one.user
        own = [event for event in events if event.named == number]
        told = {one.products[place] for places in one.said for place in places if place < len(one.products)}
        for place, product in enumerate(one.products):
            rank = one.first_rank + place
            values = {
                "surface": "similar" if one.alike else "recommend",
                "placement": one.placement,
                "position": position(rank),
                "model_version": one.version,
            }
            key = tuple(values[part] for part in by)
            clicks = [event for event in own if event.product == product]
            if one.said and product not in told and not clicks:
                continue
            counts = rows.setdefault(key, [[0] * 4, [0] * 4])
            sides = [0] if own or user is None else [0, 1]
            if not own and user is not None:
                clicks = [
                    event
                    for event in events
                    if event.named is None
                    and event.user == user
                    and event.product == product
                    and one.at_ms <= event.at_ms <= one.at_ms + DAYS * DAY_MS
                ]
            for side in sides:
                members.setdefault((key, side), set()).add(number)
                counts[side][1] += 1
            counts[sides[-1]][2] += bool(clicks)
            counts[sides[-1]][3] += any(event.kind == "bought" for event in clicks)
    for (key, side), numbers in members.items():
        rows[key][side][0] = len(numbers)
    return rows


def numbers(row: Row) -> list[list[int]]:
    return [[one.lists, one.impressions, one.clicks, one.conversions] for one in (row.told, row.attributed)]


@settings(max_examples=60, deadline=None)
@given(st.lists(shown, max_size=6), st.lists(done, max_size=12), st.lists(st.sampled_from(PARTS), unique=True))
def test_every_row_is_what_loops_over_everything_count(lists: list[Shown], events: list[Done], by: list[Part]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = SeenLists(Path(folder) / "state.db")
        shop.show(
            *(
                recorded(
                    number,
                    one.products,
                    user=one.user,
                    at_ms=one.at_ms,
                    first_rank=one.first_rank,
                    placement=one.placement,
                    version=one.version,
                    alike=one.alike,
                )
                for number, one in enumerate(lists)
            )
        )
        for number, one in enumerate(lists):
            for places in one.said:
                named = tuple(one.products[place] for place in places if place < len(one.products))
                assert not shop.see(number, products=named).refused
        for event in events:
            shop.do(event.product, user=event.user, kind=event.kind, at_ms=event.at_ms, named=event.named)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(click_through, "_LISTS", 2)
            found = shop.read(*by, days=DAYS)

    assert naive(lists, events, by) == {row.key: numbers(row) for row in found.rows}
