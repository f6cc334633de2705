"""`whycart runs`: what the retraining job did, run by run. What a run is stands in `serving.runs`."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cypher.errors import InputError
from serving.cli.output import print_json, print_table, say
from serving.model_store import open_models
from serving.runs import RunLog, differences, log_file, run_facts
from serving.runs_page import Told, runs_page
from serving.settings import load_settings

app = typer.Typer(
    no_args_is_help=True, help="List, show, compare and report runs of the retraining, and print their logs."
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RunId = Annotated[str, typer.Argument(metavar="ID", help="Id of the run, or how it begins.")]


@app.callback()
def _group() -> None:
    """List, show, compare and report runs of the retraining, and print their logs."""


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
    store = open_models(settings)
    with RunLog.open(settings.state) as log:
        runs = tuple(reversed(log.all(limit=limit)))
    if not runs:
        raise InputError("there was no run yet; 'whycart retrain' makes one")
    told = [Told(run, store.report_of(run.version)) for run in runs]
    out.write_text(
        runs_page(told, served=store.current_version(), canaries=store.canary.ended()[-limit:]), encoding="utf-8"
    )
    say(f"{len(told)} runs, written to {out}")


@app.command()
def logs(
    run_id: RunId,
    warnings: Annotated[bool, typer.Option("--warnings", help="Only warnings and errors.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print what a run logged, one line each; the logs of the latest 100 runs are kept.

    Example: whycart runs logs 20260131 --warnings
    """
    settings = load_settings()
    with RunLog.open(settings.state) as log:
        file = log_file(settings.state, log.find(run_id).run_id)
    if not file.is_file():
        raise InputError(f"the log of this run is not kept any more ({file})")
    for line in file.read_text(encoding="utf-8").splitlines():
        entry = _entry(line)
        if warnings and entry.get("level") in ("debug", "info"):
            continue
        sys.stdout.write((line if as_json else _told(entry)) + "\n")


def _entry(line: str) -> dict[str, Any]:
    """A line of a log; the last one of a run that was killed may be cut off."""
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        return {"message": line}
    return entry


def _told(entry: dict[str, Any]) -> str:
    facts = [
        f"{name}={value}"
        for name, value in entry.items()
        if name not in ("at", "level", "logger", "message", "traceback")
    ]
    parts = [entry.get("at", ""), entry.get("level", ""), f"{entry.get('logger', '')}: {entry['message']}", *facts]
    return " ".join(part for part in parts if part) + ("\n" + entry["traceback"] if "traceback" in entry else "")


def _log() -> RunLog:
    return RunLog.open(load_settings().state)


def _text(value: object) -> str:
    return "" if value is None else str(value)
