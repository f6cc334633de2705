"""What an import merges, given what is in the graph: the ids that are there stay, and so does the past.

Which products are one is found by `kg.merging`; what is found here is written by `kg.ingest`. A product of the graph
that is merged away can no longer be had and keeps the events it has; one that is taken apart again gets its own back.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cypher.catalogue import load_query
from kg.merge_rule import MergeRule
from kg.merging import MERGED_IDS, Merged, merge_products, split_ids
from kg.schema import GraphSchema
from kg.store import GraphStore
from kg.tables import Tables

_AT_ONCE = 1_000
_KEY_BREAK = "\x1f"
_CHANGES = pa.schema([("product_id", pa.string()), ("available", pa.bool_()), (MERGED_IDS, pa.string())])


@dataclass(frozen=True, slots=True)
class MergedImport:
    """Tables with every product once, by the ids that the graph knows, and what is to be changed there first."""

    merged: Merged
    """What became of the tables."""
    changes: tuple[pa.Table, ...]
    """Rows of products of the graph: those that can no longer be had, those that can again, other `merged_ids`."""
    retired: tuple[str, ...]
    """Products of the graph that were merged away and can no longer be had since."""
    elsewhere: pa.Table
    """Events of the graph at products that are not what they were: `key`, made of type and event_id, `product_id`."""

    @property
    def tables(self) -> Tables:
        """The tables as they are written: `merged`, and of its events what `events` leaves."""
        return replace(self.merged.tables, events=self.events(self.merged.tables.events))

    def events(self, table: pa.Table) -> pa.Table:
        """Return events with the products that stay, without those that the graph has at a product merged away."""
        found = self.merged.events(table)
        places = self._places(found)
        is_at_another = pc.not_equal(places, found["product_id"])
        is_of_this = pc.equal(self.merged.renamed(places), found["product_id"])
        stays = pc.fill_null(pc.and_(is_at_another, is_of_this), False)
        return found.filter(pc.invert(stays)).combine_chunks()

    def take_back(self, store: GraphStore, schema: GraphSchema, events: pa.Table) -> int:
        """Remove events from products of the graph that they do not belong to any more; return how many.

        Args:
            store: an open graph.
            schema: kinds in use.
            events: what `events` returned; they are written afterwards.
        """
        places = self._places(events)
        gone = events.set_column(events.column_names.index("product_id"), "product_id", places)
        gone = gone.filter(pc.fill_null(pc.not_equal(places, events["product_id"]), False))
        for kind in schema.events.values():
            query = load_query("remove_events").bind(relation=kind.relation)
            rows = gone.filter(pc.equal(gone["type"], kind.name)).select(["event_id", "user_id", "product_id"])
            for first in range(0, rows.num_rows, _AT_ONCE):
                store.write(query, rows.slice(first, _AT_ONCE).to_pylist())
        return int(gone.num_rows)

    def _places(self, events: pa.Table) -> pa.Array:
        """The product at which the graph has each event; null where it was not asked or does not have it."""
        keys = pc.binary_join_element_wise(events["type"], events["event_id"], _KEY_BREAK)
        found = pc.index_in(keys, value_set=self.elsewhere["key"].combine_chunks())
        return self.elsewhere["product_id"].combine_chunks().take(found.combine_chunks())


@dataclass(frozen=True, slots=True)
class _There:
    """Products of the graph."""

    texts: Mapping[str, str | None]
    """What `merged_ids` says, by id."""
    closed: frozenset[str]
    """Those that cannot be had."""


def plan_merge(store: GraphStore, tables: Tables, rule: MergeRule | None) -> MergedImport | None:
    """Return what is merged and what is taken apart; None where there is nothing of either.

    Args:
        store: an open graph, whose import nobody else is at.
        tables: checked tables.
        rule: when two products are one; None: what was merged earlier is taken apart.

    Raises:
        GraphConnectionError: the server does not answer.
    """
    there = _read_there(store, every=rule is not None)
    if rule is None and not there.texts:
        return None
    there = there if rule is not None else _read_there(store, every=True)
    before = {other: kept for kept, text in there.texts.items() for other in split_ids(text)}
    merged = merge_products(tables, rule, known=there.texts.keys(), before=before)
    away = sorted(there.texts.keys() & merged.kept_of.keys())
    listed = set(tables.nodes["Product"]["product_id"].to_pylist())
    left = {kept for other, kept in before.items() if other in listed and merged.kept_of.get(other, other) != kept}
    return MergedImport(
        merged,
        tuple(_changes(merged.tables, there, away=away, apart=before.keys() & listed - merged.kept_of.keys())),
        tuple(product for product in away if product not in there.closed),
        _read_elsewhere(store, tables.schema, sorted({*away, *left})),
    )


def _read_there(store: GraphStore, *, every: bool) -> _There:
    query = load_query("merged_products").bind(label="Product")
    texts: dict[str, str | None] = {}
    closed: set[str] = set()
    for row in store.stream(query, {"every": every}):
        texts[row["product_id"]] = row["merged_ids"]
        if row["available"] is False:
            closed.add(row["product_id"])
    return _There(texts, frozenset(closed))


def _changes(tables: Tables, there: _There, *, away: Sequence[str], apart: Set[str]) -> Iterator[pa.Table]:
    """Rows to be written to products of the graph, in groups, as a property that is not said there would be removed."""
    products = tables.nodes["Product"]
    closing = [product for product in away if product not in there.closed or there.texts[product] is not None]
    yield _rows({"product_id": product, "available": False, MERGED_IDS: None} for product in closing)
    yield _rows({"product_id": product, "available": None} for product in sorted(apart & there.closed))
    ids = products["product_id"].to_pylist()
    texts = products[MERGED_IDS].to_pylist() if MERGED_IDS in products.column_names else [None] * len(ids)
    other = [
        (product, text) for product, text in zip(ids, texts, strict=True) if there.texts.get(product, text) != text
    ]
    yield _rows({"product_id": product, MERGED_IDS: text} for product, text in other)


def _rows(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    listed = [dict(row) for row in rows]
    return pa.Table.from_pylist(listed, schema=pa.schema([_CHANGES.field(name) for name in (listed or [{}])[0]]))


def _read_elsewhere(store: GraphStore, schema: GraphSchema, products: Sequence[str]) -> pa.Table:
    """Events that the graph has at some products; see `MergedImport.elsewhere`."""
    keys: list[str] = []
    places: list[str] = []
    for kind in schema.events.values():
        query = load_query("events_of_products").bind(relation=kind.relation)
        for first in range(0, len(products), _AT_ONCE):
            for row in store.stream(query, {"product_ids": list(products[first : first + _AT_ONCE])}):
                keys += [f"{kind.name}{_KEY_BREAK}{event_id}" for event_id in row["event_ids"]]
                places += [row["product_id"]] * len(row["event_ids"])
    return pa.table({"key": pa.array(keys, pa.string()), "product_id": pa.array(places, pa.string())})
