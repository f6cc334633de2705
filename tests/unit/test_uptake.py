"""What users took up of two models' lists: counted as told, with the intervals of the literature."""

import json
import random
from pathlib import Path

import pytest

from gnn.canary import Canary
from serving.answer import RecommendRequest
from serving.audit_config import AuditConfig
from serving.events import EventLog, NewEvent
from serving.records import Record, RecordLog
from serving.uptake import Share, Uptake, UptakeLog, newcombe, wilson

T0 = 1_700_000_000_000
DAY_MS = 86_400_000


def canary_of(share: float = 0.5) -> Canary:
    return Canary(version="new", before="old", share=share, since_ms=T0, until_ms=None)


class World:
    """Lists and events of users, written as the API writes them."""

    def __init__(self, folder: Path) -> None:
        self.path, self.number = folder / "state.db", 0
        self.records: list[Record] = []
        self.events: list[tuple[int, NewEvent]] = []

    def show(self, user: str | None, version: str, products: list[str], *, at_ms: int = T0 + 1) -> None:
        self.number += 1
        answer = json.dumps({"items": [{"product_id": product} for product in products]}).encode()
        self.records.append(
            Record(
                recommendation_id=f"r{self.number}",
                at_ms=at_ms,
                wish=RecommendRequest(user_id=user),
                model_version=version,
                graph_version="g",
                events_after=0,
                events_until=None,
                answer=answer,
            )
        )

    def do(self, user: str, product: str, *, kind: str = "view", at_ms: int = T0 + 2) -> None:
        self.number += 1
        event = NewEvent(event_id=f"e{self.number}", user_id=user, product_id=product, type=kind, at_ms=at_ms)
        self.events.append((at_ms, event))

    def read(self, canary: Canary, monkeypatch: pytest.MonkeyPatch, *, days: float = 7.0) -> Uptake:
        with RecordLog.open(self.path, AuditConfig()) as records, EventLog.open(self.path) as events:
            records.add(self.records)
            for at_ms in sorted({at_ms for at_ms, _ in self.events}):
                monkeypatch.setattr("serving.events.time.time", lambda at_ms=at_ms: at_ms / 1000)
                events.append([event for received, event in self.events if received == at_ms])
            monkeypatch.undo()
        with UptakeLog.open(self.path) as log:
            return log.read(canary, until_ms=T0 + 30 * DAY_MS, days=days)


def test_only_what_was_shown_before_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    for user in "abcdef":
        world.show(user, "new" if user in "abc" else "old", ["p1", "p2"], at_ms=T0 + DAY_MS)
    world.show("a", "new", ["p1"], at_ms=T0 + DAY_MS)
    world.do("a", "p1", kind="bought", at_ms=T0 + 2 * DAY_MS)
    world.do("a", "p2", at_ms=T0 + 2 * DAY_MS)
    world.do("b", "p9", at_ms=T0 + 2 * DAY_MS)  # not shown
    world.do("c", "p1", at_ms=T0)  # before it was shown
    world.do("d", "p1", at_ms=T0 + 9 * DAY_MS)  # too late
    world.do("e", "p2", at_ms=T0 + 8 * DAY_MS)  # the last moment
    world.do("z", "p2", at_ms=T0 + 2 * DAY_MS)  # saw nothing
    world.show("f", "new", ["p1"], at_ms=T0 + DAY_MS)  # saw both
    world.show(None, "new", ["p1"])
    world.show("y", "older", ["p1"])
    world.show("x", "new", ["p1"], at_ms=T0 - 1)

    found = world.read(canary_of(), monkeypatch)

    assert (2, 2) == (found.before.num_users, found.before.num_lists)
    assert (3, 4) == (found.after.num_users, found.after.num_lists)
    assert {"any": 1, "view": 1, "bought": 1} == found.after.took
    assert {"any": 1, "view": 1} == found.before.took
    assert 1 == found.num_mixed


def test_intervals_are_those_of_newcombe() -> None:
    # Newcombe (1998), Statistics in Medicine 17:873-890, table II, method 10: 56/70 - 48/80 and 9/10 - 3/10
    found = [newcombe(wilson(56, 70), wilson(48, 80)), newcombe(wilson(9, 10), wilson(3, 10))]

    assert [pytest.approx(0.2), pytest.approx(0.6)] == [one.mean for one in found]
    assert [pytest.approx((0.0524, 0.3339), abs=5e-5), pytest.approx((0.1705, 0.8090), abs=5e-5)] == [
        (one.low, one.high) for one in found
    ]


def test_nothing_is_no_interval() -> None:
    found = wilson(0, 0)

    assert found != found.__class__(0.0, 0.0, 0.0)
    assert all(value != value for value in (found.mean, found.low, found.high))


@pytest.mark.parametrize(
    ("rates", "part", "words"),
    [
        ((0.2, 0.2), 0.5, None),
        ((0.2, 0.4), 0.5, None),
        ((0.3, 0.1), 0.5, "its users take up less"),
        ((0.2, 0.2), 0.3, "users are not split as told"),
    ],
)
def test_less_uptake_or_a_wrong_split_speaks_against_it(
    tmp_path: Path, rates: tuple[float, float], part: float, words: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, chance = World(tmp_path), random.Random(0)
    for number in range(600):
        is_canary = chance.random() < part
        world.show(f"u{number}", "new" if is_canary else "old", ["p1"])
        if chance.random() < rates[is_canary]:
            world.do(f"u{number}", "p1")

    found = world.read(canary_of(), monkeypatch)

    against = found.against(min_users=100)
    assert (words is None) == (against is None)
    assert words is None or words in str(against)
    told = " ".join(found.sentences(min_users=100))
    assert ("against it:" in told) == (words is not None)


def test_few_users_say_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    for number in range(40):
        world.show(f"u{number}", "new" if number % 2 else "old", ["p1"])
        if not number % 2:
            world.do(f"u{number}", "p1")

    found = world.read(canary_of(), monkeypatch)

    assert found.against(min_users=100) is None
    assert found.against(min_users=20) is not None
    assert "too early to say" in " ".join(found.sentences(min_users=100))
    assert Share(-1.0, found.difference().low, found.difference().high) == found.difference()
