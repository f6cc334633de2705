"""The graph as the API asks it: opened when somebody first asks, only to read, and for a few at once."""

import contextlib
import threading
from collections.abc import Callable, Iterator

from kg.errors import GraphConnectionError, GraphUnavailable
from kg.store import GraphStore

AT_ONCE = 4
"""Most questions that an API process asks the graph at the same time; one more is told to come again."""


class GraphDoor:
    """One connection of an API process; threads share it."""

    def __init__(self, open_graph: Callable[[], GraphStore] | None) -> None:
        """Open nothing yet. None: this process has no graph to ask."""
        self._open = open_graph
        self._store: GraphStore | None = None
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(AT_ONCE)

    @contextlib.contextmanager
    def store(self) -> Iterator[GraphStore]:
        """Give the graph for one question; a connection that failed is not used again.

        Raises:
            GraphUnavailable: there is no graph, or too many ask it.
            GraphConnectionError: the server does not answer.
            LocalServerError: the local server could not be started.
        """
        if self._open is None:
            raise GraphUnavailable("this process has no graph to ask")
        if not self._places.acquire(blocking=False):
            raise GraphUnavailable(f"{AT_ONCE} questions are asked of the graph already; ask again")
        try:
            with self._lock:
                self._store = self._store or self._open()
                store = self._store
            yield store
        except GraphConnectionError:
            self.close()
            raise
        finally:
            self._places.release()

    def close(self) -> None:
        """Close the connection; the next question opens another one."""
        with self._lock:
            store, self._store = self._store, None
        if store is not None:
            store.close()
