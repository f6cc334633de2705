"""`whycart graph`: start and stop the local server, look into the graph, run a query of the catalogue.

The queries are the catalogue's and the server is `kg.local_server`'s; here parameters are read and answers are told.
"""

import csv
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from cypher.catalogue import Param, Query, list_queries, load_query
from cypher.errors import InputError, QueryError
from kg import local_server
from kg.answers import to_frame, with_times
from kg.export import to_networkx, write_graphml
from kg.extract import extract_tables
from kg.snapshot import build_snapshot
from kg.store import GraphConfig, GraphStore
from serving.cli.output import print_json, print_table, say
from serving.settings import load_settings

FOLDERS = ("analytics", "paths", "read")
"""Folders of the catalogue whose queries people may run."""

WRITERS: Mapping[str, Callable[[pd.DataFrame, Path], object]] = {
    ".parquet": lambda frame, path: frame.to_parquet(path, index=False),
    ".csv": lambda frame, path: frame.to_csv(path, index=False, date_format="%Y-%m-%dT%H:%M:%S.%fZ"),
    ".json": lambda frame, path: frame.to_json(path, orient="records", date_format="iso", force_ascii=False, indent=2),
}
"""How an answer is written, by the ending of the file's name."""


def _complete(incomplete: str) -> list[tuple[str, str]]:
    """Names that a shell offers after `whycart graph query`, each with its sentence."""
    return [(query.name, query.description) for query in _runnable() if query.name.startswith(incomplete)]


app = typer.Typer(no_args_is_help=True, help="Start, stop, look into and query the graph.")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def start() -> None:
    """Start the local graph server; nothing happens when it runs already.

    Example: whycart graph start
    """
    config = _local_config()
    server = local_server.start(config.folder)
    say(f"the local graph server answers at {server.uri} (user {server.user}, data in {server.folder})")
    say(f"its password is in {server.folder / 'password'}; stop it with: whycart graph stop")


@app.command()
def stop() -> None:
    """Stop the local graph server.

    Example: whycart graph stop
    """
    config = _local_config()
    say("stopped" if local_server.stop(config.folder) else f"no local graph server runs on {config.folder}")


@app.command()
def status(as_json: AsJson = False) -> None:
    """Say which graph server is used and whether it answers; starts nothing.

    Example: whycart graph status --json
    """
    config = load_settings().graph
    running = config.uri is not None or local_server.status(config.folder) is not None
    facts: dict[str, object] = {"running": False, "folder": str(config.folder)}
    if running:
        with GraphStore.open(config) as store:
            server = store.server
            facts = {"running": True, "uri": server.uri, "product": server.product, "version": server.version}
            facts |= {"folder": str(config.folder)} if config.uri is None else {"database": config.database}
    if as_json:
        print_json(facts)
    else:
        print_table(("", "graph"), facts.items())


@app.command()
def stats(as_json: AsJson = False) -> None:
    """Count the nodes of each label and the relationships of each type.

    Example: whycart graph stats
    """
    with GraphStore.open(load_settings().graph) as store:
        nodes = store.read(load_query("node_counts"))
        relations = store.read(load_query("relation_counts"))
    if as_json:
        print_json({"nodes": _by_name(nodes), "relations": _by_name(relations)})
        return
    rows = [("node", *row.values()) for row in nodes] + [("relation", *row.values()) for row in relations]
    print_table(("kind", "name", "count"), rows)


