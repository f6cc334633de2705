"""State files of earlier releases, made of one of this release by taking out what it added."""

import sqlite3
from pathlib import Path

_ADDED = (
    "DROP TABLE sessions",
    "DROP TABLE session_events",
    "ALTER TABLE api_keys DROP COLUMN last_used_at_ms",
    "DROP INDEX recommendations_shown",
    "ALTER TABLE recommendations DROP COLUMN shown",
)
"""Takes out what version 9 added."""


def make_version_8(path: Path) -> None:
    """Make a state file one of the release before; nobody may have it open for writing."""
    with sqlite3.connect(path) as connection:
        for statement in (*_ADDED, "PRAGMA user_version = 8"):
            connection.execute(statement)
    connection.close()
