"""The little that differs between the two servers: what they call themselves and which schema statements they know.

Real Neo4j is the reference; whatever is not named here is the same on both and lives in one `.cypher` file.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from cypher.catalogue import Query, list_queries, load_query
from kg.schema import OWN, GraphSchema

ServerProduct = Literal["neo4j", "arcadedb"]
_ARCADEDB = re.compile(r"ArcadeDB ([0-9][^)\s]*)")
_NEO4J = re.compile(r"Neo4j/([0-9][^\s]*)")


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """Which server answers at a URI."""

    product: ServerProduct
    version: str
    uri: str

    @property
    def enforces_read_mode(self) -> bool:
        """Whether the server itself refuses to write in a session opened for reading."""
        return self.product == "neo4j"

    @property
    def tells_kind(self) -> bool:
        """Whether the server says truly of a statement that it would read or write; the local one calls all writing."""
        return self.product == "neo4j"


def identify_server(agent: str, uri: str) -> ServerInfo:
    """Return product and version from what the server says in its greeting; an unknown one counts as Neo4j.

    Args:
        agent: `Neo4j/5.26.30`, or `Neo4j/5.26.0 compatible (ArcadeDB 26.10.2)`.
        uri: where it was reached.
    """
    local = _ARCADEDB.search(agent)
    if local:
        return ServerInfo("arcadedb", local[1], uri)
    remote = _NEO4J.search(agent)
    return ServerInfo("neo4j", remote[1] if remote else agent, uri)


def schema_queries(product: ServerProduct, schema: GraphSchema) -> Iterator[Query]:
    """Yield the statements that prepare a graph for this schema; each may be run again without effect."""
    folder = f"schema/{product}"
    node_key, event_key = load_query(f"{folder}/node_key"), load_query(f"{folder}/event_key")
    for label, node in sorted({**schema.nodes, **{kind.label: kind for kind in OWN}}.items()):
        yield node_key.bind(constraint=f"{label}_{node.key}", label=label, key=node.key)
    for _, event in sorted(schema.events.items()):
        yield event_key.bind(constraint=f"{event.relation}_event_id", relation=event.relation)
    for query in list_queries(folder):
        if not query.placeholders:
            yield query