@app.command()
def queries(
    name: Annotated[
        str | None, typer.Argument(help="Show this query whole; without it all are listed.", autocompletion=_complete)
    ] = None,
    topic: Annotated[str | None, typer.Option(help="Only those of a topic, such as brands or baskets.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the queries of the catalogue with their parameters, or show one with its columns and its Cypher.

    Example: whycart graph queries --topic brands
    """
    known = [_chosen(name)] if name is not None else _runnable()
    topics = sorted({query.topic for query in known})
    if topic is not None and name is None:
        known = [query for query in known if query.topic == topic]
    if not known:
        raise InputError(f"no query has the topic {topic!r}; there are {', '.join(topics)}")
    if as_json:
        print_json([_facts(query) for query in known])
    elif name is not None:
        _show(known[0])
    else:
        columns = ("topic", "query", "parameters", "what it answers")
        print_table(columns, [(query.topic, query.name, _params_of(query), query.description) for query in known])


@app.command()
def query(
    name: Annotated[
        str, typer.Argument(help="Name of a query, see 'whycart graph queries'.", autocompletion=_complete)
    ],
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", metavar="KEY=VALUE", help="A parameter; may be repeated.")
    ] = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write a file instead: .parquet, .csv or .json.", dir_okay=False)
    ] = None,
) -> None:
    """Run a query of the catalogue.

    Example: whycart graph query co_purchased --param product_id=1082185 --param limit=5
    """
    if sum((as_json, as_csv, out is not None)) > 1:
        raise InputError("--json, --csv and --out exclude each other; give one of them")
    if out is not None and out.suffix not in WRITERS:
        raise InputError(f"--out takes a file named {', '.join(f'*{ending}' for ending in WRITERS)}, got {str(out)!r}")
    chosen = _chosen(name)
    params = chosen.check(dict(_parse(text) for text in param or ()))
    with GraphStore.open(load_settings().graph) as store:
        found = store.read(chosen, params)
    rows, columns = with_times(chosen, found), tuple(chosen.returns)
    if out is not None:
        WRITERS[out.suffix](to_frame(chosen, found), out)
        say(f"{len(rows):,} rows in {out}")
    elif as_json:
        print_json(rows)
    elif as_csv:
        _print_csv(columns, rows)
    else:
        print_table(columns, [[_flat(row[column]) for column in columns] for row in rows])


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="File to write, GraphML.")],
    around: Annotated[str | None, typer.Option(help="Only what lies around this node, as Label:id.")] = None,
    hops: Annotated[int, typer.Option(help="How far around.", min=0)] = 2,
) -> None:
    """Write the graph, or the surroundings of a node, as GraphML for other tools.

    Example: whycart graph export tea.graphml --around Product:p01 --hops 2
    """
    settings = load_settings()
    label, _, key = (around or "").partition(":")
    if around is not None and (not key or label not in settings.schema.nodes):
        known = ", ".join(sorted(settings.schema.nodes))
        raise InputError(f"--around is Label:id with a label of {known}, got {around!r} (for example Product:p01)")
    with GraphStore.open(settings.graph) as store:
        snapshot = build_snapshot(extract_tables(store, settings.schema))
    graph = to_networkx(snapshot, around=(label, key) if around else None, hops=hops)
    write_graphml(graph, out)
    say(f"{graph.number_of_nodes():,} nodes and {graph.number_of_edges():,} edges in {out}")


def _local_config() -> GraphConfig:
    config = load_settings().graph
    if config.uri is not None:
        raise InputError(f"the graph is the server at {config.uri}; Whycart starts and stops only its local server")
    return config


def _runnable() -> list[Query]:
    return [query for query in list_queries(*FOLDERS) if not query.placeholders]


def _chosen(name: str) -> Query:
    chosen = load_query(name)
    if chosen.folder not in FOLDERS or chosen.placeholders:
        raise QueryError(f"the query {name!r} is not for the command line; see 'whycart graph queries'")
    return chosen


def _parse(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise QueryError(f"--param must be KEY=VALUE, got {text!r} (for example --param limit=5)")
    return key.strip(), value


def _by_name(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    return dict(tuple(row.values()) for row in rows)


def _facts(query: Query) -> dict[str, Any]:
    return {
        "name": query.name,
        "topic": query.topic,
        "description": query.description,
        "params": {param.name: _param_facts(param) for param in query.params.values()},
        "returns": query.returns,
        "units": query.units,
        "uses": query.uses,
        "heavy": query.heavy,
        "example": query.example,
    }


def _show(query: Query) -> None:
    say(f"{query.name}: {query.description}")
    say(f"parameters: {_params_of(query) or 'none'}")
    say(f"columns: {', '.join(_column(query, name) for name in query.returns)}")
    say(f"uses: {query.uses}")
    say(f"\n{query.text}")


def _column(query: Query, name: str) -> str:
    return f"{name}: {query.returns[name]}" + (f" [{query.units[name]}]" if name in query.units else "")


def _params_of(query: Query) -> str:
    return ", ".join(map(_signature, query.params.values()))


def _param_facts(param: Param) -> dict[str, Any]:
    facts: dict[str, Any] = {"type": param.type, "required": param.required}
    facts |= {"unit": param.unit} if param.unit else {}
    return facts if param.required else facts | {"default": param.default}


def _signature(param: Param) -> str:
    default = "" if param.required else f" = {json.dumps(param.default)}"
    return f"{param.name}: {param.type}{default}" + (f" [{param.unit}]" if param.unit else "")


def _flat(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def _text_of(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else _flat(value)


def _print_csv(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_text_of(row[column]) for column in columns] for row in rows)
