"""`python -m bench.kills`: a retraining is killed again and again, and still makes the model of an undisturbed one.

A small generated shop is learned from once undisturbed. Then the job is killed (SIGKILL) right after every step it
records, one run a step, again and again in the middle of its training, and at random moments; each time it is started
again until it ends. All that while an API serves the shop to a client that holds every answer against the others of the
same version. Told are the kills, how far each job had come, whether every job ended with the same model (`model_hash`),
and what the client saw.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.figures import commit_name, processor_name
from bench.readers import Readers
from bench.serving import COMMAND, running
from gnn.bundles import BundleStore
from gnn.checkpoint import FILE
from kg.input_folder import write_folder
from kg.sources.generated import generated_shop
from serving.runs import Run, RunLog

WRITES = (1, 3, 6)
"""How often the state of a training is written before each kill in it."""
STEPS = ("snapshot", "watch", "encode", "train", "evaluate", "fit on everything", "explain", "gate", "publish")
SETTINGS = """[train]
small_epochs = 2
min_steps = 20
checkpoint_minutes = 0.001
device = "cpu"
[model]
dim = 16
heads = 2
[learn]
k = 10
"""
_LOOK_S = 0.003
_END_S = 600


class Job:
    """The retraining of one project, to be started and killed."""

    def __init__(self, project: Path, data: Path) -> None:
        self._project, self._data = project, data
        self.home = project / ".whycart"
        self.store = BundleStore(self.home / "bundles")

    def start(self) -> subprocess.Popen[bytes]:
        """Start it; what it says goes nowhere, its record says it all."""
        return subprocess.Popen(
            [sys.executable, "-c", COMMAND, "retrain", "--data", str(self._data)],
            cwd=self._project,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def run(self) -> float:
        """Run it to its end, and return the seconds.

        Raises:
            CalledProcessError: it did not end with a published model.
        """
        started, process = time.perf_counter(), self.start()
        if process.wait(_END_S):
            raise subprocess.CalledProcessError(process.returncode, "whycart retrain")
        return time.perf_counter() - started

    def kill_after(self, step: str) -> int:
        """Start it, kill it when it has recorded a step, and return how many steps it had recorded.

        A job that ends before one looks is not killed; all its steps are returned then.
        """
        process, place = self.start(), STEPS.index(step) + 1
        while process.poll() is None and len(self.latest(process.pid).steps) < place:
            time.sleep(_LOOK_S)
        _kill(process)
        return len(self.latest(process.pid).steps)

    def kill_in_training(self, writes: int) -> bool:
        """Start it, kill it when it has so often written the state of its training, and return whether it was."""
        state, seen, process = self.home / "work" / "training" / FILE, set[int](), self.start()
        before = _written(state)
        while process.poll() is None and len(seen) < writes:
            seen |= {_written(state)} - {before, 0}
            time.sleep(_LOOK_S)
        _kill(process)
        return process.returncode < 0

    def kill_at(self, seconds: float) -> int | None:
        """Start it, kill it after some seconds, and return how many steps it had recorded; None where it had ended."""
        process = self.start()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            _kill(process)
            return len(self.latest(process.pid).steps)
        return None

    def latest(self, pid: int) -> Run:
        """Return the latest run of a process; an empty one before it has begun."""
        with RunLog.open(self.home / "state.db") as log:
            found = next(iter(log.all(limit=1)), None)
        return found if found is not None and found.pid == pid else _NOT_BEGUN

    @property
    def model(self) -> str:
        """Hash of the model that is served."""
        return str(self.store.current().model_hash)


_NOT_BEGUN = Run(
    run_id="", started_at_ms=0, ended_at_ms=None, outcome="running", host="", pid=0, data=None, config={},
    snapshot=None, version=None, sentence="", steps=(),
)  # fmt: skip


def _written(path: Path) -> int:
    """When a file was written, in nanoseconds; 0 where it is not there."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait()


