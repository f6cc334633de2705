"""What is learned from, what is tuned on, what is measured on: one split of a snapshot's events.

By time wherever there is a clock; leave-one-out where only the order is known; at random where nothing is. A published
split that stands beside the tables is taken as it is. No split copies a later event into an earlier part.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int

from gnn.errors import TooLittleData
from kg.snapshot import Snapshot, select_events

SplitName = Literal["temporal", "leave-one-out", "random", "given"]


@dataclass(frozen=True, slots=True)
class Targets:
    """What users did after a cutoff, as pairs without repetition."""

    user: Int[np.ndarray, " pair"]
    """User row; sorted."""
    product: Int[np.ndarray, " pair"]
    """Product row."""
    now_ms: int
    """The moment at which one would have recommended; 0 where events have no clock."""
    candidates: Int[np.ndarray, "pair candidate"] | None = None
    """Product rows that a published split prescribes to rank beside each target, below 0 in the padding; each pair is
    then a question of its own. None: the whole catalogue is ranked, once a user."""
    at_ms: Int[np.ndarray, " pair"] | None = None
    """When each pair happened, where events have a clock and every user is asked at a moment of their own; None: all
    are asked at `now_ms`."""
    follows: bool = True
    """Whether targets come after the history; else anywhere between its events, and order says little."""

    @property
    def users(self) -> Int[np.ndarray, " user"]:
        """The users that have a target, sorted."""
        return np.unique(self.user)

    def moments(self, users: Int[np.ndarray, " user"]) -> Int[np.ndarray, " user"]:
        """Return when each of some users with a target is asked: at `now_ms`, or at their first target."""
        if self.at_ms is None:
            return np.full(len(users), self.now_ms, dtype=np.int64)
        first = np.full(int(self.user.max(initial=-1)) + 1, np.iinfo(np.int64).max)
        np.minimum.at(first, self.user, self.at_ms)
        return np.asarray(first[users])


@dataclass(frozen=True, slots=True)
class Trial:
    """One question put to a recommender: given what was seen, what comes next?"""

    seen: Snapshot
    """Where histories come from; nothing of the targets is in it."""
    targets: Targets
    """What users did afterwards."""
    exclude_seen: bool
    """Whether products of the history are left out of rankings."""


@dataclass(frozen=True, slots=True)
class DataSplit:
    """Two stages: fit on `train` and tune on `valid`; then fit on `train_valid` and measure on `test` once."""

    name: SplitName
    train: Snapshot
    valid: Targets
    train_valid: Snapshot
    test: Targets


def split_snapshot(
    snapshot: Snapshot,
    *,
    name: SplitName | None = None,
    share: float = 0.1,
    seed: int = 0,
    given: Mapping[str, pa.Table] | None = None,
    cuts: tuple[int, int] | None = None,
) -> DataSplit:
    """Split a snapshot's events.

    Args:
        snapshot: everything.
        name: which split; None takes the published one where it is given, else the one that the events' order calls
            for.
        share: part of the events that validation and test take each (temporal and random).
        seed: for the random split.
        given: tables of a published split (`kg.reader.read_splits`).
        cuts: epoch milliseconds at which validation and test begin (temporal); None: as `share` says.

    Raises:
        TooLittleData: a part would be empty, or the split needs what the events do not have.
    """
    chosen: SplitName = name or ("given" if given else natural_split(snapshot))
    if chosen == "given":
        return _not_empty(_split_as_given(snapshot, given or {}, share=share, seed=seed), len(snapshot.events))
    if chosen == "temporal" and snapshot.order != "clock":
        raise TooLittleData("a temporal split needs event times; use leave-one-out or random")
    if chosen == "leave-one-out" and snapshot.order == "none":
        raise TooLittleData("leave-one-out needs the order of events; use random")
    if chosen == "temporal":
        return _not_empty(_split_by_time(snapshot, cuts or _cuts(snapshot, share)), len(snapshot.events))
    everything = np.ones(len(snapshot.events), dtype=bool)
    if chosen == "leave-one-out":
        part = leave_one_out(snapshot, everything)
    else:
        part = at_random(snapshot, everything, share=share, rng=np.random.default_rng(seed))
    return _not_empty(_split_by_part(snapshot, part, chosen), len(snapshot.events))


def _not_empty(split: DataSplit, num_events: int) -> DataSplit:
    if not len(split.train.events) or not len(split.valid.user) or not len(split.test.user):
        raise TooLittleData(
            f"the {split.name} split of {num_events} events leaves a part empty "
            f"(train {len(split.train.events)}, valid {len(split.valid.user)}, test {len(split.test.user)}); "
            "add events or take a larger share"
        )
    return split


def natural_split(snapshot: Snapshot) -> SplitName:
    """Return the split that fits what is known of the order of events."""
    names: dict[str, SplitName] = {"clock": "temporal", "position": "leave-one-out", "none": "random"}
    return names[snapshot.order]


def repeat_share(train: Snapshot, targets: Targets) -> float:
    """Return the share of target pairs that the user already had to do with; 0 without targets."""
    width = train.num_nodes("Product")
    seen = np.unique(train.events.user.astype(np.int64) * width + train.events.product)
    pairs = targets.user.astype(np.int64) * width + targets.product
    return float(np.isin(pairs, seen).mean()) if len(pairs) else 0.0


def make_targets(
    snapshot: Snapshot, chosen: Bool[np.ndarray, " event"], *, now_ms: int | None = None, follows: bool = True
) -> Targets:
    """Return the pairs of some events of positive weight; a return or a dislike is nothing one wants to predict.

    Args:
        snapshot: where the events are.
        chosen: one flag an event.
        now_ms: the one moment at which all users are asked; None: each at the time of the first target, where there
            is a clock and the targets follow the history.
        follows: whether they do.
    """
    weight = np.array([snapshot.schema.events[name].weight for name in snapshot.event_names])[snapshot.events.kind]
    place = np.flatnonzero(chosen & (weight > 0))
    width = snapshot.num_nodes("Product")
    code = snapshot.events.user[place].astype(np.int64) * width + snapshot.events.product[place]
    pairs, first = np.unique(code, return_index=True)
    at = snapshot.events.time[place[first]] if now_ms is None and follows and snapshot.order == "clock" else None
    return Targets(pairs // width, pairs % width, now_ms or 0, at_ms=at, follows=follows)


def leave_one_out(snapshot: Snapshot, among: Bool[np.ndarray, " event"]) -> Int[np.ndarray, " event"]:
    """Return 2 for the last of a user's events, 1 for the one before it, 0 for earlier ones; users with fewer than
    three events keep all of them. Events that are not `among` get 0 and do not count."""
    place = np.flatnonzero(among)
    user = snapshot.events.user[place]
    count = np.bincount(user, minlength=snapshot.num_nodes("User"))
    left = (np.cumsum(count) - 1)[user] - np.arange(len(user))
    part = np.zeros(len(snapshot.events), dtype=np.int64)
    part[place] = np.where(count[user] >= 3, np.clip(2 - left, 0, 2), 0)
    return part


def at_random(
    snapshot: Snapshot, among: Bool[np.ndarray, " event"], *, share: float, rng: np.random.Generator
) -> Int[np.ndarray, " event"]:
    """Return 2 and 1 for a share of each user's events each, drawn at random, and 0 for the rest."""
    chosen = np.flatnonzero(among)
    user = snapshot.events.user[chosen]
    count = np.bincount(user, minlength=snapshot.num_nodes("User"))
    order = np.lexsort((rng.random(len(user)), user))
    place = np.empty(len(user), dtype=np.int64)
    place[order] = np.arange(len(user)) - (np.cumsum(count) - count)[user[order]]
    held = np.floor(count * share + 0.5).astype(np.int64)[user]
    part = np.zeros(len(snapshot.events), dtype=np.int64)
    part[chosen] = np.where(place < held, 2, np.where(place < 2 * held, 1, 0))
    return part


