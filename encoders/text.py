"""From the row of a node to the sentence that stands for it.

This module does not read files, does not know the graph, and does not encode: its sentences go to `encoders.encode`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

MAX_CHARS = 400
"""Characters of one property that are kept; a model reads about 64 tokens, so more is never seen."""
_STOPS = tuple(".!?…。！？")
_LOOSE = " ,;:-–—|/·，；：、"


def sentences(
    table: pa.Table,
    properties: Sequence[str],
    *,
    linked: Mapping[str, Sequence[str]] | None = None,
) -> list[str]:
    """Return one sentence a node: first property, names of linked nodes, then the other properties.

    Properties that the table lacks, that are null or blank leave no trace. A flag that is true gives its name.

    Args:
        table: node table, key first (see `kg.tables.Tables`).
        properties: columns that make up the text, most telling first (`NodeKind.text`).
        linked: names of linked nodes by node key, in the order to be said (brand, then categories from the leaf up).

    Returns:
        Sentences in row order; the empty string for a node without any text.

    Example:
        >>> milk = pa.table({"product_id": ["p1"], "title": ["Whole milk"], "description": ["One gallon."]})
        >>> sentences(milk, ["title", "description"], linked={"p1": ["Alba", "Milk", "Dairy"]})
        ['Whole milk. Alba, Milk, Dairy. One gallon.']
    """
    columns = [_texts(table, name) for name in properties]
    keys = table.column(0).to_pylist() if linked else []
    names = [_named(linked.get(key, ())) for key in keys] if linked else [""] * table.num_rows
    columns.insert(1, names)
    return [_sentence(parts) for parts in zip(*columns, strict=True)]


def product_links(nodes: Mapping[str, pa.Table], edges: Mapping[str, pa.Table]) -> dict[str, list[str]]:
    """Return the names that are said with each product: its brands, then its categories from the leaf up.

    Args:
        nodes: node tables by label; `Brand` and `Category` are read, their key is their first column.
        edges: edge tables by relation name; `MADE_BY`, `IN_CATEGORY` and `CHILD_OF` are read.

    Returns:
        Names by product key; a product without brand and category is left out. A missing name leaves no trace.
    """
    brands, categories = _names(nodes.get("Brand")), _names(nodes.get("Category"))
    parents: dict[str, list[str]] = {}
    for child, parent in _pairs(edges.get("CHILD_OF")):
        parents.setdefault(child, []).append(parent)
    links: dict[str, list[str]] = {}
    for product, brand in _pairs(edges.get("MADE_BY")):
        links.setdefault(product, []).append(brands.get(brand, ""))
    for product, category in _pairs(edges.get("IN_CATEGORY")):
        line = [categories.get(step, "") for step in _upward(category, parents)]
        links.setdefault(product, []).extend(line)
    return {product: [name for name in names if name] for product, names in links.items()}


def _texts(table: pa.Table, name: str) -> list[str]:
    if name not in table.column_names:
        return [""] * table.num_rows
    return [_cut(_said(value, name)) for value in table.column(name).to_pylist()]


def _said(value: Any, name: str) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return name.replace("_", " ")
    if isinstance(value, float):
        return f"{value:g}"
    return " ".join(str(value).split())


def _cut(text: str) -> str:
    """Return the text up to MAX_CHARS, ended at a blank where there is one."""
    if len(text) <= MAX_CHARS:
        return text
    head = text[: MAX_CHARS + 1]
    return (head.rsplit(" ", 1)[0] if " " in head else head[:MAX_CHARS]).rstrip(_LOOSE)


def _named(names: Iterable[str]) -> str:
    clean = (" ".join(name.split()) for name in names if name)
    return _cut(", ".join(dict.fromkeys(name for name in clean if name)))


def _sentence(parts: Iterable[str]) -> str:
    said = ""
    for part in parts:
        if not part.strip(_LOOSE):
            continue
        if said:
            said = said.rstrip(_LOOSE)
            said += " " if said.endswith(_STOPS) else ". "
        said += part
    return said


def _names(table: pa.Table | None) -> dict[str, str]:
    if table is None or "name" not in table.column_names:
        return {}
    return {key: name for key, name in zip(table.column(0).to_pylist(), table["name"].to_pylist(), strict=True) if name}


def _pairs(table: pa.Table | None) -> list[tuple[str, str]]:
    if table is None:
        return []
    return list(zip(table["from_id"].to_pylist(), table["to_id"].to_pylist(), strict=True))


def _upward(start: str, parents: Mapping[str, list[str]]) -> list[str]:
    """Return the node and all above it, nearest first; a cycle is walked once."""
    line = [start]
    for step in line:
        line.extend(parent for parent in parents.get(step, ()) if parent not in line)
    return line
