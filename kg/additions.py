"""Products that are added to a shop, or changed, one at a time: rows by the rules of files, and a snapshot with them.

A row says of a product what is new of it; what it leaves out stays. This module reads no file and knows no server;
`kg.ingest` writes what it finds into the graph.
"""

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from kg.brands import brand_edges, brand_names
from kg.categories import CategoryTree, build_tree, category_edges
from kg.node_rows import NodeRows, check_nodes
from kg.raw import raw_table
from kg.snapshot import Edges, Snapshot
from kg.tables import PRODUCT_TYPES

LINKS = ("brand", "brand_id", "categories")
"""What a row says of the nodes that its product is linked to."""
_BOOKS = {"Brand": "brand_id", "Category": "category_id"}


@dataclass(frozen=True, slots=True)
class BadProduct:
    """A row that cannot be taken."""

    index: int
    """Place among the rows; 0 is the first."""
    reason: str


@dataclass(frozen=True, slots=True)
class Additions:
    """Checked rows: what they say of products, and the nodes and edges that they name."""

    products: Mapping[str, Mapping[str, Any]]
    """What is said of each product beside its links, by id and property, typed as the shop's own."""
    nodes: Mapping[str, Mapping[str, str | None]]
    """Name of each brand and category that a product is linked to, those above included, by label and id."""
    edges: Mapping[str, tuple[tuple[str, str], ...]]
    """Ids at both ends by relation: `MADE_BY`, `IN_CATEGORY`, `CHILD_OF`."""


def check_products(rows: Sequence[Mapping[str, Any]], snapshot: Snapshot) -> tuple[Additions, tuple[BadProduct, ...]]:
    """Return what rows say and which of them cannot be taken.

    Args:
        rows: `product_id` with any of the shop's product properties, `brand`, `brand_id`, and `categories`: a list of
            paths such as `Food > Tea`. One name that only one category has stands for that category.
        snapshot: the shop as it is: its properties, brands and categories.
    """
    books = _Books(snapshot)
    unknown = dict(_unknown_properties(rows, snapshot))
    known = [place for place in range(len(rows)) if place not in unknown]
    good, bad = _typed([books.with_paths(rows[place]) for place in known], snapshot)
    reasons = unknown | {known[place]: reason for place, reason in bad.items()}
    kept = [rows[place] for place in known if place not in reasons]
    found = tuple(BadProduct(place, reasons[place]) for place in sorted(reasons))
    return _additions(good, kept, snapshot, books), found


def with_additions(snapshot: Snapshot, additions: Additions, *, number: int) -> Snapshot:
    """Return the snapshot with products, brands and categories added at the end of their tables.

    Known products get the properties that are said of them, and keep their links until the graph is read again. Rows of
    the snapshot stay where they are, so everything that was learned from it still fits.

    Args:
        snapshot: the shop as it was.
        additions: what is new.
        number: how many rows were ever said of products; the hash is the snapshot's own, `+` and this number.
    """
    fresh = [key for key in additions.products if snapshot.row("Product", key) is None]
    nodes = dict(snapshot.nodes)
    nodes["Product"] = _with_products(snapshot, additions.products, fresh)
    for label, key in _BOOKS.items():
        new = [name for name in additions.nodes[label] if snapshot.row(label, name) is None]
        listed = pa.table(
            {
                key: pa.array(new, pa.string()),
                "name": pa.array([additions.nodes[label][one] for one in new], pa.string()),
            }
        )
        nodes[label] = pa.concat_tables([nodes[label], listed], promote_options="permissive").combine_chunks()
    grown = replace(snapshot, nodes=nodes, hash=f"{snapshot.hash}+{number}")
    edges = {name: _with_edges(snapshot, grown, name, pairs=pairs) for name, pairs in additions.edges.items()}
    return replace(grown, edges={**snapshot.edges, **edges})


def base_hash(graph_version: str) -> tuple[str, int]:
    """Return the hash of the snapshot that products were added to, and the number of rows said of them; 0: none."""
    base, _, number = graph_version.partition("+")
    return base, int(number or 0)