def _cuts(snapshot: Snapshot, share: float) -> tuple[int, int]:
    times = np.sort(snapshot.events.time)
    first, second = (int(times[min(int(len(times) * (1 - part * share)), len(times) - 1)]) for part in (2, 1))
    return first, second


def _split_by_time(snapshot: Snapshot, cuts: tuple[int, int]) -> DataSplit:
    if not cuts[0] < cuts[1]:
        raise TooLittleData(f"validation must begin before test, got {cuts[0]} and {cuts[1]} (epoch milliseconds)")
    part = np.searchsorted(np.array(cuts), snapshot.events.time, side="right")
    return DataSplit(
        "temporal",
        select_events(snapshot, part == 0, cutoff_ms=cuts[0]),
        make_targets(snapshot, part == 1, now_ms=cuts[0]),
        select_events(snapshot, part <= 1, cutoff_ms=cuts[1]),
        make_targets(snapshot, part == 2, now_ms=cuts[1]),
    )


def _split_by_part(snapshot: Snapshot, part: Int[np.ndarray, " event"], name: SplitName) -> DataSplit:
    follows = name == "leave-one-out"
    return DataSplit(
        name,
        select_events(snapshot, part == 0),
        make_targets(snapshot, part == 1, follows=follows),
        select_events(snapshot, part <= 1),
        make_targets(snapshot, part == 2, follows=follows),
    )


