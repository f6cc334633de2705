"""A model that is shown to some users first: who they are, since when and until when, and how it ended.

Which bundle that is stands in one small file beside the pointer of `gnn.bundles`, so every API process sees the same. A
user always gets the same side as long as the canary lasts. What is watched meanwhile is `serving.api.trial`'s.
"""

import contextlib
import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from filelock import FileLock

from gnn.errors import BundleError
from kg.files import write_whole

CANARY = "canary"
ENDED = "canaries"
PARTS = 1 << 64
_HOUR_MS = 3_600_000
Ending = Literal["promoted", "stopped", "alarm", "replaced"]
"""How a canary ended: served to all, taken away by somebody or by what was seen, or another model came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """One model shown to some users."""

    version: str
    before: str
    """The version that the others are shown meanwhile."""
    share: float
    """Part of the users, above 0 and below 1."""
    since_ms: int
    """Epoch milliseconds."""
    until_ms: int | None
    """When it is served to all if nothing speaks against it; None: when somebody says so."""

    def __post_init__(self) -> None:
        if not 0.0 < self.share < 1.0:
            raise BundleError(f"a canary is shown to a part of the users above 0 and below 1, got {self.share}")

    def shows_to(self, user_id: str) -> bool:
        """Return whether a user is among those who see it; drawn anew for each version, by a hash of both."""
        digest = hashlib.blake2b(f"{self.version}\0{user_id}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) < self.share * PARTS

    @property
    def words(self) -> str:
        """Who sees it and until when."""
        until = "until somebody decides" if self.until_ms is None else f"until {_time(self.until_ms)}, then to all"
        return f"{self.version} is shown to {self.share:.1%} of the users {until}"


def canary_from_now(version: str, *, before: str, share: float, hours: float) -> Canary:
    """Return a canary that begins now.

    Args:
        version: what some users are shown.
        before: what the others are shown.
        share: part of the users, above 0 and below 1.
        hours: after which it is served to all; 0: when somebody says so.

    Raises:
        BundleError: the share is no part.
    """
    now_ms = int(time.time() * 1000)
    until_ms = now_ms + round(hours * _HOUR_MS) if hours else None
    return Canary(version=version, before=before, share=share, since_ms=now_ms, until_ms=until_ms)


@dataclass(frozen=True, slots=True)
class Ended:
    """A canary that is over."""

    canary: Canary
    ended_ms: int
    ending: Ending
    why: str


class CanaryFile:
    """The canary of one folder of bundles."""

    def __init__(self, folder: Path) -> None:
        """Use the file in a folder; nothing is read yet."""
        self._folder = folder

    def read(self) -> Canary | None:
        """Return the canary under way, None where there is none. Reads one small file.

        Raises:
            BundleError: the file holds something else.
        """
        try:
            text = (self._folder / CANARY).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        try:
            return Canary(**json.loads(text))
        except (ValueError, TypeError) as err:
            raise BundleError(
                f"{self._folder / CANARY} cannot be read ({err}); 'whycart models canary --stop' ends it"
            ) from err

    def begin(self, canary: Canary) -> Canary:
        """Show a model to some users from now on, and return it; the same one again goes on as it was."""
        with self._alone():
            known = self.read()
            if known is not None and known.version == canary.version:
                canary = replace(canary, since_ms=known.since_ms)
            elif known is not None:
                self._note(known, canary.since_ms, "replaced", f"{canary.version} came")
            write_whole(self._folder / CANARY, json.dumps(asdict(canary)), prefix=".pointer.")
        return canary

    def end(self, canary: Canary, ending: Ending, why: str, *, now_ms: int) -> bool:
        """End a canary, and return whether it was still under way; of several processes one is told so.

        Args:
            canary: as `read` returned it.
            ending: how.
            why: in words.
            now_ms: epoch milliseconds.
        """
        with self._alone():
            if self.read() != canary:
                return False
            self._note(canary, now_ms, ending, why)
            (self._folder / CANARY).unlink()
        return True

    def drop(self) -> None:
        """Take the file away, whatever it holds."""
        (self._folder / CANARY).unlink(missing_ok=True)

    def ended(self) -> tuple[Ended, ...]:
        """Return those that are over, oldest first."""
        try:
            lines = (self._folder / ENDED).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return ()
        found = []
        for line in lines:
            with contextlib.suppress(ValueError, TypeError, KeyError):  # of a writer that was killed half a line stays
                entry = json.loads(line)
                found.append(Ended(Canary(**entry.pop("canary")), **entry))
        return tuple(found)

    def _note(self, canary: Canary, ended_ms: int, ending: Ending, why: str) -> None:
        with (self._folder / ENDED).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(Ended(canary, ended_ms, ending, why))) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _alone(self) -> FileLock:
        return FileLock(self._folder / ".canary.lock", timeout=10)


def _time(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
