"""`whycart graph`: start and stop the local server, look into the graph, take it elsewhere.

The server is `kg.local_server`'s; the two commands that ask the graph are in `serving.cli.graph_queries`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cypher.catalogue import load_query
from cypher.errors import InputError
from kg import local_server
from kg.admin_import import write_admin_files
from kg.export import to_networkx, write_graphml
from kg.extract import extract_tables
from kg.input_folder import FORMS, write_folder
from kg.snapshot import build_snapshot
from kg.store import GraphConfig, GraphStore
from serving.cli.data import tell_admin
from serving.cli.graph_queries import AsJson, queries, query
from serving.cli.graph_schema import mermaid_of, tell_schema
from serving.cli.health import check
from serving.cli.output import print_json, print_table, progress_bars, say
from serving.settings import load_settings

ADMIN = "neo4j-admin"
"""Form of files that Neo4j's own import reads."""
app = typer.Typer(no_args_is_help=True, help="Start, stop, look into and query the graph.")


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


app.command()(check)
app.command()(queries)
app.command()(query)


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="GraphML file (*.graphml) or folder to write.")],
    around: Annotated[str | None, typer.Option(help="GraphML: only what lies around this node, as Label:id.")] = None,
    hops: Annotated[int, typer.Option(help="GraphML: how far around.", min=0)] = 2,
    form: Annotated[str, typer.Option("--as", help="Folder: parquet, csv or neo4j-admin.")] = "parquet",
) -> None:
    """Write the graph as a folder of tables that can be imported again, or as GraphML for other tools.

    A folder holds one file a table and, where kinds were declared, a whycart.toml; 'whycart ingest FOLDER' makes the
    same graph of it, on any server. With --as neo4j-admin the files have the headers of 'neo4j-admin database import',
    the quickest way into an empty Neo4j, and the command is printed.

    Example: whycart graph export shop-copy --as csv
    """
    settings = load_settings()
    is_file = out.suffix == ".graphml"
    if form not in (*FORMS, ADMIN):
        raise InputError(f"--as takes {', '.join(FORMS)} or {ADMIN}, got {form!r}")
    if around is not None and not is_file:
        raise InputError(f"--around is for GraphML; name the file *.graphml, got {str(out)!r}")
    label, _, key = (around or "").partition(":")
    if around is not None and (not key or label not in settings.schema.nodes):
        known = ", ".join(sorted(settings.schema.nodes))
        raise InputError(f"--around is Label:id with a label of {known}, got {around!r} (for example Product:p01)")
    with progress_bars() as progress, GraphStore.open(settings.graph) as store:
        tables = extract_tables(store, settings.schema, progress=progress)
    if not is_file and form == ADMIN:
        tell_admin(write_admin_files(tables, out))
        return
    if not is_file:
        files = write_folder(tables, out, form="csv" if form == "csv" else "parquet")
        say(f"{tables.events.num_rows:,} events and all else in {len(files)} files of {out}: whycart ingest {out}")
        return
    graph = to_networkx(build_snapshot(tables), around=(label, key) if around else None, hops=hops)
    write_graphml(graph, out)
    say(f"{graph.number_of_nodes():,} nodes and {graph.number_of_edges():,} edges in {out}")


@app.command()
def schema(
    as_json: AsJson = False,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Print a diagram in the language of Mermaid.")] = False,
) -> None:
    """Show the kinds of nodes, relations and events in use, those of whycart.toml included; asks no server.

    Example: whycart graph schema --mermaid
    """
    used = load_settings().schema
    if as_json and mermaid:
        raise InputError("--json and --mermaid exclude each other; give one of them")
    if as_json:
        print_json({"nodes": used.nodes, "relations": used.relations, "events": used.events})
    elif mermaid:
        say("\n".join(mermaid_of(used)))
    else:
        tell_schema(used)


def _local_config() -> GraphConfig:
    config = load_settings().graph
    if config.uri is not None:
        raise InputError(f"the graph is the server at {config.uri}; Whycart starts and stops only its local server")
    return config


def _by_name(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    return dict(tuple(row.values()) for row in rows)
