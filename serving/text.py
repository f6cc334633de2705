"""Which text each node of a snapshot is encoded by: the one place where graph and encoder meet."""

import pyarrow as pa

from encoders.text import product_links, sentences
from kg.snapshot import Snapshot


def node_sentences(snapshot: Snapshot) -> dict[str, list[str]]:
    """Return the sentence of every node by label, in the order of the rows; users have no text."""
    edges = {name: _edge_table(snapshot, name) for name in ("MADE_BY", "IN_CATEGORY", "CHILD_OF")}
    links = product_links(snapshot.nodes, edges)
    result = {}
    for label, table in snapshot.nodes.items():
        if label != "User":
            linked = links if label == "Product" else None
            result[label] = sentences(table, snapshot.schema.nodes[label].text, linked=linked)
    return result


def _edge_table(snapshot: Snapshot, relation: str) -> pa.Table:
    kind, edges = snapshot.schema.relation(relation), snapshot.edges[relation]
    sources, targets = snapshot.nodes[kind.source].column(0), snapshot.nodes[kind.target].column(0)
    return pa.table({"from_id": sources.take(pa.array(edges.source)), "to_id": targets.take(pa.array(edges.target))})
