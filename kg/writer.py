"""Writes rows into the graph in batches, and says by which queries.

A query names the properties of its rows, as servers write those faster than what comes as a map with each row.
"""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from cypher.catalogue import Query, load_query
from cypher.errors import QueryError
from kg.errors import TableError
from kg.progress import Progress
from kg.schema import EventKind, GraphSchema, RelationKind
from kg.store import GraphStore, WriteResult

EDGE_ENDS = ("from_id", "to_id")
_EVENT_ENDS = ("user_id", "product_id")
_EVENT_KEYS = ("event_id", *_EVENT_ENDS, "type")


@dataclass(slots=True)
class Writer:
    """Writes rows in batches and reports how far it is."""

    store: GraphStore
    batch_rows: int
    progress: Progress
    keep: bool = False
    """Whether what is there with other properties stays as it is."""
    num_conflicts: int = 0
    """Rows so far that were there with other properties."""

    def write(
        self, query: Query, rows: pa.Table, *, step: str, otherwise: Query | None = None, skipped: int = 0
    ) -> int:
        """Run the query on all rows; return how many nodes or relationships it created.

        Args:
            query: a query of the folder `write`.
            rows: columns as the query wants them. Rows become Python objects a batch at a time, so that a large table
                takes little memory.
            step: the kind, for progress and errors.
            otherwise: tried with a batch that the server refuses in `query`, and with all that follow, as what is
                there already seldom comes alone.
            skipped: rows that need no writing, for progress.
        """
        created, total = 0, skipped + rows.num_rows
        self.progress(step, skipped, total)
        for first in range(0, rows.num_rows, self.batch_rows):
            batch = rows.slice(first, self.batch_rows).to_pylist()
            result, query, otherwise = self._write_batch(query, batch, otherwise)
            written = result.rows[0]["num_rows"]
            if written != len(batch):
                raise TableError(f"{len(batch) - written} of {len(batch)} rows of {step} name nodes not in the graph")
            created += result.nodes_created + result.edges_created
            self.progress(step, skipped + first + len(batch), total)
        return created

    def _write_batch(
        self, query: Query, batch: list[dict[str, Any]], otherwise: Query | None
    ) -> tuple[WriteResult, Query, Query | None]:
        """Write a batch; return with what came of it how to go on."""
        try:
            return self.store.write(query, batch), query, otherwise
        except QueryError:
            if otherwise is None:
                raise
            return self.store.write(otherwise, batch), otherwise, None


def merge_edges(schema: GraphSchema, kind: RelationKind, rows: pa.Table) -> Query:
    """Return the query that merges such rows."""
    return load_query("merge_edges").bind(
        relation=kind.name,
        source=kind.source,
        source_key=schema.nodes[kind.source].key,
        target=kind.target,
        target_key=schema.nodes[kind.target].key,
        properties=[name for name in rows.column_names if name not in EDGE_ENDS],
    )


def create_and_merge(kind: EventKind, rows: pa.Table) -> tuple[Query, Query]:
    """Return the queries that create and merge such rows."""
    properties = [name for name in rows.column_names if name not in _EVENT_ENDS]
    create, merge = (
        load_query(name).bind(relation=kind.relation, properties=properties)
        for name in ("create_events", "merge_events")
    )
    return create, merge


def without_empty_columns(rows: pa.Table) -> pa.Table:
    """Return new rows without the columns that say nothing, which a server would be told to remove."""
    keys = (*_EVENT_KEYS, *EDGE_ENDS)
    return rows.select([name for name in rows.column_names if name in keys or rows[name].null_count < len(rows)])


def by_user(events: pa.Table) -> pa.Table:
    """Put the events of a user together: a server finds the user once for all of them."""
    return events.sort_by([("user_id", "ascending"), ("event_id", "ascending")]).drop_columns(["type"])
