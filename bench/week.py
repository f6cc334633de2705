"""`python -m bench.week`: a week of a shop in some minutes, or more, with drift on day 4 and a broken feed on day 5.

A generated shop of some weeks is the past. Then comes a day at a time: its events are added, and the model is learned
anew as `whycart retrain` would, against the live one. From day 4 on customers want other products: each one's taste is
another customer's. On day 5 the feed is broken: the events of two thirds of the products never arrive. Told is, day by
day, what the gate said, what the watch said, and how well the model that was live found what users did that day, which
it had not seen. The page of `whycart runs report` on all of it is written too.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.figures import commit_name, processor_name
from gnn.bundles import BundleStore
from gnn.config import FuseConfig, LearnConfig, ModelConfig, TrainConfig
from kg.snapshot import DAY_MS, build_snapshot
from kg.sources.generated import generated_shop
from kg.tables import Tables
from serving.cli.learn import use_all_cores
from serving.errors import GateRefused
from serving.retrain import Place, retrain
from serving.retrain_config import RetrainConfig, describe
from serving.runs import RunLog, recorded_run
from serving.runs_page import Told, runs_page

DRIFT_DAY, BROKEN_DAY = 4, 5
_SPAN_DAYS = 56
"""Days over which the shop's events are spread, the week included."""
_DRIFT_SHARE = 0.8
"""Part of the events of a day that follow the new taste."""


