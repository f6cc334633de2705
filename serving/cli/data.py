"""`whycart validate` and `whycart ingest`: an input folder is checked, and imported into the graph.

The checks are `kg.reader`'s and the writing is `kg.ingest`'s; here the answers are told.
"""

import shlex
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cypher.errors import InputError
from kg.admin_import import write_admin_files
from kg.declared_checks import ColumnCheck
from kg.event_parts import Parting
from kg.ingest import ImportOptions, IngestReport
from kg.ingest import ingest as write_tables
from kg.reader import read_folder_checks
from kg.store import GraphStore
from kg.validate import ReadReport
from serving.cli.health import EXIT_FAILED, AsJson, Html, as_facts, look, shop_now, tell
from serving.cli.merged import merged_facts, tell_merged
from serving.cli.output import print_json, print_table, progress_bars, say
from serving.folder_input import read_input
from serving.last_import import Moved, moved_since_last, remember_import
from serving.settings import Settings, load_settings

Folder = Annotated[Path, typer.Argument(help="Folder with products and events (CSV, JSONL or Parquet, also .gz).")]
Quarantine = Annotated[
    Path | None, typer.Option("--quarantine", metavar="FILE", help="Set bad rows aside in this JSONL file and go on.")
]


def validate(folder: Folder, as_json: AsJson = False, html: Html = None) -> None:
    """Check an input folder and change nothing.

    Bad rows are named and end the check; well-formed rows that make little sense together are findings, each with what
    to do. The exit code is 2 when a finding says that the data cannot be used as it is.

    Example: whycart validate shop --html shop.html
    """
    settings = load_settings()
    with progress_bars(wanted=not as_json) as progress:
        read = read_input(settings, folder, progress=progress)
    report = read.report
    shop = shop_now(report.tables)
    findings = look(shop, _declared(settings, folder, report), html=html, data=str(folder))
    moved = moved_since_last(settings, shop)
    if as_json:
        merged = {"merged": merged_facts(read.merged_products, read.rule)}
        print_json(_summary(report) | merged | {"findings": as_facts(findings), "moved": _moved(moved)})
    else:
        _tell(report, None)
        tell_merged(read.merged_products, read.rule)
        tell(findings, every=False)
        _tell_moved(moved)
    if any(one.verdict == "FAIL" for one in findings):
        raise typer.Exit(EXIT_FAILED)
    if not as_json:
        say(f"{folder} can be imported: whycart ingest {folder}")


def ingest(
    folder: Folder,
    quarantine: Quarantine = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and count, but leave the graph alone.")] = False,
    on_conflict: Annotated[
        str,
        typer.Option(metavar="KEEP", help="What is there with other properties: replace it (the usual), or keep it."),
    ] = "replace",
    whole_catalogue: Annotated[
        bool,
        typer.Option("--whole-catalogue", help="Products of the graph that FOLDER does not list can no longer be had."),
    ] = False,
    admin: Annotated[
        Path | None,
        typer.Option("--neo4j-admin", metavar="FOLDER", help="Write files for Neo4j's own import there instead."),
    ] = None,
    part_mb: Annotated[
        int,
        typer.Option(metavar="MB", min=1, help="An event file larger than this is read in parts of this size."),
    ] = 256,
    as_json: AsJson = False,
) -> None:
    """Import an input folder into the graph.

    Importing the same folder again changes nothing. Without --quarantine a single bad row stops the import before
    anything is written. For the first load of millions of rows into a Neo4j that can be stopped, --neo4j-admin writes
    files for its own import and prints the command, which is several times quicker. An event file of any size may be
    read: one larger than --part-mb is read and written in parts, and the memory needed is that of a part.

    Example: whycart ingest shop --quarantine bad-rows.jsonl
    """
    settings, keep = load_settings(), _keeps(on_conflict)
    with progress_bars(wanted=not as_json) as progress, tempfile.TemporaryDirectory() as room:
        # What is there is looked at before it is kept, so that is not done in parts.
        parting = None if keep else Parting(Path(room), part_mb << 20)
        read = read_input(settings, folder, quarantine=quarantine, parting=parting, progress=progress)
        written: IngestReport | None = None
        if admin is not None:
            arguments = write_admin_files(read.report.tables, admin, parts=read.parts)
        elif not dry_run:
            with GraphStore.open(settings.graph) as store:
                written = write_tables(
                    store,
                    read.unmerged,
                    secret=settings.secret(),
                    options=ImportOptions(keep=keep, whole_catalogue=whole_catalogue, merge=read.rule),
                    parts=read.report.parts or (),
                    progress=progress,
                )
            if read.report.parts is None:
                remember_import(settings, shop_now(read.report.tables), str(folder))
    num_deleted = read.num_deleted + (0 if written is None else written.num_deleted)
    merged = read.merged_products if written is None else written.merged
    if as_json:
        facts = {"dry_run": dry_run, "deleted_users": num_deleted, "written": _written(written)}
        print_json(_summary(read.report) | {"merged": merged_facts(merged, read.rule)} | facts)
        return
    _tell(read.report, quarantine)
    tell_merged(merged, read.rule, num_away=0 if written is None else written.num_merged_away)
    if num_deleted:
        noun = "user who was" if num_deleted == 1 else "users who were"
        say(f"{num_deleted:,} {noun} deleted stayed out, with all events; 'whycart users allow' lets one come back")
    if admin is not None:
        tell_admin(arguments)
        return
    if written is None:
        say("the graph was left alone (--dry-run)")
        return
    _tell_written(written, keep=keep)


