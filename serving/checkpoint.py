"""What the finished steps of a job left, so that one that was killed goes on where it was.

A folder of small JSON files, one a step, each written whole or not at all; larger results lie beside them in folders
that are renamed into place. It belongs to one job with one set of settings: another one begins with an empty folder.
Who may touch it is decided by the job's lock (`serving.runs`).
"""

import contextlib
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kg.files import write_whole

_JOB = "job.json"
MAX_AGE_S = 24 * 3600.0
"""What an older job left is too old to go on with: its data is."""


class Checkpoint:
    """The finished steps of one job; without a folder nothing is kept."""

    def __init__(self, folder: Path | None = None) -> None:
        """Keep steps in a folder; nothing is read or written yet."""
        self._folder = folder

    def begin(self, identity: Mapping[str, Any], *, resume: bool) -> bool:
        """Get ready for a job, and return whether steps of the same job are there to go on with.

        Args:
            identity: what the job was told, as plain values; another identity is another job.
            resume: whether one may go on at all; else everything that is there goes away.
        """
        if self._folder is None:
            return False
        told = json.loads(json.dumps(identity, sort_keys=True, default=str))
        job = self._read(_JOB)
        same = job is not None and job["identity"] == told and time.time() - float(job["at"]) < MAX_AGE_S
        if resume and same:
            return True
        self.clear()
        self._write(_JOB, {"identity": told, "at": time.time()})
        return False

    def read(self, step: str) -> dict[str, Any] | None:
        """Return what a finished step wrote; None where it did not finish."""
        return self._read(f"{step}.json")

    def write(self, step: str, values: Mapping[str, Any]) -> None:
        """Write what came out of a step: it is finished when this returns."""
        self._write(f"{step}.json", values)

    def forget(self, step: str) -> None:
        """Take back that a step is finished, as what it rests on is made anew."""
        if self._folder is not None:
            (self._folder / f"{step}.json").unlink(missing_ok=True)

    def folder(self, name: str) -> Path | None:
        """Return where a larger result lies, or may be put; None where nothing is kept."""
        return None if self._folder is None else self._folder / name

    def clear(self) -> None:
        """Forget everything."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self, name: str) -> dict[str, Any] | None:
        if self._folder is None:
            return None
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
            found = json.loads((self._folder / name).read_text("utf-8"))
            return found if isinstance(found, dict) else None
        return None

    def _write(self, name: str, values: Mapping[str, Any]) -> None:
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._folder / name, json.dumps(values, default=str), prefix=".step.")
