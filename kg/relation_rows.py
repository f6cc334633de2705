"""Checks of the rows of the table of relations between nodes.

Relations that come from columns of the product and category tables are not accepted here.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kg.node_rows import check_columns
from kg.problems import RowChecks
from kg.raw import RawTable
from kg.schema import STRUCTURE, GraphSchema
from kg.tables import EDGE_COLUMNS
from kg.values import check_ids, check_numbers, check_times, mask_of, text_values


@dataclass(frozen=True, slots=True, eq=False)
class RelationRows:
    """The table of relations after its own checks."""

    checks: RowChecks
    relation: pa.Array
    """Name of the relation of each row."""
    table: pa.Table
    """All rows with the columns of EDGE_COLUMNS, bad ones included."""

    def select(self, name: str) -> np.ndarray:
        """Return which rows are of this relation, bad ones included."""
        return mask_of(pc.equal(self.relation, name))

    def good(self, name: str) -> pa.Table:
        """Return the good rows of this relation."""
        return self.table.filter(pa.array(self.select(name) & self.checks.good))


def check_relations(raw: RawTable, schema: GraphSchema) -> RelationRows:
    """Return the table of relations with typed columns and its bad rows found.

    Raises:
        TableError: a column is missing or badly named.
    """
    if raw.table.num_rows or not raw.broken:
        check_columns(raw, ("from_id", "relation", "to_id"))
    checks = RowChecks(raw)
    relation = text_values(raw, "relation")
    allowed = sorted(set(schema.relations) - STRUCTURE)

    def reason(value: str) -> str:
        name = value.strip()
        if name in STRUCTURE:
            return "comes from the columns brand, categories and parent_id, not from the table of relations"
        near = difflib.get_close_matches(name, allowed, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(allowed)}"
        return f"is no relation; {hint} (others are declared as [graph.relations.NAME] in whycart.toml)"

    checks.refuse(mask_of(pc.invert(pc.is_in(relation, pa.array(allowed)))), column="relation", reason=reason)
    columns = {
        "from_id": check_ids(checks, "from_id"),
        "to_id": check_ids(checks, "to_id"),
        "at": check_times(checks, "at"),
        "weight": check_numbers(checks, "weight"),
    }
    return RelationRows(checks, relation, pa.table(columns))


def refuse_unknown_ends(
    rows: RelationRows, schema: GraphSchema, *, known: Mapping[str, pa.Array], excused: Mapping[str, pa.Array]
) -> None:
    """Refuse rows whose ends do not exist.

    Args:
        rows: the checked table of relations; its checks are added to.
        schema: says which kind stands at which end.
        known: ids by label; a label that is not there is not checked.
        excused: ids by label that are not there only because their own row is reported already.
    """
    for name in sorted(set(rows.relation.drop_null().unique().to_pylist()) & set(schema.relations)):
        kind = schema.relations[name]
        selected = rows.select(name)
        chosen = pa.array(selected)
        for column, label in (("from_id", kind.source), ("to_id", kind.target)):
            if label in known:
                ids = rows.table[column].combine_chunks()
                missing = selected.copy()
                missing[selected] = unknown_ids(ids.filter(chosen), known[label], excused=excused.get(label))
                table = schema.nodes[label].table
                rows.checks.refuse(missing, column=column, reason=f"is not in the table {table!r} (or was set aside)")


def unknown_ids(ids: pa.Array, known: pa.Array, *, excused: pa.Array | None = None) -> np.ndarray:
    """Return which ids are neither null nor known nor excused."""
    distinct = ids.dictionary_encode()
    found = pc.is_in(distinct.dictionary, known)
    if excused is not None and len(excused):
        found = pc.or_(found, pc.is_in(distinct.dictionary, excused))
    if not len(found) or pc.all(found).as_py():
        return np.zeros(len(ids), dtype=bool)
    return mask_of(pc.invert(found).take(distinct.indices))


def drop_loops(edges: pa.Table) -> tuple[pa.Table, int]:
    """Return the edges without those from a node to itself, and how many those were."""
    loops = mask_of(pc.equal(edges["from_id"], edges["to_id"]))
    return edges.filter(pa.array(~loops)), int(loops.sum())


def unread_columns(raw: RawTable) -> list[str]:
    """Return the columns of the table of relations that nobody reads."""
    return sorted(set(raw.table.column_names) - set(EDGE_COLUMNS.names) - {"relation"})
