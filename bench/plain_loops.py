"""Loading and reading a graph with plain loops, as the documentation of the driver shows them.

`bench.graph` compares Whycart with them; only they speak to the driver themselves.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kg.reader import read_folder
from kg.store import GraphConfig, GraphStore

PLAIN_BATCH = 5_000


def load_plainly(config: GraphConfig, folder: Path) -> dict[str, Any]:
    """Import the same rows with `UNWIND ... MERGE MERGE MERGE` in batches, as the driver's documentation advises."""
    import neo4j  # only this baseline speaks to the driver itself

    tables, rows = read_folder(folder).tables, 0
    with GraphStore.open(config) as store:
        store.create_schema(tables.schema)
        uri, auth = store.server.uri, (store.config.user, store.config.password or "")
        database = store.config.database
    start = time.perf_counter()
    with neo4j.GraphDatabase.driver(uri, auth=auth) as driver:
        for text, table in _plain_statements(tables):
            for first in range(0, table.num_rows, PLAIN_BATCH):
                batch = table.slice(first, PLAIN_BATCH).to_pylist()
                driver.execute_query(text, rows=batch, database_=database)
                rows += len(batch)
    return {"rows": rows, "import_s": round(time.perf_counter() - start, 2)}


def _plain_statements(tables: Any) -> Iterator[tuple[str, pa.Table]]:
    for label, kind in tables.schema.nodes.items():
        yield f"UNWIND $rows AS row MERGE (n:{label} {{{kind.key}: row.{kind.key}}}) SET n += row", tables.nodes[label]
    for name, kind in tables.schema.relations.items():
        source, target = tables.schema.nodes[kind.source], tables.schema.nodes[kind.target]
        one, other = (
            f"{kind.label} {{{kind.key}: row.{end}}}" for kind, end in ((source, "from_id"), (target, "to_id"))
        )
        ends = f"MERGE (a:{one}) MERGE (b:{other})"
        yield f"UNWIND $rows AS row {ends} MERGE (a)-[r:{name}]->(b) SET r.at = row.at", tables.edges[name]
    for name, event in tables.schema.events.items():
        ends = "MERGE (u:User {user_id: row.user_id}) MERGE (p:Product {product_id: row.product_id})"
        edge = f"MERGE (u)-[e:{event.relation} {{event_id: row.event_id}}]->(p) SET e.at = row.at"
        yield f"UNWIND $rows AS row {ends} {edge}", tables.events.filter(pc.equal(tables.events["type"], name))


def read_back_plainly(config: GraphConfig, most: int = 200_000) -> dict[str, Any]:
    """Read purchases row by row with the driver, until there are `most` of them."""
    import neo4j  # only this baseline speaks to the driver itself

    with GraphStore.open(config) as store:
        uri, auth, database = store.server.uri, (store.config.user, store.config.password or ""), store.config.database
    text = (
        "MATCH (u:User)-[e:BOUGHT]->(p:Product) RETURN u.user_id AS user_id, p.product_id AS product_id, e LIMIT $most"
    )
    with neo4j.GraphDatabase.driver(uri, auth=auth) as driver, driver.session(database=database) as session:
        rows = [(row["user_id"], row["product_id"], dict(row["e"])) for row in session.run(text, most=most)]
    return {"rows": len(rows)}
