"""Products that a shop has under several ids become one, by the rule of the shop (`kg.merge_rule`).

Tables go in and tables come out; what is in a graph already is looked up by `kg.merged_import`.
"""

import difflib
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int

from kg.canonical import canonical_edges, canonical_nodes
from kg.merge_rule import BRAND, MergeRule
from kg.tables import Tables

MERGED_IDS = "merged_ids"
"""Property of a product that others were merged into: their ids, sorted."""
_BREAK = " | "


@dataclass(frozen=True, slots=True)
class MergedProduct:
    """One product of a shop that had several ids."""

    kept: str
    """The id that stays."""
    others: tuple[str, ...]
    """The other ids under which these tables had it, sorted."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of a shop's tables."""

    tables: Tables
    """With every product once."""
    products: tuple[MergedProduct, ...]
    """Those that were merged, by the id that stays."""
    kept_of: Mapping[str, str]
    """The id that stays, by each other id of a product of these tables, earlier ones included."""

    def events(self, table: pa.Table) -> pa.Table:
        """Return events with the products that stay; the rest of each event, its id too, is as it was."""
        return _renamed(table, "product_id", self.kept_of)

    def renamed(self, ids: pa.Array) -> pa.Array:
        """Return ids of products with those that stay."""
        return _kept(ids, self.kept_of)


def merge_products(
    tables: Tables,
    rule: MergeRule | None,
    *,
    known: Collection[str] = frozenset(),
    before: Mapping[str, str] | None = None,
) -> Merged:
    """Return tables in which products that agree are one.

    Of the ids of a product the one stays that is in the graph already and was never merged away, else the one with the
    oldest `created_at` (none counts as the youngest), among equals the smallest; so it is the same every day. What the
    product that stays does not say, the others say for it, in that order. It can be had when one of them can.

    Args:
        tables: checked tables.
        rule: when two products are one; None: never.
        known: ids of the products that are in the graph.
        before: the id that stayed, by ids that were merged away earlier. Where only the id that was merged away is
            listed now, the product stays what it was.
    """
    products = tables.nodes["Product"]
    ids: list[str] = products["product_id"].to_pylist()
    earlier = {**ids_merged(products), **(before or {})}
    names, groups = ids, []
    if rule is not None:
        names = _standing(ids, earlier)
        first = {*known, *earlier.values()}
        groups = [_ranked(group, products, names, first, earlier) for group in _groups(tables, rule)]
    kept = list(names)
    for group in groups:
        for row in group:
            kept[row] = names[group[0]]
    kept_of = _kept_of(ids, names, kept, earlier)
    if not kept_of and MERGED_IDS not in products.column_names:
        return Merged(tables, (), {})
    merged = _by_kept((given, stays) for given, stays in zip(ids, kept, strict=True) if given != stays)
    told = tuple(MergedProduct(stays, tuple(others)) for stays, others in merged.items())
    return Merged(_apply(tables, kept, groups, kept_of), told, kept_of)


def ids_merged(products: pa.Table) -> dict[str, str]:
    """Return the id of the product by each id that was merged into it, as the product table itself says it."""
    if MERGED_IDS not in products.column_names:
        return {}
    some = products.filter(products[MERGED_IDS].is_valid())
    pairs = zip(some["product_id"].to_pylist(), some[MERGED_IDS].to_pylist(), strict=True)
    return {other: kept for kept, text in pairs for other in split_ids(text)}


def split_ids(text: object) -> list[str]:
    """Return the ids that the property `merged_ids` of a product lists; a file may have given one as a number."""
    return [] if text is None else str(text).split(_BREAK)


