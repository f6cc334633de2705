"""The errors of the graph package."""

from cypher.errors import InputError, WhycartError


class SchemaError(InputError):
    """A declared node kind, relation or event type is wrong."""


class TableError(InputError):
    """An input table is missing, lacks a column, or is in a format that cannot be read."""


class RowsError(TableError):
    """Rows of the input are broken; each is named by file, line, column and value."""


class GraphConnectionError(WhycartError):
    """The graph server does not answer, or refuses the user or the password."""


class GraphUnavailable(GraphConnectionError):
    """The graph server does not answer; it may a while later, and the same may be asked again."""


class GraphTooSlow(GraphConnectionError):
    """A statement took longer than it may and was stopped."""


class GraphBusyError(WhycartError):
    """Another process holds the graph's data folder or its import lock."""


class LocalServerError(WhycartError):
    """The local graph server did not start or stopped by itself."""


class SnapshotError(WhycartError):
    """A snapshot folder is incomplete, was changed, or has another format version."""


class LeakageError(WhycartError):
    """Something that is learned from crosses the cutoff it was promised to respect."""


class PathError(WhycartError):
    """A path names an edge that the snapshot does not hold."""


class PrivacyError(InputError):
    """The secret that pseudonyms and deletions are made with is missing, too short, or another one than before."""
