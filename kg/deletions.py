"""Users that were deleted: taken out of the graph, and kept from coming back by an old file.

The graph keeps a node `DeletedUser` with a digest of the id (`kg.privacy`), not the id, and every import leaves out the
users whose digest is there. What else a shop holds of a user is deleted by `serving.people_data`.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cypher.catalogue import load_query
from kg.errors import PrivacyError
from kg.privacy import Secret
from kg.schema import DELETED_USER, GraphSchema
from kg.store import GraphStore
from kg.tables import Tables

logger = logging.getLogger(__name__)
_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Person:
    """What the graph holds of a user."""

    properties: Mapping[str, Any]
    """Of the node, the id included."""
    events: Sequence[Mapping[str, Any]]
    """Oldest first: `type`, `product_id` and the properties of each."""
    relations: Sequence[Mapping[str, Any]]
    """Of declared relations: `relation`, `label` and `id` of the node at the other end, and their properties."""


def read_person(store: GraphStore, schema: GraphSchema, user_id: str) -> Person | None:
    """Return everything that the graph holds of a user, None when it knows no such user.

    Raises:
        GraphConnectionError: the server does not answer.
    """
    kind, asked = schema.nodes["User"], {"id": user_id}
    names = {"label": kind.label, "key": kind.key}
    found = store.read(load_query("node_properties").bind(**names), asked)
    if not found:
        return None
    words = {event.relation: event.name for event in schema.events.values()}
    events: list[dict[str, Any]] = []
    relations: list[dict[str, Any]] = []
    for row in store.stream(load_query("relations_of_node").bind(**names), asked):
        other = schema.nodes.get(row["label"])
        end = None if other is None else row["other"].get(other.key)
        if row["relation"] in words and row["label"] == "Product":
            events.append({"type": words[row["relation"]], "product_id": end, **row["properties"]})
        else:
            relations.append({"relation": row["relation"], "label": row["label"], "id": end, **row["properties"]})
    events.sort(key=lambda event: (event.get("at") or event.get("position") or 0, str(event.get("event_id"))))
    return Person(found[0]["properties"], events, relations)


def delete_users(
    store: GraphStore, schema: GraphSchema, user_ids: Mapping[str, str | None], *, secret: Secret, at_ms: int
) -> None:
    """Delete users with everything they did, and keep them from coming back. Done again it changes nothing.

    Args:
        store: an open graph.
        schema: kinds in use.
        user_ids: id by digest; None where the id is not known any more and only the digest is to be there.
        secret: what the digests were made with.
        at_ms: epoch milliseconds of the deletion.

    Raises:
        GraphConnectionError: the server does not answer.
    """
    store.create_schema(schema)
    _check_secret(secret, _key_ids(store), where=store.server.uri)
    rows = [
        {"digest": digest, "user_id": user_id, "key_id": secret.key_id, "at": at_ms}
        for digest, user_id in user_ids.items()
    ]
    for batch in _batches(rows):
        store.write(load_query("delete_users"), batch)
    logger.info("users deleted from the graph", extra={"num_users": len(rows)})


def allow_users(store: GraphStore, schema: GraphSchema, digests: Sequence[str]) -> None:
    """Forget that users were deleted, so that an import may bring them back."""
    store.create_schema(schema)
    for batch in _batches([{"digest": digest} for digest in digests]):
        store.write(load_query("allow_users"), batch)


def without_deleted(store: GraphStore, tables: Tables, secret: Secret | None) -> tuple[Tables, int]:
    """Return tables without the users that were deleted from a graph, and how many those were.

    Args:
        store: an open graph whose schema has been created.
        tables: checked tables.
        secret: of the shop; it is needed only when something was deleted.

    Raises:
        PrivacyError: users were deleted, and the secret that says who is missing or another one.
    """
    digests = _key_ids(store)
    if not digests:
        return tables, 0
    _check_secret(secret, digests, where=store.server.uri)
    ids = tables.nodes["User"]["user_id"].to_pylist()
    gone = [user_id for user_id in ids if secret is not None and secret.digest(user_id) in digests]
    return (without_users(tables, gone), len(gone)) if gone else (tables, 0)


def without_users(tables: Tables, user_ids: Sequence[str]) -> Tables:
    """Return tables without some users, their events and their relations."""
    gone = pa.array(user_ids, pa.string())
    nodes = dict(tables.nodes)
    nodes["User"] = _without(nodes["User"], "user_id", gone)
    edges = dict(tables.edges)
    for name in tables.edges:
        kind = tables.schema.relation(name)
        for end, column in ((kind.source, "from_id"), (kind.target, "to_id")):
            if end == "User":
                edges[name] = _without(edges[name], column, gone)
    return replace(tables, nodes=nodes, edges=edges, events=_without(tables.events, "user_id", gone))


def events_of_users(events: pa.Table, tables: Tables) -> pa.Table:
    """Return those of further events whose user tables have: where somebody was left out, their events are as well."""
    kept = pc.is_in(events["user_id"], value_set=tables.nodes["User"]["user_id"].combine_chunks())
    return events if pc.all(kept).as_py() else events.filter(kept).combine_chunks()


def _key_ids(store: GraphStore) -> dict[str, str]:
    """Name of the secret of each deletion, by its digest."""
    rows = store.read(load_query("nodes_of_kind").bind(label=DELETED_USER.label))
    return {row["properties"]["digest"]: row["properties"]["key_id"] for row in rows}


def _check_secret(secret: Secret | None, key_ids: Mapping[str, str], *, where: str) -> None:
    if secret is None:
        raise PrivacyError(
            f"{len(key_ids):,} users were deleted from the graph at {where}, and the secret that says who they are is "
            "not here, so nothing can be imported without bringing them back; [privacy] key_file names its file"
        )
    others = sorted(set(key_ids.values()) - {secret.key_id})
    if others:
        raise PrivacyError(
            f"users were deleted from the graph at {where} with the secret {', '.join(others)}, and [privacy] key_file "
            f"holds {secret.key_id}; give the file that was used then"
        )


def _without(table: pa.Table, column: str, gone: pa.Array) -> pa.Table:
    kept = table.filter(pc.invert(pc.is_in(table[column], value_set=gone)))
    return kept.combine_chunks()


def _batches(rows: Sequence[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    for first in range(0, len(rows), _BATCH):
        yield rows[first : first + _BATCH]