class Shop:
    """The events of a generated shop, day by day."""

    def __init__(self, *, users: int, products: int, events: int, seed: int, days: int, settled: bool) -> None:
        made = generated_shop(users=users, products=products, brands=products // 20, events=events, seed=seed)
        self.tables = _closer(made.tables)
        self._at = self.tables.events["at"].cast(pa.int64()).to_numpy()
        self.end_ms = int(self._at.max()) + 1
        self.days, self.settled = days, settled
        self._rng = np.random.default_rng(seed)
        people = self.tables.nodes["User"].column(0).to_pylist()
        self._other = dict(zip(people, [people[place] for place in self._rng.permutation(len(people))], strict=True))

    def until(self, day: int) -> Tables:
        """Return the shop as its feeds tell it at the end of a day; 0 is the evening before the week."""
        at = pa.array(self._at)
        start_ms = self.end_ms - self.days * DAY_MS
        past = self.tables.events.filter(pc.less(at, start_ms))
        parts = [self._moved(past, 0) if self.settled else past]
        for number in range(1, day + 1):
            first, last = start_ms + (number - 1) * DAY_MS, start_ms + number * DAY_MS
            today = self.tables.events.filter(pc.and_(pc.greater_equal(at, first), pc.less(at, last)))
            parts.append(self._moved(today, number) if self.settled or number >= DRIFT_DAY else today)
        tables = replace(self.tables, events=pa.concat_tables(parts))
        return self._broken(tables) if day == BROKEN_DAY else tables

    def _moved(self, events: pa.Table, seed: int) -> pa.Table:
        """Most of a day's events are done by somebody else: whoever has the other's taste."""
        drawn = np.random.default_rng(seed).random(events.num_rows) < _DRIFT_SHARE
        users = events["user_id"].to_pylist()
        moved = [self._other[user] if other else user for user, other in zip(users, drawn, strict=True)]
        place = events.column_names.index("user_id")
        return events.set_column(
            place, events.schema.field("user_id"), pa.array(moved, type=events.schema.field(place).type)
        )

    def _broken(self, tables: Tables) -> Tables:
        """The export of two thirds of the products is missing, and with it their events."""
        products = tables.nodes["Product"].column(0).to_pylist()
        there = pa.array(products[: len(products) // 3])
        return replace(tables, events=tables.events.filter(pc.is_in(tables.events["product_id"], there)))


def _closer(tables: Tables) -> Tables:
    """The same events in the same order within _SPAN_DAYS, so that a day has many."""
    at = tables.events["at"].cast(pa.int64()).to_numpy()
    span = max(1, int(at.max() - at.min()))
    moved = at.max() - ((at.max() - at) * (_SPAN_DAYS * DAY_MS / span)).astype(np.int64)
    place = tables.events.column_names.index("at")
    field = tables.events.schema.field(place)
    return replace(tables, events=tables.events.set_column(place, field, pa.array(moved).cast(field.type)))


def config_of(seed: int) -> RetrainConfig:
    """Return settings that learn a small shop in seconds."""
    learn = LearnConfig(
        fuse=FuseConfig(max_users=400, candidates=30, k=10),
        model=ModelConfig(dim=32, heads=2),
        train=TrainConfig(epochs=2, seed=seed, device="cpu"),
        k=10,
    )
    return RetrainConfig(learn=learn)


def measure(shop: Shop, home: Path, *, seed: int) -> list[dict[str, Any]]:
    """Live through the week; return one entry a day."""
    store, found = BundleStore(home / "bundles"), []
    for day in range(shop.days + 1):
        snapshot, started = build_snapshot(shop.until(day)), time.perf_counter()
        config = config_of(seed)
        with (
            contextlib.suppress(GateRefused),
            recorded_run(home / "state.db", data=None, config=describe(config)) as run,
        ):
            run.learned_from(snapshot.hash)
            done = retrain(
                snapshot,
                Place(store, home / "cache"),
                config=config,
                step_done=lambda step, run=run: run.step(step.name, step.took_s, step.line),  # type: ignore[misc]
            )
            run.end("published", done.verdict.sentence, version=done.bundle.version)
        with RunLog.open(home / "state.db") as log:
            latest = log.all(limit=1)[0]
        one = Told(latest, store.report_of(latest.version))
        found.append(
            {
                "day": day,
                "outcome": latest.outcome,
                "events": len(snapshot.events),
                "ndcg@10": one.value("whycart"),
                "live_model_on_the_day": one.since,
                "not_passed": [line["name"] for line in one.report["gate"]["lines"] if not line["passed"]],
                "alarms": [
                    watched["name"] for watched in one.report.get("drift", {}).get("watched", ()) if watched["alarm"]
                ],
                "took_s": round(time.perf_counter() - started, 1),
            }
        )
        print(json.dumps(found[-1]), flush=True)
    return found


def write_page(home: Path, file: Path) -> None:
    """Write the page on all runs."""
    store = BundleStore(home / "bundles")
    with RunLog.open(home / "state.db") as log:
        told = [Told(run, store.report_of(run.version)) for run in reversed(log.all())]
    file.write_text(runs_page(told, served=store.current_version()), encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Live through the week; return the exit code: 1 where the broken day was not refused or no alarm was raised."""
    parser = argparse.ArgumentParser(prog="python -m bench.week", description=(__doc__ or "").splitlines()[0])
    for name, default in (("users", 500), ("products", 400), ("events", 24_000), ("seed", 0), ("days", 7)):
        parser.add_argument(f"--{name}", type=int, default=default, help="of the generated shop")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the page of the runs here")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--settled", action="store_true", help="the drift is old: what can be found once it is learned")
    options = parser.parse_args(argv)
    use_all_cores()
    shop = Shop(
        users=options.users,
        products=options.products,
        events=options.events,
        seed=options.seed,
        days=options.days,
        settled=options.settled,
    )
    found = {"processor": processor_name(), "threads": os.cpu_count(), "commit": commit_name()}
    with tempfile.TemporaryDirectory() as room:
        days = measure(shop, Path(room), seed=options.seed)
        if options.page is not None:
            write_page(Path(room), options.page)
    if options.json is not None:
        options.json.write_text(json.dumps(found | {"days": days}, indent=1) + "\n", encoding="utf-8")
    refused = [entry["day"] for entry in days if entry["outcome"] == "refused"]
    return 0 if refused == [BROKEN_DAY] and any(entry["alarms"] for entry in days) else 1


if __name__ == "__main__":
    sys.exit(main())
