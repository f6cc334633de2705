"""`python -m bench.features`: docs/conformance.md, what of Cypher the catalogue uses, tried on both servers.

A feature is found in the texts of the queries by a pattern, so that one that a new query brings is tried too; what no
query uses any more is not listed.
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cypher.catalogue import Query, list_queries, parse_query
from cypher.errors import QueryError
from kg.ingest import ingest
from kg.store import GraphConfig, GraphStore
from tests.support.neo4j_server import running_neo4j
from tests.worlds import tiny_shop

FILE = Path("docs/conformance.md")
NAMES = {"neo4j": "Neo4j", "local": "local server"}
_INTRO = """\
# What of Cypher is used

Every form of the language that the queries of the catalogue use, how many of them use it, and whether each server
answers a statement that tries it as it should. Neo4j 5.26 is the reference, the local server is ArcadeDB. What differs
between them, and is therefore not used or kept apart in `cypher/schema/`: full-text and vector indexes are made by
other statements, `SHORTEST k` is Neo4j's alone, and only Neo4j says of a statement whether it would write.

"""


@dataclass(frozen=True, slots=True)
class Feature:
    """A form of the language."""

    pattern: str
    """Regular expression that finds it in a text."""
    probe: str
    """A statement that uses it and returns one row with `answer`."""
    answer: object


FEATURES: Mapping[str, Feature] = {
    "`OPTIONAL MATCH`": Feature(r"OPTIONAL MATCH", "OPTIONAL MATCH (n:Nothing) RETURN n IS NULL AS answer", True),
    "variable length `*0..5`": Feature(
        r"\*\d+\.\.\d+", "MATCH (c:Category {category_id: 'tea'})-[:CHILD_OF*0..5]->(d) RETURN count(d) AS answer", 3
    ),
    "`allShortestPaths`": Feature(
        r"allShortestPaths",
        "MATCH (a:Product {product_id: 'p01'}), (b:Product {product_id: 'p03'}) "
        "MATCH w = allShortestPaths((a)-[*1..4]-(b)) RETURN min(length(w)) AS answer",
        1,
    ),
    "alternatives of types `A|B`": Feature(
        r"\[\w*:\w+\|", "MATCH (:User {user_id: 'u1'})-[e:VIEWED|CARTED]->() RETURN count(e) AS answer", 2
    ),
    "`EXISTS { }`": Feature(
        r"EXISTS \{", "MATCH (p:Product) WHERE NOT EXISTS { (p)<-[:BOUGHT]-(:User) } RETURN count(p) AS answer", 4
    ),
    "`COUNT { }`": Feature(
        r"COUNT \{", "MATCH (u:User {user_id: 'u1'}) RETURN COUNT { (u)-[:BOUGHT]->() } AS answer", 3
    ),
    "`CASE WHEN`": Feature(r"CASE WHEN", "RETURN CASE WHEN 2 > 1 THEN 'yes' ELSE 'no' END AS answer", "yes"),
    "simple `CASE x WHEN`": Feature(
        r"CASE (?!WHEN)\w", "RETURN CASE 3 WHEN 3 THEN 'yes' ELSE 'no' END AS answer", "yes"
    ),
    "`DISTINCT` in an aggregate": Feature(
        r"\(DISTINCT ", "MATCH (:User {user_id: 'u1'})-[:BOUGHT]->(p) RETURN count(DISTINCT p) AS answer", 2
    ),
    "`WITH DISTINCT`": Feature(
        r"WITH DISTINCT", "MATCH (:User {user_id: 'u1'})-[:BOUGHT]->(p) WITH DISTINCT p RETURN count(p) AS answer", 2
    ),
    "`collect` of maps and `UNWIND`": Feature(
        r"collect\(\{",
        "UNWIND [1, 2] AS x WITH collect({x: x}) AS rows UNWIND rows AS row RETURN sum(row.x) AS answer",
        3,
    ),
    "list comprehension": Feature(
        r"\[\w+ IN [^\]]+ (WHERE|\|)", "RETURN [x IN range(1, 4) WHERE x > 2 | x * 10] AS answer", [30, 40]
    ),
    "pattern comprehension": Feature(
        r"\[\(\w+\)-",
        "MATCH (u:User {user_id: 'u2'}) "
        "RETURN size([(u)-[e:BOUGHT]->(p:Product) | [p.product_id, properties(e)]]) AS answer",
        3,
    ),
    "slice of a list": Feature(r"\]?\[\d+\.\.\$?\w+\]", "RETURN [1, 2, 3][0..2] AS answer", [1, 2]),
    "`coalesce`": Feature(r"coalesce\(", "RETURN coalesce(null, 5) AS answer", 5),
    "`percentileCont`": Feature(
        r"percentileCont", "UNWIND [1.0, 2.0, 4.0, 8.0] AS x RETURN percentileCont(x, 0.5) AS answer", 3.0
    ),
    "`avg`, `min`, `max`, `sum`": Feature(
        r"\b(avg|min|max|sum)\(",
        "UNWIND [1, 2, 3] AS x RETURN [avg(x), min(x), max(x), sum(x)] AS answer",
        [2, 1, 3, 6],
    ),
    "whole numbers divide whole": Feature(r"/ \d{5,}\b(?!\.)", "RETURN 7 / 2 AS answer", 3),
    "remainder `%`": Feature(r" % ", "RETURN 10 % 7 AS answer", 3),
    "power `^`": Feature(r" \^ ", "RETURN 2 ^ 3 AS answer", 8.0),
    "`floor`, `abs`, `toFloat`, `toInteger`": Feature(
        r"\b(floor|abs|toFloat|toInteger)\(",
        "RETURN [floor(2.7), abs(-1), toFloat(3), toInteger(4.9)] AS answer",
        [2, 1, 3, 4],
    ),
    "`toLower`, `trim`": Feature(r"\b(toLower|trim)\(", "RETURN toLower(trim('  Green TEA ')) AS answer", "green tea"),
    "`labels`, `type`, `startNode`": Feature(
        r"\b(labels|type|startNode)\(",
        "MATCH (p:Product {product_id: 'p01'})-[r:MADE_BY]->() "
        "RETURN [labels(p)[0], type(r), startNode(r) = p] AS answer",
        ["Product", "MADE_BY", True],
    ),
    "`length` and `relationships` of a path": Feature(
        r"\b(length|relationships)\(\w+\)",
        "MATCH w = (:Product {product_id: 'p01'})-->(:Brand) RETURN [length(w), type(relationships(w)[0])] AS answer",
        [1, "MADE_BY"],
    ),
    "parameter that is null": Feature(r"\$\w+ IS NULL", "WITH null AS x RETURN x IS NULL AS answer", True),
    "order by several, one falling": Feature(
        r"ORDER BY [^\n]+,",
        "UNWIND [[2, 1], [1, 2], [1, 1]] AS x WITH x ORDER BY x[0], x[1] DESC RETURN collect(x[1]) AS answer",
        [2, 1, 1],
    ),
}
"""By name, as the page shows it. Probes ask about the tiny shop of the tests."""


def uses_of(feature: Feature) -> tuple[Query, ...]:
    """Return the queries of the catalogue whose text uses a feature."""
    return tuple(query for query in list_queries() if re.search(feature.pattern, query.text))


def probe(store: GraphStore, feature: Feature) -> str:
    """Try a feature on a server that holds the tiny shop; return `yes`, or what is wrong."""
    query = parse_query("read/probe.cypher", f"// Probe.\n// returns: answer: str\n// uses: nothing\n{feature.probe}")
    try:
        rows = store.read(query)
    except QueryError as refused:
        return f"refused: {refused}"
    return "yes" if rows == [{"answer": feature.answer}] else f"another answer: {rows}"


def conformance(stores: Mapping[str, GraphStore]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each feature that is used: its name, how many queries use it, and what each server said."""
    for name, feature in FEATURES.items():
        users = uses_of(feature)
        if users:
            yield name, str(len(users)), *(probe(store, feature) for store in stores.values())


def conformance_page(stores: Mapping[str, GraphStore]) -> str:
    """Return the page.

    Args:
        stores: an open graph of each server, which holds the tiny shop.
    """
    lines = ["| feature | queries | " + " | ".join(NAMES[name] for name in stores) + " |"]
    lines += ["|---|---:|" + "---|" * len(stores)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in conformance(stores)]
    return _INTRO + "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page."""
    argparse.ArgumentParser(prog="python -m bench.features", description=(__doc__ or "").splitlines()[0]).parse_args(
        argv
    )
    with tempfile.TemporaryDirectory() as folder, running_neo4j() as config:
        local = GraphConfig(folder=Path(folder) / "graph")
        with GraphStore.open(config) as neo4j, GraphStore.open(local, owned=True) as own:
            for store in (neo4j, own):
                ingest(store, tiny_shop())
            FILE.write_text(conformance_page({"neo4j": neo4j, "local": own}), encoding="utf-8")
    print(f"{FILE} is written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
