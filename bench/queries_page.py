"""`python -m bench.queries_page`: docs/queries.md, every query of the catalogue with an answer to look at.

The answers are what the command line prints, asked about the generated shop on a local graph server of its own.
"""

import argparse
import contextlib
import io
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from cypher.catalogue import Query, queries_for_people
from kg.answers import with_times
from kg.ingest import ingest
from kg.sources.generated import generated_shop
from kg.store import GraphConfig, GraphStore
from serving.cli.graph_queries import print_answer

FILE = Path("docs/queries.md")
TITLES: Mapping[str, str] = {
    "baskets": "Baskets",
    "brands": "Brands",
    "categories": "Categories",
    "demand": "Demand over time",
    "graph": "The graph itself",
    "products": "Products",
    "users": "Users",
    "paths": "Paths from a user to a product",
    "read": "Looking things up",
}
"""Heading by topic, in the order of the page."""
_INTRO = """\
# Queries

{count} named queries of the graph, each read-only, with parameters of known types and an order of its rows. They run
on Neo4j and on the local server alike, from the command line, from Python and over HTTP:

```
whycart graph queries --topic brands                     # what there is; with a name: its columns and its Cypher
whycart graph query co_purchased -p product_id=p0034     # a table; --json, --csv or --out FILE.parquet for machines
```

```python
from kg.store import GraphStore
from serving.settings import load_settings

with GraphStore.open(load_settings().graph) as graph:
    frame = graph.query("co_purchased", product_id="p0034", limit=5)  # a pandas DataFrame
```

A time is given as `2026-01-31`, as `2026-01-31T08:00:00Z` or in epoch milliseconds, and is UTC; so are days, weeks
(from Monday) and hours. A basket is what one user bought on one day. `price` stands for the currency of the shop.
What a query returns is bounded by `limit`; those called *heavy* read a large part of the graph, which on millions of
events takes seconds.

Every query is compared with an independent computation in pandas or networkx, on both servers, and what Neo4j plans
for it is tested: it starts from a uniqueness constraint or from the scan that its line names, it follows no path
without a bound, and it multiplies no unrelated rows. The answers below come from the generated shop (`whycart demo
--data generated`).
"""


def queries_page(folder: Path) -> str:
    """Return the page; the generated shop is imported into a local server in this folder, which ends with it."""
    queries = queries_for_people()
    parts = [_INTRO.format(count=len(queries))]
    with GraphStore.open(GraphConfig(folder=folder), owned=True) as store:
        ingest(store, generated_shop().tables)
        ordered = sorted(queries, key=lambda query: (list(TITLES).index(query.topic), query.name))
        for topic, of_topic in groupby(ordered, key=lambda query: query.topic):
            parts.append(f"## {TITLES[topic]}\n")
            parts += ["\n".join(_section(query, store)) for query in of_topic]
    return "\n".join(parts)


def _section(query: Query, store: GraphStore) -> Iterator[str]:
    given = " ".join(f"-p {shlex.quote(f'{name}={value}')}" for name, value in query.example.items())
    yield f"### {query.name}"
    yield f"{query.description}  "
    yield f"Uses: {query.uses}.\n"
    yield "```"
    yield f"$ whycart graph query {query.name} {given}".rstrip()
    yield from _answer(query, store)
    yield "```\n"


def _answer(query: Query, store: GraphStore) -> list[str]:
    """What the command line prints."""
    rows = with_times(query, store.read(query, query.example))
    with contextlib.redirect_stdout(io.StringIO()) as told:
        print_answer(tuple(query.returns), rows)
    lines = [line.rstrip() for line in told.getvalue().splitlines()]
    return lines if rows else [*lines, "(no row: the generated shop has no such thing)"]


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.queries_page", description=__doc__)
    parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        FILE.write_text(queries_page(Path(folder) / "graph"), encoding="utf-8")
    print(f"{FILE} is written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
