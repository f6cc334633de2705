"""Runs of the retraining job: what each one did, step by step, and what came of it; one at a time in a project.

A run is written to the operational state when it begins and after every step, so that what a killed one had done can be
read. That it is over is known by its lock: the next run, which holds it, calls a run lost that never said its end.
"""

import contextlib
import json
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from filelock import FileLock, Timeout

from cypher.errors import WhycartError
from serving.errors import GateRefused, JobBusyError, LimitReached, UnknownRun
from serving.logs import log_to
from serving.state import RUNS, StateFile, open_state, translated

logger = logging.getLogger(__name__)
KEPT_LOGS = 100
_IN_TURN: sa.ColumnClause[int] = sa.literal_column("rowid", sa.Integer)
Outcome = Literal["running", "published", "refused", "failed", "stopped", "lost"]
"""What came of a run: `stopped` by whoever ran it or by a limit, `lost` where its process ended without a word."""


@dataclass(frozen=True, slots=True)
class RunStep:
    """One step of a run that was finished."""

    name: str
    took_s: float
    line: str
    """What came out of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run as it is recorded."""

    run_id: str
    started_at_ms: int
    ended_at_ms: int | None
    """Epoch milliseconds; None while it runs, and where it was lost."""
    outcome: Outcome
    host: str
    pid: int
    data: str | None
    """Input folder it learned from; None: the graph."""
    config: dict[str, Any]
    """Every setting it was told."""
    snapshot: str | None
    """Hash of what it learned from."""
    version: str | None
    """Bundle that it made."""
    sentence: str
    """Verdict, or error."""
    steps: tuple[RunStep, ...]

    @property
    def took_s(self) -> float:
        """Seconds from begin to end; of one without an end those of its steps."""
        if self.ended_at_ms is None:
            return sum(step.took_s for step in self.steps)
        return (self.ended_at_ms - self.started_at_ms) / 1000


class RunLog(StateFile):
    """The runs of one project."""

    @classmethod
    def open(cls, path: Path) -> "RunLog":
        """Open the runs in a state file, which is created when it is not there.

        Raises:
            StateError: the file cannot be opened or was written by a newer release.
        """
        return cls(path, open_state(path))

    def write(self, run: Run) -> None:
        """Write a run as it is now.

        Raises:
            StateError: the file cannot be written.
        """
        values = _row_of(run)
        with translated(self.path), self._engine.begin() as connection:
            if not connection.execute(sa.update(RUNS).where(RUNS.c.run_id == run.run_id).values(**values)).rowcount:
                connection.execute(sa.insert(RUNS), [values])

    def all(self, *, limit: int = 1000) -> tuple[Run, ...]:
        """Return the latest runs, the one that began last first, whatever the clock said.

        Raises:
            StateError: the file cannot be read.
        """
        statement = sa.select(RUNS).order_by(_IN_TURN.desc()).limit(limit)
        with translated(self.path), self._engine.connect() as connection:
            return tuple(_run_of(row) for row in connection.execute(statement))

    def latest_ends(self) -> dict[str, int]:
        """Return when the latest run of each outcome ended, epoch milliseconds.

        Raises:
            StateError: the file cannot be read.
        """
        statement = sa.select(RUNS.c.outcome, sa.func.max(RUNS.c.ended_at_ms)).group_by(RUNS.c.outcome)
        with translated(self.path), self._engine.connect() as connection:
            return {outcome: ended for outcome, ended in connection.execute(statement) if ended is not None}

    def find(self, run_id: str) -> Run:
        """Return the run whose id begins like this.

        Raises:
            UnknownRun: none does, or several do.
            StateError: the file cannot be read.
        """
        found = [run for run in self.all() if run.run_id.startswith(run_id)]
        if len(found) != 1:
            what = "no run has an id that begins" if not found else f"{len(found)} runs have ids that begin"
            raise UnknownRun(f"{what} with {run_id[:40]!r}; 'whycart runs list' shows them")
        return found[0]

    def lose_others(self) -> None:
        """Call lost every run that never said its end; call it holding the lock of the job."""
        for run in self.all():
            if run.outcome == "running":
                self.write(replace(run, outcome="lost", sentence="its process ended without a word"))


class RunRecorder:
    """Keeps the record of the run under way."""

    def __init__(self, log: RunLog, run: Run) -> None:
        """Write the beginning of a run."""
        before = next(iter(log.all(limit=1)), None)
        self.was_interrupted: bool = before is not None and before.outcome in ("lost", "stopped")
        """Whether the run before this one was killed or stopped."""
        self._log, self.run = log, run
        log.write(run)

    def step(self, name: str, took_s: float, line: str) -> None:
        """Write a step that was finished."""
        self._change(steps=(*self.run.steps, RunStep(name, round(took_s, 3), line)))

    def learned_from(self, snapshot: str) -> None:
        """Write the hash of what is learned from."""
        self._change(snapshot=snapshot)

    def end(self, outcome: Outcome, sentence: str, *, version: str | None = None) -> None:
        """Write what came of it."""
        self._change(outcome=outcome, sentence=sentence, version=version, ended_at_ms=_now_ms())

    def _change(self, **values: Any) -> None:
        self.run = replace(self.run, **values)
        self._log.write(self.run)


