"""How what users do has moved since the live model was made: distributions, amounts, and how well it still finds it.

The events since the live model's snapshot are held against those it learned from. A shift is the population stability
index (`kg.shift`), which is usually called large from 0.25 on. Drift refuses nothing: the next model learns from it. It
raises an alarm, so that somebody looks whether the world has changed or a feed has.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from gnn.bundle import Bundle
from gnn.measure import Measured
from gnn.report import WHOLE, report_or_none
from gnn.slices import category_groups
from kg.shift import psi
from kg.snapshot import DAY_MS, Snapshot
from serving.alert_config import AlertConfig
from serving.incremental import live_since, since_sentence
from serving.movers import Mover, movers

_BANDS = 10
_LEAST_USERS = 20
"""Users who did something since the live model below which nothing is said of how well it finds that."""
_LEAST_EVENTS = 200
"""Events since the live model below which a distribution says too little."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One thing that was watched."""

    name: str
    """`categories`, `events of a day`."""
    value: float
    limit: float
    alarm: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Drift:
    """What has moved since the live model was made."""

    num_events: int
    """Events since."""
    watched: tuple[Watched, ...]
    since: Measured | None
    """The live model's NDCG on what users did since; None: too few did, or there is no clock."""
    movers: tuple[Mover, ...] = ()
    """Products that users turned to and away from."""

    @property
    def alarms(self) -> tuple[Watched, ...]:
        """What somebody should look at."""
        return tuple(one for one in self.watched if one.alarm)

    @property
    def sentence(self) -> str:
        """The alarms in words."""
        if not self.watched:
            return f"{self.num_events:,} events since the live model, too few to say more"
        told = "; ".join(one.sentence for one in self.alarms)
        count = f"{self.num_events:,} events since the live model"
        return f"{count}, {len(self.alarms)} alarms: {told}" if self.alarms else f"{count}, no alarm"


def watch(snapshot: Snapshot, live: Bundle | None, config: AlertConfig) -> Drift | None:
    """Return what has moved; None where there is no live model, or events have no clock.

    Args:
        snapshot: what is learned from now.
        live: the model that is served.
        config: when to raise an alarm.
    """
    if live is None or snapshot.order != "clock" or live.snapshot.last_time is None:
        return None
    new = snapshot.events.time > live.snapshot.last_time
    count = int(new.sum())
    found = list(_amounts(live.snapshot.events.time, snapshot.events.time[new], config))
    moved: tuple[Mover, ...] = ()
    if count >= _LEAST_EVENTS and not new.all():
        found += _shifts(snapshot, new, config)
        moved = movers(snapshot, new)
    report = report_or_none(live.report)
    if report is None:
        return Drift(count, tuple(found), None, moved)
    since = live_since(live, snapshot, min_users=_LEAST_USERS, k=report.k, seed=report.seed)
    then = report.result(WHOLE).metrics[report.main_metric].mean
    if since is not None and then > 0:
        part, told = since.high / then, since_sentence(since, report.main_metric, then)
        found.append(Watched("live model", part, config.min_of_live, part < config.min_of_live, told))
    return Drift(count, tuple(found), since, moved)


def drift_to_json(drift: Drift) -> dict[str, Any]:
    """Return what was watched as plain values."""
    return {
        "num_events": drift.num_events,
        "sentence": drift.sentence,
        "since": None if drift.since is None else asdict(drift.since),
        "watched": [asdict(one) for one in drift.watched],
        "movers": [asdict(one) for one in drift.movers],
    }


def _amounts(old: Int[np.ndarray, " event"], new: Int[np.ndarray, " event"], config: AlertConfig) -> Iterator[Watched]:
    """How many events a day brings since the live model, beside the median day of its last four weeks."""
    if not len(new):
        yield Watched("events of a day", 0.0, config.min_daily, True, "nothing happened since the live model")
        return
    days = np.bincount(((old.max() - old) // DAY_MS).astype(np.int64))[:28]
    usual = float(np.median(days[1:])) if len(days) > 1 else float(days[0])
    span = max(1.0, (new.max() - old.max()) / DAY_MS)
    times_usual = len(new) / span / max(usual, 1.0)
    told = f"a day brings {times_usual:.2f} times the events of a usual day ({usual:,.0f})"
    alarm = not config.min_daily <= times_usual <= config.max_daily
    limit = config.max_daily if times_usual > 1 else config.min_daily
    yield Watched("events of a day", times_usual, limit, alarm, told)


def _shifts(snapshot: Snapshot, new: np.ndarray, config: AlertConfig) -> Iterator[Watched]:
    for name, part in _parts(snapshot, new).items():
        num = int(part.max(initial=-1)) + 1
        known = part >= 0
        if num < 2 or not (known & new).any() or not (known & ~new).any():
            continue
        before, after = (np.bincount(part[known & side], minlength=num).astype(float) for side in (~new, new))
        value = psi(before, after)
        told = f"{name} have shifted by {value:.2f}, more than {config.max_psi:g}"
        yield Watched(name, value, config.max_psi, value > config.max_psi, told)


def _parts(snapshot: Snapshot, new: np.ndarray) -> Mapping[str, Int[np.ndarray, " event"]]:
    """The part that each event falls in by several views; below 0: in none."""
    events, num = snapshot.events, snapshot.num_nodes("Product")
    category = np.full(num, -1)
    for row, members in enumerate(category_groups(snapshot).values()):
        category[members & (category < 0)] = row
    count = np.bincount(events.product[~new], minlength=num)
    order = np.argsort(-count, kind="stable")
    band = np.empty(num, dtype=np.int64)
    shares = np.cumsum(count[order]) / max(1, count.sum())
    band[order] = np.minimum((shares * _BANDS).astype(np.int64), _BANDS - 1)
    price = _price_bands(snapshot)
    parts = {
        "event types": events.kind.astype(np.int64),
        "categories": category[events.product],
        "popularity of products": band[events.product],
    }
    return parts if price is None else parts | {"prices": price[events.product]}


def _price_bands(snapshot: Snapshot) -> Int[np.ndarray, " product"] | None:
    """Tenth of the catalogue's prices that each product is in, below 0 without a price; None: there are no prices."""
    table = snapshot.nodes["Product"]
    if "price" not in table.column_names:
        return None
    price = table["price"].cast(pa.float64()).to_numpy(zero_copy_only=False)
    known = np.isfinite(price)
    if not known.any():
        return None
    edges = np.quantile(price[known], np.linspace(0, 1, _BANDS + 1)[1:-1])
    return np.where(known, np.searchsorted(edges, np.where(known, price, 0.0), side="right"), -1)
