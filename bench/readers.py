"""Clients that ask an API all the time and hold every answer against the others: one version, one answer.

An answer is mixed when another one of the same version had other products for the same user: then something of it came
from elsewhere. The shop must stay as it is meanwhile: no events, no products.
"""

import hashlib
import http.client
import json
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote


class Readers:
    """Some clients, each in a thread of its own, from entering to leaving."""

    def __init__(self, address: tuple[str, int], users: Sequence[str], *, clients: int, pause_s: float = 0.0) -> None:
        """Ask for the lists of `users` in turn, after a pause each; nothing is asked before entering."""
        self._address, self._users, self._pause_s = address, list(users), pause_s
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._first: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}
        self._failed = self._mixed = 0
        self.took_ms: list[float] = []
        """Milliseconds of every answer, in no order."""
        self._threads = [threading.Thread(target=self._ask, args=(place,)) for place in range(clients)]

    def __enter__(self) -> Self:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ask no more."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def seen(self) -> dict[str, Any]:
        """Return how many answers there were, of how many versions, and how many failed or were mixed."""
        with self._lock:
            answers = sum(self._counts.values())
            return {
                "answers": answers,
                "versions": len(self._counts),
                "failed": self._failed,
                "mixed": self._mixed,
            }

    def versions(self) -> dict[str, int]:
        """Return how many answers each version gave."""
        with self._lock:
            return dict(self._counts)

    def lists(self, version: str) -> dict[str, str]:
        """Return a digest of the list of each user that a version gave."""
        with self._lock:
            return {user: digest for (known, user), digest in self._first.items() if known == version}

    def _ask(self, place: int) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=30)
        while not self._stop.wait(self._pause_s):
            user, started = self._users[place % len(self._users)], time.perf_counter()
            place += 1
            try:
                connection.request("GET", f"/v1/recommend/{quote(user, safe='')}?n=10&explain=paths")
                response = connection.getresponse()
                body = response.read()
                answer = json.loads(body) if response.status == 200 else None
            except (OSError, http.client.HTTPException, json.JSONDecodeError):
                connection.close()
                answer = None
            self._note(user, answer, 1000 * (time.perf_counter() - started))
        connection.close()

    def _note(self, user: str, answer: dict[str, Any] | None, took_ms: float) -> None:
        with self._lock:
            self.took_ms.append(took_ms)
            if answer is None:
                self._failed += 1
                return
            version = str(answer["model_version"])
            shown = [(item["product_id"], item["score"], item["paths"]) for item in answer["items"]]
            digest = hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()
            self._counts[version] = self._counts.get(version, 0) + 1
            if self._first.setdefault((version, user), digest) != digest:
                self._mixed += 1
