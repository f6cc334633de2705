"""One checked file that holds a folder: a tar whose first member names every other one with its hash.

What lies in the folder is not this module's concern. Nothing is written outside the folder that it is told to fill, and
a file that was cut short or changed is refused.
"""

import contextlib
import hashlib
import io
import json
import os
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any

from kg.files import hash_file, hash_text, sync_folder
from kg.progress import Progress, silent
from serving.errors import ArchiveError

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
_MODES = {".tar": "w", ".tar.gz": "w:gz"}
_MOST_OF_MANIFEST = 64 << 20
_CHUNK = 1 << 20


def check_name(file: Path) -> None:
    """Refuse a file that is there, or whose name does not say how it is packed.

    Raises:
        ArchiveError: so it is.
    """
    if not file.name.endswith(tuple(_MODES)):
        raise ArchiveError(f"{file}: the name of an archive ends with {' or '.join(_MODES)}")
    if file.exists():
        raise ArchiveError(f"{file} is already there; an archive is written once, give another name")


def pack(folder: Path, file: Path, facts: Mapping[str, Any], *, progress: Progress = silent) -> None:
    """Write every file below a folder into an archive that is there whole or not at all.

    Args:
        folder: what to pack; links are followed.
        file: ends with .tar or .tar.gz; only the owner may read it.
        facts: what the manifest says beside the hashes; JSON.
        progress: told the bytes packed.

    Raises:
        ArchiveError: the file is there, has another ending, or cannot be written.
    """
    check_name(file)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path: path.relative_to(folder).as_posix() for path in paths}
    sizes = {path: path.stat().st_size for path in paths}
    files = {names[path]: {"sha256": hash_file(path), "size": sizes[path]} for path in paths}
    told = {"format_version": FORMAT_VERSION, **facts, "files": files}
    manifest = json.dumps({"hash": _identity(told), **told}, indent=1).encode()
    part, done, total = file.with_name(f".{file.name}.part"), 0, sum(sizes.values())
    try:
        with _private(part) as out, tarfile.open(fileobj=out, mode=_mode(file), **_level(file)) as archive:
            archive.addfile(_member(MANIFEST, len(manifest)), io.BytesIO(manifest))
            for path in paths:
                with path.open("rb") as content:
                    archive.addfile(_member(names[path], sizes[path]), content)
                done += sizes[path]
                progress("archive", done, total)
        os.replace(part, file)
        sync_folder(file.absolute().parent, recurse=False)
    except OSError as err:
        raise ArchiveError(f"{file}: cannot be written ({err.strerror or err}); check disk space and access") from err
    finally:
        part.unlink(missing_ok=True)


def read_manifest(file: Path) -> dict[str, Any]:
    """Return what the manifest of an archive says; the files are not looked at.

    Raises:
        ArchiveError: as for `unpack`.
    """
    with _opened(file) as archive:
        return _manifest(archive, archive.next(), file)


def unpack(file: Path, folder: Path | None, *, progress: Progress = silent) -> dict[str, Any]:
    """Read an archive from end to end, compare every hash, and return what its manifest says.

    Args:
        file: what `pack` wrote.
        folder: where the files go; must not be there. None: nothing is written.
        progress: told the bytes read.

    Raises:
        ArchiveError: it cannot be read, was cut short or changed, or was written by a newer release.
    """
    with _opened(file) as archive:
        return _read(archive, file, folder, progress)


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(file, mode="r|*") as archive:
            yield archive
    except FileNotFoundError as err:
        raise ArchiveError(f"there is no archive {file}") from err
    except (tarfile.TarError, EOFError, OSError, zlib.error) as err:
        raise ArchiveError(f"{file} is not a whole archive ({err}); nothing was changed, take another one") from err


def _read(archive: tarfile.TarFile, file: Path, folder: Path | None, progress: Progress) -> dict[str, Any]:
    members = iter(archive)
    manifest = _manifest(archive, next(members, None), file)
    waiting: dict[str, dict[str, Any]] = dict(manifest["files"])
    done, total = 0, sum(entry["size"] for entry in waiting.values())
    for member in members:
        entry = waiting.pop(member.name, None)
        content = archive.extractfile(member) if member.isreg() else None
        if entry is None or content is None or not _is_below(member.name):
            raise ArchiveError(f"{file} holds {member.name!r}, which its manifest does not name; take another one")
        if _copy(content, None if folder is None else folder / member.name) != entry["sha256"]:
            raise ArchiveError(f"{file}: {member.name} was changed since it was packed; take another one")
        done += member.size
        progress("archive", done, total)
    if waiting:
        raise ArchiveError(f"{file} lacks {min(waiting)} and is not whole; take another one")
    return manifest


def _manifest(archive: tarfile.TarFile, member: tarfile.TarInfo | None, file: Path) -> dict[str, Any]:
    content = archive.extractfile(member) if member is not None and member.name == MANIFEST else None
    try:
        found: Any = json.loads(content.read(_MOST_OF_MANIFEST)) if content is not None else None
    except ValueError:
        found = None
    if not isinstance(found, dict) or "format_version" not in found:
        raise ArchiveError(f"{file} is not an archive of 'whycart backup'")
    if found["format_version"] != FORMAT_VERSION:
        raise ArchiveError(
            f"{file} has format version {found['format_version']}, this release reads {FORMAT_VERSION}; "
            "use the release that wrote it"
        )
    if found.pop("hash", None) != _identity(found):
        raise ArchiveError(f"{file}: its manifest was changed since it was packed; take another one")
    return found


def _identity(told: Mapping[str, Any]) -> str:
    return hash_text(json.dumps(told, sort_keys=True))


def _copy(content: IO[bytes], path: Path | None) -> str:
    """Hex SHA-256 of what was read, and written when there is a path."""
    digest = hashlib.sha256()
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.nullcontext() if path is None else _private(path) as out:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            if out is not None:
                out.write(chunk)
    return digest.hexdigest()


@contextlib.contextmanager
def _private(path: Path) -> Iterator[IO[bytes]]:
    with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _is_below(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


def _mode(file: Path) -> Any:
    return _MODES[".tar.gz" if file.name.endswith(".gz") else ".tar"]


def _level(file: Path) -> dict[str, Any]:
    return {"compresslevel": 1} if file.name.endswith(".gz") else {}
