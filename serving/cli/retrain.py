"""`whycart retrain`: the whole job, alone in its project, recorded, and going on where it was interrupted.

The job is `serving.retrain`'s, the record `serving.runs`'s; here it is said where the input comes from, and the outcome
is told.
"""

import contextlib
import functools
import logging
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import tenacity
import typer

from cypher.errors import InputError
from gnn.errors import BundleError
from gnn.report import report_to_json
from gnn.split import SplitName
from kg.errors import GraphUnavailable, SnapshotError
from kg.progress import Progress
from kg.snapshot import Snapshot
from kg.snapshot_files import load_snapshot, save_snapshot
from kg.store import GraphStore
from serving.checkpoint import Checkpoint
from serving.cli.learn import (
    AsJson,
    Cutoff,
    Data,
    Split,
    not_empty,
    read_config,
    read_snapshot,
    tell_report,
    use_all_cores,
)
from serving.cli.output import print_json, progress_bars, say
from serving.cli.repeat import Plan, parse_cron, parse_every, repeat
from serving.cli.times import parse_time
from serving.events import EventLog
from serving.graph_input import Applied, snapshot_with_events
from serving.job_config import JobConfig
from serving.limits import within
from serving.model_store import open_models
from serving.people_data import forget_in_models
from serving.products import ProductLog
from serving.retrain import Place, Retrained
from serving.retrain import retrain as run_retrain
from serving.retrain_config import RetrainConfig, describe
from serving.runs import Run, RunRecorder, recorded_run
from serving.settings import Settings, load_settings
from serving.steps import StepOutcome
from serving.tracking import check_tracking, curves_folder, track
from serving.tracking_config import TrackingConfig
from serving.versions import package_versions

logger = logging.getLogger(__name__)
_SNAPSHOT = "snapshot"


def retrain(
    data: Data = None,
    cutoff: Cutoff = None,
    split: Split = None,
    incremental: Annotated[
        bool, typer.Option("--incremental", help="Tune nothing where what the live model decided still holds.")
    ] = False,
    afresh: Annotated[
        bool, typer.Option("--afresh", help="Do not go on where a run that was killed or stopped had come to.")
    ] = False,
    every: Annotated[
        str | None, typer.Option("--every", metavar="TIME", help="Again and again, such as every 6h, until Ctrl-C.")
    ] = None,
    cron: Annotated[
        str | None,
        typer.Option("--cron", metavar="LINE", help="Again and again, such as '0 3 * * *', until Ctrl-C."),
    ] = None,
    force_publish: Annotated[
        bool, typer.Option("--force-publish", help="Publish even what the gate refuses; needs --reason.")
    ] = False,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why the gate is overruled; kept in the record.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run everything from the snapshot to the published bundle.

    Waiting events of the API are written to the graph first. Ends with exit code 3 when the gate refuses the model;
    the one served so far then stays. One at a time in a project; 'whycart runs' says what each did. A run that was
    killed or stopped less than a day ago is gone on with.

    Example: whycart retrain
    """
    forced = _forced(force_publish, reason)
    if every is not None or cron is not None:
        once = {"--cutoff": cutoff, "--reason": reason, "--afresh": afresh, "--json": as_json}
        _again_and_again(_plan(every, cron), incremental=incremental, data=data, split=split, once=once)
        return
    settings, until = load_settings(), parse_time(cutoff)
    config = read_config(settings, split=split, cutoff=until, incremental=incremental)
    tracking = settings.section("tracking", TrackingConfig)
    tracker = _tracker(settings, tracking)
    use_all_cores()
    with (
        _stoppable(),
        progress_bars(wanted=not as_json) as progress,
        recorded_run(settings.state, data=data, config=describe(config), ended=tracker) as record,
        within(config.job),
    ):
        work, bundles = Checkpoint(settings.work), open_models(settings)
        goes_on = work.begin(_identity(data, config), resume=record.was_interrupted and not afresh)
        if goes_on:
            say("going on where the run before was interrupted")
        started = time.perf_counter()
        made, applied = _patient(config.job)(
            _input, settings, data, work, cutoff=until, refresh=incremental, progress=progress
        )
        bundles.tidy(keep_draft=work.read("train") is not None)
        record.learned_from(made.hash)
        record.step("snapshot", time.perf_counter() - started, _counts_of(made))
        done = run_retrain(
            made,
            Place(bundles, settings.cache, work, curves_folder(tracking, record.run.run_id)),
            config=config,
            applied=applied,
            forced=forced,
            progress=progress,
            step_done=_Teller(record, quiet=as_json),
        )
        record.end("published", done.verdict.sentence, version=done.bundle.version)
        work.clear()
        _forget_in_models(settings, applied=applied.deletions)
    _tell(done, record.run.run_id, as_json=as_json)


def _plan(every: str | None, cron: str | None) -> Plan:
    if every is not None and cron is not None:
        raise InputError("--every and --cron exclude each other; give one of them")
    return parse_every(every, name="--every") if every is not None else parse_cron(cron or "", name="--cron")


def _again_and_again(
    plan: Plan, *, incremental: bool, data: Path | None, split: SplitName | None, once: Mapping[str, object]
) -> None:
    """Run the job by a plan, each time in a process of its own."""
    if named := [option for option, value in once.items() if value]:
        verb = "is" if len(named) == 1 else "are"
        raise InputError(f"{' and '.join(named)} {verb} for one run; leave it out with --every and --cron")
    arguments = ["retrain", *(["--incremental"] if incremental else [])]
    arguments += [] if data is None else ["--data", str(data)]
    arguments += [] if split is None else ["--split", split]
    with _stoppable():
        repeat(arguments, plan)


def _identity(data: Path | None, config: RetrainConfig) -> Mapping[str, object]:
    """What two runs must have in common for one to go on where the other was."""
    told = {name: value for name, value in describe(config).items() if name not in ("alerts", "job", "publish")}
    return {"data": data, "config": told, "packages": package_versions()}


def _forced(force_publish: bool, reason: str | None) -> str | None:
    """Why the gate is overruled; None where it is not."""
    if force_publish and not (reason or "").strip():
        raise InputError("--force-publish needs --reason TEXT: who reads the record later wants to know why")
    if reason is not None and not force_publish:
        raise InputError("--reason says why the gate is overruled; give --force-publish too, or leave it out")
    return reason


def _tracker(settings: Settings, config: TrackingConfig) -> Callable[[Run], None] | None:
    """What writes the run down elsewhere when it has ended; None: nobody asked for it."""
    check_tracking(config)
    return functools.partial(track, config, open_models(settings)) if config.mlflow_uri else None


class _Teller:
    """Records each step and tells it."""

    def __init__(self, record: RunRecorder, *, quiet: bool) -> None:
        self._record, self._quiet = record, quiet

    def __call__(self, step: StepOutcome) -> None:
        self._record.step(step.name, step.took_s, step.line)
        if self._quiet:
            return
        say(f"{step.name}: {step.line} ({step.took_s:.1f} s)")
        if step.report is not None:
            tell_report(step.report)


def _patient(limits: JobConfig) -> tenacity.Retrying:
    """What waits for a graph server that is gone for a while; everything is read anew then."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(GraphUnavailable),
        wait=tenacity.wait_exponential_jitter(initial=1.0, max=60.0),
        stop=tenacity.stop_after_delay(60.0 * limits.graph_wait_minutes),
        before_sleep=tenacity.before_sleep_log(logger, logging.WARNING),
        reraise=True,
    )


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Take SIGTERM as Ctrl-C, so that a job that is told to stop says so in its record."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _input(
    settings: Settings,
    data: Path | None,
    work: Checkpoint,
    *,
    cutoff: datetime | None,
    refresh: bool,
    progress: Progress,
) -> tuple[Snapshot, Applied]:
    """Return the snapshot to learn from and what of the logs is in it: the one of an interrupted run, or the newest.

    A folder is read again in any case; where it has changed, nothing of an interrupted run is used.
    """
    kept, folder = work.read(_SNAPSHOT), work.folder(_SNAPSHOT)
    if kept is not None and data is None and folder is not None:
        made_of = Applied(kept["events"], kept["products"], kept.get("deletions", 0))
        with contextlib.suppress(SnapshotError):
            if made_of.deletions == _last_deletion(settings):
                return load_snapshot(folder), made_of
    made, applied = _newest_snapshot(settings, data, cutoff=cutoff, refresh=refresh, progress=progress)
    if kept is not None and kept["hash"] != made.hash:
        work.clear()
    if data is None and folder is not None and not folder.exists():
        save_snapshot(made, folder)
    work.write(_SNAPSHOT, {"hash": made.hash, **asdict(applied)})
    return made, applied


