"""Checks of the rows of the event table, and the ids of events that come without one.

Whether a product exists is asked in `kg.validate`.
"""

import difflib
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from kg.event_columns import ORDERS, EventColumns
from kg.node_rows import check_columns, find_repeats
from kg.problems import RowChecks
from kg.raw import RawTable
from kg.relation_rows import unknown_ids
from kg.schema import GraphSchema
from kg.tables import EVENT_COLUMNS
from kg.values import check_ids, check_integers, check_numbers, check_property, check_times, mask_of, text_values

_HASH_KEYS = ("whycart-event-id", "event-id-whycart")
"""Keys of the two 64-bit hashes an id is cut from; changing one changes every derived id."""
_ID_CHARACTERS = 24


@dataclass(frozen=True, slots=True, eq=False)
class EventRows:
    """The event table after its own checks."""

    checks: RowChecks
    table: pa.Table
    """All rows with typed columns, bad and repeated ones included; event_id may still be null."""
    repeated: np.ndarray
    """Whether a row has the event_id and the content of an earlier one."""

    def good(self) -> pa.Table:
        """Return the rows that passed every check so far, each with an event_id."""
        keep = self.checks.good & ~self.repeated
        return with_event_ids(self.table if keep.all() else self.table.filter(pa.array(keep)).combine_chunks())


def check_events(raw: RawTable, schema: GraphSchema, *, columns: EventColumns | None = None) -> EventRows:
    """Return the event table with typed columns and its bad rows found.

    Args:
        raw: the table, or a block of it.
        schema: kinds in use.
        columns: what the columns of the whole table say, for a block; repeats are then not looked for. None: the table
            is whole.

    Raises:
        TableError: a column is missing, badly named or of a type that no property can have.
    """
    if raw.table.num_rows or not raw.broken:
        check_columns(raw, ("user_id", "product_id"))
    checks = RowChecks(raw)
    cells = {
        "event_id": check_ids(checks, "event_id", required=False),
        "user_id": check_ids(checks, "user_id"),
        "product_id": check_ids(checks, "product_id"),
        "type": _check_types(checks, schema),
        "at": check_times(checks, "at", seconds=None if columns is None else columns.seconds),
        "position": check_integers(checks, "position"),
        "quantity": check_numbers(checks, "quantity", minimum=0.0),
        "value": check_numbers(checks, "value"),
    }
    for name in raw.table.column_names:
        if name not in cells and (columns is None or name in columns.types):
            cells[name] = check_property(checks, name, kind=None if columns is None else columns.types[name])
    for name in ORDERS:
        _all_or_none(checks, cells[name], name=name, wanted=None if columns is None else name in columns.orders)
    table = pa.table(cells)
    return EventRows(checks, table, _none(table) if columns is not None else find_repeated_events(checks, table))


def refuse_unknown_products(events: EventRows, known: pa.Array, *, excused: pa.Array | None, file: str) -> None:
    """Refuse events of products that are not there.

    Args:
        events: a table or a block of it.
        known: ids of the products that are.
        excused: ids of bad products whose events are let be, as those products are named anyway; None: of none.
        file: that has the products, for error texts.
    """
    ids = events.table["product_id"].combine_chunks()
    missing = unknown_ids(ids, known, excused=excused)
    events.checks.refuse(missing, column="product_id", reason=f"is not in {file} (or was set aside)")


def with_event_ids(events: pa.Table) -> pa.Table:
    """Return the events with an id for each row that has none.

    The id is a hash of the row's content plus the ordinal among rows without an id of the same content, so it depends
    neither on the order of the rows nor on the file format, and true repeats stay apart.
    """
    given = events["event_id"].combine_chunks()
    if not given.null_count:
        return events
    digest, ordinal, nameless = _content_hash(events), np.zeros(len(given), dtype=np.int64), mask_of(given.is_null())
    ordinal[nameless] = _ordinals(digest[nameless])
    derived = _hex(digest)
    again = ordinal > 0
    if again.any():
        numbered = pc.binary_join_element_wise(
            derived.filter(pa.array(again)), pa.array(ordinal[again] + 1).cast(pa.string()), "-"
        )
        derived = pc.replace_with_mask(derived, pa.array(again), numbered)
    ids = pc.coalesce(given, derived)
    return events.set_column(events.column_names.index("event_id"), "event_id", ids)