def _split_as_given(snapshot: Snapshot, given: Mapping[str, pa.Table], *, share: float, seed: int) -> DataSplit:
    """Take a published split; without a validation part, cut one from train in the manner of the test part."""
    if missing := {"split_train", "split_test"} - given.keys():
        raise TooLittleData(f"the given split needs split_train and split_test; {sorted(missing)[0]} is missing")
    part = _given_parts(snapshot, given)
    follows = _is_last(snapshot, part)
    valid = given.get("split_valid")
    if valid is None:
        train = part == 0
        if follows:
            chosen = leave_one_out(snapshot, train) == 2
        else:
            chosen = at_random(snapshot, train, share=share, rng=np.random.default_rng(seed)) == 2
        part = np.where(chosen, 1, part)
    found = DataSplit(
        "given",
        select_events(snapshot, part == 0),
        make_targets(snapshot, part == 1, follows=follows),
        select_events(snapshot, part <= 1),
        make_targets(snapshot, part == 2, follows=follows),
    )
    return replace(
        found,
        valid=found.valid if valid is None else _with_rows(found.valid, valid, snapshot),
        test=_with_rows(found.test, given["split_test"], snapshot),
    )


def _given_parts(snapshot: Snapshot, given: Mapping[str, pa.Table]) -> Int[np.ndarray, " event"]:
    """Return 0, 1 or 2 for events of train, validation and test, 3 for those of none.

    Of several events of one pair, the earliest are taken for train and the latest for test, as many as there are rows;
    events beyond the number of rows go to the earliest part that holds the pair.
    """
    events, width = snapshot.events, snapshot.num_nodes("Product")
    code = events.user.astype(np.int64) * width + events.product
    order = np.argsort(code, kind="stable")
    ordered = code[order]
    place = np.arange(len(code)) - np.searchsorted(ordered, ordered)
    size = np.searchsorted(ordered, ordered, side="right") - np.searchsorted(ordered, ordered)
    names = ("split_train", "split_valid", "split_test")
    rows = [np.sort(_codes(snapshot, given[name], name)) if name in given else np.zeros(0, np.int64) for name in names]
    counts = np.stack([np.searchsorted(row, ordered, side="right") - np.searchsorted(row, ordered) for row in rows])
    spare = np.maximum(size - counts.sum(axis=0), 0)
    first = np.argmax(counts > 0, axis=0)
    counts[first, np.arange(len(ordered))] += spare
    ends = np.cumsum(counts, axis=0)
    part = np.empty(len(code), dtype=np.int64)
    part[order] = np.where((ends[2] - spare) > 0, (place >= ends[:2]).sum(axis=0), 3)
    return part


def _codes(snapshot: Snapshot, table: pa.Table, name: str) -> Int[np.ndarray, " row"]:
    """Return user * products + product of each row of a published split."""
    columns = []
    for label, column in (("User", "user_id"), ("Product", "product_id")):
        rows = [snapshot.row(label, key) for key in table[column].to_pylist()]
        if None in rows:
            key = table[column][rows.index(None)].as_py()
            raise TooLittleData(
                f"{name} names {column} {key!r}, which the tables do not hold; {rows.count(None)} rows of "
                f"{len(rows)} are like that: add them to the tables or take them out of {name}"
            )
        columns.append(np.array(rows, dtype=np.int64))
    return np.asarray(columns[0] * snapshot.num_nodes("Product") + columns[1])


def _with_rows(targets: Targets, table: pa.Table, snapshot: Snapshot) -> Targets:
    """Return the targets as the rows of a split name them, with the candidates they prescribe."""
    width = snapshot.num_nodes("Product")
    pairs, place = np.unique(_codes(snapshot, table, "the split"), return_index=True)
    at = None
    if targets.at_ms is not None:
        known = targets.user * width + targets.product
        # A row without an event of its own does not say when: it counts as asked at the end, after those that do.
        at = np.full(len(pairs), int(snapshot.events.time.max(initial=0)))
        there = np.isin(pairs, known)
        at[there] = targets.at_ms[np.searchsorted(known, pairs[there])]
    candidates = None
    if "candidates" in table.column_names:
        lists = table["candidates"].take(place).to_pylist()
        found = [[row for key in keys or () if (row := snapshot.row("Product", key)) is not None] for keys in lists]
        candidates = np.full((len(found), max(map(len, found), default=0)), -1, dtype=np.int64)
        for index, rows in enumerate(found):
            candidates[index, : len(rows)] = rows
    return Targets(pairs // width, pairs % width, targets.now_ms, candidates, at, targets.follows)


def _is_last(snapshot: Snapshot, part: Int[np.ndarray, " event"]) -> bool:
    """Whether nearly all test events come after every earlier event of their user."""
    if snapshot.order == "none":
        return False
    events = snapshot.events
    latest = np.full(snapshot.num_nodes("User"), np.iinfo(np.int64).min)
    earlier, test = part <= 1, part == 2
    np.maximum.at(latest, events.user[earlier], events.time[earlier])
    return bool(np.mean(events.time[test] >= latest[events.user[test]]) >= 0.95) if test.any() else False
