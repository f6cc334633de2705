"""What a shop holds of one user: handed out, and deleted everywhere.

A deletion begins in the operational state, from which moment the user is unknown to every API process; events and
recorded lists go at once, the graph lets go as soon as it can be reached (at once, by the API in the background, or by
the next retraining), and models lose their copy with the next publish (`forget_in_models`).
"""

import logging
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from gnn.bundles import BundleStore
from gnn.errors import BundleError
from gnn.manifest import read_manifest
from kg.deletions import allow_users, delete_users, read_person
from kg.schema import GraphSchema
from kg.store import GraphStore
from serving.deletions import Deletions
from serving.errors import StateError, UnknownUser
from serving.events import EventLog
from serving.records import RecordLog, wish_fields

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What became of a deletion."""

    events: int
    """Events of the log that were deleted; those of the graph go with the user."""
    lists: int
    """Recorded lists that were deleted."""
    traces: str | None
    """Why something could still be read from the bytes of the state file; None: nothing could, or `let_go` will say."""


def forget(
    user_ids: Iterable[str],
    *,
    log: EventLog,
    records: RecordLog,
    store: GraphStore | None,
    schema: GraphSchema,
    now_ms: int | None = None,
) -> Forgotten:
    """Delete users from the state and, where it is at hand, from the graph. Done again it changes nothing.

    Args:
        user_ids: who, as the graph knows them; unknown ones are kept from ever being known.
        log: event log of the shop.
        records: recorded lists of the shop.
        store: an open graph; None: `let_go` is called later.
        schema: kinds in use.
        now_ms: epoch milliseconds of the deletion; None: the clock.

    Raises:
        PrivacyError: the secret is another one than users were deleted with before.
        StateError: the state cannot be written.
        GraphConnectionError: the graph does not answer; it will be asked again.
    """
    moment = int(time.time() * 1000) if now_ms is None else now_ms
    events = lists = 0
    for user_id in user_ids:
        log.deletions.add(user_id, now_ms=moment)
        events += log.delete_user(user_id)
        lists += records.delete_of(user_id)
    return Forgotten(events, lists, None if store is None else let_go(log, store, schema))


def let_go(log: EventLog, store: GraphStore, schema: GraphSchema, *, wait_s: float = 60.0) -> str | None:
    """Delete from the graph the users whom it has not let go of, and write the state file anew.

    Nobody writes events of the log to the graph meanwhile, so none of a deleted user arrives after the user is gone.

    Returns:
        Why something of them could still be read from the bytes of the state file; None: nothing could.

    Raises:
        GraphBusyError: another process writes events and does not end.
        GraphConnectionError: the graph does not answer.
    """
    with log.applying(wait_s=wait_s):
        waiting = log.deletions.waiting()
        if not waiting:
            return None
        now_ms = int(time.time() * 1000)
        delete_users(store, schema, waiting, secret=log.deletions.secret(), at_ms=now_ms)
        log.deletions.settle(waiting)
    try:
        log.rewrite()
    except StateError as err:
        logger.warning("users were deleted: %s", err)
        return str(err)
    return None


def restore_deletions(log: EventLog, store: GraphStore, schema: GraphSchema) -> int:
    """Tell a graph that was filled anew who was deleted, and return how many those are."""
    known = log.deletions.digests()
    if known:
        secret = log.deletions.secret()
        delete_users(store, schema, dict.fromkeys(known), secret=secret, at_ms=int(time.time() * 1000))
    return len(known)


def allow(user_id: str, *, log: EventLog, store: GraphStore, schema: GraphSchema) -> bool:
    """Let a deleted user come back, by an import or an event; return whether the user was deleted."""
    allow_users(store, schema, [log.deletions.secret().digest(user_id)])
    return log.deletions.allow(user_id)


def hand_out(
    user_id: str, *, log: EventLog, records: RecordLog, store: GraphStore, schema: GraphSchema
) -> dict[str, Any]:
    """Return everything that is held of a user, as plain values; times are epoch milliseconds.

    Raises:
        UnknownUser: nothing is held.
        GraphConnectionError: the graph does not answer.
    """
    person = None if log.forgets(user_id) else read_person(store, schema, user_id)
    events = [asdict(event) for event in log.every_event_of(user_id)]
    recorded = records.of_user(user_id)
    seen = records.impressions.of(record.recommendation_id for record in recorded)
    lists = [
        {
            "recommendation_id": record.recommendation_id,
            "at_ms": record.at_ms,
            "model_version": record.model_version,
            "request": wish_fields(record.wish),
            "answer": record.body(),
            "seen": [asdict(one) for one in seen.get(record.recommendation_id, ())],
        }
        for record in recorded
    ]
    if person is None and not events and not lists:
        raise UnknownUser(f"nothing is held of a user {user_id[:200]!r}")
    graph = {"properties": {}, "events": [], "relations": []} if person is None else asdict(person)
    return {
        "user_id": user_id,
        "exported_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "graph": graph,
        "sessions": list(log.sessions.of_user(user_id)),
        "event_log": events,
        "recommendations": lists,
    }


def forget_in_models(bundles: BundleStore, snapshots: Path, deletions: Deletions, *, applied: int) -> list[str]:
    """Delete the models and snapshots that hold users who were deleted, and return the names of what was deleted.

    Args:
        bundles: of the shop; what is served to somebody stays.
        snapshots: folder of the snapshots.
        deletions: of the shop.
        applied: number up to which deletions are in the model that was published last.
    """
    gone = []
    for version in bundles.versions():
        try:
            if deletions_in(read_manifest(bundles.folder / version)) < applied:
                bundles.delete(version)
                gone.append(version)
        except BundleError as err:  # it is served, or its manifest cannot be read
            logger.info("a model from before a deletion stays: %s", err)
    for folder in sorted(snapshots.glob("*")):
        if any(deletions.has(user_id) for user_id in _users_of(folder)):
            shutil.rmtree(folder)
            gone.append(f"snapshot {folder.name}")
    return gone


def deletions_in(manifest: Mapping[str, Any]) -> int:
    """Return the number up to which deletions are in a model; bundles of older releases have none."""
    return int(manifest.get("deletions_applied", 0))


def _users_of(folder: Path) -> list[str]:
    table = folder / "nodes" / "User.parquet"
    if not table.is_file():
        return []
    users: list[str] = pq.read_table(table, columns=["user_id"])["user_id"].to_pylist()
    return users
