"""`whycart runs`: what the retraining job did, run by run. What a run is stands in `serving.runs`."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cypher.errors import InputError
from gnn.bundles import BundleStore
from serving.cli.output import print_json, print_table, say
from serving.runs import Run, RunLog, differences
from serving.runs_page import Told, runs_page
from serving.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="List, show, compare and report runs of the retraining.")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RunId = Annotated[str, typer.Argument(metavar="ID", help="Id of the run, or how it begins.")]


@app.callback()
def _group() -> None:
    """List, show, compare and report runs of the retraining."""


@app.command("list")
def list_runs(
    limit: Annotated[int, typer.Option("-n", min=1, max=1000, help="How many of the latest.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the latest runs, the newest first, with what came of them.

    Example: whycart runs list
    """
    with _log() as log:
        runs = log.all(limit=limit)
    if as_json:
        print_json({"runs": [run_facts(run) for run in runs]})
        return
    if not runs:
        say("there was no run yet; 'whycart retrain' makes one")
        return
    rows = [(run.run_id, run.outcome, f"{run.took_s:.0f}", len(run.steps), run.version or "") for run in runs]
    print_table(("run", "outcome", "seconds", "steps", "model"), rows)


@app.command()
def show(run_id: RunId, as_json: AsJson = False) -> None:
    """Show a run: its steps, how long each took, and what came of it.

    Example: whycart runs show 20260131T120000Z
    """
    with _log() as log:
        run = log.find(run_id)
    if as_json:
        print_json(run_facts(run) | {"config": run.config})
        return
    say(f"{run.run_id}: {run.outcome}, process {run.pid} on {run.host}, learned from {run.data or 'the graph'}")
    print_table(
        ("step", "seconds", "what came out"), [(step.name, f"{step.took_s:.1f}", step.line) for step in run.steps]
    )
    if run.sentence:
        say(run.sentence)


@app.command()
def diff(before: RunId, after: RunId, as_json: AsJson = False) -> None:
    """Show what two runs were told, learned from and came to differently.

    Example: whycart runs diff 20260130 20260131
    """
    with _log() as log:
        found = differences(log.find(before), log.find(after))
    if as_json:
        print_json({"differences": [{"name": name, "before": old, "after": new} for name, old, new in found]})
        return
    if not found:
        say("the two runs do not differ")
        return
    print_table(("what", "before", "after"), [(name, _text(old), _text(new)) for name, old, new in found])


@app.command()
def report(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to write the page.")] = Path("runs.html"),
    limit: Annotated[int, typer.Option("-n", min=1, max=1000, help="How many of the latest runs.")] = 60,
) -> None:
    """Write a page on the latest runs: quality over time, what the gate refused, alarms.

    Example: whycart runs report --out runs.html
    """
    settings = load_settings()
    store = BundleStore(settings.bundles)
    with RunLog.open(settings.state) as log:
        runs = tuple(reversed(log.all(limit=limit)))
    if not runs:
        raise InputError("there was no run yet; 'whycart retrain' makes one")
    told = [Told(run, store.report_of(run.version)) for run in runs]
    out.write_text(runs_page(told, served=store.current_version()), encoding="utf-8")
    say(f"{len(told)} runs, written to {out}")


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


def _log() -> RunLog:
    return RunLog.open(load_settings().state)


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _text(value: object) -> str:
    return "" if value is None else str(value)
