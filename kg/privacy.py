"""The secret of a shop, and what is made with it: pseudonyms of users, and digests by which a deleted user is known.

The secret lies in a file of its own, never in the graph and never in a backup: who has the data but not the secret
cannot tell whose it is, and who has an id but not the secret cannot tell whether it was deleted.
"""

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from kg.errors import PrivacyError
from kg.files import read_key

PSEUDONYM_PREFIX = "u-"
_PSEUDONYM_CHARACTERS = 32


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret key; what is made with it cannot be made, nor checked against a guess, without it."""

    key: bytes = field(repr=False)

    @property
    def key_id(self) -> str:
        """Short name of the key by which another one is noticed, 8 hex digits; it says nothing about the key."""
        return self._hash("key")[:8]

    def digest(self, user_id: str) -> str:
        """Return what a deleted user is known by: HMAC-SHA256 (RFC 2104), 64 hex digits."""
        return self._hash(f"deleted {user_id}")

    def pseudonym(self, user_id: str) -> str:
        """Return the name that a user has in the graph instead of the id; one that is a pseudonym already stays.

        128 bits of HMAC-SHA256: the same user has the same pseudonym in every table and for ever.
        """
        if is_pseudonym(user_id):
            return user_id
        return PSEUDONYM_PREFIX + self._hash(f"user {user_id}")[:_PSEUDONYM_CHARACTERS]

    def _hash(self, text: str) -> str:
        return hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()


def is_pseudonym(user_id: str) -> bool:
    """Return whether an id has the form of a pseudonym."""
    rest = user_id.removeprefix(PSEUDONYM_PREFIX)
    return len(rest) == _PSEUDONYM_CHARACTERS and len(user_id) > len(rest) and not set(rest) - set("0123456789abcdef")


def read_secret(file: Path) -> Secret | None:
    """Return the secret of a file, None when the file is not there.

    Raises:
        PrivacyError: the file cannot be read, or holds too little.
    """
    if not file.expanduser().exists():
        return None
    return Secret(read_key(file, setting="[privacy] key_file", error=PrivacyError))


def read_or_make_secret(file: Path) -> Secret:
    """Return the secret of a file, which is made with a new one, for its owner alone, when it is not there.

    Raises:
        PrivacyError: the file cannot be read or written, or holds too little.
    """
    found = read_secret(file)
    if found is not None:
        return found
    path = file.expanduser()
    part = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as out:
            out.write(secrets.token_hex(32) + "\n")
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(part, path)  # whoever comes first wins; the others take that one
        except FileExistsError:
            pass
        finally:
            part.unlink()
    except OSError as err:
        raise PrivacyError(f"[privacy] key_file {file}: cannot be written ({err.strerror})") from err
    made = read_secret(file)
    if made is None:
        raise PrivacyError(f"[privacy] key_file {file}: went away while it was made; try again")
    return made
