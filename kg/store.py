"""The only way to the graph: checked queries of the catalogue over Bolt, to a Neo4j server or to the local one.

This module opens, asks, writes and turns the driver's errors into ours. It assembles no Cypher and knows no tables.
"""

import contextlib
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import neo4j
import pandas as pd
from neo4j import exceptions as bolt

from cypher.catalogue import Query, load_for_people, load_query
from cypher.errors import InputError, QueryError
from kg import local_server
from kg.answers import to_frame
from kg.dialect import ServerInfo, identify_server, schema_queries
from kg.errors import GraphConnectionError, GraphTooSlow, GraphUnavailable
from kg.graph_format import bring_up, read_format
from kg.plan import Plan, read_plan
from kg.schema import GraphSchema

logger = logging.getLogger(__name__)
PROJECT_GRAPH = Path(".whycart") / "graph"
"""Where the graph of a project lies, seen from its folder, if its settings say nothing else."""
_LOCAL_ATTEMPTS = 3
_LOCAL_PAUSE_S = 0.5
_DRIVER_SETTINGS: Mapping[str, Any] = {
    "connection_timeout": 10.0,
    "connection_acquisition_timeout": 30.0,
    "max_transaction_retry_time": 10.0,
    "notifications_min_severity": "OFF",
    "telemetry_disabled": True,
    "user_agent": "whycart",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphConfig:
    """Where the graph is."""

    uri: str | None = None
    """`bolt://` or `neo4j://` address of a Neo4j server; None: the local server of `folder`."""
    user: str = "neo4j"
    """User of the Neo4j server; the local server has its own."""
    password: str | None = field(default=None, repr=False)
    """Password of the Neo4j server; the local server has its own."""
    reader: str | None = None
    """User of the Neo4j server that can only read, for statements that somebody typed; None: the same user."""
    reader_password: str | None = field(default=None, repr=False)
    """Password of that user."""
    database: str = "neo4j"
    """Database of the Neo4j server."""
    folder: Path = Path("graph")
    """Data folder of the local server."""
    timeout_s: float = 600.0
    """How long one statement may take; above 0."""

    def __post_init__(self) -> None:
        if self.timeout_s <= 0:
            raise InputError(f"[graph] timeout_s must be above 0, got {self.timeout_s}")


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What one write changed."""

    rows: list[dict[str, Any]]
    nodes_created: int
    edges_created: int


class GraphStore:
    """An open connection to the graph; use it as a context manager."""

    def __init__(self, driver: neo4j.Driver, *, server: ServerInfo, config: GraphConfig, owned: bool) -> None:
        """Wrap an open driver; `GraphStore.open` is the usual way."""
        self._driver = driver
        self._owned = owned
        self.server = server
        self.config = config

    @classmethod
    def open(cls, config: GraphConfig | None = None, *, owned: bool = False, reading: bool = False) -> "GraphStore":
        """Connect to the server of the configuration; without a URI the local server is joined or started.

        Args:
            config: where the graph is; None: the local server of the project in the current folder (`.whycart/graph`).
            owned: stop the local server when the store is closed, whoever started it.
            reading: use the account that can only read, where the server knows one.

        Raises:
            GraphConnectionError: the server does not answer, or refuses user, password or database.
            LocalServerError: the local server could not be started.
        """
        config = config or GraphConfig(folder=PROJECT_GRAPH)
        if config.uri is not None:
            known = config
            if reading and config.reader is not None:
                known = replace(config, user=config.reader, password=config.reader_password)
            return cls._reach(known, uri=config.uri, owned=False)
        for _ in range(_LOCAL_ATTEMPTS - 1):
            try:
                return cls._open_local(config, owned=owned, reading=reading)
            except GraphConnectionError:  # it was ending when it was found
                time.sleep(_LOCAL_PAUSE_S)
        return cls._open_local(config, owned=owned, reading=reading)

    @classmethod
    def _open_local(cls, config: GraphConfig, *, owned: bool, reading: bool) -> "GraphStore":
        local = local_server.start(config.folder, owned=owned)
        user, password = local.reading_account() if reading else (local.user, local.password)
        known = replace(config, user=user, password=password, database=local_server.DATABASE)
        return cls._reach(known, uri=local.uri, owned=owned)

    @classmethod
    def _reach(cls, config: GraphConfig, *, uri: str, owned: bool) -> "GraphStore":
        driver = _connect(uri, config.user, password=config.password or "")
        try:
            with _translated(uri, None), driver.session(database=config.database) as session:
                agent = session.run(_bound_text(load_query("read/ping"))).consume().server.agent
        except BaseException:
            driver.close()
            raise
        return cls(driver, server=identify_server(agent, uri), config=config, owned=owned)

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection, and the local server if the store owns it."""
        self._driver.close()
        if self._owned:
            local_server.stop(self.config.folder)

    def read(self, query: Query, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return all rows of a reading query, in its order.

        Raises:
            QueryError: the query writes, a parameter does not fit, or the server refuses the statement.
            GraphConnectionError: the server does not answer.
        """
        statement, checked = self._reading(query, params)
        with _translated(self.server.uri, query), self._session(neo4j.READ_ACCESS) as session:
            return [_row(record) for record in session.run(statement, checked)]

    def query(self, name: str, **params: Any) -> pd.DataFrame:
        """Return the answer to a query of the catalogue as a data frame, with times as times.

        `graph.query("co_purchased", product_id="p1", limit=5)`; times may be given as text: `since="2026-01-31"`.

        Args:
            name: as `whycart graph queries` lists it.
            **params: what the header of the query names; those with a default may be left out.

        Raises:
            QueryError: no such query, it writes, or a parameter does not fit; the nearest name is offered.
            GraphConnectionError: the server does not answer.
        """
        chosen = load_for_people(name)
        return to_frame(chosen, self.read(chosen, params))

    def explain(self, query: Query, params: Mapping[str, Any] | None = None) -> Plan:
        """Return how the server would answer a reading query, without running it.

        Raises:
            QueryError: as `read` does.
            GraphConnectionError: the server does not answer.
        """
        statement, checked = self._reading(replace(query, text=f"EXPLAIN {_bound_text(query)}"), params)
        with _translated(self.server.uri, query), self._session(neo4j.READ_ACCESS) as session:
            summary = session.run(statement, checked).consume()
            return read_plan(summary.plan, kind=(summary.query_type or "") if self.server.tells_kind else "")

    def stream(self, query: Query, params: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """Yield the rows of a reading query as they arrive; the connection is held until the last one.

        Raises:
            QueryError: the query writes, a parameter does not fit, or the server refuses the statement.
            GraphConnectionError: the server does not answer.
        """
        statement, checked = self._reading(query, params)
        with _translated(self.server.uri, query), self._session(neo4j.READ_ACCESS) as session:
            for record in session.run(statement, checked):
                yield _row(record)

    def write(self, query: Query, rows: Sequence[Mapping[str, Any]]) -> WriteResult:
        """Run a writing query on a batch of rows in one transaction, repeated when the server asks for it.

        Raises:
            QueryError: the query does not write, or the server refuses the statement.
            GraphConnectionError: the server does not answer.
        """
        if not query.writes:
            raise QueryError(f"query {query.path} only reads; run it with read()")
        checked = query.check({"rows": list(rows)})
        statement = _bound_text(query)

        @neo4j.unit_of_work(timeout=self.config.timeout_s)
        def work(transaction: neo4j.ManagedTransaction) -> WriteResult:
            result = transaction.run(statement, checked)
            found = [_row(record) for record in result]
            counters = result.consume().counters
            return WriteResult(found, counters.nodes_created, counters.relationships_created)

        with _translated(self.server.uri, query), self._session(neo4j.WRITE_ACCESS) as session:
            return session.execute_write(work)

    def create_schema(self, schema: GraphSchema) -> None:
        """Create the constraints and indexes of every kind of the schema, and bring an older graph up.

        What is there stays as it is.

        Raises:
            SchemaError: a newer release wrote the graph.
            QueryError: the server refuses a statement, for example as the data has duplicate keys.
            GraphConnectionError: the server does not answer.
        """
        read_format(self)
        for query in schema_queries(self.server.product, schema):
            with _translated(self.server.uri, query), self._session(neo4j.WRITE_ACCESS) as session:
                session.run(neo4j.Query(_bound_text(query), timeout=self.config.timeout_s)).consume()
        bring_up(self)

    def _reading(self, query: Query, params: Mapping[str, Any] | None) -> tuple[neo4j.Query, dict[str, Any]]:
        if query.writes:
            raise QueryError(f"query {query.path} writes; it cannot be run for reading")
        return neo4j.Query(_bound_text(query), timeout=self.config.timeout_s), query.check(params or {})

    def _session(self, access: str) -> neo4j.Session:
        return self._driver.session(database=self.config.database, default_access_mode=access)


def _row(record: neo4j.Record) -> dict[str, Any]:
    """The record as it came; `Record.data` would walk through every nested list."""
    return dict(zip(record.keys(), record.values(), strict=True))


def _bound_text(query: Query) -> Any:
    """The statement; the driver's type asks for a literal string, which the catalogue's files are."""
    if query.placeholders:
        raise QueryError(f"query {query.path} is a template; bind {', '.join(sorted(query.placeholders))} first")
    return query.text


def _connect(uri: str, user: str, *, password: str) -> neo4j.Driver:
    try:
        return neo4j.GraphDatabase.driver(uri, auth=(user, password), **_DRIVER_SETTINGS)
    except (bolt.ConfigurationError, ValueError) as err:
        raise GraphConnectionError(
            f"{uri!r} is not an address of a graph server, write it as bolt://host:7687 or neo4j://host:7687"
        ) from err


@contextlib.contextmanager
def _translated(uri: str, query: Query | None) -> Iterator[None]:
    """Turn errors of the driver into ours, with one sentence that says what to do."""
    try:
        yield
    except bolt.AuthError as err:
        raise GraphConnectionError(
            f"the graph server at {uri} refuses the user or the password; "
            "check WHYCART_GRAPH_USER and WHYCART_GRAPH_PASSWORD"
        ) from err
    except (bolt.ServiceUnavailable, bolt.SessionExpired, bolt.ConnectionAcquisitionTimeoutError, OSError) as err:
        raise GraphUnavailable(
            f"the graph server at {uri} does not answer; check WHYCART_GRAPH_URI and whether the server runs"
        ) from err
    except bolt.TransientError as err:
        raise GraphUnavailable(f"the graph server at {uri} is not ready: {err.message or err}; try again") from err
    except bolt.Neo4jError as err:
        raise _refusal(uri, query, err) from err
    except bolt.DriverError as err:
        raise GraphConnectionError(f"the connection to the graph server at {uri} failed: {err}") from err


def _refusal(uri: str, query: Query | None, err: bolt.Neo4jError) -> GraphConnectionError | QueryError:
    code, message = err.code or "", (err.message or str(err)).strip()
    if "DatabaseNotFound" in code or query is None:
        return GraphConnectionError(f"the graph server at {uri} refuses the connection: {message}")
    if "Timeout" in code or "TimedOut" in code:
        return GraphTooSlow(f"query {query.path} took too long at {uri} and was stopped: {message}")
    return QueryError(f"the graph server at {uri} refuses query {query.path}: {message}")
