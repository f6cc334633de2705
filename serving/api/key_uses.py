"""When each key was last used, written in the background so that no answer waits for it.

An answer leaves a time in memory; one thread a process writes the latest of each key once a minute, and what is left
when the process ends. A killed process loses the last minute, which nobody needs to know better.
"""

import logging
import threading

from cypher.errors import WhycartError
from serving.keys import KeyLog
from serving.logs import background

logger = logging.getLogger(__name__)
WRITE_EVERY_S = 60.0
LAST_S = 5.0
"""How long the end of a process waits for the last of them."""


class KeyUses:
    """One background thread; `start` and `stop` it once."""

    def __init__(self, keys: KeyLog, *, write_every_s: float = WRITE_EVERY_S) -> None:
        """Write to `keys`; nothing is written before `start`."""
        self._keys, self._write_every_s = keys, write_every_s
        self._seen: dict[str, int] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def note(self, key_id: str, *, now_ms: int) -> None:
        """Leave a use to be written; returns at once."""
        with self._lock:
            self._seen[key_id] = now_ms

    def start(self) -> None:
        """Begin."""
        self._thread = background(self._run, "key-uses")
        self._thread.start()

    def stop(self) -> None:
        """Write what is left, and end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(LAST_S)
            self._thread = None

    def _run(self) -> None:
        while not self._stop.wait(self._write_every_s):
            self._write()
        self._write()

    def _write(self) -> None:
        with self._lock:
            seen, self._seen = self._seen, {}
        if not seen:
            return
        try:
            self._keys.used(seen)
        except Exception as err:  # the edge of a thread: they are written a minute later
            with self._lock:
                self._seen = seen | self._seen
            ours = isinstance(err, WhycartError)
            logger.warning("when keys were last used cannot be written now: %s", err, exc_info=not ours)
