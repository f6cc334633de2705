"""Reads the whole graph back into tables, equal to the tables that were written.

Users and source nodes come one a row with everything that starts from them, which keeps the wire and the client quick.
This module reads the kinds of a schema and nothing else; it does not choose a cutoff.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from cypher.catalogue import load_query
from kg.canonical import canonical_edges, canonical_events, canonical_nodes
from kg.errors import TableError
from kg.graph_format import read_format
from kg.progress import Progress, silent
from kg.schema import EventKind, GraphSchema, NodeKind, RelationKind
from kg.store import GraphStore
from kg.tables import EVENT_COLUMNS, Tables

logger = logging.getLogger(__name__)
_REPORT_EVERY = 10_000
_USERS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Later:
    """What of the events of some users is new."""

    column: Literal["at", "position"]
    """The property that orders them."""
    after: Mapping[str, int]
    """The last moment that is known, by user."""


def extract_tables(store: GraphStore, schema: GraphSchema, *, progress: Progress = silent) -> Tables:
    """Return every node, edge and event of the schema's kinds as canonical tables.

    Args:
        store: an open graph.
        schema: the kinds to read; others in the graph are left alone.
        progress: told the rows read of each kind.

    Raises:
        GraphConnectionError: the server does not answer.
        SchemaError: a newer release wrote the graph.
        TableError: a property has values of types that do not go together.
    """
    started = time.perf_counter()
    read_format(store)
    nodes = {label: read_nodes(store, kind, progress=progress) for label, kind in schema.nodes.items()}
    edges = {name: read_edges(store, kind, schema=schema, progress=progress) for name, kind in schema.relations.items()}
    events = read_events(store, schema.events.values(), progress=progress)
    tables = Tables(schema=schema, nodes=nodes, edges=edges, events=events)
    logger.info(
        "tables extracted", extra={"num_events": events.num_rows, "took_s": round(time.perf_counter() - started, 3)}
    )
    return tables


def read_nodes(store: GraphStore, kind: NodeKind, *, progress: Progress = silent) -> pa.Table:
    """Return every node of one kind, as canonical nodes."""
    rows: list[dict[str, Any]] = []
    for row in store.stream(load_query("nodes_of_kind").bind(label=kind.label)):
        rows.append(row["properties"])
        if len(rows) % _REPORT_EVERY == 0:
            progress(kind.label, len(rows), None)
    progress(kind.label, len(rows), len(rows))
    return canonical_nodes(kind, _table(rows, first=(kind.key,), where=kind.label))


def read_edges(store: GraphStore, kind: RelationKind, *, schema: GraphSchema, progress: Progress = silent) -> pa.Table:
    """Return every edge of one relation, as canonical edges."""
    query = load_query("edges_of_relation").bind(
        relation=kind.name,
        source=kind.source,
        source_key=schema.nodes[kind.source].key,
        target=kind.target,
        target_key=schema.nodes[kind.target].key,
    )
    rows: list[tuple[Any, ...]] = []
    for number, row in enumerate(store.stream(query), start=1):
        source = row["from_id"]
        rows.extend((source, *edge) for edge in row["edges"])
        if number % _REPORT_EVERY == 0:
            progress(kind.name, len(rows), None)
    progress(kind.name, len(rows), len(rows))
    columns = zip(*rows, strict=True) if rows else ((), (), (), ())
    table = {
        name: _array(values, where=f"{kind.name}.{name}")
        for name, values in zip(("from_id", "to_id", "at", "weight"), columns, strict=True)
    }
    return canonical_edges(kind, pa.table(table))


def read_events(
    store: GraphStore,
    kinds: Iterable[EventKind],
    *,
    users: Sequence[str] | None = None,
    later: Later | None = None,
    progress: Progress = silent,
) -> pa.Table:
    """Return every event of these types, as canonical events.

    Args:
        store: an open graph.
        kinds: types of events.
        users: whose; None: everybody's.
        later: where given, the events of its users after a moment of each.
        progress: told the rows read of each type.
    """
    rows: list[dict[str, Any]] = []
    for kind in kinds:
        found = 0
        for number, event in enumerate(_stream_events(store, kind, users, later), start=1):
            rows.append(event)
            found = number
            if number % _REPORT_EVERY == 0:
                progress(kind.name, number, None)
        progress(kind.name, found, found)
    return canonical_events(_table(rows, first=tuple(EVENT_COLUMNS.names), where="events"))


def _stream_events(
    store: GraphStore, kind: EventKind, users: Sequence[str] | None, later: Later | None
) -> Iterator[dict[str, Any]]:
    rows = _rows_of_users(store, kind, users) if later is None else _rows_later(store, kind, later)
    for row in rows:
        user = row["user_id"]
        for product, properties in row["events"]:
            properties["user_id"] = user
            properties["product_id"] = product
            properties["type"] = kind.name
            yield properties


def _rows_of_users(store: GraphStore, kind: EventKind, users: Sequence[str] | None) -> Iterator[dict[str, Any]]:
    if users is None:
        yield from store.stream(load_query("events_of_type").bind(relation=kind.relation))
        return
    query = load_query("events_of_users").bind(relation=kind.relation)
    for first in range(0, len(users), _USERS_AT_ONCE):
        yield from store.stream(query, {"user_ids": list(users[first : first + _USERS_AT_ONCE])})


def _rows_later(store: GraphStore, kind: EventKind, later: Later) -> Iterator[dict[str, Any]]:
    query = load_query("later_events_of_users").bind(relation=kind.relation, moment=later.column)
    rows = [{"user_id": user_id, "after": after} for user_id, after in later.after.items()]
    for first in range(0, len(rows), _USERS_AT_ONCE):
        yield from store.stream(query, {"rows": rows[first : first + _USERS_AT_ONCE]})


def _table(rows: list[dict[str, Any]], *, first: tuple[str, ...], where: str) -> pa.Table:
    names = dict.fromkeys(first)
    for row in rows:
        names.update(dict.fromkeys(row))
    return pa.table({name: _array([row.get(name) for row in rows], where=f"{where}.{name}") for name in names})


def _array(values: Iterable[Any], *, where: str) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as err:
        raise TableError(f"property {where} has values of types that do not go together: {err}") from err
