"""Which text each node of a snapshot is encoded by: the one place where graph and encoder meet."""

import pyarrow as pa

from encoders.text import product_links, sentences
from kg.snapshot import Snapshot


def node_sentences(snapshot: Snapshot) -> dict[str, list[str]]:
    """Return the sentence of every node by label, in the order of the rows; users have no text."""
    result = {}
    for label, table in snapshot.nodes.items():
        if label == "Product":
            result[label] = product_sentences(snapshot)
        elif label != "User":
            result[label] = sentences(table, snapshot.schema.nodes[label].text)
    return result


def product_sentences(snapshot: Snapshot, *, first: int = 0) -> list[str]:
    """Return the sentences of the products from a row on, in the order of the rows."""
    edges = {name: _edge_table(snapshot, name, first=first) for name in ("MADE_BY", "IN_CATEGORY")}
    links = product_links(snapshot.nodes, edges | {"CHILD_OF": _edge_table(snapshot, "CHILD_OF")})
    kind = snapshot.schema.nodes["Product"]
    return sentences(snapshot.nodes["Product"].slice(first), kind.text, linked=links)


def _edge_table(snapshot: Snapshot, relation: str, *, first: int = 0) -> pa.Table:
    """The edges of a relation by ids, those that start at a row or later."""
    kind, edges = snapshot.schema.relation(relation), snapshot.edges[relation]
    sources, targets = snapshot.nodes[kind.source].column(0), snapshot.nodes[kind.target].column(0)
    keep = edges.source >= first
    ends = (sources.take(pa.array(edges.source[keep])), targets.take(pa.array(edges.target[keep])))
    return pa.table({"from_id": ends[0], "to_id": ends[1]})
