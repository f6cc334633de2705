"""The one way in: raw tables, from files or made in memory, become the checked `Tables` value or an error.

Reads no files but writes the quarantine file; knows no server.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from kg.brands import brand_edges, brand_names
from kg.canonical import canonical_edges, canonical_events, canonical_nodes
from kg.categories import CategoryTree, build_tree, category_edges
from kg.errors import TableError
from kg.event_parts import EventParts, LargeEvents
from kg.event_rows import EventRows, check_events, refuse_unknown_products
from kg.node_rows import NodeRows, check_nodes
from kg.problems import BadRows, settle
from kg.progress import Progress, silent
from kg.raw import RawTable, raw_table
from kg.relation_rows import RelationRows, check_relations, drop_loops, refuse_unknown_ends, unknown_ids, unread_columns
from kg.schema import STRUCTURE, GraphSchema
from kg.tables import EVENT_COLUMNS, Order, Tables


@dataclass(frozen=True, slots=True)
class ReadReport:
    """What reading a shop gave."""

    tables: Tables
    quarantined: int = 0
    """Bad rows that were set aside."""
    files: Mapping[str, str] = field(default_factory=dict)
    """File name by table name, for each table that was there."""
    warnings: tuple[str, ...] = ()
    """What was read but is probably not what was meant, one sentence each."""
    parts: EventParts | None = None
    """The events, when their file was read in parts; those of `tables` are none then."""

    @property
    def order(self) -> Order:
        """What is known of the order of the events."""
        return self.tables.order if self.parts is None else self.parts.order

    @property
    def num_events(self) -> Mapping[str, int]:
        """Events by type, for the types that are there."""
        if self.parts is not None:
            return dict(sorted(self.parts.counts.items()))
        counts = pc.value_counts(self.tables.events["type"]).to_pylist()
        return dict(sorted((count["values"], count["counts"]) for count in counts))


def check_tables(
    tables: Mapping[str, pa.Table],
    schema: GraphSchema,
    *,
    quarantine: Path | None = None,
    progress: Progress = silent,
) -> ReadReport:
    """Check tables made in memory, by the same rules as files.

    Args:
        tables: products, events and any further table by name.
        schema: the kinds in use.
        quarantine: where bad rows are set aside; None: a bad row is an error.
        progress: told after each table.

    Raises:
        RowsError: rows are broken and there is no quarantine file.
        TableError: a table or a column is missing or not usable.
    """
    raws = {name: raw_table(name, table) for name, table in tables.items()}
    return check_raw(raws, schema, quarantine=quarantine, progress=progress)


def check_raw(
    raws: Mapping[str, RawTable],
    schema: GraphSchema,
    *,
    quarantine: Path | None = None,
    large: LargeEvents | None = None,
    progress: Progress = silent,
) -> ReadReport:
    """Check raw tables and bring them into the canonical form; see `check_tables`.

    Args:
        raws: by name.
        schema: the kinds in use.
        quarantine: where bad rows are set aside; None: a bad row is an error.
        large: the events, when they are read in parts and not among `raws`.
        progress: told after each step.
    """
    _require(raws, large)
    warnings: list[str] = []
    excuse = quarantine is None
    nodes = {kind.label: check_nodes(raws[kind.table], kind) for kind in schema.nodes.values() if kind.table in raws}
    progress("check", 1, 4)
    if "Category" in nodes:
        _check_parents(nodes["Category"], excuse=excuse)
    events = _check_events(raws, schema, large=large, products=nodes["Product"], progress=progress, excuse=excuse)
    progress("check", 2, 4)
    found, edges = _structure(nodes)
    relations = _check_relations(raws, schema, nodes=nodes, found=found, excuse=excuse)
    checks: list[BadRows] = [*(rows.checks for rows in nodes.values()), events.checks]
    quarantined = settle([*checks, *([relations.checks] if relations else [])], quarantine)
    progress("check", 3, 4)
    edges |= _declared_edges(relations, schema, warnings=warnings)
    parts = events if isinstance(events, EventParts) else None
    good = events.good() if isinstance(events, EventRows) else EVENT_COLUMNS.empty_table()
    users = good["user_id"] if parts is None else pa.chunked_array([parts.users])
    found = _add_missing(found, nodes=nodes, schema=schema, edges=edges, users=users)
    _require_some(found["Product"].num_rows, good.num_rows if parts is None else sum(parts.counts.values()))
    tables = _assemble(schema, found=found, edges=edges, events=good)
    files = {name: raw.file for name, raw in raws.items()} | ({} if parts is None else {"events": parts.file})
    report = ReadReport(tables, quarantined, dict(sorted(files.items())), parts=parts)
    progress("check", 4, 4)
    return replace(report, warnings=(*warnings, *_notes(report)))


def _require(raws: Mapping[str, RawTable], large: LargeEvents | None) -> None:
    for name in ("products",) if large else ("products", "events"):
        if name not in raws:
            there = ", ".join(sorted(raws)) or "none"
            raise TableError(f"table {name!r} is missing (tables there: {there}); products and events are required")
        raw = raws[name]
        if not raw.table.num_rows and not raw.broken:
            raise TableError(f"{raw.file} has no rows; products and events are required")


def _check_parents(rows: NodeRows, *, excuse: bool) -> None:
    """Refuse categories whose parent does not exist, again and again while that takes away further parents."""
    excused = rows.bad_ids() if excuse else None
    while True:
        before = rows.checks.num_bad
        parents = rows.table["parent_id"].combine_chunks()
        missing = unknown_ids(parents, rows.good_ids(), excused=excused)
        rows.checks.refuse(missing, column="parent_id", reason="is no category_id of this table (or was set aside)")
        if rows.checks.num_bad == before or excuse:
            return


def _check_events(
    raws: Mapping[str, RawTable],
    schema: GraphSchema,
    *,
    large: LargeEvents | None,
    products: NodeRows,
    progress: Progress,
    excuse: bool,
) -> EventRows | EventParts:
    if large is not None:
        return large.check(schema, products, excuse=excuse, progress=progress)
    rows = check_events(raws["events"], schema)
    excused, file = products.bad_ids() if excuse else None, products.checks.raw.file
    refuse_unknown_products(rows, products.good_ids(), excused=excused, file=file)
    return rows


def _structure(nodes: Mapping[str, NodeRows]) -> tuple[dict[str, pa.Table], dict[str, pa.Table]]:
    """Return the node tables known from rows and columns, and the edges that come from columns."""
    found = {label: rows.good() for label, rows in nodes.items()}
    products = found["Product"]
    made_by, named = brand_edges(products, known=brand_names(found["Brand"]) if "Brand" in found else {})
    tree = _tree(nodes.get("Category"))
    in_category = category_edges(
        products["product_id"].combine_chunks(), products["categories"].combine_chunks(), tree=tree
    )
    child_of = pa.table(
        {"from_id": pa.array(tree.parents, pa.string()), "to_id": pa.array(list(tree.parents.values()), pa.string())}
    )
    found["Brand"] = _merge(found.get("Brand"), named, key="brand_id")
    listed = pa.table(
        {"category_id": pa.array(tree.names, pa.string()), "name": pa.array(list(tree.names.values()), pa.string())}
    )
    found["Category"] = _merge(found.get("Category"), listed, key="category_id")
    return found, {"MADE_BY": made_by, "IN_CATEGORY": in_category, "CHILD_OF": child_of}


def _tree(rows: NodeRows | None) -> CategoryTree:
    if rows is None:
        return CategoryTree()
    table = rows.good()
    columns = [table[name].to_pylist() for name in ("category_id", "name", "parent_id")]
    return build_tree(columns[0], columns[1], parents=columns[2], file=rows.checks.raw.file)


def _merge(table: pa.Table | None, others: pa.Table, *, key: str) -> pa.Table:
    """Return the table with those rows of the others whose key it does not have."""
    if table is None:
        return others
    new = pc.invert(pc.is_in(others[key], table[key].combine_chunks()))
    fresh = others.filter(new)
    return pa.concat_tables([table, fresh], promote_options="permissive") if fresh.num_rows else table


def _check_relations(
    raws: Mapping[str, RawTable],
    schema: GraphSchema,
    *,
    nodes: Mapping[str, NodeRows],
    found: Mapping[str, pa.Table],
    excuse: bool,
) -> RelationRows | None:
    if "relations" not in raws:
        return None
    relations = check_relations(raws["relations"], schema)
    known = {
        label: table[schema.nodes[label].key].combine_chunks() for label, table in found.items() if label != "User"
    }
    excused = {label: rows.bad_ids() for label, rows in nodes.items()} if excuse else {}
    refuse_unknown_ends(relations, schema, known=known, excused=excused)
    return relations


def _declared_edges(relations: RelationRows | None, schema: GraphSchema, *, warnings: list[str]) -> dict[str, pa.Table]:
    if relations is None:
        return {}
    edges = {}
    for name in sorted(set(schema.relations) - STRUCTURE):
        table, loops = (
            drop_loops(relations.good(name)) if _is_loop_possible(schema, name) else (relations.good(name), 0)
        )
        edges[name] = table
        if loops:
            warnings.append(f"{relations.checks.raw.file}: {name} from a node to itself was left out ({loops} times)")
    unread = unread_columns(relations.checks.raw)
    if unread:
        warnings.append(f"{relations.checks.raw.file}: columns {', '.join(unread)} are not read")
    return edges


def _is_loop_possible(schema: GraphSchema, name: str) -> bool:
    return schema.relations[name].source == schema.relations[name].target


def _add_missing(
    found: Mapping[str, pa.Table],
    *,
    nodes: Mapping[str, NodeRows],
    schema: GraphSchema,
    edges: Mapping[str, pa.Table],
    users: pa.ChunkedArray,
) -> dict[str, pa.Table]:
    """Return the node tables with users, and nodes of kinds without a table, added where something refers to them."""
    result = dict(found)
    for label, kind in schema.nodes.items():
        if label in nodes and label != "User":
            continue
        ends = [users] if label == "User" else []
        for name, table in edges.items():
            relation = schema.relations[name]
            ends += [table["from_id"]] * (relation.source == label) + [table["to_id"]] * (relation.target == label)
        ids = [end.cast(pa.string()).combine_chunks() for end in ends]
        distinct = pa.concat_arrays(ids).unique() if ids else pa.array([], pa.string())
        result[label] = _merge(result.get(label), pa.table({kind.key: distinct}), key=kind.key)
    return result


def _require_some(num_products: int, num_events: int) -> None:
    if not num_products or not num_events:
        left = "product" if not num_products else "event"
        raise TableError(f"no {left} is left when the broken rows are set aside; repair the input")


def _assemble(
    schema: GraphSchema, *, found: Mapping[str, pa.Table], edges: Mapping[str, pa.Table], events: pa.Table
) -> Tables:
    columns = {"Product": ("brand", "brand_id", "categories"), "Category": ("parent_id",)}
    nodes = {}
    for label, kind in schema.nodes.items():
        table = found[label]
        nodes[label] = canonical_nodes(
            kind, table.drop_columns([c for c in columns.get(label, ()) if c in table.column_names])
        )
    none = pa.table({"from_id": pa.array([], pa.string()), "to_id": pa.array([], pa.string())})
    all_edges = {name: canonical_edges(kind, edges.get(name, none)) for name, kind in schema.relations.items()}
    return Tables(schema, nodes, all_edges, canonical_events(events))


def _notes(report: ReadReport) -> list[str]:
    notes, tables, parts = [], report.tables, report.parts
    if report.order == "none":
        file = report.files["events"]
        notes.append(f"{file}: events have neither at nor position, so nothing is known of their order")
    if "title" not in tables.nodes["Product"].column_names:
        notes.append(f"{report.files['products']}: no product has a title, so texts say little")
    busy = len(tables.events["product_id"].unique()) if parts is None else parts.num_products
    idle = tables.nodes["Product"].num_rows - busy
    if idle:
        notes.append(f"{idle} of {tables.nodes['Product'].num_rows} products have no event")
    return notes