def doubts_of(rule: MergeRule, tables: Tables) -> tuple[str, ...]:
    """Return what in a rule is probably not what was meant, one sentence each."""
    names = {*tables.nodes["Product"].column_names, BRAND}
    doubts = []
    for name in rule.same:
        if name not in names:
            near = difflib.get_close_matches(name, sorted(names - {"product_id"}), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            doubts.append(
                f"[merge.products] same names {name!r}, which is a property of no product, so nothing is merged{hint}"
            )
    return tuple(doubts)


def _standing(ids: Sequence[str], earlier: Mapping[str, str]) -> list[str]:
    """The id that each row goes by: one that was merged away and is listed alone now goes by the one that stayed."""
    taken, names = set(ids), []
    for given in ids:
        name = earlier.get(given, given)
        names.append(given if name in taken else name)
        taken.add(names[-1])
    return names


def _groups(tables: Tables, rule: MergeRule) -> Iterator[list[int]]:
    """Rows of products that agree in all that the rule names."""
    found: dict[tuple[str, ...], list[int]] = {}
    for row, key in enumerate(zip(*(_texts(tables, name) for name in rule.same), strict=True)):
        if all(key):
            found.setdefault(key, []).append(row)
    return (group for group in found.values() if len(group) > 1)


def _texts(tables: Tables, name: str) -> list[str]:
    """What each product says under a name, as it is compared; empty where it says nothing."""
    products = tables.nodes["Product"]
    if name != BRAND:
        values = products[name].to_pylist() if name in products.column_names else [None] * products.num_rows
        return ["" if value is None else _plain(str(value)) for value in values]
    brands, edges = tables.nodes["Brand"], tables.edges["MADE_BY"]
    called = {brand: _plain(brand) for brand in brands["brand_id"].to_pylist()}
    if "name" in brands.column_names:
        pairs = zip(brands["brand_id"].to_pylist(), brands["name"].to_pylist(), strict=True)
        called |= {brand: _plain(text) for brand, text in pairs if text is not None}
    pairs = zip(edges["from_id"].to_pylist(), edges["to_id"].to_pylist(), strict=True)
    brand_of: dict[str, str] = {}
    for product, brand in pairs:
        brand_of.setdefault(product, called[brand])
    return [brand_of.get(product, "") for product in products["product_id"].to_pylist()]


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _ranked(
    group: Sequence[int],
    products: pa.Table,
    names: Sequence[str],
    first: Collection[str],
    earlier: Mapping[str, str],
) -> list[int]:
    """The rows of a product, the one whose id stays first."""
    created = products["created_at"] if "created_at" in products.column_names else None

    def rank(row: int) -> tuple[int, bool, int, str]:
        name, at = names[row], None if created is None else created[row].as_py()
        was_merged = name in earlier
        return (1 if was_merged else 0 if name in first else 2, at is None, at or 0, name)

    return sorted(group, key=rank)


def _kept_of(
    ids: Sequence[str], names: Sequence[str], kept: Sequence[str], earlier: Mapping[str, str]
) -> dict[str, str]:
    """The id that stays by every other one: of these tables, and of earlier ones where they are not listed again."""
    home = {**dict(zip(names, kept, strict=True)), **dict(zip(ids, kept, strict=True))}
    found = {name: stays for name, stays in home.items() if name != stays}
    for other, stayed in earlier.items():
        if other not in home and stayed in home:
            found[other] = home[stayed]
    return found


def _by_kept(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The other ids, sorted, by the one that stays; those sorted too."""
    found: dict[str, list[str]] = {}
    for other, stays in sorted(pairs, key=lambda pair: (pair[1], pair[0])):
        found.setdefault(stays, []).append(other)
    return found


def _apply(tables: Tables, kept: Sequence[str], groups: Sequence[Sequence[int]], kept_of: Mapping[str, str]) -> Tables:
    products, edges = tables.nodes["Product"], dict(tables.edges)
    edges["MADE_BY"] = _one_brand_each(edges["MADE_BY"], products["product_id"].to_pylist(), groups)
    for name, table in edges.items():
        kind = tables.schema.relation(name)
        ends = [column for end, column in ((kind.source, "from_id"), (kind.target, "to_id")) if end == "Product"]
        for column in ends:
            table = _renamed(table, column, kept_of)
        if len(ends) == 2:
            table = table.filter(pc.not_equal(table["from_id"], table["to_id"]))
        edges[name] = canonical_edges(kind, table) if ends else table
    whole = canonical_nodes(tables.schema.nodes["Product"], _folded(products, kept, groups, kept_of))
    events = _renamed(tables.events, "product_id", kept_of)
    return replace(tables, nodes={**tables.nodes, "Product": whole}, edges=edges, events=events)


def _one_brand_each(made_by: pa.Table, ids: Sequence[str], groups: Sequence[Sequence[int]]) -> pa.Table:
    """Take away the brands of products that will be one with a product whose brand comes first."""
    branded = set(made_by["from_id"].to_pylist())
    further = [name for group in groups for name in [ids[row] for row in group if ids[row] in branded][1:]]
    return made_by.filter(pc.invert(pc.is_in(made_by["from_id"], value_set=pa.array(further, pa.string()))))


def _folded(
    products: pa.Table, kept: Sequence[str], groups: Sequence[Sequence[int]], kept_of: Mapping[str, str]
) -> pa.Table:
    """The product table with one row a product, in no order."""
    stays = np.ones(products.num_rows, dtype=bool)
    stays[[row for group in groups for row in group[1:]]] = False
    columns = {}
    for name in set(products.column_names) - {"product_id", MERGED_IDS}:
        column = products[name].combine_chunks()
        columns[name] = column.take(pa.array(_speakers(column, name, groups)[stays]))
    ids = np.array(kept, dtype=object)[stays]
    texts = {name: _BREAK.join(others) for name, others in _by_kept(kept_of.items()).items()}
    columns["product_id"] = pa.array(ids, pa.string())
    columns[MERGED_IDS] = pa.array([texts.get(name) for name in ids], pa.string())
    return pa.table(columns)


def _speakers(column: pa.Array, name: str, groups: Sequence[Sequence[int]]) -> Int[np.ndarray, " product"]:
    """For each row the one that speaks for it in a column: the first of the same product that says anything."""
    speakers = np.arange(len(column))
    is_said = column.is_valid().to_numpy(zero_copy_only=False)
    can_be_had = column.to_numpy(zero_copy_only=False) if name == "available" else None
    for group in groups:
        if can_be_had is not None:  # by any; where a shop says nothing, a product can be had
            speakers[group[0]] = min(group, key=lambda row: {True: 0, None: 1, False: 2}[can_be_had[row]])
        elif not is_said[group[0]]:
            speakers[group[0]] = next((row for row in group if is_said[row]), group[0])
    return speakers


def _renamed(table: pa.Table, column: str, kept_of: Mapping[str, str]) -> pa.Table:
    if not kept_of:
        return table
    place = table.column_names.index(column)
    return table.set_column(place, table.schema.field(place), _kept(table[column].combine_chunks(), kept_of))


def _kept(ids: pa.Array, kept_of: Mapping[str, str]) -> pa.Array:
    found = pc.index_in(ids, value_set=pa.array(list(kept_of), pa.string()))
    return pc.coalesce(pa.array(list(kept_of.values()), pa.string()).take(found), ids)
