"""Computes a recorded list again, from the model, the events and the moment it was made from, and compares the two."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gnn.bundles import BundleStore
from gnn.errors import BundleError
from serving.answer import Answer, RecommendRequest
from serving.events import EventLog
from serving.ready import Ready
from serving.recommend import recommend, similar
from serving.records import Moment, Record

TOLERANCE = 1e-6
"""Scores that differ by no more are the same."""


@dataclass(frozen=True, slots=True)
class Place:
    """What stands at one rank of a list."""

    product_id: str
    score: float


@dataclass(frozen=True, slots=True)
class Difference:
    """A rank at which the two lists differ; None where one of them has ended."""

    rank: int
    recorded: Place | None
    replayed: Place | None


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of computing a list again."""

    same: bool | None
    """Whether products, order and scores are the same; None: it could not be computed."""
    detail: str
    """The same in a sentence."""
    differences: tuple[Difference, ...]


def replay(record: Record, log: EventLog, bundles: BundleStore, *, open_bundle: Callable[[str, str], Ready]) -> Replay:
    """Compute a recorded list again and compare.

    Args:
        record: the list.
        log: the event log it was made from.
        bundles: the bundles that are still there.
        open_bundle: makes one of them ready to answer, by its version and the graph version of the list.
    """
    version = record.model_version
    if version not in bundles.versions():
        return _not_possible(f"model {version} is deleted, so the list cannot be computed again; its record stays")
    try:
        ready = open_bundle(version, record.graph_version)
    except BundleError:
        return _not_possible(
            f"model {version} is damaged, so the list cannot be computed again; "
            f"'whycart models show {version}' says why"
        )
    return _compare(record.body(), _answer(record, log, ready))


def _answer(record: Record, log: EventLog, ready: Ready) -> Answer:
    wish = record.wish
    if isinstance(wish, RecommendRequest):
        return recommend(ready, Moment(log, record.at_ms, record.events_until), wish, now_ms=record.at_ms)
    return similar(ready, wish.product_id, n=wish.n, offset=wish.offset, filter=wish.filter)


def _compare(recorded: dict[str, Any], replayed: Answer) -> Replay:
    before = [(item["rank"], Place(item["product_id"], item["score"])) for item in recorded["items"]]
    after = [(item.rank, Place(item.product_id, item.score)) for item in replayed.items]
    pairs = itertools.zip_longest(before, after)
    differences = tuple(
        Difference((old or new or (0,))[0], old and old[1], new and new[1]) for old, new in pairs if not _same(old, new)
    )
    if not differences:
        return Replay(True, f"computed again, the list is the same: {len(before)} products in the same order", ())
    detail = f"computed again, the list differs at {len(differences)} of {max(len(before), len(after))} ranks"
    if recorded["events_used"] != replayed.events_used:
        detail += f"; {recorded['events_used']} events were used then, {replayed.events_used} of them are there now"
    return Replay(False, detail, differences)


def _same(old: tuple[int, Place] | None, new: tuple[int, Place] | None) -> bool:
    if old is None or new is None:
        return False
    return old[1].product_id == new[1].product_id and abs(old[1].score - new[1].score) <= TOLERANCE


def _not_possible(detail: str) -> Replay:
    return Replay(None, detail, ())
