"""An event table of any size, read and checked in parts that fit into memory.

The file is read twice in blocks: once for what its columns say together (`kg.event_columns`), once for its rows. Good
rows go to one of several parts by a hash of their id, or of their content where they have none: so rows that say the
same are in one part, and what is found of repeats there, and the ids made there, are those of the whole table. Parts
are files in a folder of the caller's.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kg.blocks import has_blocks, read_blocks, text_bytes
from kg.canonical import canonical_events
from kg.event_columns import EventColumns, read_columns
from kg.event_rows import check_events, find_repeated_events, hash_words, refuse_unknown_products, with_event_ids
from kg.node_rows import NodeRows
from kg.problems import RowChecks
from kg.progress import Progress
from kg.raw import BadRow, RawTable, Unit
from kg.schema import GraphSchema
from kg.tables import Order, order_of
from kg.veil import Veil

_LINE = "__line"
_BLOCKS_A_PART = 8
_LEAST_BLOCK = 64 << 10
_WRITE = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True, slots=True)
class Parting:
    """Which event files are read in parts, and how."""

    room: Path
    """An empty folder for the parts; they stay there as long as they are needed."""
    part_bytes: int
    """Files with more bytes, uncompressed, are read in parts of about so many."""

    def wanted(self, path: Path) -> bool:
        """Return whether an event file is read in parts."""
        return has_blocks(path) and text_bytes(path) > self.part_bytes


class SetAside:
    """Bad rows of a table that is read in blocks, kept in a file."""

    def __init__(self, file: Path) -> None:
        self.unit: Unit = "line"
        self.num_bad = 0
        self._file = file

    def add(self, checks: RowChecks) -> None:
        """Keep the bad rows of a block."""
        self.unit = checks.unit
        if not checks.num_bad:
            return
        with self._file.open("a", encoding="utf-8") as out:
            for bad in checks.bad_rows():
                out.write(json.dumps(asdict(bad), default=str) + "\n")
                self.num_bad += 1

    def bad_rows(self) -> Iterator[BadRow]:
        """Yield every bad row in the order of the file, then those that say something else than an earlier one."""
        if self.num_bad:
            with self._file.open(encoding="utf-8") as file:
                for line in file:
                    yield BadRow(**json.loads(line))


@dataclass(frozen=True, slots=True, eq=False)
class EventParts:
    """An event table after all its checks, in parts on disk. Iterating gives each part as canonical events."""

    file: str
    checks: SetAside
    users: pa.Array
    """Users of the events, each once."""
    num_products: int
    """Products that have an event."""
    counts: Mapping[str, int]
    """Events by type."""
    order: Order
    paths: tuple[Path, ...]

    def __iter__(self) -> Iterator[pa.Table]:
        for path in self.paths:
            yield _load(path)


@dataclass(frozen=True, slots=True)
class LargeEvents:
    """An event file that is to be read in parts."""

    path: Path
    parting: Parting
    veil: Veil | None = None

    def check(self, schema: GraphSchema, products: NodeRows, *, excuse: bool, progress: Progress) -> EventParts:
        """Read the file, check its rows and sort them into parts.

        Args:
            schema: kinds in use.
            products: after their own checks; an event of another product is refused.
            excuse: whether events of bad products are left for later, as the products are named anyway.
            progress: told how many MB of the file are read, and how many parts are done.

        Raises:
            TableError: the file cannot be read, or a column is missing, badly named or of a wrong type.
        """
        columns = read_columns(self._blocks(schema, "look at events, MB", progress))
        known, excused = products.good_ids(), products.bad_ids() if excuse else None
        bad = SetAside(self.parting.room / "bad.jsonl")
        sorter = _Sorter(self.parting.room, columns, num_parts=self._num_parts())
        with sorter:
            for raw in self._blocks(schema, "check events, MB", progress):
                rows = check_events(raw, schema, columns=columns)
                refuse_unknown_products(rows, known, excused=excused, file=products.checks.raw.file)
                bad.add(rows.checks)
                sorter.add(rows.table, raw.lines, good=rows.checks.good)
        return self._settle(sorter, columns, bad, progress)

    def _num_parts(self) -> int:
        return -(-text_bytes(self.path) // self.parting.part_bytes)

    def _blocks(self, schema: GraphSchema, step: str, progress: Progress) -> Iterator[RawTable]:
        block_bytes = max(_LEAST_BLOCK, self.parting.part_bytes // _BLOCKS_A_PART)
        total = max(1, text_bytes(self.path) >> 20)
        done = 0
        for raw in read_blocks(self.path, name="events", block_bytes=block_bytes):
            yield raw if self.veil is None else self.veil.over({raw.name: raw}, schema)[raw.name]
            done += block_bytes
            progress(step, min(total, done >> 20), total)
        progress(step, total, total)

    def _settle(self, sorter: "_Sorter", columns: EventColumns, bad: SetAside, progress: Progress) -> EventParts:
        """Find repeats in each part, give ids, and bring it into the canonical form."""
        counts: dict[str, int] = {}
        orders: set[Order] = set()
        products = _Distinct()
        for done, path in enumerate(sorter.paths, start=1):
            part = self._without_repeats(_load(path), bad)
            part = canonical_events(with_event_ids(part) if part.num_rows else part)
            part = pa.table({field.name: _column(part, field) for field in columns.schema}, schema=columns.schema)
            _save(path, part)
            for count in pc.value_counts(part["type"].combine_chunks()).to_pylist():
                counts[count["values"]] = counts.get(count["values"], 0) + count["counts"]
            products.add(part["product_id"])
            if part.num_rows:
                orders.add(order_of(part))
            progress("sort events, parts", done, len(sorter.paths))
        order: Order = orders.pop() if len(orders) == 1 else "none"
        return EventParts(
            self.path.name,
            bad,
            sorter.users.values(),
            len(products.values()),
            counts,
            order,
            tuple(sorter.paths),
        )

    def _without_repeats(self, part: pa.Table, bad: SetAside) -> pa.Table:
        lines, part = part[_LINE].to_numpy(), part.drop_columns([_LINE])
        checks = RowChecks(RawTable("events", self.path.name, part, lines, unit=bad.unit))
        repeated = find_repeated_events(checks, part)
        bad.add(checks)
        return part.filter(pa.array(checks.good & ~repeated)).combine_chunks()


class _Sorter:
    """Writes rows to the file of their part."""

    def __init__(self, room: Path, columns: EventColumns, *, num_parts: int) -> None:
        self.paths = [room / f"events-{part:04d}.arrow" for part in range(num_parts)]
        self.users = _Distinct()
        self._schema = pa.schema(
            [*(field.with_nullable(True) for field in columns.schema), pa.field(_LINE, pa.int64())]
        )
        self._stack = ExitStack()
        self._writers: list[pa.RecordBatchWriter] = []

    def __enter__(self) -> "_Sorter":
        for path in self.paths:
            self._writers.append(self._stack.enter_context(pa.ipc.new_stream(path, self._schema, options=_WRITE)))
        return self

    def __exit__(self, *failure: object) -> None:
        self._stack.close()

    def add(self, table: pa.Table, lines: np.ndarray, *, good: np.ndarray) -> None:
        """Write the good rows of a block."""
        rows = table.append_column(_LINE, pa.array(lines)).filter(pa.array(good)).combine_chunks()
        if not rows.num_rows:
            return
        self.users.add(rows["user_id"])
        place = hash_words(rows.drop_columns([_LINE])) % np.uint64(len(self.paths))
        rows = pa.table({field.name: _column(rows, field) for field in self._schema}, schema=self._schema)
        rows = rows.take(pa.array(np.argsort(place, kind="stable")))
        ends = np.cumsum(np.bincount(place.astype(np.int64), minlength=len(self.paths)))
        for writer, first, end in zip(self._writers, [0, *ends[:-1]], ends, strict=True):
            if end > first:
                writer.write_table(rows.slice(first, end - first))


def _column(table: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    if field.name in table.column_names:
        return table[field.name].cast(field.type)
    return pa.chunked_array([pa.nulls(table.num_rows, field.type)])


class _Distinct:
    """Ids, each once; those of several blocks wait until they are as many as are known, so that each is looked at few
    times."""

    def __init__(self) -> None:
        self._known = pa.array([], pa.string())
        self._waiting: list[pa.Array] = []

    def add(self, ids: pa.ChunkedArray) -> None:
        """Take the ids of a block."""
        self._waiting.append(ids.unique().cast(pa.string()))
        if sum(map(len, self._waiting)) > len(self._known):
            self.values()

    def values(self) -> pa.Array:
        """Return all ids so far."""
        self._known = pa.concat_arrays([self._known, *self._waiting]).unique()
        self._waiting = []
        return self._known


def _load(path: Path) -> pa.Table:
    with pa.ipc.open_stream(path) as file:
        return file.read_all()


def _save(path: Path, table: pa.Table) -> None:
    with pa.ipc.new_stream(path, table.schema, options=_WRITE) as out:
        out.write_table(table)