@contextlib.contextmanager
def recorded_run(
    state: Path, *, data: Path | None, config: dict[str, Any], ended: Callable[[Run], None] | None = None
) -> Iterator[RunRecorder]:
    """Run the job inside: alone in its project, and recorded whatever comes of it.

    Whoever calls it says how it ended well (`RunRecorder.end`); an exception is recorded and goes on.

    Args:
        state: the state file of the project; the lock lies beside it.
        data: input folder, None: the graph.
        config: every setting, as plain values.
        ended: hears how it ended, whatever came of it.

    Raises:
        JobBusyError: another run is under way; the text says whose.
        StateError: the state file cannot be written.
    """
    with _alone(state), RunLog.open(state) as log:
        log.lose_others()
        begun = Run(
            run_id=f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}",
            started_at_ms=_now_ms(),
            ended_at_ms=None,
            outcome="running",
            host=socket.gethostname(),
            pid=os.getpid(),
            data=None if data is None else str(data),
            config=config,
            snapshot=None,
            version=None,
            sentence="",
            steps=(),
        )
        recorder = RunRecorder(log, begun)
        _drop_old_logs(state)
        with log_to(log_file(state, begun.run_id)):
            try:
                with _ended(recorder):
                    yield recorder
            finally:
                if ended is not None:
                    ended(recorder.run)


@contextlib.contextmanager
def _ended(recorder: RunRecorder) -> Iterator[None]:
    """Record how a run ended that did not end well."""
    logger.info("run begun", extra={"run": recorder.run.run_id, "pid": recorder.run.pid})
    try:
        yield
    except GateRefused as err:
        recorder.end("refused", str(err), version=err.version)
        raise
    except KeyboardInterrupt:
        recorder.end("stopped", "stopped by Ctrl-C or SIGTERM")
        raise
    except LimitReached as err:
        recorder.end("stopped", str(err))
        raise
    except Exception as err:
        ours = isinstance(err, WhycartError)
        recorder.end("failed", str(err) if ours else f"{type(err).__name__}: {err}")
        logger.info("run failed", extra={"run": recorder.run.run_id}, exc_info=not ours)
        raise
    finally:
        logger.info("run ended", extra={"outcome": recorder.run.outcome, "sentence": recorder.run.sentence})


def log_file(state: Path, run_id: str) -> Path:
    """Return where the log of a run is: JSON lines beside the state file; the newest KEPT_LOGS are kept."""
    return state.with_name("logs") / f"{run_id}.jsonl"


def _drop_old_logs(state: Path) -> None:
    for file in sorted(state.with_name("logs").glob("*.jsonl"), key=lambda file: file.stat().st_mtime_ns)[
        : 1 - KEPT_LOGS
    ]:
        file.unlink(missing_ok=True)


@contextlib.contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Hold the lock of the job, which a process that dies lets go."""
    state.parent.mkdir(parents=True, exist_ok=True)
    lock, note = FileLock(state.with_name("retrain.lock"), timeout=0), state.with_name("retrain.json")
    try:
        lock.acquire()
    except Timeout as err:
        raise JobBusyError(f"another retraining is under way ({_holder(note)}); wait for it, or stop it") from err
    try:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        note.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}), "utf-8")
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def _holder(note: Path) -> str:
    try:
        holder = json.loads(note.read_text("utf-8"))
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (OSError, KeyError, TypeError, json.JSONDecodeError):
        return "a process that has just started"


def run_facts(run: Run) -> dict[str, Any]:
    """Return a run without its settings, for JSON."""
    facts = {
        name: value for name, value in asdict(run).items() if name not in ("config", "started_at_ms", "ended_at_ms")
    }
    times = {
        "started_at": _iso(run.started_at_ms),
        "ended_at": None if run.ended_at_ms is None else _iso(run.ended_at_ms),
    }
    return facts | times | {"took_s": round(run.took_s, 1)}


def alarms_of(report: Mapping[str, Any]) -> list[str]:
    """Return what a run saw of the live model's days that should wake somebody, in words.

    Args:
        report: of the bundle that the run made; empty where it made none, or it is gone.
    """
    return [one["sentence"] for one in report.get("drift", {}).get("watched", ()) if one["alarm"]]


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def differences(before: Run, after: Run) -> list[tuple[str, Any, Any]]:
    """Return what two runs were told or came to differently: name, value of the first, value of the second."""
    sides = [_flat(asdict(run)) for run in (before, after)]
    names = sorted({*sides[0], *sides[1]})
    return [
        (name, sides[0].get(name), sides[1].get(name)) for name in names if sides[0].get(name) != sides[1].get(name)
    ]


def flat_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by dotted name, such as `learn.k`."""
    return _flat(dict(config))


def _flat(value: dict[str, Any], start: str = "") -> dict[str, Any]:
    """Nested values by dotted name; of the steps the seconds."""
    found: dict[str, Any] = {}
    for name, entry in value.items():
        if name == "steps":
            found |= {f"seconds of {step['name']}": step["took_s"] for step in entry}
        elif isinstance(entry, dict):
            found |= _flat(entry, f"{start}{name}.")
        elif name not in ("run_id", "started_at_ms", "ended_at_ms", "pid"):
            found[start + name] = entry
    return found


def _row_of(run: Run) -> dict[str, Any]:
    values = {name: getattr(run, name) for name in _PLAIN}
    steps = json.dumps([asdict(step) for step in run.steps])
    return values | {"config": json.dumps(run.config, default=str), "steps": steps}


def _run_of(row: sa.Row[Any]) -> Run:
    steps: Sequence[dict[str, Any]] = json.loads(row.steps)
    plain = {name: getattr(row, name) for name in _PLAIN}
    return Run(**plain, config=json.loads(row.config), steps=tuple(RunStep(**step) for step in steps))


_PLAIN = (
    "run_id",
    "started_at_ms",
    "ended_at_ms",
    "outcome",
    "host",
    "pid",
    "data",
    "snapshot",
    "version",
    "sentence",
)


def _now_ms() -> int:
    return int(time.time() * 1000)