def _tell_written(written: IngestReport, *, keep: bool) -> None:
    say(
        f"imported {written.num_rows:,} rows in {written.took_s:.1f} s ({written.rows_per_s:,.0f} rows/s); new: "
        f"{written.nodes_created:,} nodes, {written.edges_created:,} relations, {written.events_created:,} events"
    )
    if written.num_retired:
        say(f"{written.num_retired:,} products that the folder does not list are no longer available; history stays")
    if written.num_conflicts:
        what = "kept as they were" if keep else "replaced"
        say(f"{written.num_conflicts:,} rows were there with other properties and were {what} (--on-conflict)")


def _keeps(on_conflict: str) -> bool:
    if on_conflict not in ("replace", "keep"):
        raise InputError(f"--on-conflict takes replace or keep, got {on_conflict!r}")
    return on_conflict == "keep"


def tell_admin(arguments: Sequence[str]) -> None:
    """Say how files that `kg.admin_import` wrote are read by Neo4j."""
    say(f"{len(arguments) - 1} files are written; with Neo4j stopped:")
    say(shlex.join(["neo4j-admin", "database", "import", "full", "neo4j", *arguments]))
    say("then start it and run 'whycart ingest' of the same folder: nothing is new, and the constraints are made")


def _written(report: IngestReport | None) -> Mapping[str, Any] | None:
    if report is None:
        return None
    return {
        "num_rows": report.num_rows,
        "nodes_created": report.nodes_created,
        "edges_created": report.edges_created,
        "events_created": report.events_created,
        "conflicts": report.num_conflicts,
        "retired_products": report.num_retired,
        "merged_away_products": report.num_merged_away,
        "took_s": report.took_s,
        "rows_per_s": report.rows_per_s,
    }


def _declared(settings: Settings, folder: Path, report: ReadReport) -> list[ColumnCheck]:
    """What project and folder ask of columns; where the folder is the project, it is said once."""
    of_folder = read_folder_checks(folder, report.tables.schema)
    same = settings.source.file is not None and settings.source.file.absolute().parent == folder.absolute()
    return [*of_folder, *([] if same else settings.checks())]


def _moved(moved: Moved | None) -> Mapping[str, Any] | None:
    if moved is None:
        return None
    rows = [
        {"name": one.name, "psi": round(one.psi, 4), "verdict": one.verdict, "most": one.most} for one in moved.shifts
    ]
    return {"since": moved.at, "folder": moved.folder, "shifts": rows}


def _tell_moved(moved: Moved | None) -> None:
    if moved is None:
        return
    rows = [(one.name, f"{one.psi:.2f}", one.verdict, one.most) for one in moved.shifts if one.verdict != "none"]
    since = f"since the import of {moved.folder} at {moved.at}"
    if not rows:
        say(f"nothing is spread otherwise {since}, by PSI")
        return
    say(f"spread otherwise {since}; from 0.25 on ask whether the shop has changed or the feed:")
    print_table(("what", "PSI", "shift", "most of all"), rows)


def _summary(report: ReadReport) -> dict[str, Any]:
    tables = report.tables
    return {
        "nodes": {label: table.num_rows for label, table in tables.nodes.items()},
        "relations": {name: table.num_rows for name, table in tables.edges.items()},
        "events": dict(report.num_events),
        "parts": 0 if report.parts is None else len(report.parts.paths),
        "order": report.order,
        "files": dict(report.files),
        "quarantined": report.quarantined,
        "warnings": list(report.warnings),
    }


def _tell(report: ReadReport, quarantine: Path | None) -> None:
    summary = _summary(report)
    groups = (("node", summary["nodes"]), ("relation", summary["relations"]), ("event", summary["events"]))
    print_table(
        ("kind", "name", "rows"), [(kind, name, rows) for kind, part in groups for name, rows in part.items() if rows]
    )
    if report.parts is not None:
        say(f"{report.parts.file} was read in {len(report.parts.paths)} parts (--part-mb)")
    for warning in report.warnings:
        say(f"note: {warning}")
    if report.quarantined:
        noun = "row was" if report.quarantined == 1 else "rows were"
        say(f"{report.quarantined} bad {noun} set aside in {quarantine}")
