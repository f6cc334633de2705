"""Reads an input folder as a shop wants its people treated: pseudonyms, texts without addresses, nobody deleted."""

from dataclasses import dataclass, replace
from pathlib import Path

from kg.deletions import without_users
from kg.event_parts import Parting
from kg.progress import Progress, silent
from kg.reader import read_folder
from kg.validate import ReadReport
from serving.events import EventLog
from serving.settings import Settings


@dataclass(frozen=True, slots=True)
class FolderInput:
    """A checked folder."""

    report: ReadReport
    """Its tables hold nobody who was deleted; of events read in parts take `kg.deletions.events_of_users`."""
    num_deleted: int
    """Users who were, and are left out with all they did."""


def read_input(
    settings: Settings,
    folder: Path,
    *,
    quarantine: Path | None = None,
    parting: Parting | None = None,
    progress: Progress = silent,
) -> FolderInput:
    """Read and check an input folder for a project.

    Args:
        settings: of the project.
        folder: as `kg.reader.read_folder` takes it.
        quarantine: JSONL file where bad rows are set aside; None: a bad row is an error.
        parting: how a large event file is read in parts; None: it is read at once.
        progress: called as work moves.

    Raises:
        TableError: the folder cannot be used.
        PrivacyError: users were deleted, or are to be pseudonymised, and the shop's secret is missing or another one.
    """
    report = read_folder(
        folder,
        base=settings.schema,
        quarantine=quarantine,
        veil=settings.veil(),
        parting=parting,
        progress=progress,
    )
    if not settings.state.exists():
        return FolderInput(report, 0)
    with EventLog.open(settings.state, settings.secret_file) as log:
        gone = [user for user in report.tables.nodes["User"]["user_id"].to_pylist() if log.forgets(user)]
    tables = without_users(report.tables, gone) if gone else report.tables
    return FolderInput(replace(report, tables=tables), len(gone))
