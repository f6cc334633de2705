"""The bundles of one project and the pointer to the one that is served.

What a bundle is and how it is written is `gnn.bundle`'s; here is which there are, which one is served, and going back.
The pointer is one small file that is replaced whole, so a reader sees the old version or the new one and nothing else.
"""

import contextlib
import json
import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from gnn.canary import Canary, CanaryFile, Ending
from gnn.errors import BundleError
from gnn.manifest import REPORT, read_manifest, verify_files, verify_signature, write_signature
from kg.files import write_whole

if TYPE_CHECKING:
    from gnn.bundle import Bundle

POINTER = "current"
HISTORY = "published"
DRAFT = ".draft"
_VERSION = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")


class BundleStore:
    """The bundles of one project and the pointer to the one that is served."""

    def __init__(self, folder: Path, *, key: bytes | None = None) -> None:
        """Use the bundles of a folder; nothing is read yet.

        Args:
            folder: it may not be there yet.
            key: what a bundle must be signed with to be read; None: nothing.
        """
        self.folder, self.key = folder, key

    def tidy(self, *, keep_draft: bool = False) -> None:
        """Take away what a writer that was killed left behind; nobody else may write meanwhile.

        Args:
            keep_draft: whether the model that waits for its measures stays.
        """
        if not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            if path.name.startswith((".bundle.", ".draft.")) or (path.name == DRAFT and not keep_draft):
                shutil.rmtree(path, ignore_errors=True)
            elif path.name.startswith(".pointer."):
                path.unlink(missing_ok=True)

    @property
    def canary(self) -> CanaryFile:
        """What says which model some users are shown before the others."""
        return CanaryFile(self.folder)

    @property
    def draft(self) -> Path:
        """Folder in which the model of a job waits for its measures."""
        return self.folder / DRAFT

    def versions(self) -> list[str]:
        """Return the versions that are there, oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(path.name for path in self.folder.iterdir() if _VERSION.fullmatch(path.name))

    def current_version(self) -> str | None:
        """Return the published version, None before the first publish. Reads one small file."""
        try:
            return (self.folder / POINTER).read_text(encoding="utf-8").strip() or None
        except FileNotFoundError:
            return None

    def current(self) -> "Bundle":
        """Return the published bundle.

        Raises:
            BundleError: nothing was published yet, or the bundle cannot be used.
        """
        version = self.current_version()
        if version is None:
            raise BundleError(f"no model is published in {self.folder}; run 'whycart retrain' first")
        return self.load(version)

    def load(self, version: str) -> "Bundle":
        """Return one bundle.

        Raises:
            BundleError: there is no such version, or it cannot be used.
        """
        self._check_is_there(version)
        from gnn.bundle import load_bundle  # brings the numerical libraries, which moving the pointer does without

        return load_bundle(self.folder / version, key=self.key)

    def sign(self, version: str) -> None:
        """Sign a bundle with the key of this store, after comparing the hash of each of its files.

        Raises:
            BundleError: this store has no key, there is no such version, or a file was changed.
        """
        self._check_is_there(version)
        if self.key is None:
            raise BundleError("there is no key to sign with; [publish] signing_key names its file")
        verify_files(self.folder / version, read_manifest(self.folder / version)["files"])
        write_signature(self.folder / version, self.key)

    def _check_is_there(self, version: str) -> None:
        if version not in self.versions():
            known = ", ".join(self.versions()[-5:]) or "none"
            raise BundleError(f"no bundle {version!r} in {self.folder}; the latest are: {known}")

    def report_of(self, version: str | None) -> dict[str, Any]:
        """Return what was measured of a version, read without the model; empty where it is not there any more."""
        if version is None or version not in self.versions():
            return {}
        try:
            found: Any = json.loads((self.folder / version / REPORT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def previous_version(self) -> str:
        """Return the version that was served before the current one came; what was gone back from is passed over.

        Raises:
            BundleError: there is none.
        """
        current, there = self.current_version(), set(self.versions())
        way = [version for version in self._way() if version in there and version != current]
        if not way:
            raise BundleError(f"no version before {current or 'the first one'} was published in {self.folder}")
        return way[-1]

    def _way(self) -> list[str]:
        """How the current version was come to: each version once, without those that were gone back from."""
        way: list[str] = []
        for version in self._history():
            if version in way:
                del way[way.index(version) :]
            way.append(version)
        return way

    def _history(self) -> list[str]:
        try:
            return (self.folder / HISTORY).read_text(encoding="utf-8").split()
        except FileNotFoundError:
            return []

    def published(self) -> set[str]:
        """Return the versions that were published at some time, those that are gone included."""
        return set(self._history())

    def surplus(self, *, keep: int) -> list[str]:
        """Return what may be deleted, oldest first: all but the `keep` published latest and the newest `keep` others.

        Those that are served, to all or to some, and the one that a rollback would serve are never among them.

        Args:
            keep: at least 1.
        """
        there = self.versions()
        good = [version for version in dict.fromkeys(self._history()) if version in there]
        others = [version for version in there if version not in good]
        stays = {*good[-keep:], *others[-keep:], *self._served()}
        with contextlib.suppress(BundleError):
            stays.add(self.previous_version())
        return [version for version in there if version not in stays]

    def delete(self, version: str) -> None:
        """Delete a bundle.

        Raises:
            BundleError: it is served, to all or to some, or is not there.
        """
        if version in self._served():
            raise BundleError(f"{version} is served; publish another one before it is deleted")
        if version not in self.versions():
            raise BundleError(f"no bundle {version!r} in {self.folder}")
        room = Path(tempfile.mkdtemp(prefix=".bundle.", dir=self.folder))
        os.rename(self.folder / version, room / version)
        shutil.rmtree(room, ignore_errors=True)

    def _served(self) -> set[str]:
        canary, current = self.canary.read(), self.current_version()
        shown = None if canary is None else canary.version
        return {version for version in (current, shown) if version is not None}

    def publish(self, version: str) -> None:
        """Point to a version, after reading it once to be sure that it can be served; a canary ends.

        Raises:
            BundleError: the bundle cannot be used; the pointer stays where it was.
        """
        self.load(version)
        self._point_to(version)

    def promote(self, canary: Canary, why: str) -> bool:
        """Serve a canary to all, and return whether this call did; of several processes one does.

        Args:
            canary: as it was read.
            why: in words; kept.

        Raises:
            BundleError: the bundle cannot be used; the pointer stays where it was.
        """
        try:
            with FileLock(self.folder / ".promote.lock", timeout=0):
                if self.canary.read() != canary:
                    return False
                self.load(canary.version)
                self._point_to(canary.version, why)
                return True
        except Timeout:
            return False

    def roll_back(self, version: str) -> None:
        """Point to a version that was published before: first the pointer moves, then the files are compared.

        Raises:
            BundleError: it is not there, or a file of it was changed; the pointer is where it was.
        """
        before, manifest = self.current_version(), read_manifest(self.folder / version)
        if self.key is not None:
            verify_signature(self.folder / version, self.key)
        self._point_to(version)
        try:
            verify_files(self.folder / version, manifest["files"])
        except BundleError:
            if before is not None:
                self._point_to(before)
            raise

    def _point_to(self, version: str, why: str | None = None) -> None:
        with (self.folder / HISTORY).open("a", encoding="utf-8") as history:
            history.write(version + "\n")
            history.flush()
            os.fsync(history.fileno())
        write_whole(self.folder / POINTER, version + "\n", prefix=".pointer.")
        self._end_canary(version, why or f"{version} is served to all")

    def _end_canary(self, version: str, why: str) -> None:
        try:
            canary = self.canary.read()
        except BundleError:
            self.canary.drop()
            return
        if canary is not None:
            ending: Ending = "promoted" if canary.version == version else "replaced"
            self.canary.end(canary, ending, why, now_ms=int(time.time() * 1000))