class _Books:
    """Brands and categories of a snapshot by name; categories grow while paths are looked up."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.brands = brand_names(snapshot.nodes["Brand"])
        self.brand_ids = {brand: name for name, brand in self.brands.items()}
        table, links = snapshot.nodes["Category"], snapshot.edges["CHILD_OF"]
        ids = snapshot.ids("Category")
        names = table["name"].to_pylist() if "name" in table.column_names else [None] * len(ids)
        above = dict(zip(links.source.tolist(), links.target.tolist(), strict=True))
        parents = [ids[above[row]] if row in above else None for row in range(len(ids))]
        self.tree: CategoryTree = build_tree(ids, names, parents=parents, file="the graph")
        self._roots = {name for (parent, name) in self.tree.children if parent is None}
        count = Counter(names)
        self._single = {name: key for name, key in zip(names, ids, strict=True) if name and count[name] == 1}

    def with_paths(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row whose categories are paths, each a list of names, as JSONL files have them."""
        given = row.get("categories")
        if not given:
            return dict(row)
        return {**row, "categories": [self._path(text) for text in given]}

    def _path(self, text: str) -> list[str]:
        names = [name.strip() for name in text.split(">")]
        is_known = len(names) > 1 or names[0] in self._roots or names[0] in self.tree.names
        return names if is_known else [self._single.get(names[0], names[0])]


def _unknown_properties(rows: Sequence[Mapping[str, Any]], snapshot: Snapshot) -> Iterator[tuple[int, str]]:
    """Rows that name a property that the shop's products do not have."""
    known = {*snapshot.nodes["Product"].column_names, *PRODUCT_TYPES, *LINKS}
    for place, row in enumerate(rows):
        for name in row:
            if name not in known:
                near = difflib.get_close_matches(name, sorted(known), n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(known))}"
                yield place, f"products of this shop have no property {name!r}; {hint}"
                break


def _typed(rows: Sequence[Mapping[str, Any]], snapshot: Snapshot) -> tuple[pa.Table, dict[int, str]]:
    """The good rows as a table with the snapshot's types, and why the others are not good."""
    kind = snapshot.schema.nodes["Product"]
    names = list(dict.fromkeys((kind.key, *(name for row in rows for name in row))))
    given = pa.table({name: _column([row.get(name) for row in rows]) for name in names})
    checked = check_nodes(raw_table("products", given), kind)
    table = _cast(checked, snapshot)
    bad = {}
    for one in checked.checks.bad_rows():
        said = "" if one.column is None else f"{one.column} "
        value = "" if one.value is None else f"{one.value[:60]!r} "
        bad[one.line - 1] = f"{said}{value}{one.reason}"
    return table.filter(pa.array(checked.checks.good)), bad


def _column(values: list[Any]) -> pa.Array:
    """A column of what was given; values of different types are taken as texts."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else str(value) for value in values])


def _cast(rows: NodeRows, snapshot: Snapshot) -> pa.Table:
    """The table with the types that the shop's columns have; a value that has no such form makes its row bad."""
    columns, table = {}, snapshot.nodes["Product"]
    for name in rows.table.column_names:
        column = rows.table[name].combine_chunks()
        wanted = table.schema.field(name).type if name in table.column_names else PRODUCT_TYPES.get(name, column.type)
        values = [_as(wanted, value) for value in column]
        pairs = zip(values, column, strict=True)
        failed = np.array([value is None and cell.is_valid for value, cell in pairs], dtype=bool)
        rows.checks.refuse(failed, column=name, reason=f"is no {wanted}, as this property is in this shop")
        columns[name] = pa.array(values, wanted)
    return pa.table(columns)


