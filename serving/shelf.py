"""The catalogue of one bundle as arrays: what a filter lets through, and how nodes are called in words."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float

from cypher.errors import InputError
from kg.operators import category_levels
from kg.snapshot import Snapshot
from serving.answer import Filter
from serving.plain import plain
from serving.selection import Links, Selection, snake_case


@dataclass(frozen=True, slots=True)
class Shelf:
    """Properties of all products by row, made once a bundle."""

    snapshot: Snapshot
    price: Float[np.ndarray, " product"]
    """NaN where the shop gave none."""
    available: Bool[np.ndarray, " product"]
    """True where the shop said nothing."""
    in_category: sp.csc_array
    """Which categories a product is in or below; [product category]."""
    of_brand: sp.csc_array
    """Which brand a product is of; [product brand]."""
    names: dict[str, dict[str, list[int]]]
    """Rows by id and by name, for every kind of node that products may be linked to."""
    labels: dict[str, list[str]]
    """What each node is called, as plain text, by label of its kind; users are not called by anything."""
    selection: Selection
    """Answers filters that are written in words."""

    def matching(self, wish: Filter) -> Bool[np.ndarray, " product"]:
        """Return which products a filter lets through.

        Raises:
            InputError: a category or brand that the shop does not have, or a filter that cannot be used.
        """
        fits = self.available.copy() if wish.in_stock else np.ones(len(self.available), dtype=bool)
        for category in wish.categories:
            fits &= self._members(self.in_category, "Category", category)
        if wish.brand is not None:
            fits &= self._members(self.of_brand, "Brand", wish.brand)
        if wish.price_max is not None:
            fits &= np.nan_to_num(self.price, nan=np.inf) <= wish.price_max
        if wish.where is not None:
            fits &= self.selection.where(wish.where)
        if wish.only_ids is not None:
            rows = [row for key in wish.only_ids if (row := self.snapshot.row("Product", key)) is not None]
            fits &= np.isin(np.arange(len(fits)), rows)
        for product in wish.exclude_ids:
            if (row := self.snapshot.row("Product", product)) is not None:
                fits[row] = False
        return fits

    def label(self, kind: str, row: int) -> str:
        """Return what a node is called: its first text property, else its id."""
        return self.labels[kind][row]

    def rows(self, kind: str, wanted: str) -> list[int]:
        """Return the rows of a brand or category by id or name; empty when there is none."""
        return self.names[kind].get(wanted) or self.names[kind].get(wanted.casefold()) or []

    def _members(self, matrix: sp.csc_array, kind: str, wanted: str) -> Bool[np.ndarray, " product"]:
        rows = self.rows(kind, wanted)
        if not rows:
            raise InputError(f"no {kind.lower()} {wanted!r} in this shop; give its id or its name")
        fits = np.zeros(matrix.shape[0], dtype=bool)
        for row in rows:
            fits[matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]] = True
        return fits


def build_shelf(snapshot: Snapshot) -> Shelf:
    """Read the arrays off a snapshot."""
    products = snapshot.nodes["Product"]
    num = products.num_rows
    columns = products.column_names
    price = products["price"].to_numpy() if "price" in columns else np.full(num, np.nan)
    available = (
        products["available"].fill_null(True).to_numpy(zero_copy_only=False)
        if "available" in columns
        else np.ones(num, dtype=bool)
    )
    brand = snapshot.edges["MADE_BY"]
    of_brand = sp.csc_array(
        (np.ones(len(brand), dtype=bool), (brand.source, brand.target)), shape=(num, snapshot.num_nodes("Brand"))
    )
    levels = category_levels(snapshot)
    shape = (num, snapshot.num_nodes("Category"))
    in_category = sp.csc_array(sum(levels[1:], levels[0])) if levels else sp.csc_array(shape, dtype=np.float32)
    kinds = [kind for kind in snapshot.nodes if kind not in ("User", "Product")]
    names = {kind: _names(snapshot, kind) for kind in kinds}
    labels = {kind: _labels(snapshot, kind) for kind in snapshot.nodes if kind != "User"}
    known = {"Brand": of_brand, "Category": in_category}
    members = {kind: known[kind] if kind in known else _members(snapshot, kind) for kind in kinds}
    links = {snake_case(kind): Links(kind, members[kind], names[kind]) for kind in kinds if members[kind].nnz}
    selection = Selection(snapshot, links)
    return Shelf(snapshot, price, available.astype(bool), in_category, of_brand, names, labels, selection)


def _members(snapshot: Snapshot, kind: str) -> sp.csc_array:
    """Which products are linked to which nodes of a declared kind, whatever the relation and its direction."""
    products, nodes = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for name, edges in snapshot.edges.items():
        relation = snapshot.schema.relation(name)
        if {relation.source, relation.target} == {"Product", kind}:
            ends = (edges.source, edges.target) if relation.source == "Product" else (edges.target, edges.source)
            products.append(ends[0])
            nodes.append(ends[1])
    product, node = np.concatenate(products), np.concatenate(nodes)
    shape = (snapshot.num_nodes("Product"), snapshot.num_nodes(kind))
    return sp.csc_array((np.ones(len(product), dtype=bool), (product, node)), shape=shape)


def _labels(snapshot: Snapshot, kind: str) -> list[str]:
    """The first text property that a node has, else its id; as plain text on one line."""
    table, found = snapshot.nodes[kind], [plain(key) for key in snapshot.ids(kind)]
    for name in reversed((*snapshot.schema.nodes[kind].text, "name", "title")):
        if name in table.column_names:
            values = table[name].to_pylist()
            found = [plain(str(value or "")) or label for value, label in zip(values, found, strict=True)]
    return found


def _names(snapshot: Snapshot, kind: str) -> dict[str, list[int]]:
    """Rows by id, by name and by case-folded name; a name may stand for several nodes."""
    table = snapshot.nodes[kind]
    found: dict[str, list[int]] = {}
    if "name" in table.column_names:
        for row, name in enumerate(table["name"].to_pylist()):
            if name:
                for key in {name, name.casefold()}:
                    found.setdefault(key, []).append(row)
    for row, key in enumerate(snapshot.ids(kind)):
        found[key] = [row]
    return found
