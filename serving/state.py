"""The operational state of a project: one SQLite file that several API processes and jobs share.

It says which tables there are, opens the file so that a commit is on the disk when it returns, and turns the
database's errors into ours. What the tables mean is said by their users (`serving.events`, `serving.records`,
`serving.impressions`, `serving.keys`, `serving.runs`, `serving.products`, `serving.rule_log`, `serving.sessions`); no
model and no graph is kept here.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
import tenacity
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.schema import CreateColumn

from serving.errors import StateError

FORMAT_VERSION = 9
"""Format of the file, kept in SQLite's `user_version`; an older file is brought up when it is opened."""
BUSY_TIMEOUT_S = 10.0
"""How long a writer waits for another process's transaction."""
_SWITCH_PAUSE_S = 0.02
_POOL_SIZE = 8
_POOL_OVERFLOW = 40

METADATA = sa.MetaData()
EVENTS = sa.Table(
    "events",
    METADATA,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("event_id", sa.Text, nullable=False, unique=True),
    sa.Column("user_id", sa.Text, nullable=False),
    sa.Column("product_id", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("at_ms", sa.Integer, nullable=False),
    sa.Column("quantity", sa.Float),
    sa.Column("value", sa.Float),
    sa.Column("received_at_ms", sa.Integer, nullable=False),
    sa.Column("state", sa.Integer, nullable=False, server_default="0"),
    sa.Column("note", sa.Text),
    sa.Column("recommendation_id", sa.Text),
    sa.Index("events_of_user", "user_id", "seq"),
    sqlite_autoincrement=True,
)
"""Received events in the order of their arrival; `state` is 0 pending, 1 in the graph, 2 refused by the graph, and
`recommendation_id` the list that an event came from, if it says so."""
sa.Index("events_by_state", EVENTS.c.state, EVENTS.c.seq, sqlite_where=EVENTS.c.state != 1)
sa.Index("events_of_list", EVENTS.c.recommendation_id, sqlite_where=EVENTS.c.recommendation_id.is_not(None))
RECOMMENDATIONS = sa.Table(
    "recommendations",
    METADATA,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("recommendation_id", sa.Text, nullable=False, unique=True),
    sa.Column("at_ms", sa.Integer, nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("user_id", sa.Text),
    sa.Column("request", sa.LargeBinary, nullable=False),
    sa.Column("model_version", sa.Text, nullable=False),
    sa.Column("graph_version", sa.Text, nullable=False),
    sa.Column("events_after", sa.Integer, nullable=False),
    sa.Column("events_until", sa.Integer),
    sa.Column("answer", sa.LargeBinary, nullable=False),
    sa.Column("shown", sa.LargeBinary),
)
"""Lists as they were answered; `request` and `answer` are JSON, compressed with zlib; `shown` is what a user was shown
by marks (`serving.showings`), of lists that are for a user's eyes."""
sa.Index("recommendations_of_user", RECOMMENDATIONS.c.user_id, sqlite_where=RECOMMENDATIONS.c.user_id.is_not(None))
sa.Index(
    "recommendations_shown",
    RECOMMENDATIONS.c.user_id,
    RECOMMENDATIONS.c.at_ms,
    RECOMMENDATIONS.c.recommendation_id,
    RECOMMENDATIONS.c.shown,
    sqlite_where=RECOMMENDATIONS.c.shown.is_not(None),
)
IMPRESSIONS = sa.Table(
    "impressions",
    METADATA,
    sa.Column("recommendation_id", sa.Text, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at_ms", sa.Integer, nullable=False),
    sa.Column("received_at_ms", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Ranks of a recorded list that were seen; rank 0 says that the list was told of, whatever was seen of it."""
API_KEYS = sa.Table(
    "api_keys",
    METADATA,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("created_at_ms", sa.Integer, nullable=False),
    sa.Column("expires_at_ms", sa.Integer),
    sa.Column("revoked_at_ms", sa.Integer),
    sa.Column("last_used_at_ms", sa.Integer),
)
"""Keys of the API, good or not; of the secret only the hash."""
RUNS = sa.Table(
    "runs",
    METADATA,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("started_at_ms", sa.Integer, nullable=False, index=True),
    sa.Column("ended_at_ms", sa.Integer),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("data", sa.Text),
    sa.Column("snapshot", sa.Text),
    sa.Column("version", sa.Text),
    sa.Column("sentence", sa.Text, nullable=False),
    sa.Column("config", sa.Text, nullable=False),
    sa.Column("steps", sa.Text, nullable=False),
)
"""Runs of the retraining job; `config` and `steps` are JSON."""
PRODUCTS = sa.Table(
    "products",
    METADATA,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("product_id", sa.Text, nullable=False),
    sa.Column("fields", sa.Text, nullable=False),
    sa.Column("received_at_ms", sa.Integer, nullable=False),
    sa.Column("state", sa.Integer, nullable=False, server_default="0"),
    sa.Column("note", sa.Text),
    sa.Index("rows_of_product", "product_id", "seq"),
    sqlite_autoincrement=True,
)
"""What was said of products, in the order of arrival; `fields` is JSON, `state` as that of events."""
sa.Index("products_by_state", PRODUCTS.c.state, PRODUCTS.c.seq, sqlite_where=PRODUCTS.c.state != 1)
DELETIONS = sa.Table(
    "deletions",
    METADATA,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("at_ms", sa.Integer, nullable=False),
    sa.Column("user_id", sa.Text),
    sqlite_autoincrement=True,
)
"""Users that were deleted, by digest; `user_id` is there only until the graph has let go of the user."""
RULES = sa.Table(
    "rules",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("fields", sa.Text, nullable=False),
    sa.Column("changed_at_ms", sa.Integer, nullable=False),
)
"""Business rules; `fields` is JSON."""
SESSIONS = sa.Table(
    "sessions",
    METADATA,
    sa.Column("session_id", sa.Text, primary_key=True),
    sa.Column("user_id", sa.Text, nullable=False, index=True),
    sa.Column("at_ms", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Sessions that a login gave to a user; `at_ms` is the last login."""
SESSION_EVENTS = sa.Table(
    "session_events",
    METADATA,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("event_id", sa.Text, nullable=False, unique=True),
    sa.Column("session_id", sa.Text, nullable=False),
    sa.Column("product_id", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("at_ms", sa.Integer, nullable=False),
    sa.Column("quantity", sa.Float),
    sa.Column("value", sa.Float),
    sa.Column("received_at_ms", sa.Integer, nullable=False, index=True),
    sa.Column("recommendation_id", sa.Text),
    sa.Index("events_of_session", "session_id", "seq"),
)
"""Events of sessions that are nobody's yet; a login moves them to `events`, to the end of it."""
sa.Index(
    "session_events_of_list",
    SESSION_EVENTS.c.recommendation_id,
    sqlite_where=SESSION_EVENTS.c.recommendation_id.is_not(None),
)
_STEPS: tuple[tuple[sa.Table | sa.Column[Any], ...], ...] = (
    (EVENTS,),
    (RECOMMENDATIONS,),
    (API_KEYS,),
    (RUNS,),
    (PRODUCTS,),
    (DELETIONS,),
    (RULES,),
    (IMPRESSIONS, EVENTS.c.recommendation_id),
    (API_KEYS.c.last_used_at_ms, RECOMMENDATIONS.c.shown, SESSIONS, SESSION_EVENTS),
)
"""Tables, and columns of earlier tables, that each format version added, version 1 first."""


def open_state(path: Path) -> sa.Engine:
    """Return an engine on the state file, which is created when it is not there and brought up when it is older.

    Args:
        path: the file; its folder is created, and only the owner may read the file.

    Raises:
        StateError: the file cannot be opened, is no SQLite file, or was written by a newer release.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _create(path)
    except OSError as err:
        raise StateError(f"{path}: the state file cannot be opened ({err.strerror})") from err
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        pool_size=_POOL_SIZE,
        max_overflow=_POOL_OVERFLOW,
        connect_args={"timeout": BUSY_TIMEOUT_S},
    )
    sa.event.listen(engine, "connect", _prepare_connection)
    try:
        with translated(path):
            _bring_up(engine, path)
    except StateError:
        engine.dispose()
        raise
    return engine


def _create(path: Path) -> None:
    """Create the file for its owner alone; one that is there is not touched.

    To open and close a file that this process has a connection to would let go of the locks of that connection, as the
    system knows one set of them a process; another process would then take the log of writes away from under it.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


class StateFile:
    """An open state file, for what reads and writes its tables; closes as a context manager."""

    def __init__(self, path: Path, engine: sa.Engine) -> None:
        """Wrap an engine that `open_state` gave."""
        self.path = path
        self._engine = engine

    def __enter__(self) -> Self:
        """Return the object itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def tables_with_rows(self) -> list[str]:
        """Return the names of the tables that hold anything.

        Raises:
            StateError: the file cannot be read.
        """
        with translated(self.path), self._engine.connect() as connection:
            return [
                table.name
                for table in METADATA.sorted_tables
                if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first()
            ]

    def rewrite(self) -> None:
        """Write the whole file anew, so that nothing deleted can be read from it; nobody else writes meanwhile.

        An index keeps copies of what it once held, and the write-ahead log pages as they were.

        Raises:
            StateError: the file cannot be written, or another process reads it without a pause.
        """
        cause = "other processes are reading"
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("VACUUM")
                if not connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]:
                    return
        except OperationalError as err:
            cause = str(err.orig)
        raise StateError(
            f"{self.path}: rows were deleted, but traces stay in the file and in {self.path.name}-wal ({cause}); "
            "do it again in a quiet moment"
        )

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors of the database into a StateError that says what to do."""
    try:
        yield
    except OperationalError as err:
        raise StateError(f"{path}: {err.orig}; nothing was changed, check disk space and access and try again") from err
    except DatabaseError as err:
        raise StateError(f"{path}: not a usable state file ({err.orig}); move it away to begin a new one") from err


def _prepare_connection(connection: sqlite3.Connection, record: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
    _switch_to_wal(cursor)
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten with zeros
    cursor.close()


@tenacity.retry(
    retry=tenacity.retry_if_exception(lambda err: getattr(err, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY),
    wait=tenacity.wait_random(0, _SWITCH_PAUSE_S),
    stop=tenacity.stop_after_delay(BUSY_TIMEOUT_S),
    reraise=True,
)
def _switch_to_wal(cursor: sqlite3.Cursor) -> None:
    """Write ahead from now on; two processes that meet on a new file both get there.

    SQLite lets a busy switch fail at once, whatever `busy_timeout` says, as the other side may wait for this one.
    """
    cursor.execute("PRAGMA journal_mode = WAL")


def _bring_up(engine: sa.Engine, path: Path) -> None:
    """Add the tables and columns that the file lacks, in one transaction."""
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if not 0 <= version <= FORMAT_VERSION:
            raise StateError(
                f"{path}: has format version {version}, this release reads up to {FORMAT_VERSION}; "
                "use the release that wrote it"
            )
        for parts in _STEPS[version:]:
            for part in parts:
                if isinstance(part, sa.Table):
                    part.create(connection)
                else:
                    _add_column(connection, part)
        if version < FORMAT_VERSION:
            connection.exec_driver_sql(f"PRAGMA user_version = {FORMAT_VERSION}")
        connection.commit()


def _add_column(connection: sa.Connection, column: sa.Column[Any]) -> None:
    """Add a column with its indexes to a table of an older file; a table that was just made has them."""
    table = METADATA.tables[str(column.table)]
    if column.name in {found["name"] for found in sa.inspect(connection).get_columns(table.name)}:
        return
    words = CreateColumn(column).compile(dialect=connection.dialect)
    connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {words}")
    for index in table.indexes:
        if column.name in index.columns:
            index.create(connection)
