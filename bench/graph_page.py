"""The page docs/benchmarks/graph.md, made from the files that `python -m bench.graph` wrote."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

NAMES = {"neo4j": "Neo4j 5.26", "local": "local server"}
_STEPS = {
    "plain": "a tenth of the shop, plain `UNWIND ... MERGE MERGE MERGE` in batches of 5,000",
    "small": "a tenth of the shop, `whycart ingest`",
    "admin": "the whole shop, `neo4j-admin database import` of files that are there, the server stopped",
    "load": "the whole shop, `whycart ingest`",
    "upsert1": "a day of new events (1%) upserted in batches of 5,000: the first writes since the load",
    "upsert2": "the next day of new events",
    "again": "the first day once more: all are there",
    "day": "`whycart ingest` of that day with the whole catalogue: nothing is new",
    "refresh": "a snapshot of the graph made from the one before the two days: only what is new is read",
    "read": "the graph read back as tables",
    "read_plainly": "200,000 purchases read row by row with the driver",
}


def graph_page(files: Sequence[Path]) -> str:
    """Return the page.

    Args:
        files: one of each server.
    """
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(files, reverse=True)]
    runs = {run["server"]: run for run in found}
    parts = ["# The graph at the size of a shop\n"]
    for name, run in runs.items():
        parts += [f"## {NAMES[name]}\n", *_about(run), "", *_steps(run), ""]
    return "\n".join([*parts, *_queries(runs), ""])


def _about(run: Mapping[str, Any]) -> Iterator[str]:
    size = run["size"]
    yield (
        f"{size['users']:,} users, {size['products']:,} products, {size['events']:,} events and edges, generated. "
        f"`{run['command']}`, {run['made_at']}, commit {run['commit']}, 2 cores of {run['processor']}; "
        "server and client share them."
    )


def _steps(run: Mapping[str, Any]) -> Iterator[str]:
    yield "| step | rows | seconds | rows a second | server CPU s | client CPU s | client memory |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for name, what in _STEPS.items():
        if name not in run:
            continue
        step = run[name]
        seconds = step.get("import_s", step["took_s"])
        yield (
            f"| {what} | {step['rows']:,} | {seconds:.1f} | {step['rows'] / seconds:,.0f} "
            f"| {_seconds(step.get('server_cpu_s'))} | {step['cpu_s']:.0f} | {step['peak_rss_mb']:,} MiB |"
        )


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _queries(runs: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield "## Queries\n"
    yield (
        "Milliseconds, median and in brackets p99 (of the few asks of a heavy one nearly the longest), asked one after "
        "the other about users, products, brands and categories of drawn events, so that busy ones come more often. "
        "The columns say how many events there were. *h*: the header says that the query is heavy.\n"
    )
    sizes = [(server, size) for server, run in runs.items() for size in run["queries"]]
    yield "| query | " + " | ".join(_head(server, runs[server], size) for server, size in sizes) + " |"
    yield "|---|" + "---:|" * len(sizes)
    first = next(iter(runs.values()))["queries"]["1"]
    for name, facts in sorted(first.items()):
        cells = [runs[server]["queries"][size][name] for server, size in sizes]
        told = " | ".join(_cell(cell) for cell in cells)
        yield f"| [{name}](../queries.md#{name}){' *h*' if facts['heavy'] else ''} | {told} |"
    yield ""
    yield from _slowest(runs)


def _head(server: str, run: Mapping[str, Any], size: str) -> str:
    return f"{NAMES[server]}, {float(size) * run['size']['events']:,.0f} events"


def _cell(cell: Mapping[str, Any]) -> str:
    return "refused" if "refused" in cell else f"{cell['median_ms']:,.1f} ({cell['p99_ms']:,.1f})"


def _slowest(runs: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for server, run in runs.items():
        light = {name: cell for name, cell in run["queries"]["1"].items() if not (cell["heavy"] or "refused" in cell)}
        worst = max(light, key=lambda name: light[name]["p99_ms"])
        above = sorted(name for name, cell in light.items() if cell["p99_ms"] > 2000)
        yield (
            f"{NAMES[server]}: the slowest query that is not called heavy is `{worst}` with a p99 of "
            f"{light[worst]['p99_ms']:,.0f} ms; above two seconds: "
            f"{', '.join(f'`{name}`' for name in above) or 'none'}.\n"
        )