def at_boundaries(job: Job, expected: str) -> list[dict[str, Any]]:
    """Kill one job after each step it records, then let it end."""
    found = []
    for step in STEPS:
        _forget(job)
        steps = job.kill_after(step)
        seconds = job.run()
        found.append({"killed_after": step, "steps": steps, "then_s": round(seconds, 1), "same": job.model == expected})
        print(json.dumps(found[-1]), flush=True)
    return found


def in_training(job: Job, expected: str) -> dict[str, Any]:
    """Kill one job again and again in the middle of its training, a little later each time, then let it end."""
    _forget(job)
    killed = [job.kill_in_training(writes) for writes in WRITES]
    seconds = job.run()
    with RunLog.open(job.home / "state.db") as log:
        lines = {entry.name: entry.line for entry in next(iter(log.all(limit=1))).steps}
    went_on, same = "its training went on" in lines["train"], job.model == expected
    found = {"kills": sum(killed), "went_on": went_on, "then_s": round(seconds, 1), "same": same}
    print(json.dumps(found), flush=True)
    return found


def at_random(job: Job, expected: str, *, kills: int, within_s: float, seed: int) -> dict[str, Any]:
    """Kill jobs at random moments, one job again and again until it ends, until so many kills have happened."""
    draw, jobs, same, steps = random.Random(seed), 0, 0, list[int]()
    while len(steps) < kills:
        _forget(job)
        while len(steps) < kills and (recorded := job.kill_at(draw.uniform(0.0, within_s))) is not None:
            steps.append(recorded)
        if len(steps) == kills:
            job.run()
        jobs, same = jobs + 1, same + (job.model == expected)
        print(json.dumps({"kills": len(steps), "jobs": jobs, "same": same}), flush=True)
    by_steps = {str(number): steps.count(number) for number in range(len(STEPS) + 1)}
    return {"kills": len(steps), "jobs": jobs, "same": same, "kills_by_steps_recorded": by_steps}


def _forget(job: Job) -> None:
    """Throw away what makes a run short: vectors and the exported encoder, and all models but the one served."""
    shutil.rmtree(job.home / "cache", ignore_errors=True)
    for version in job.store.versions():
        if version != job.store.current_version():
            shutil.rmtree(job.store.folder / version)


def measure(*, kills: int, seed: int) -> dict[str, Any]:
    """Kill, and return what was seen."""
    with tempfile.TemporaryDirectory() as room:
        project, data = Path(room) / "project", Path(room) / "shop"
        project.mkdir()
        data.mkdir()
        (project / "whycart.toml").write_text(SETTINGS, encoding="utf-8")
        write_folder(generated_shop(products=90, brands=6, users=50, events=2400).tables, data)
        job = Job(project, data)
        seconds = job.run()
        expected = job.model
        serve = [sys.executable, "-c", COMMAND, "serve", "--port", "0"]
        with running(serve, {"WHYCART_HOME": str(job.home)}) as server:
            with Readers(
                server.address, job.store.current().snapshot.ids("User")[:20], clients=1, pause_s=0.1
            ) as readers:
                boundaries, training = at_boundaries(job, expected), in_training(job, expected)
                drawn = at_random(job, expected, kills=kills, within_s=1.2 * seconds, seed=seed)
            seen = readers.seen()
        found = {"boundaries": boundaries, "in_training": training, "random": drawn, "client": seen}
        return {"undisturbed_s": round(seconds, 1), **found}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and tell; return the exit code: 1 where a model differs or an answer was wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.kills", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="at random moments")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    options = parser.parse_args(argv)
    found = {"processor": processor_name(), "threads": os.cpu_count(), "commit": commit_name()}
    found |= measure(kills=options.kills, seed=options.seed)
    print(json.dumps({name: found[name] for name in ("undisturbed_s", "in_training", "random", "client")}))
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    told = [*found["boundaries"], found["in_training"]]
    good = all(entry["same"] for entry in told) and found["random"]["same"] == found["random"]["jobs"]
    return 0 if good and not found["client"]["failed"] and not found["client"]["mixed"] else 1


if __name__ == "__main__":
    sys.exit(main())
