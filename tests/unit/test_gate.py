"""The gate in worlds where something went wrong, each refused for the line that says so, and in one that got better."""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from bench.planted import shuffled
from gnn.bundle import Bundle
from gnn.bundles import BundleStore
from gnn.errors import ConfigError
from gnn.score import History
from kg.snapshot import build_snapshot
from kg.tables import Tables
from serving.errors import GateRefused
from serving.gate.config import GateConfig
from serving.gate.data import data_lines
from serving.gate.lists import list_lines
from serving.gate.verdict import Line, Verdict, at_least, at_most, verdict_to_json
from serving.ready import Ready, prepare
from serving.retrain import Place, retrain
from tests.support.bundles import quick_config, small_shop

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a model of the small shop is live."""
    folder = tmp_path_factory.mktemp("gate")
    learn(folder, small_shop().tables)
    return folder


def learn(room: Path, tables: Tables, *, seed: int = 0, forced: str | None = None) -> Bundle:
    place = Place(BundleStore(room / "bundles"), room / "cache")
    return retrain(build_snapshot(tables), place, config=quick_config(seed), forced=forced).bundle


def with_events(tables: Tables, events: pa.Table) -> Tables:
    return replace(tables, events=events)


def half(tables: Tables) -> Tables:
    """Every other event is missing."""
    return with_events(tables, tables.events.take(np.arange(0, tables.events.num_rows, 2)))


def told_the_day_before(tables: Tables) -> Tables:
    """A feed that writes down each event a second time, ten days before it happens."""
    early = pc.subtract(tables.events["at"].cast(pa.int64()), 10 * DAY_MS).cast(tables.events["at"].type)
    ids = pa.array([f"early-{key}" for key in tables.events["event_id"].to_pylist()])
    columns = {name: tables.events[name] for name in tables.events.column_names} | {"at": early, "event_id": ids}
    return with_events(tables, pa.concat_tables([tables.events, pa.table(columns, schema=tables.events.schema)]))


def without_a_category(tables: Tables) -> tuple[Tables, str]:
    """The events of all products in or below one root category are missing; its id is returned too."""
    parents = dict(zip(*(tables.edges["CHILD_OF"].column(place).to_pylist() for place in (0, 1)), strict=True))
    links = zip(*(tables.edges["IN_CATEGORY"].column(place).to_pylist() for place in (0, 1)), strict=True)
    roots = {}
    for product, category in links:
        while category in parents:
            category = parents[category]
        roots[product] = category
    root = Counter(roots[product] for product in tables.events["product_id"].to_pylist() if product in roots)
    largest = max(root, key=lambda key: root[key])
    gone = pa.array([product for product, category in roots.items() if category == largest])
    keep = pc.invert(pc.is_in(tables.events["product_id"], gone))
    return with_events(tables, tables.events.filter(keep)), largest


@pytest.mark.parametrize(
    ("broken", "names"),
    [
        (lambda tables: shuffled(tables, seed=3), ("ndcg@10 of tail products", "coverage@10")),
        (half, ("events",)),
        (told_the_day_before, ("ndcg@10 too good",)),
    ],
    ids=["shuffled labels", "half the data", "a leaked future"],
)
def test_a_broken_world_is_refused_for_the_line_that_says_so(
    broken: Callable[[Tables], Tables], names: Sequence[str], room: Path
) -> None:
    store = BundleStore(room / "bundles")
    live = store.current_version()

    with pytest.raises(GateRefused, match=r"is kept in .* for study"):
        learn(room, broken(small_shop().tables))

    assert live == store.current_version()
    verdict = store.load(store.versions()[-1]).report["gate"]
    refused = [line["name"] for line in verdict["lines"] if not line["passed"]]
    assert set(names) <= set(refused)
    assert not verdict["passed"]


def test_the_same_world_again_passes_with_every_line(room: Path) -> None:
    bundle = learn(room, small_shop().tables)

    lines = bundle.report["gate"]["lines"]
    assert all(line["passed"] for line in lines)
    assert {"data", "quality", "lists", "reasons"} == {line["part"] for line in lines}
    names = {line["name"] for line in lines}
    assert {"against habit", "against ease", "against live settings", "events", "size", "time of a list"} <= names
    assert bundle.version == BundleStore(room / "bundles").current_version()
    assert "## Gate" in (bundle.folder / "card.md").read_text("utf-8")


def test_a_better_world_passes(tmp_path: Path, room: Path) -> None:
    shutil.copytree(room / "cache", tmp_path / "cache")
    learn(tmp_path, half(small_shop().tables))

    better = learn(tmp_path, small_shop().tables)

    assert better.version == BundleStore(tmp_path / "bundles").current_version()


def test_a_refused_model_is_published_when_somebody_says_why(tmp_path: Path, room: Path) -> None:
    shutil.copytree(room, tmp_path, dirs_exist_ok=True)

    bundle = learn(tmp_path, half(small_shop().tables), forced="we closed half the shop")

    verdict = bundle.report["gate"]
    assert bundle.version == BundleStore(tmp_path / "bundles").current_version()
    assert "we closed half the shop" == verdict["overruled"]
    assert "Published against the gate" in verdict["sentence"]
    assert "because: we closed half the shop" in verdict["sentence"]


def test_a_category_whose_events_are_missing_is_named() -> None:
    tables = small_shop().tables
    broken, category = without_a_category(tables)

    lines = data_lines(build_snapshot(broken), build_snapshot(tables), GateConfig(min_data=0.0))

    assert [f"events of category {category}"] == [line.name for line in lines if not line.passed]


def test_events_of_the_future_are_refused() -> None:
    tables = small_shop().tables
    late = pc.add(tables.events["at"].cast(pa.int64()), 400 * 365 * DAY_MS).cast(tables.events["at"].type)
    events = tables.events.set_column(tables.events.column_names.index("at"), "at", late)

    faults = [
        line for line in data_lines(build_snapshot(with_events(tables, events)), None, GateConfig()) if not line.passed
    ]

    assert ["events in the future"] == [line.name for line in faults]


class Slow:
    """A model that scores many times before it answers."""

    def __init__(self, inner: object) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def spread(self, history: History) -> object:
        """Return what the model says, after saying it for nothing."""
        for _ in range(60):
            self._inner.spread(history)  # type: ignore[attr-defined]  # a Scorer
        return self._inner.spread(history)  # type: ignore[attr-defined]  # a Scorer


def lists_of(ready: Ready, live: Ready) -> dict[str, Line]:
    return {line.name: line for line in list_lines(ready, live, GateConfig(canary_users=10), n=10)}


def test_a_model_that_takes_long_is_refused(room: Path) -> None:
    live = prepare(BundleStore(room / "bundles").current())
    slow = replace(live, bundle=replace(live.bundle, scorer=Slow(live.bundle.scorer)))

    lines = lists_of(slow, live)

    assert not lines["time of a list"].passed
    assert lines["time of a list"].value > 3
    assert (1.0, True) == (lines["overlap with the live lists"].value, lines["overlap with the live lists"].passed)
    assert all(line.passed for line in lists_of(live, live).values())


def test_a_verdict_is_told_in_words_and_to_machines() -> None:
    good = at_least("quality", "against habit", 0.1, 0.0, "against habit +0.1", "look")
    bad = at_most("lists", "size", 4.0, 3.0, "4 times as large, at most 3 may be", "take less")

    refused = Verdict((good, bad))

    assert (False, (bad,)) == (refused.passed, refused.faults)
    assert "Refused, 1 of 2 lines not passed: 4 times as large, at most 3 may be (take less)." == refused.sentence
    assert "Passed all 1 lines of the gate; against habit +0.1." == Verdict((good,)).sentence
    assert replace(refused, overruled="a good reason").passed
    plain = json.loads(json.dumps(verdict_to_json(refused)))
    assert [True, False] == [line["passed"] for line in plain["lines"]]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"min_data": 1.2}, "min_data must be between 0 and 1, got 1.2"),
        ({"max_slowdown": 1.0}, "max_slowdown must be above 1, got 1.0"),
        ({"canary_users": -1}, "canary_users must be 0 or more|reason_users and canary_users must be 0 or more"),
        ({"min_users": 0}, "min_users must be at least 1"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(settings: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        GateConfig(**settings)  # type: ignore[arg-type]  # parametrised
