"""The checked tables of a shop: what an input folder becomes, what ingest writes, and what a graph gives back.

One value, three makers: `read_folder` (files), `kg.extract` (a graph) and `kg.sources` (generated shops).
This module holds the value; it does not read files and does not talk to a server.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from kg.schema import GraphSchema

EVENT_COLUMNS = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("product_id", pa.string(), nullable=False),
        pa.field("type", pa.string(), nullable=False),
        pa.field("at", pa.int64()),
        pa.field("position", pa.int64()),
        pa.field("quantity", pa.float64()),
        pa.field("value", pa.float64()),
    ]
)
"""Columns of the event table. `at` is epoch milliseconds UTC; `position` the order within a user."""
EDGE_COLUMNS = pa.schema(
    [
        pa.field("from_id", pa.string(), nullable=False),
        pa.field("to_id", pa.string(), nullable=False),
        pa.field("at", pa.int64()),
        pa.field("weight", pa.float64()),
    ]
)
"""Columns of every edge table; `at` (epoch milliseconds) and `weight` may be null in any row."""
PRODUCT_TYPES = {
    "title": pa.string(),
    "description": pa.string(),
    "price": pa.float64(),
    "image_url": pa.string(),
    "created_at": pa.int64(),
    "available": pa.bool_(),
}
"""Arrow types of the built-in product properties; `created_at` is epoch milliseconds."""
Order = Literal["clock", "position", "none"]
"""What is known of the order of events: a time, the order within each user, or nothing."""


@dataclass(frozen=True, slots=True)
class Tables:
    """A whole shop, checked: every id that is referred to exists, every key is unique, every time is in milliseconds.

    Canonical form, so that equal shops are equal values whatever they were read from:
    node tables have their key as first column, the other columns in alphabetical order, rows sorted by key, and no
    column that is entirely null; edge tables are sorted by (from_id, to_id) without duplicates; events are sorted by
    event_id; strings are `pa.string()`, numbers `pa.int64()` or `pa.float64()`, flags `pa.bool_()`; one chunk a column.
    """

    schema: GraphSchema
    """Kinds in use, declared ones included."""
    nodes: Mapping[str, pa.Table]
    """Node table by label, one for every label of the schema (possibly with no row)."""
    edges: Mapping[str, pa.Table]
    """Edge table by relation name, one for every relation of the schema (possibly with no row)."""
    events: pa.Table
    """Events with the columns of EVENT_COLUMNS, then any further properties in alphabetical order."""

    @property
    def order(self) -> Order:
        """What is known of the order of the events."""
        return order_of(self.events)


def order_of(events: pa.Table) -> Order:
    """Return what is known of the order of events with the columns of EVENT_COLUMNS."""
    if events.num_rows and events["at"].null_count == 0:
        return "clock"
    if events.num_rows and events["position"].null_count == 0:
        return "position"
    return "none"