def _newest_snapshot(
    settings: Settings, data: Path | None, *, cutoff: datetime | None, refresh: bool, progress: Progress
) -> tuple[Snapshot, Applied]:
    if data is not None or not settings.state.exists():
        gone = _last_deletion(settings)
        return read_snapshot(settings, data, cutoff=cutoff, progress=progress), Applied(deletions=gone)
    known, state = _served_snapshot(settings), settings.state
    with (
        EventLog.open(state, settings.secret_file) as log,
        ProductLog.open(state) as products,
        GraphStore.open(settings.graph) as store,
    ):
        made, applied = snapshot_with_events(
            store,
            settings.schema,
            log=log,
            products=products,
            known=known,
            refresh=refresh,
            cutoff=cutoff,
            progress=progress,
        )
    return not_empty(made), applied


def _last_deletion(settings: Settings) -> int:
    """Number of the latest deletion of a user; 0 without any."""
    if not settings.state.exists():
        return 0
    with EventLog.open(settings.state, settings.secret_file) as log:
        return log.deletions.last()


def _forget_in_models(settings: Settings, *, applied: int) -> None:
    """Delete what holds users who are gone, now that a model without them is there."""
    if not applied:
        return
    with EventLog.open(settings.state, settings.secret_file) as log:
        gone = forget_in_models(open_models(settings), settings.snapshots, log.deletions, applied=applied)
    if gone:
        logger.warning("deleted, as they held users who were deleted: %s", ", ".join(gone))


def _served_snapshot(settings: Settings) -> Snapshot | None:
    """Snapshot of the model that is served; None without one that can be read."""
    with contextlib.suppress(BundleError):
        return open_models(settings).current().snapshot
    return None


def _counts_of(made: Snapshot) -> str:
    nodes = ", ".join(f"{made.num_nodes(label):,} {label}" for label in sorted(made.nodes))
    return f"{nodes}; {len(made.events):,} events"


def _tell(done: Retrained, run_id: str, *, as_json: bool) -> None:
    if as_json:
        print_json(_facts(done) | {"run": run_id})
        return
    say(done.verdict.sentence)
    say("whycart serve answers with it; it takes a new model up by itself")


def _facts(done: Retrained) -> dict[str, Any]:
    return {
        "version": done.bundle.version,
        "published": True,
        "verdict": done.verdict.sentence,
        "snapshot": done.bundle.snapshot.hash,
        "events_applied": done.bundle.events_applied,
        "report": report_to_json(done.report),
        "seconds": dict(done.seconds),
    }
