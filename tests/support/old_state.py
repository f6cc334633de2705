"""State files of earlier releases, made of one of this release by taking out what it added."""

import sqlite3
from pathlib import Path

from serving.events import EventLog, NewEvent

_ADDED = (
    "DROP TABLE sessions",
    "DROP TABLE session_events",
    "ALTER TABLE api_keys DROP COLUMN last_used_at_ms",
    "DROP INDEX recommendations_shown",
    "ALTER TABLE recommendations DROP COLUMN shown",
)
"""Takes out what version 9 added."""


def make_version_1(path: Path) -> None:
    """Write a state file as the first release did, with one event."""
    with EventLog.open(path) as log:
        log.append([NewEvent(event_id="e1", user_id="u1", product_id="p01", at_ms=1)])
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE recommendations")
        connection.execute("DROP TABLE api_keys")
        connection.execute("DROP TABLE runs")
        connection.execute("DROP TABLE products")
        connection.execute("DROP TABLE deletions")
        connection.execute("DROP TABLE rules")
        connection.execute("DROP TABLE impressions")
        connection.execute("DROP TABLE sessions")
        connection.execute("DROP TABLE session_events")
        connection.execute("DROP INDEX events_of_list")
        connection.execute("ALTER TABLE events DROP COLUMN recommendation_id")
        connection.execute("PRAGMA user_version = 1")
    connection.close()


def make_version_8(path: Path) -> None:
    """Make a state file one of the release before; nobody may have it open for writing."""
    with sqlite3.connect(path) as connection:
        for statement in (*_ADDED, "PRAGMA user_version = 8"):
            connection.execute(statement)
    connection.close()
