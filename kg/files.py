"""Hashes, syncing and mapping of files, for folders that are there whole or not at all."""

import hashlib
import mmap
import os
import tempfile
from pathlib import Path
from typing import IO

import numpy as np

from cypher.errors import InputError

LEAST_KEY = 16
"""Bytes of a key, at least."""


def hash_file(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_text(text: str) -> str:
    """Return the hex SHA-256 of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def load_array(path: Path) -> np.ndarray:
    """Return the array of an npy file, mapped and read-only.

    A plain array over the file, not a `np.memmap`: slices of that cost several times as much.
    """
    mapped: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped.view(np.ndarray)


class _Sink:
    """A file that is nothing but something to write to."""

    def __init__(self, file: IO[bytes]) -> None:
        self.write = file.write


def read_key(path: Path, *, setting: str, error: type[InputError]) -> bytes:
    """Return the key of a file, without space around it.

    Args:
        path: the file; `~` is the home folder.
        setting: what names the file, for error texts: `[publish] signing_key`.
        error: what is raised.

    Raises:
        InputError: as `error` says: the file cannot be read, or holds less than LEAST_KEY bytes.
    """
    try:
        key = path.expanduser().read_bytes().strip()
    except OSError as err:
        raise error(f"{setting} {path}: cannot be read ({err.strerror})") from err
    if len(key) < LEAST_KEY:
        raise error(
            f"{setting} {path}: {len(key)} bytes are too few, at least {LEAST_KEY} are wanted; make one "
            "with: openssl rand -hex 32"
        )
    return key


def save_array(path: Path, array: np.ndarray) -> None:
    """Write an array as an npy file, whole or with an error.

    `np.save` hands a file that it knows to the C library and does not look at what closing it says: on a full disk the
    last piece is missing without a word.

    Raises:
        OSError: the file cannot be written.
    """
    with path.open("wb") as file:
        np.lib.format.write_array(_Sink(file), np.asanyarray(array), allow_pickle=False)


def release_pages(array: np.ndarray) -> None:
    """Let go of the memory that a mapped array has taken: what is read again comes from the file again.

    Nothing happens to an array that is not mapped, nor where the system has no such call.
    """
    owner: object = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)


def sync_folder(folder: Path, *, recurse: bool = True) -> None:
    """Ask the system to put a folder's entries, and with `recurse` every file below, onto the disk."""
    for path in folder.rglob("*") if recurse else ():
        if path.is_file() or path.is_dir():
            _sync(path)
    _sync(folder)


def write_whole(path: Path, text: str, *, prefix: str) -> None:
    """Write a small file so that a reader sees the old text or the new one, and whoever is killed leaves one of them.

    Args:
        path: the file; its folder is there.
        text: UTF-8.
        prefix: how the temporary file beside it begins, so that whoever tidies up knows it.
    """
    handle, part = tempfile.mkstemp(prefix=prefix, dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    sync_folder(path.parent, recurse=False)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
