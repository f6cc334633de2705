"""`python -m bench.import_kills --server neo4j`: imports are killed at random moments, and nothing is lost or doubled.

A graph grows by one folder a round. In each round the import of the folder is started and, at a random moment, the
importer or the graph server is killed (SIGKILL), in turn. What the graph then holds is compared with what it held
before and with the folder: every event that was there is there, each once and whole. Then the same import is run to its
end, and the graph must be the one of a clean load of all folders so far.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from bench.figures import commit_name, processor_name
from bench.serving import COMMAND
from kg import local_server
from kg.extract import extract_tables
from kg.ingest import ingest
from kg.input_folder import write_folder
from kg.schema import GraphSchema
from kg.snapshot import build_snapshot
from kg.sources.generated import generated_shop
from kg.store import GraphConfig, GraphStore
from kg.tables import Tables
from tests.support.neo4j_server import Neo4jServer

_END_S = 300


class Victim(Protocol):
    """A graph server that can be killed."""

    config: GraphConfig

    def kill(self) -> None:
        """Kill it."""

    def start(self) -> None:
        """Start it again, if nobody else does."""


class _Local:
    """The local server of a folder, which the next import starts again by itself."""

    def __init__(self, folder: Path) -> None:
        self.config = GraphConfig(folder=folder)

    def kill(self) -> None:
        """Kill it; where it is just being started there is nothing to kill yet."""
        with contextlib.suppress(Exception):
            os.kill(local_server.join(self.config.folder).pid, signal.SIGKILL)

    def start(self) -> None:
        """Leave that to the next import."""


@contextlib.contextmanager
def victim_of(server: str, room: Path) -> Iterator[Victim]:
    """Give an empty graph server."""
    if server == "local":
        local = _Local(room / "graph")
        with GraphStore.open(local.config, owned=True):
            yield local
        return
    home = room / "neo4j"
    home.mkdir()
    neo4j = Neo4jServer(home)
    neo4j.start()
    try:
        yield neo4j
    finally:
        neo4j.stop()


@dataclass(frozen=True, slots=True)
class Seen:
    """What one round saw."""

    killed: str
    """`importer` or `server`; `nobody` where the import had ended."""
    after_s: float
    arrived: int
    """Events of the folder that were in the graph after the kill."""
    lost: int
    """Events of earlier rounds that were not."""
    doubled: int
    """Events that were there more than once."""
    torn: int
    """Events that were there with other properties than the folder gives them."""
    same: bool
    """Whether the import, run again, made the graph of a clean load."""


def parts_of(whole: Tables, rounds: int, *, seed: int) -> list[Tables]:
    """Return the shop in as many parts of its events, all of them with the whole catalogue."""
    part = np.random.default_rng(seed).integers(rounds, size=whole.events.num_rows)
    return [replace(whole, events=whole.events.filter(pa.array(part == number))) for number in range(rounds)]


def start_import(folder: Path, config: GraphConfig) -> subprocess.Popen[bytes]:
    """Start `whycart ingest` as a user would."""
    graph = {"WHYCART_GRAPH_FOLDER": str(config.folder)}
    if config.uri is not None:
        graph = {"WHYCART_GRAPH_URI": config.uri, "WHYCART_GRAPH_PASSWORD": config.password or ""}
    env = {**os.environ, **graph, "PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, "ingest", str(folder)],
        cwd=folder,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def run_round(victim: Victim, folder: Path, *, before: pa.Table, part: pa.Table, who: str, after_s: float) -> Seen:
    """Kill an import, look, and complete it."""
    process = start_import(folder, victim.config)
    try:
        process.wait(after_s)
        killed = "nobody"
    except subprocess.TimeoutExpired:
        killed = who
        process.kill() if who == "importer" else victim.kill()
    process.wait(_END_S)
    if killed == "server":
        victim.start()
    with GraphStore.open(victim.config) as store:
        there = extract_tables(store, GraphSchema()).events
    expected = {row["event_id"]: row for row in pa.concat_tables([before, part]).to_pylist()}
    found = there.to_pylist()
    ids = {row["event_id"] for row in found}
    torn = sum(row != expected.get(row["event_id"]) for row in found)
    lost = sum(event_id not in ids for event_id in before["event_id"].to_pylist())
    if start_import(folder, victim.config).wait(_END_S):
        return Seen(killed, after_s, len(ids) - before.num_rows, lost, len(found) - len(ids), torn, same=False)
    with GraphStore.open(victim.config) as store:
        again = extract_tables(store, GraphSchema())
    wanted = pa.concat_tables([before, part]).sort_by("event_id").combine_chunks()
    same = again.events.equals(wanted)
    return Seen(killed, round(after_s, 2), len(ids) - before.num_rows + lost, lost, len(found) - len(ids), torn, same)


def measure(server: str, *, rounds: int, seed: int) -> dict[str, Any]:
    """Run all rounds; return what was seen."""
    most = 1 + rounds * 3 // 2
    whole = generated_shop(products=400, users=600, events=8_000 * most).tables
    draw, seen = random.Random(seed), list[Seen]()
    with tempfile.TemporaryDirectory() as base, victim_of(server, Path(base)) as victim:
        first, *parts = parts_of(whole, most, seed=seed)
        with GraphStore.open(victim.config) as store:
            ingest(store, first)
        before, within_s = first.events, 0.0
        for number, part in enumerate(parts):
            folder = Path(base) / f"part{number}"
            write_folder(part, folder)
            if sum(one.killed != "nobody" for one in seen) == rounds:
                break
            if not number:
                started = time.perf_counter()
                start_import(folder, victim.config).wait(_END_S)
                within_s = time.perf_counter() - started
            else:
                who = ("importer", "server")[number % 2]
                # The first seconds go by with starting Python; most kills fall into the rest.
                after_s = draw.uniform(0.4 * within_s, within_s)
                seen.append(run_round(victim, folder, before=before, part=part.events, who=who, after_s=after_s))
                if seen[-1].killed == "nobody":
                    within_s = 0.9 * seen[-1].after_s  # it goes quicker than the first one did
                print(json.dumps({"round": number, **_facts(seen[-1])}), flush=True)
            before = pa.concat_tables([before, part.events]).combine_chunks()
        with GraphStore.open(victim.config) as store:
            graph = build_snapshot(extract_tables(store, GraphSchema())).hash
    clean = replace(whole, events=before.sort_by("event_id").combine_chunks())
    return {
        "server": server,
        "events": before.num_rows,
        "import_s": round(within_s, 1),
        "rounds": [_facts(one) for one in seen],
        "graph_as_of_a_clean_load": graph == build_snapshot(clean).hash,
    }


def _facts(seen: Seen) -> dict[str, Any]:
    return {name: getattr(seen, name) for name in Seen.__slots__}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and tell; return the exit code: 1 where anything was lost, doubled, torn or different."""
    parser = argparse.ArgumentParser(prog="python -m bench.import_kills", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--server", choices=("neo4j", "local"), required=True)
    parser.add_argument("--rounds", type=int, default=30, help="in which something is killed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args(argv)
    found = {
        "made_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M UTC}",
        "commit": commit_name(),
        "processor": processor_name(),
        "command": " ".join(["python -m bench.import_kills", *(sys.argv[1:] if argv is None else argv)]),
        **measure(options.server, rounds=options.rounds, seed=options.seed),
    }
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    rounds = found["rounds"]
    bad = sum(one["lost"] + one["doubled"] + one["torn"] + (not one["same"]) for one in rounds)
    killed = [one["killed"] for one in rounds]
    print(
        f"{len(rounds)} rounds: importer killed {killed.count('importer')}, server {killed.count('server')}, neither "
        f"{killed.count('nobody')}; lost, doubled, torn or different: {bad}; graph as of a clean load: "
        f"{found['graph_as_of_a_clean_load']}"
    )
    return 0 if not bad and found["graph_as_of_a_clean_load"] else 1


if __name__ == "__main__":
    sys.exit(main())
