"""Running one peer in its environment: a request in, rankings and a report out, with what it cost."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.peers.export import TUNE
from bench.peers.models import Peer
from bench.peers.score import rank_lists, read_lists, score_lists
from gnn.split import Targets

DRIVERS = Path(__file__).absolute().parent / "drivers"
"""One program a library, run by the Python of its environment."""
LIST_LENGTH = 100
"""Products of each list that a driver writes."""
NUM_EXPLAINED = 20
"""Products of each list whose paths a driver of path models writes."""


class PeerFailed(Exception):
    """A peer ended with an error; the end of its output says why."""


def run_peer(
    peer: Peer, python: Path, *, data: Path, scratch: Path, seed: int, threads: int = 1, epochs: int | None = None
) -> dict[str, Any]:
    """Let a peer fit and rank; return its report and what it took.

    Args:
        peer: which.
        python: of its environment.
        data: folder of the exported split.
        scratch: gets the request, the rankings (`lists.npz`), the report and the log.
        seed: of the peer.
        threads: that it may use for arithmetic.
        epochs: at most, of each thing that is trained; None: as many as the peer's own limits.

    Raises:
        PeerFailed: it did not end well.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    most = epochs or sys.maxsize
    request = {
        **asdict(peer),
        "data": str(data),
        "scratch": str(scratch),
        "lists": str(scratch / "lists.npz"),
        "paths": str(scratch / "paths.json"),
        "report": str(scratch / "report.json"),
        "seed": seed,
        "threads": threads,
        "epochs": min(peer.epochs, most),
        "embedding_epochs": min(peer.embedding_epochs, most),
        "k": LIST_LENGTH,
        "num_explained": NUM_EXPLAINED,
        "num_products": len((data / TUNE / f"{TUNE}.item").read_bytes().splitlines()) - 1,
    }
    path = scratch / "request.json"
    path.write_text(json.dumps(request), encoding="utf-8")
    driver = DRIVERS / f"{peer.library}_driver.py"
    took = run_driver([str(python), str(driver), str(path)], scratch=scratch, threads=threads)
    report: dict[str, Any] = json.loads((scratch / "report.json").read_text(encoding="utf-8"))
    return {**report, **took, "threads": threads}


def score_peer(scratch: Path, targets: Targets, *, cutoffs: tuple[int, ...]) -> dict[str, Any]:
    """Return the metrics of the rankings that a peer left."""
    return score_lists(rank_lists(targets, *read_lists(scratch / "lists.npz")), cutoffs)


def run_driver(command: list[str], *, scratch: Path, threads: int) -> dict[str, float]:
    """Run a driver to its end and return its wall and CPU seconds; its output goes to `log.txt`.

    Raises:
        PeerFailed: it did not end well.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        environment[name] = str(threads)
    environment |= {"CUDA_VISIBLE_DEVICES": "", "WANDB_MODE": "disabled", "HF_HUB_OFFLINE": "1"}
    log = scratch / "log.txt"
    start = time.perf_counter()
    with log.open("w", encoding="utf-8") as out:
        child = subprocess.Popen(
            command,
            cwd=scratch,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            _, status, spent = os.wait4(child.pid, 0)
        except BaseException:
            child.kill()
            child.wait()
            raise
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
        raise PeerFailed(f"{command[1]} ended with {child.returncode}; the whole output is in {log}\n{tail}")
    return {"wall_s": time.perf_counter() - start, "cpu_s": spent.ru_utime + spent.ru_stime}
