"""Reads an input folder as a shop wants it: pseudonyms, texts without addresses, nobody deleted, every product once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from kg.deletions import without_users
from kg.event_parts import Parting
from kg.merge_rule import MergeRule
from kg.merging import Merged, MergedProduct, doubts_of, merge_products
from kg.progress import Progress, silent
from kg.reader import read_folder, read_folder_merge_rule
from kg.tables import Tables
from kg.validate import ReadReport
from serving.events import EventLog
from serving.settings import Settings


@dataclass(frozen=True, slots=True)
class FolderInput:
    """A checked folder."""

    report: ReadReport
    """Its tables hold nobody who was deleted, and every product once; for events read in parts see `parts`."""
    num_deleted: int
    """Users who were, and are left out with all they did."""
    unmerged: Tables
    """The tables before products were merged: an import into a graph looks which ids are there."""
    rule: MergeRule | None
    """When two products are one: what the folder says, else what the project says."""
    merged: Merged | None
    """What became of the tables; None where there is no rule."""

    @property
    def merged_products(self) -> tuple[MergedProduct, ...]:
        """Products that the folder has under several ids."""
        return () if self.merged is None else self.merged.products

    @property
    def parts(self) -> Iterator[pa.Table]:
        """Further events where their file was read in parts, by the ids that stay; those of users who were deleted are
        among them, and `kg.ingest` and `kg.admin_import` leave them out."""
        for part in self.report.parts or ():
            yield part if self.merged is None else self.merged.events(part)


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
        SchemaError: folder or project declare something wrong.
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
    gone = _deleted(settings, report.tables)
    tables = without_users(report.tables, gone) if gone else report.tables
    rule = read_folder_merge_rule(folder) or settings.merge_rule()
    if rule is None:
        return FolderInput(replace(report, tables=tables), len(gone), tables, None, None)
    merged = merge_products(tables, rule)
    report = replace(report, tables=merged.tables, warnings=(*report.warnings, *doubts_of(rule, tables)))
    return FolderInput(report, len(gone), tables, rule, merged)


def _deleted(settings: Settings, tables: Tables) -> list[str]:
    if not settings.state.exists():
        return []
    with EventLog.open(settings.state, settings.secret_file) as log:
        return [user for user in tables.nodes["User"]["user_id"].to_pylist() if log.forgets(user)]
