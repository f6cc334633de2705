"""Checked tables as an input folder that reads back as the same tables: a graph taken elsewhere, in files for anybody.

One file a table, as Parquet or CSV, and a `whycart.toml` that declares the kinds which are not built in. What an input
folder cannot say, several brands of one product, is refused; `whycart backup` keeps it.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal, TypeVar, get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from kg.errors import TableError
from kg.reader import DECLARATION
from kg.schema import STRUCTURE, EventKind, GraphSchema, NodeKind, RelationKind
from kg.tables import Tables

Kind = TypeVar("Kind")
Form = Literal["parquet", "csv"]
FORMS: tuple[Form, ...] = get_args(Form)
TIMES = ("at", "created_at")
"""Columns of checked tables that hold epoch milliseconds."""
_MARKS = ("|", ">")
"""Characters that a list of categories in a CSV file gives a meaning."""


def write_folder(tables: Tables, out: Path, *, form: Form = "parquet") -> list[Path]:
    """Write tables as an input folder; return the files.

    Args:
        tables: canonical tables.
        out: made if missing; files of the same names are replaced.
        form: `parquet`, or `csv` for spreadsheets.

    Raises:
        TableError: a product has several brands or a category several parents, or a category's id cannot stand in CSV.
    """
    out.mkdir(parents=True, exist_ok=True)
    written = [_write(table, out / name, form) for name, table in _files(tables, form)]
    declared = declaration_of(tables.schema)
    if declared:
        file = out / DECLARATION
        file.write_text(declared, encoding="utf-8")
        written.append(file)
    return written


def _files(tables: Tables, form: Form) -> Iterator[tuple[str, pa.Table]]:
    for label, table in tables.nodes.items():
        if table.num_rows:
            yield tables.schema.nodes[label].table, _with_structure(label, table, tables, form)
    yield "events", tables.events
    relations = [
        table.append_column("relation", pa.array([name] * table.num_rows, pa.string()))
        for name, table in tables.edges.items()
        if table.num_rows and name not in STRUCTURE
    ]
    if relations:
        yield "relations", pa.concat_tables(relations)


def _with_structure(label: str, table: pa.Table, tables: Tables, form: Form) -> pa.Table:
    """Add to products their brand and categories, and to categories their parent."""
    if label == "Product":
        keys = table["product_id"].to_pylist()
        brand = _one_each(tables.edges["MADE_BY"], "product", "brands")
        places = _all_each(tables.edges["IN_CATEGORY"])
        table = table.append_column("brand_id", pa.array([brand.get(key) for key in keys], pa.string()))
        return table.append_column("categories", _categories([places.get(key, []) for key in keys], form))
    if label == "Category":
        parent = _one_each(tables.edges["CHILD_OF"], "category", "parents")
        found = [parent.get(key) for key in table["category_id"].to_pylist()]
        return table.append_column("parent_id", pa.array(found, pa.string()))
    return table


def _categories(places: list[list[str]], form: Form) -> pa.Array:
    if form == "parquet":
        paths = [[[category] for category in found] or None for found in places]
        return pa.array(paths, pa.list_(pa.list_(pa.string())))
    for found in places:
        for category in found:
            if any(mark in category for mark in _MARKS):
                raise TableError(
                    f"the category id {category!r} holds one of {' '.join(_MARKS)}, which a CSV file reads as a path; "
                    "write Parquet"
                )
    return pa.array([" | ".join(found) or None for found in places], pa.string())


def _one_each(edges: pa.Table, one: str, many: str) -> dict[str, str]:
    targets = _all_each(edges)
    for source, found in targets.items():
        if len(found) > 1:
            raise TableError(f"the {one} {source!r} has several {many}, which an input folder cannot say; see 'backup'")
    return {source: found[0] for source, found in targets.items()}


def _all_each(edges: pa.Table) -> dict[str, list[str]]:
    targets: dict[str, list[str]] = {}
    for source, target in zip(edges["from_id"].to_pylist(), edges["to_id"].to_pylist(), strict=True):
        targets.setdefault(source, []).append(target)
    return targets


def _write(table: pa.Table, stem: Path, form: Form) -> Path:
    """Write a table without its empty columns, times as times."""
    for name in table.column_names:
        if table[name].null_count == table.num_rows:
            table = table.drop_columns([name])
        elif name in TIMES:
            moments = table[name].cast(pa.timestamp("ms", "UTC"))
            text = pc.strftime(moments, format="%Y-%m-%dT%H:%M:%SZ") if form == "csv" else moments
            table = table.set_column(table.column_names.index(name), name, text)
    file = stem.with_name(f"{stem.name}.{form}")
    if form == "csv":
        pa_csv.write_csv(table, file)
    else:
        pq.write_table(table, file)
    return file


def declaration_of(schema: GraphSchema) -> str:
    """Return the kinds that are not built in as TOML, as `whycart.toml` declares them; empty when there is none."""
    plain, lines = GraphSchema(), list[str]()
    for label, node in schema.nodes.items():
        lines += _section(f"graph.nodes.{label}", node, plain.nodes.get(label), _of_node)
    for name, relation in schema.relations.items():
        lines += _section(f"graph.relations.{name}", relation, plain.relations.get(name), _of_relation)
    for name, event in schema.events.items():
        lines += _section(f"events.{name}", event, plain.events.get(name), _of_event)
    return "\n".join(lines)


def _section(
    name: str, kind: Kind, plain: Kind | None, facts: Callable[[Kind, bool], Mapping[str, object]]
) -> list[str]:
    if kind == plain:
        return []
    return [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in facts(kind, plain is not None).items()), ""]


def _of_node(kind: NodeKind, built_in: bool) -> Mapping[str, object]:
    text = {"text": list(kind.text)}
    return text if built_in else {"key": kind.key, "table": kind.table, **text}


def _of_relation(kind: RelationKind, built_in: bool) -> Mapping[str, object]:
    facts: dict[str, object] = {"from": kind.source, "to": kind.target, "symmetric": kind.symmetric}
    return facts | ({} if kind.reason is None else {"reason": kind.reason})


def _of_event(kind: EventKind, built_in: bool) -> Mapping[str, object]:
    return {"weight": kind.weight, "half_life_days": kind.half_life_days}
