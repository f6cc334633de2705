"""`python -m bench.publishes --home .whycart`: models are exchanged under load, and no answer is of two.

Starts `whycart serve` on a copy of the published bundle and of a twin with another blend, and lets clients read without
a pause. First one is published after the other, a hundred times; then it is gone back with `rollback`. Told are answers
that failed, answers that mix versions (`bench.readers`), how long it takes from the pointer's move to the first answer
of the other version and until every answer is, and whether the lists after going back are those before.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures import commit_name, processor_name
from bench.readers import Readers
from bench.serving import COMMAND, running
from bench.soak import write_twin
from gnn.bundles import BundleStore

CLIENTS = 8
_WAIT_S = 60.0
_LOOK_S = 0.01
_WARM_S = 3.0


def measure(home: Path, *, publishes: int, users: int) -> dict[str, Any]:
    """Publish in turn under load, then go back; return what was seen."""
    source = BundleStore(home / "bundles")
    with tempfile.TemporaryDirectory() as room:
        copy = Path(room) / ".whycart"
        store = BundleStore(copy / "bundles")
        first = source.current()
        shutil.copytree(first.folder, store.folder / first.version)
        twin = write_twin(first, store.folder)
        store.publish(first.version)
        people = first.snapshot.ids("User")[:users]
        with running([sys.executable, "-c", COMMAND, "serve", "--port", "0"], {"WHYCART_HOME": str(copy)}) as server:
            with Readers(server.address, people, clients=CLIENTS) as readers:
                time.sleep(_WARM_S)
                swaps = [_swap(store, readers, (twin, first.version)[turn % 2]) for turn in range(publishes)]
                if store.current_version() != twin:
                    _swap(store, readers, twin)
                before = readers.lists(first.version)
                back_s = _roll_back(copy, store, readers, first.version)
                time.sleep(_WARM_S)
                after = readers.lists(first.version)
            seen = readers.seen()
        taken = [took for took in swaps if took is not None]
        return {
            "publishes": publishes,
            "taken_up": len(taken),
            "taken_up_s": {
                "median": round(statistics.median(taken), 2),
                "p95": round(float(np.percentile(taken, 95)), 2),
                "most": round(max(taken), 2),
            },
            "rollback": back_s
            | {"same_lists": sum(after[user] == digest for user, digest in before.items())}
            | {"lists": len(before)},
            "clients": CLIENTS,
            "seen": seen,
        }


def _swap(store: BundleStore, readers: Readers, version: str) -> float | None:
    """Publish a version; return the seconds until a client has an answer of it, None where none comes."""
    before = readers.versions().get(version, 0)
    store.publish(version)
    started = time.perf_counter()
    while time.perf_counter() - started < _WAIT_S:
        if readers.versions().get(version, 0) > before:
            return time.perf_counter() - started
        time.sleep(_LOOK_S)
    return None


def _roll_back(home: Path, store: BundleStore, readers: Readers, version: str) -> dict[str, float]:
    """Go back by the command line; return the seconds of the command, and from the pointer's move to the answer."""
    before, started = readers.versions().get(version, 0), time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "models", "rollback", "--to", version],
        env={**os.environ, "WHYCART_HOME": str(home)},
        stdout=subprocess.DEVNULL,
    )
    while store.current_version() != version and time.perf_counter() - started < _WAIT_S:
        time.sleep(_LOOK_S)
    moved = time.perf_counter()
    while readers.versions().get(version, 0) == before and time.perf_counter() - started < _WAIT_S:
        time.sleep(_LOOK_S)
    answered = time.perf_counter()
    process.wait()
    return {"command_s": round(moved - started, 2), "then_answered_s": round(answered - moved, 2)}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and tell; return the exit code: 1 where an answer failed or was mixed."""
    parser = argparse.ArgumentParser(prog="python -m bench.publishes", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, default=Path(".whycart"), help="working folder with a published bundle")
    parser.add_argument("--publishes", type=int, default=100, help="how many")
    parser.add_argument("--users", type=int, default=100, help="users whose lists are read")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args(argv)
    found = {"processor": processor_name(), "threads": os.cpu_count(), "commit": commit_name()}
    found |= {"exchange": measure(options.home, publishes=options.publishes, users=options.users)}
    print(json.dumps(found["exchange"], indent=1))
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    seen = found["exchange"]["seen"]
    return 1 if seen["failed"] or seen["mixed"] else 0


if __name__ == "__main__":
    sys.exit(main())