def _check_types(checks: RowChecks, schema: GraphSchema) -> pa.Array:
    types = pc.utf8_lower(text_values(checks.raw, "type")).fill_null("bought")
    known = sorted(schema.events)

    def reason(value: str) -> str:
        near = difflib.get_close_matches(value.strip().lower(), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
        return f"is no event type; {hint} (others are declared as [events.NAME] in whycart.toml)"

    checks.refuse(mask_of(pc.invert(pc.is_in(types, pa.array(known)))), column="type", reason=reason)
    return types


def _all_or_none(checks: RowChecks, column: pa.Array, *, name: str, wanted: bool | None) -> None:
    empty = mask_of(column.is_null())
    if (checks.good & ~empty).any() if wanted is None else wanted:
        checks.refuse(
            empty, column=name, reason="is empty while other events have it; give it to every event or to none"
        )


def find_repeated_events(checks: RowChecks, table: pa.Table) -> np.ndarray:
    """Find events with an event_id that an earlier good row has; see `kg.node_rows.find_repeats`."""
    if table["event_id"].null_count == table.num_rows:
        return _none(table)
    if not table["event_id"].null_count:
        return find_repeats(checks, table, key="event_id")
    rows = pa.array(np.arange(table.num_rows)).cast(pa.string())
    unique = pc.binary_join_element_wise(rows, "no id\n", "")
    keyed = table.set_column(0, "event_id", pc.coalesce(table["event_id"].combine_chunks(), unique))
    return find_repeats(checks, keyed, key="event_id")


def hash_words(events: pa.Table) -> np.ndarray:
    """Return a 64-bit hash of each event, of its event_id or else of its content: rows that say the same have the same.

    The table has the typed columns that `check_events` makes; a column without any value does not count.
    """
    words = np.empty(events.num_rows, dtype=np.uint64)
    given = mask_of(events["event_id"].combine_chunks().is_valid())
    if not given.all():
        words[~given] = _content_hash(events.filter(pa.array(~given)))["high"]
    if given.any():
        ids = events["event_id"].filter(pa.array(given)).to_numpy(zero_copy_only=False)
        words[given] = pd.util.hash_array(ids, hash_key=_HASH_KEYS[0], categorize=False)
    return words


def _none(table: pa.Table) -> np.ndarray:
    return np.zeros(table.num_rows, dtype=bool)


def _content_hash(events: pa.Table) -> np.ndarray:
    """Return the 128-bit hash of each row's content as two words, `high` and `low`."""
    cells = []
    names = [*EVENT_COLUMNS.names, *sorted(set(events.column_names) - set(EVENT_COLUMNS.names))]
    for name in names:
        column = events[name].combine_chunks()
        if name == "event_id" or column.null_count == len(column):
            continue
        cells.append(pc.binary_join_element_wise(pa.scalar(f"{name}="), _exact_text(column), ""))
    rows = pc.binary_join_element_wise(*cells, "\x1f", null_handling="skip").to_numpy(zero_copy_only=False)
    words = [pd.util.hash_array(rows, hash_key=key, categorize=False) for key in _HASH_KEYS]
    digest = np.empty(len(rows), dtype=[("high", "<u8"), ("low", "<u8")])
    digest["high"], digest["low"] = words
    return digest


def _ordinals(digest: np.ndarray) -> np.ndarray:
    """Return how many earlier rows have the same digest."""
    if len(pd.unique(digest["high"])) == len(digest):
        return np.zeros(len(digest), dtype=np.int64)
    words = pd.DataFrame({"high": digest["high"], "low": digest["low"]})
    return words.groupby(["high", "low"], sort=False).cumcount().to_numpy()


def _exact_text(column: pa.Array) -> pa.Array:
    """Return a text that is equal for equal values, whatever library wrote it: whole numbers plain, others by bits."""
    if not pa.types.is_floating(column.type):
        return column.cast(pa.string())
    values = column.fill_null(0.0).to_numpy(zero_copy_only=False) + 0.0
    whole = (values == np.floor(values)) & (np.abs(values) < 2**53)
    plain = pa.array(np.where(whole, values, 0.0).astype(np.int64)).cast(pa.string())
    bits = pc.binary_join_element_wise("b", pa.array(values.view(np.int64)).cast(pa.string()), "")
    text = pc.if_else(pa.array(whole), plain, bits)
    return pc.if_else(column.is_null(), pa.scalar(None, pa.string()), text)


def _hex(digest: np.ndarray) -> pa.Array:
    text = np.frombuffer(
        digest.astype([("high", ">u8"), ("low", ">u8")]).tobytes().hex().encode(), dtype=np.uint8
    ).reshape(len(digest), 32)
    data = np.ascontiguousarray(text[:, :_ID_CHARACTERS])
    offsets = np.arange(0, (len(digest) + 1) * _ID_CHARACTERS, _ID_CHARACTERS, dtype=np.int64)
    large = pa.LargeStringArray.from_buffers(len(digest), pa.py_buffer(offsets), pa.py_buffer(data))
    return large.cast(pa.string())
