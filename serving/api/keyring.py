"""Who may ask this API process what: keys looked up in memory, read anew every second, and a limit for each.

Where no key was ever made, and only then, everybody may ask everything: the process listens on the loopback interface
(`serving.cli.serve` sees to that). Limits are counted in the process, so several processes together let more through.
"""

import threading
import time
from dataclasses import dataclass
from typing import Protocol

from serving.api.key_uses import KeyUses
from serving.api.rate import Rate
from serving.api.wrong_keys import WrongKeys
from serving.errors import Forbidden, TooManyRequests, Unauthorized
from serving.keys import Key, KeyLog, Scope, match_key

READ_EVERY_S = 1.0
"""How long a revoked key may still be good in this process."""
_HOW = "give a key in the header X-API-Key; 'whycart keys create NAME --scope {scope}' makes one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What an API process asks of those who ask."""

    always: bool = False
    """Whether a key is needed even where none was ever made."""
    per_minute: int = 0
    """Most requests of a key in a minute; 0: as many as it likes."""
    wrong_per_minute: int = 0
    """Most wrong keys of one address in a minute; 0: as many as come."""
    origins: tuple[str, ...] = ()
    """Origins whose pages a browser lets ask; empty: none but the API's own."""


class Doorkeeper(Protocol):
    """Who says whether a request is answered."""

    def admit(self, text: str | None, scope: Scope, *, address: str | None) -> Key | None:
        """Return the key that a request may be answered with, as `Keyring.admit` does."""


class Keyring:
    """The keys of a project, as one API process knows them."""

    def __init__(self, keys: KeyLog, guard: Guard) -> None:
        """Read nothing yet; the keys are closed with the keyring."""
        self._log, self._always = keys, guard.always
        self._keys: tuple[Key, ...] = ()
        self._read_at = float("-inf")
        self._lock = threading.Lock()
        self._uses = KeyUses(keys)
        self._rate, self._wrong = Rate(guard.per_minute), WrongKeys(guard.wrong_per_minute)

    def start(self) -> None:
        """Begin to write down when keys are used."""
        self._uses.start()

    def close(self) -> None:
        """Write the last of that, and close the file."""
        self._uses.stop()
        self._log.close()

    def admit(self, text: str | None, scope: Scope, *, address: str | None) -> Key | None:
        """Return the key that a request may be answered with; None where none is needed.

        Args:
            text: key as it was sent; None: none was.
            scope: what the route is for.
            address: where it came from; None: nobody knows.

        Raises:
            Unauthorized: no key, or one that is not good.
            Forbidden: the key is not for such requests.
            TooManyRequests: the key has asked too often, or too many wrong ones came from this address.
            StateError: the keys cannot be read.
        """
        keys = self._known()
        if not keys and not self._always:
            return None
        key = None if text is None else match_key(text, keys)
        if text is not None and key is None:
            self._wrong.count(address)
        now_ms = int(time.time() * 1000)
        if key is None or not key.is_good(now_ms):
            raise refusal(text, scope)
        self._uses.note(key.key_id, now_ms=now_ms)
        if not key.allows(scope):
            raise Forbidden(f"this route needs a key with the scope {scope}; this one has {', '.join(key.scopes)}")
        self._count(key)
        return key

    def find(self, text: str) -> Key | None:
        """Return the key that a text is, good or not; it is not counted.

        Raises:
            StateError: the keys cannot be read.
        """
        return match_key(text, self._known())

    def _known(self) -> tuple[Key, ...]:
        if time.monotonic() - self._read_at >= READ_EVERY_S:
            with self._lock:
                self._keys, self._read_at = self._log.all(), time.monotonic()
        return self._keys

    def _count(self, key: Key) -> None:
        if (wait_s := self._rate.hit(key.key_id)) is not None:
            raise TooManyRequests(
                f"this key may ask {self._rate.per_minute} times a minute; ask again in {wait_s} s", wait_s=wait_s
            )


def refusal(text: str | None, scope: Scope) -> Unauthorized:
    """Return what is said to those who have no good key; it names no key and no shop.

    Args:
        text: key as it was sent; None: none was.
        scope: what the route is for.
    """
    what = "this API needs a key" if text is None else "the key is not known, revoked or expired"
    return Unauthorized(f"{what}: {_HOW.format(scope=scope)}")
