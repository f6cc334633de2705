"""`python -m bench.graph --server neo4j --json docs/benchmarks/graph/neo4j.json`: the graph at the size of a real shop.

A server of its own is started and a generated shop of 100,000 users, 50,000 products and 2,000,000 events is loaded: by
Whycart, and on a tenth of it by the loop that the driver's documentation shows. Then a day of new events is added, the
graph is read back, and every query of the catalogue is asked again and again about drawn users, products, brands and
categories, at several sizes. Each client runs in a process of its own, so that its memory is its own.
"""

import argparse
import contextlib
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.figures import commit_name, processor_name
from bench.plain_loops import PLAIN_BATCH, load_plainly, read_back_plainly
from bench.synthetic import YEAR_MS, synthetic_shop
from cypher.catalogue import Query, queries_for_people
from cypher.errors import QueryError
from gnn.meter import Meter
from kg.admin_import import write_admin_files
from kg.errors import GraphConnectionError
from kg.extract import extract_tables
from kg.ingest import ingest, write_events
from kg.reader import read_folder
from kg.refresh import refresh_snapshot
from kg.schema import GraphSchema
from kg.snapshot import build_snapshot
from kg.snapshot_files import load_snapshot, save_snapshot
from kg.store import GraphConfig, GraphStore
from serving.cli.output import print_table, progress_bars
from tests.support.neo4j_server import Neo4jServer, running_neo4j

USERS, PRODUCTS, EVENTS = 100_000, 50_000, 2_000_000
TYPES, SHARES = ("viewed", "carted", "bought", "rated"), (0.45, 0.1, 0.42, 0.03)
ASKS, HEAVY_ASKS, BUDGET_S = 30, 4, 12.0
"""How often a query is asked at most, a heavy one, and the seconds after which it is not asked again."""
Places = Mapping[str, tuple[str, str]]
"""Brand and category by product."""
DAYS = 2
START_MS = 1_704_067_200_000
STEPS = (
    "plain",
    "small",
    "admin",
    "plain_load",
    "load",
    "upsert1",
    "upsert2",
    "again",
    "day",
    "refresh",
    "read",
    "read_plainly",
)
"""What is measured beside queries, in the order of the table."""


