"""`whycart graph queries` and `whycart graph query`: what can be asked of the graph, and asking it.

The queries are the catalogue's; here parameters are read and answers are told, as a table, as JSON, CSV or a file.
"""

import csv
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from cypher.catalogue import Param, Query, load_for_people, queries_for_people, query_facts
from cypher.errors import InputError, QueryError
from kg.answers import to_frame, with_times
from kg.ask import ask, open_reading
from kg.store import GraphStore
from serving.cli.output import print_json, print_table, say, warn
from serving.settings import load_settings

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

WRITERS: Mapping[str, Callable[[pd.DataFrame, Path], object]] = {
    ".parquet": lambda frame, path: frame.to_parquet(path, index=False),
    ".csv": lambda frame, path: frame.to_csv(path, index=False, date_format="%Y-%m-%dT%H:%M:%S.%fZ"),
    ".json": lambda frame, path: frame.to_json(path, orient="records", date_format="iso", force_ascii=False, indent=2),
}
"""How an answer is written, by the ending of the file's name."""


def _complete(incomplete: str) -> list[tuple[str, str]]:
    """Names that a shell offers after `whycart graph query`, each with its sentence."""
    return [(query.name, query.description) for query in queries_for_people() if query.name.startswith(incomplete)]


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
    known = [load_for_people(name)] if name is not None else queries_for_people()
    topics = sorted({query.topic for query in known})
    if topic is not None and name is None:
        known = [query for query in known if query.topic == topic]
    if not known:
        raise InputError(f"no query has the topic {topic!r}; there are {', '.join(topics)}")
    if as_json:
        print_json([query_facts(query) for query in known])
    elif name is not None:
        _show(known[0])
    else:
        columns = ("topic", "query", "parameters", "what it answers")
        print_table(columns, [(query.topic, query.name, _params_of(query), query.description) for query in known])


def query(
    name: Annotated[
        str | None, typer.Argument(help="Name of a query, see 'whycart graph queries'.", autocompletion=_complete)
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", metavar="KEY=VALUE", help="A parameter; may be repeated.")
    ] = None,
    cypher: Annotated[
        str | None, typer.Option("--cypher", help="A statement of yours in place of a name; it may only read.")
    ] = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write a file instead: .parquet, .csv or .json.", dir_okay=False)
    ] = None,
) -> None:
    """Run a query of the catalogue, or a statement that only reads.

    Example: whycart graph query co_purchased --param product_id=1082185 --param limit=5
    """
    if (name is None) == (cypher is None):
        raise InputError("give the name of a query, or a statement with --cypher")
    if sum((as_json, as_csv, out is not None)) > 1:
        raise InputError("--json, --csv and --out exclude each other; give one of them")
    if out is not None and out.suffix not in WRITERS:
        raise InputError(f"--out takes a file named {', '.join(f'*{ending}' for ending in WRITERS)}, got {str(out)!r}")
    given = dict(_parse(text) for text in param or ())
    found = _named(name, given) if name is not None else _typed(cypher or "", given)
    if out is not None:
        WRITERS[out.suffix](found.frame, out)
        say(f"{len(found.rows):,} rows in {out}")
    elif as_json:
        print_json(found.rows)
    elif as_csv:
        _print_csv(found.columns, found.rows)
    else:
        print_answer(found.columns, found.rows)


def print_answer(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows of a query as a table.

    Args:
        columns: in the order they are shown.
        rows: values by column, times as datetimes.
    """
    print_table(columns, [[_flat(row[column]) for column in columns] for row in rows])


@dataclass(frozen=True, slots=True)
class _Found:
    columns: Sequence[str]
    rows: list[dict[str, Any]]
    frame: pd.DataFrame


def _named(name: str, given: Mapping[str, str]) -> _Found:
    chosen = load_for_people(name)
    params = chosen.check(given)
    with GraphStore.open(load_settings().graph) as store:
        rows = store.read(chosen, params)
    return _Found(tuple(chosen.returns), with_times(chosen, rows), to_frame(chosen, rows))


def _typed(cypher: str, given: Mapping[str, str]) -> _Found:
    with open_reading(load_settings().graph) as store:
        asked = ask(store, cypher, {name: _value(text) for name, text in given.items()})
    if asked.cut:
        warn(f"not all of it: {asked.cut}")
    return _Found(asked.columns, asked.rows, pd.DataFrame(asked.rows, columns=list(asked.columns)))


def _value(text: str) -> Any:
    """A value as JSON has it, or else a text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _parse(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise QueryError(f"--param must be KEY=VALUE, got {text!r} (for example --param limit=5)")
    return key.strip(), value


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
