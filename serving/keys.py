"""API keys: who may ask, for what, and until when.

A key is shown once, when it is made; the state file holds only the hash of its secret. Secrets are 32 random bytes, so
one round of SHA-256 is enough. Revoked and expired keys stay in the file: where there ever was a key, one is needed.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import sqlalchemy as sa

from serving.errors import KeysError, UnknownKey
from serving.state import API_KEYS, StateFile, open_state, translated

Scope = Literal["read", "write", "cypher", "rules", "admin"]
"""What a key is for: `read` lists, reasons and metrics, `write` events, `cypher` queries of the graph,
`rules` business rules, `admin` all."""
SCOPES: tuple[Scope, ...] = get_args(Scope)
PREFIX = "wk"
_KEY = re.compile(rf"{PREFIX}_([0-9a-f]{{12}})_([A-Za-z0-9_-]{{43}})")
_MINUTE_MS = 60_000
_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,100}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key as it is kept; the secret is not here."""

    key_id: str
    name: str
    """Who or what it is for."""
    scopes: tuple[Scope, ...]
    digest: bytes
    """SHA-256 of the secret."""
    created_at_ms: int
    expires_at_ms: int | None
    """Epoch milliseconds from which it is no longer good; None: never."""
    revoked_at_ms: int | None
    """Epoch milliseconds at which it was revoked; None: it was not."""
    last_used_at_ms: int | None
    """Epoch milliseconds at which it was last used, to a minute or so; None: never, as far as is known."""

    def is_good(self, now_ms: int) -> bool:
        """Return whether it is neither revoked nor expired."""
        return self.revoked_at_ms is None and (self.expires_at_ms is None or now_ms < self.expires_at_ms)

    def allows(self, scope: Scope) -> bool:
        """Return whether it is for such requests."""
        return scope in self.scopes or "admin" in self.scopes

    def state(self, now_ms: int) -> Literal["good", "revoked", "expired"]:
        """Return what has become of it."""
        if self.revoked_at_ms is not None:
            return "revoked"
        return "good" if self.is_good(now_ms) else "expired"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made, with the text that is shown this once."""

    key: Key
    text: str


class KeyLog(StateFile):
    """The keys of one project; several processes may use the same file."""

    @classmethod
    def open(cls, path: Path) -> "KeyLog":
        """Open the keys in a state file, which is created when it is not there.

        Raises:
            StateError: the file cannot be opened or was written by a newer release.
        """
        return cls(path, open_state(path))

    def create(self, name: str, scopes: Iterable[str], *, now_ms: int, expires_at_ms: int | None = None) -> NewKey:
        """Make a key.

        Args:
            name: who or what it is for.
            scopes: of SCOPES, at least one.
            now_ms: the time, epoch milliseconds.
            expires_at_ms: when it is no longer good; None: never.

        Raises:
            KeysError: no name, no such scope, or it would have expired already.
            StateError: the file cannot be written.
        """
        if not _NAME.fullmatch(name):
            raise KeysError(f"the name of a key is one line of 1 to 100 characters, got {name[:100]!r}")
        wanted = check_scopes(scopes)
        if expires_at_ms is not None and expires_at_ms <= now_ms:
            raise KeysError("the key would have expired already; give a time to come")
        secret = secrets.token_urlsafe(32)
        key = Key(
            key_id=secrets.token_hex(6),
            name=name,
            scopes=wanted,
            digest=_digest(secret),
            created_at_ms=now_ms,
            expires_at_ms=expires_at_ms,
            revoked_at_ms=None,
            last_used_at_ms=None,
        )
        with translated(self.path), self._engine.begin() as connection:
            connection.execute(sa.insert(API_KEYS), [_row_of(key)])
        return NewKey(key, f"{PREFIX}_{key.key_id}_{secret}")

    def all(self) -> tuple[Key, ...]:
        """Return every key that was ever made, the oldest first.

        Raises:
            StateError: the file cannot be read.
        """
        statement = sa.select(API_KEYS).order_by(API_KEYS.c.created_at_ms, API_KEYS.c.key_id)
        with translated(self.path), self._engine.connect() as connection:
            return tuple(_key_of(row) for row in connection.execute(statement))

    def revoke(self, key_id: str, *, now_ms: int) -> Key:
        """Make a key useless at once, in every process within a second; return it.

        Raises:
            UnknownKey: no such key, or it was revoked before.
            StateError: the file cannot be written.
        """
        return self._end(key_id, now_ms=now_ms, revoked_at_ms=now_ms)

    def rotate(self, key_id: str, *, now_ms: int, grace_ms: int) -> NewKey:
        """Make a key with the same name, scopes and lifetime, and let the old one expire after a while.

        Args:
            key_id: the old key.
            now_ms: the time, epoch milliseconds.
            grace_ms: how long the old one stays good, so that its users can be told.

        Raises:
            UnknownKey: no such key, or it is revoked or expired.
            StateError: the file cannot be written.
        """
        old = self._find(key_id, now_ms=now_ms)
        lifetime = None if old.expires_at_ms is None else now_ms + old.expires_at_ms - old.created_at_ms
        made = self.create(old.name, old.scopes, now_ms=now_ms, expires_at_ms=lifetime)
        end = now_ms + grace_ms if old.expires_at_ms is None else min(now_ms + grace_ms, old.expires_at_ms)
        self._end(key_id, now_ms=now_ms, expires_at_ms=end)
        return made

    def used(self, at_ms: Mapping[str, int]) -> None:
        """Say when keys were last used; a key about which as much is known to the minute is passed over.

        Args:
            at_ms: epoch milliseconds by key id.

        Raises:
            StateError: the file cannot be written.
        """
        known = API_KEYS.c.last_used_at_ms
        is_news = sa.or_(known.is_(None), known <= sa.bindparam("at") - _MINUTE_MS)
        statement = sa.update(API_KEYS).where(API_KEYS.c.key_id == sa.bindparam("used"), is_news)
        rows = [{"used": key_id, "at": at} for key_id, at in at_ms.items()]
        with translated(self.path), self._engine.begin() as connection:
            connection.execute(statement.values(last_used_at_ms=sa.bindparam("at")), rows)

    def _find(self, key_id: str, *, now_ms: int) -> Key:
        found = next((key for key in self.all() if key.key_id == key_id), None)
        if found is None:
            raise UnknownKey(f"no key has the id {key_id[:40]!r}; 'whycart keys list' shows them")
        if not found.is_good(now_ms):
            raise UnknownKey(
                f"the key {key_id} is {found.state(now_ms)} already; make a new one with 'whycart keys create'"
            )
        return found

    def _end(self, key_id: str, *, now_ms: int, **values: int) -> Key:
        found = self._find(key_id, now_ms=now_ms)
        statement = sa.update(API_KEYS).where(API_KEYS.c.key_id == key_id).values(**values)
        with translated(self.path), self._engine.begin() as connection:
            connection.execute(statement)
        return found


def check_scopes(scopes: Iterable[str]) -> tuple[Scope, ...]:
    """Return scopes in the order of SCOPES, each once.

    Raises:
        KeysError: none, or one that there is not.
    """
    wanted = set(scopes)
    if unknown := sorted(wanted - set(SCOPES)):
        raise KeysError(f"no scope is named {unknown[0][:40]!r}; there are {', '.join(SCOPES)}")
    if not wanted:
        raise KeysError(f"a key needs at least one scope; there are {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in wanted)


def match_key(text: str, keys: Sequence[Key]) -> Key | None:
    """Return the key that a text is, good or not; None for any other text. Takes as long whatever the secret is."""
    shape = _KEY.fullmatch(text)
    if shape is None:
        return None
    key_id, secret = shape.groups()
    digest, found = _digest(secret), None
    for key in keys:
        if hmac.compare_digest(key.key_id, key_id) and hmac.compare_digest(key.digest, digest):
            found = key
    return found


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _row_of(key: Key) -> dict[str, object]:
    return {
        "key_id": key.key_id,
        "name": key.name,
        "scopes": " ".join(key.scopes),
        "digest": key.digest,
        "created_at_ms": key.created_at_ms,
        "expires_at_ms": key.expires_at_ms,
        "revoked_at_ms": key.revoked_at_ms,
        "last_used_at_ms": key.last_used_at_ms,
    }


def _key_of(row: sa.Row[tuple[object, ...]]) -> Key:
    return Key(
        key_id=row.key_id,
        name=row.name,
        scopes=check_scopes(row.scopes.split()),
        digest=row.digest,
        created_at_ms=row.created_at_ms,
        expires_at_ms=row.expires_at_ms,
        revoked_at_ms=row.revoked_at_ms,
        last_used_at_ms=row.last_used_at_ms,
    )