def write_shop(folder: Path, *, users: int, products: int, events: int, fractions: Sequence[float]) -> None:
    """Write the shop as input folders: one a fraction of the users, and two days of a hundredth of new events each."""
    shop = synthetic_shop(users=users, products=products, purchases=events + DAYS * events // 100, edges=8 * products)
    rng = np.random.default_rng(1)
    rows = shop["events"].num_rows
    types = pa.array(np.array(TYPES)[rng.choice(len(TYPES), rows, p=SHARES)])
    value = pa.array(rng.integers(1, 6, rows).astype(float), mask=np.array(types) != "rated")
    every = shop["events"].set_column(3, "type", types).append_column("value", value)
    rank = np.argsort(np.argsort(every["at"].to_numpy(), kind="stable"))
    day_of = np.maximum(0, DAYS - (rows - 1 - rank) * (100 + DAYS) // rows)  # the days are the latest hundredths
    known = every.filter(pa.array(day_of == 0))
    there = pc.unique(known["user_id"])
    ids = np.sort(np.unique(known["user_id"].to_numpy(zero_copy_only=False)))
    for fraction in fractions:
        part = known.filter(pc.less_equal(known["user_id"], ids[max(0, round(len(ids) * fraction) - 1)]))
        _write(folder / f"{fraction:g}", {**shop, "events": part})
    for number in range(1, DAYS + 1):
        day = every.filter(pc.and_(pa.array(day_of == number), pc.is_in(every["user_id"], value_set=there)))
        bare = {name: table for name, table in shop.items() if name != "relations"}
        _write(folder / f"day{number}", {**bare, "events": day})


def _write(folder: Path, tables: Mapping[str, pa.Table]) -> None:
    folder.mkdir()
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")


@contextlib.contextmanager
def server_of(name: str, folder: Path) -> Iterator[GraphConfig]:
    """Run an empty server with the memory that such a shop needs."""
    if name == "neo4j":
        with running_neo4j(large=True) as config:
            yield config
        return
    config = GraphConfig(folder=folder)
    with GraphStore.open(config, owned=True):
        yield config


def in_process(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """Do something in a fresh process; return its figures with CPU seconds, memory and the server's CPU seconds."""
    before = _server_cpu_s()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(_metered, (work, *arguments))
    return {"server_cpu_s": round(_server_cpu_s() - before, 1)} | found


def _metered(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    start = time.perf_counter()
    with Meter() as meter:
        found = work(*arguments)
    took = {"took_s": round(time.perf_counter() - start, 2), "cpu_s": round(meter.cpu_s, 2)}
    return took | {"peak_rss_mb": round(meter.peak_rss_mb)} | found


def _server_cpu_s() -> float:
    """CPU seconds of the children that are Java, which only the server under test is."""
    used = 0.0
    for child in psutil.Process().children(recursive=True):
        if "java" in child.name():
            times = child.cpu_times()
            used += times.user + times.system
    return used


def load(config: GraphConfig, folder: Path) -> dict[str, Any]:
    """Read a folder and import it; reading and checking the files counts."""
    tables = read_folder(folder).tables
    with GraphStore.open(config) as store:
        report = ingest(store, tables)
    rows = report.num_rows
    return {"rows": rows, "created": report.events_created, "import_s": round(report.took_s, 2)}


def upsert(config: GraphConfig, folder: Path) -> dict[str, Any]:
    """Write the events of a folder whether they are in the graph or not, as the API does with those that come."""
    tables = read_folder(folder).tables
    with GraphStore.open(config) as store:
        start = time.perf_counter()
        created = write_events(store, tables.schema, events=tables.events, batch_rows=PLAIN_BATCH)
        return {"rows": tables.events.num_rows, "created": created, "import_s": round(time.perf_counter() - start, 2)}


def load_by_admin(home: Path, folder: Path) -> dict[str, Any]:
    """Import a folder by `neo4j-admin database import` into a stopped server; making its files is timed apart."""
    tables = read_folder(folder).tables
    start = time.perf_counter()
    arguments = write_admin_files(tables, home / "files")
    files_s = time.perf_counter() - start
    (home / "neo4j").mkdir()
    server, start = Neo4jServer(home / "neo4j", large=True), time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    server.admin("database", "import", "full", "neo4j", *arguments)
    took, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rows = sum(table.num_rows for table in (*tables.nodes.values(), *tables.edges.values(), tables.events))
    return {"rows": rows, "files_s": round(files_s, 2), "import_s": round(took, 2), "server_cpu_s": round(used, 1)}


def read_back(config: GraphConfig) -> dict[str, Any]:
    """Read the whole graph as tables."""
    with GraphStore.open(config) as store:
        start = time.perf_counter()
        tables = extract_tables(store, GraphSchema())
        took = time.perf_counter() - start
    rows = tables.events.num_rows + sum(table.num_rows for table in tables.edges.values())
    return {"rows": rows, "import_s": round(took, 2), "hash": build_snapshot(tables).hash}


def keep_snapshot(config: GraphConfig, folder: Path) -> dict[str, Any]:
    """Write the snapshot down that a later one is made from."""
    with GraphStore.open(config) as store:
        save_snapshot(build_snapshot(extract_tables(store, GraphSchema())), folder)
    return {}


def read_what_is_new(config: GraphConfig, folder: Path) -> dict[str, Any]:
    """Make the snapshot of the graph from an earlier one and what is new; the rows are those of the snapshot."""
    known = load_snapshot(folder)
    with GraphStore.open(config) as store:
        start = time.perf_counter()
        found = refresh_snapshot(store, known)
        took = time.perf_counter() - start
    if found is None:
        raise ValueError("the graph had to be read whole")
    rows = len(found.events) + sum(len(edges) for edges in found.edges.values())
    return {"rows": rows, "import_s": round(took, 2), "hash": found.hash}


def time_queries(config: GraphConfig, events: pa.Table, places: Places) -> dict[str, Any]:
    """Ask every query of the catalogue; return milliseconds by name: median, p99 (most of few) and how often."""
    found = {}
    with GraphStore.open(config) as store, progress_bars() as progress:
        queries = queries_for_people()
        for done, query in enumerate(queries):
            progress("queries", done, len(queries))
            found[query.name] = _time_query(store, query, events, places)
    return found


def _time_query(store: GraphStore, query: Query, events: pa.Table, places: Places) -> dict[str, Any]:
    rng, took, stop = np.random.default_rng(0), list[float](), time.perf_counter() + BUDGET_S
    asks = HEAVY_ASKS if query.heavy or query.uses.startswith("a scan") else ASKS
    for number in range(asks + 1):
        params = _drawn(query, rng, events, places)
        start = time.perf_counter()
        try:
            store.read(query, params)
        except (QueryError, GraphConnectionError) as refused:
            return {"refused": str(refused)[-200:], "heavy": query.heavy}
        took.append((time.perf_counter() - start) * 1000)
        if time.perf_counter() > stop and number:
            break
    warm = took[1:]
    return {
        "median_ms": round(float(np.median(warm)), 2),
        "p99_ms": round(float(np.quantile(warm, 0.99)), 2),
        "asks": len(warm),
        "heavy": query.heavy,
    }


def _drawn(query: Query, rng: np.random.Generator, events: pa.Table, places: Places) -> dict[str, Any]:
    """Parameters about somebody who did something, so that the busy ones are asked about more often."""
    one, other = (events.slice(int(rng.integers(events.num_rows)), 1).to_pylist()[0] for _ in range(2))
    brand_id, category_id = places[one["product_id"]]
    drawn = {
        "user_id": one["user_id"],
        "product_id": one["product_id"],
        "other_id": other["product_id"],
        "brand_id": brand_id,
        "category_id": category_id,
        "since": START_MS + YEAR_MS * 11 // 12,
        "until": START_MS + YEAR_MS,
        "split": START_MS + YEAR_MS // 2,
        "before": START_MS + YEAR_MS // 2,
    }
    return {name: drawn[name] for name in query.params if name in drawn}


def compare_loads(server: str, *, scale: float) -> dict[str, Any]:
    """Load the whole shop by the plain loop and by Whycart, each into a server of its own; return both.

    Args:
        server: `neo4j` or `local`.
        scale: 1 is the whole size.
    """
    size = _size(scale)
    found: dict[str, Any] = {"server": server, "size": size}
    with tempfile.TemporaryDirectory() as base:
        shop = Path(base) / "shop"
        shop.mkdir()
        in_process(_write_shop, shop, size, (1.0,))
        for name, work in (("plain_load", load_plainly), ("load", load)):
            with server_of(server, Path(base) / name) as config:
                found[name] = in_process(work, config, shop / "1")
    return found


def run_benchmark(server: str, *, scale: float, fractions: Sequence[float]) -> dict[str, Any]:
    """Measure one server; return everything as plain values.

    Args:
        server: `neo4j` or `local`.
        scale: 1 is the whole size.
        fractions: shares of the users at which queries are timed, the last one 1.
    """
    size = _size(scale)
    found: dict[str, Any] = {"server": server, "size": size, "queries": {}}
    with tempfile.TemporaryDirectory() as base:
        shop = Path(base) / "shop"
        shop.mkdir()
        in_process(_write_shop, shop, size, tuple(fractions))
        smallest = shop / f"{fractions[0]:g}"
        with server_of(server, Path(base) / "plain") as config:
            found["plain"] = in_process(load_plainly, config, smallest)
        with server_of(server, Path(base) / "small") as config:
            found["small"] = in_process(load, config, smallest)
            for fraction in fractions[:-1]:
                if fraction != fractions[0]:
                    in_process(load, config, shop / f"{fraction:g}")
                found["queries"][f"{fraction:g}"] = _timed(config, shop / f"{fraction:g}")
        if server == "neo4j":
            room = Path(base) / "admin"
            room.mkdir()
            found["admin"] = in_process(load_by_admin, room, shop / "1")
        with server_of(server, Path(base) / "large") as config:
            found["load"] = in_process(load, config, shop / "1")
            found["queries"]["1"] = _timed(config, shop / "1")
            in_process(keep_snapshot, config, Path(base) / "known")
            for number in range(1, DAYS + 1):
                found[f"upsert{number}"] = in_process(upsert, config, shop / f"day{number}")
            found["again"] = in_process(upsert, config, shop / "day1")
            found["day"] = in_process(load, config, shop / "day1")
            found["refresh"] = in_process(read_what_is_new, config, Path(base) / "known")
            found["read"] = in_process(read_back, config)
            found["refresh"]["same"] = found["refresh"].pop("hash") == found["read"].pop("hash")
            found["read_plainly"] = in_process(read_back_plainly, config)
    return found


def _size(scale: float) -> dict[str, int]:
    return {"users": round(USERS * scale), "products": round(PRODUCTS * scale), "events": round(EVENTS * scale)}


def _write_shop(folder: Path, size: Mapping[str, int], fractions: Sequence[float]) -> dict[str, Any]:
    write_shop(folder, **size, fractions=fractions)
    return {}


def _timed(config: GraphConfig, folder: Path) -> dict[str, Any]:
    events, products = pq.read_table(folder / "events.parquet"), pq.read_table(folder / "products.parquet")
    tables = read_folder(folder).tables
    leaf = dict(zip(*(tables.edges["IN_CATEGORY"][name].to_pylist() for name in ("from_id", "to_id")), strict=True))
    rows = zip(products["product_id"].to_pylist(), products["brand_id"].to_pylist(), strict=True)
    return time_queries(config, events, {product: (brand, leaf[product]) for product, brand in rows})


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark, print the figures and write them."""
    parser = argparse.ArgumentParser(prog="python -m bench.graph", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--server", choices=("neo4j", "local"), required=True)
    parser.add_argument("--scale", type=float, default=1.0, help="1: 100,000 users, 50,000 products, 2,000,000 events")
    parser.add_argument("--fractions", default="0.1,0.3,1", help="shares of the users at which queries are timed")
    parser.add_argument("--json", type=Path, help="file to write")
    parser.add_argument("--loads", action="store_true", help="only load the whole shop, plainly and by Whycart")
    options = parser.parse_args(argv)
    fractions = [float(text) for text in options.fractions.split(",")]
    about = {
        "made_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M UTC}",
        "commit": commit_name(),
        "processor": processor_name(),
        "command": " ".join(["python -m bench.graph", *(sys.argv[1:] if argv is None else argv)]),
    }
    if options.loads:
        measured = compare_loads(options.server, scale=options.scale)
    else:
        measured = run_benchmark(options.server, scale=options.scale, fractions=fractions)
    found = about | measured
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    steps = [(name, found[name]) for name in STEPS if name in found]
    columns = ("rows", "took_s", "import_s", "cpu_s", "server_cpu_s", "peak_rss_mb")
    print_table(("step", *columns), [(name, *(step.get(column) for column in columns)) for name, step in steps])
    if options.loads:
        return 0
    timed = found["queries"]
    print_table(
        ("query", *timed),
        [(name, *(timed[size][name].get("median_ms", "refused") for size in timed)) for name in timed["1"]],
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