def _as(wanted: pa.DataType, value: pa.Scalar) -> Any:
    try:
        return value.cast(wanted).as_py() if value.is_valid else None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def _additions(good: pa.Table, rows: Sequence[Mapping[str, Any]], snapshot: Snapshot, books: _Books) -> Additions:
    products: dict[str, dict[str, Any]] = {}
    for row, given in zip(
        good.drop_columns([n for n in LINKS if n in good.column_names]).to_pylist(), rows, strict=True
    ):
        key = row.pop("product_id")
        products.setdefault(key, {}).update({name: row[name] for name in row if given.get(name) is not None})
    made_by, brands = brand_edges(good, known=books.brands)
    ids, paths = (good[name].combine_chunks() for name in ("product_id", "categories"))
    in_category = category_edges(ids, paths, tree=books.tree)
    named = dict(zip(brands["brand_id"].to_pylist(), brands["name"].to_pylist(), strict=True))
    categories = _with_above(in_category["to_id"].to_pylist(), books.tree)
    edges = {
        "MADE_BY": _pairs(made_by),
        "IN_CATEGORY": _pairs(in_category),
        "CHILD_OF": tuple((child, books.tree.parents[child]) for child in categories if child in books.tree.parents),
    }
    brand_names_of = {brand: name or books.brand_ids.get(brand) for brand, name in named.items()}
    return Additions(products, {"Brand": brand_names_of, "Category": categories}, edges)


def _pairs(table: pa.Table) -> tuple[tuple[str, str], ...]:
    return tuple(dict.fromkeys(zip(table["from_id"].to_pylist(), table["to_id"].to_pylist(), strict=True)))


def _with_above(ids: Iterable[str], tree: CategoryTree) -> dict[str, str | None]:
    """Categories and all above them, by id with their name."""
    found: dict[str, str | None] = {}
    for category in ids:
        step: str | None = category
        while step is not None and step not in found:
            found[step] = tree.names.get(step)
            step = tree.parents.get(step)
    return found


def _with_products(snapshot: Snapshot, products: Mapping[str, Mapping[str, Any]], fresh: Sequence[str]) -> pa.Table:
    """The product table with known rows changed and new ones at the end."""
    table, key = snapshot.nodes["Product"], snapshot.schema.nodes["Product"].key
    said = {name for fields in products.values() for name in fields}
    columns = {key: pa.array([*snapshot.ids("Product"), *fresh], pa.string())}
    for name in dict.fromkeys((*table.column_names[1:], *sorted(said))):
        kind = table.schema.field(name).type if name in table.column_names else PRODUCT_TYPES[name]
        new = pa.array([products[one].get(name) for one in fresh], kind)
        old = table[name].combine_chunks() if name in table.column_names else pa.nulls(table.num_rows, kind)
        if name in said:
            values = old.to_pylist()
            for product, fields in products.items():
                if (row := snapshot.row("Product", product)) is not None and name in fields:
                    values[row] = fields[name]
            old = pa.array(values, kind)
        columns[name] = pa.concat_arrays([old, new])
    return pa.table(columns)


def _with_edges(before: Snapshot, grown: Snapshot, name: str, *, pairs: Sequence[tuple[str, str]]) -> Edges:
    """The edges of a relation with those that start at a node which is new."""
    kind, edges = grown.schema.relation(name), before.edges[name]
    new = [(source, target) for source, target in pairs if before.row(kind.source, source) is None]
    ends = [(grown.row(kind.source, source), grown.row(kind.target, target)) for source, target in new]
    source, target = (_rows(ends, side) for side in (0, 1))
    order = np.lexsort((target, source))
    return Edges(
        np.concatenate([edges.source, source[order]]),
        np.concatenate([edges.target, target[order]]),
        None if edges.at_ms is None else np.concatenate([edges.at_ms, np.zeros(len(order), dtype=np.int64)]),
        None if edges.weight is None else np.concatenate([edges.weight, np.ones(len(order), dtype=np.float32)]),
    )


def _rows(ends: Sequence[tuple[int | None, int | None]], side: int) -> Int[np.ndarray, " edge"]:
    """One end of each edge; all of them are in the tables by now."""
    return np.array([end[side] for end in ends], dtype=np.int32).reshape(len(ends))
