"""Which users were deleted, as the operational state knows: digests of their ids, checked before anything is said.

A deletion is first written down here, from which moment the user is unknown to every API process; then the graph and
the logs let go of the user (`serving.people_data`), and the id goes too. What is kept is a digest that only the shop's
secret can make (`kg.privacy`).
"""

import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from kg.errors import PrivacyError
from kg.privacy import Secret, read_or_make_secret, read_secret
from serving.state import DELETIONS, translated

DELETED = "the user was deleted; 'whycart users allow' lets one come back"
"""Why nothing of a user is taken in."""
READ_EVERY_S = 1.0
"""How long a deletion by another process may go unnoticed by this one."""


class Deletions:
    """The deletions of one project; several processes may use the same file."""

    def __init__(self, path: Path, engine: sa.Engine, secret_file: Path) -> None:
        """Use a state file that is open already; nothing is read yet.

        Args:
            path: of the state file, for error texts.
            engine: of it.
            secret_file: where the secret is, or will be made when the first user is deleted.
        """
        self._path, self._engine, self.secret_file = path, engine, secret_file
        self._secret: Secret | None = None
        self._digests: frozenset[str] = frozenset()
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    def secret(self) -> Secret:
        """Return the secret, which is made when it is not there and nobody was deleted yet.

        Raises:
            PrivacyError: it cannot be read or made, is gone, or is another one than users were deleted with.
        """
        if self._secret is None and not self.last():
            self._secret = read_or_make_secret(self.secret_file)
        return self._needed()

    def has(self, user_id: str) -> bool:
        """Return whether a user was deleted; a deletion by another process is known a second later.

        Raises:
            PrivacyError: users were deleted, and the secret that says who is missing or another one.
            StateError: the file cannot be read.
        """
        digests = self._known()
        return bool(digests) and self._needed().digest(user_id) in digests

    def among(self, connection: sa.Connection, user_ids: Iterable[str]) -> frozenset[str]:
        """Return those of some users that were deleted, as a transaction sees it."""
        if connection.execute(sa.select(DELETIONS.c.seq).limit(1)).first() is None:
            return frozenset()
        secret = self._needed()
        asked = {secret.digest(user_id): user_id for user_id in user_ids}
        found = connection.execute(sa.select(DELETIONS.c.digest).where(DELETIONS.c.digest.in_(asked))).scalars()
        return frozenset(asked[digest] for digest in found)

    def add(self, user_id: str, *, now_ms: int) -> int:
        """Write a deletion down and return its number; it is on the disk when this returns.

        Args:
            user_id: who. A user who was deleted before keeps the number, and is deleted again.
            now_ms: epoch milliseconds.
        """
        secret = self.secret()
        row = {"digest": secret.digest(user_id), "key_id": secret.key_id, "at_ms": now_ms, "user_id": user_id}
        statement = insert(DELETIONS).values(row)
        statement = statement.on_conflict_do_update(index_elements=["digest"], set_={"user_id": user_id})
        with translated(self._path), self._engine.begin() as connection:
            number = connection.execute(statement.returning(DELETIONS.c.seq)).scalar_one()
        self._read_at = float("-inf")
        return int(number)

    def waiting(self) -> Mapping[str, str]:
        """Return the users whom the graph has not let go of yet: id by digest."""
        statement = sa.select(DELETIONS.c.digest, DELETIONS.c.user_id).where(DELETIONS.c.user_id.is_not(None))
        with translated(self._path), self._engine.connect() as connection:
            return {row.digest: row.user_id for row in connection.execute(statement.order_by(DELETIONS.c.seq))}

    def settle(self, digests: Iterable[str]) -> None:
        """Let go of the ids of users who are gone from everywhere else."""
        statement = sa.update(DELETIONS).where(DELETIONS.c.digest.in_(list(digests))).values(user_id=None)
        with translated(self._path), self._engine.begin() as connection:
            connection.execute(statement)

    def allow(self, user_id: str) -> bool:
        """Forget that a user was deleted, who may come back then; return whether the user was."""
        statement = sa.delete(DELETIONS).where(DELETIONS.c.digest == self.secret().digest(user_id))
        with translated(self._path), self._engine.begin() as connection:
            found = connection.execute(statement).rowcount > 0
        self._read_at = float("-inf")
        return found

    def last(self) -> int:
        """Return the number of the latest deletion, 0 without any."""
        statement = sa.select(sa.func.coalesce(sa.func.max(DELETIONS.c.seq), 0))
        with translated(self._path), self._engine.connect() as connection:
            return int(connection.execute(statement).scalar_one())

    def digests(self) -> Mapping[str, int]:
        """Return when each deleted user was deleted, epoch milliseconds, by digest."""
        statement = sa.select(DELETIONS.c.digest, DELETIONS.c.at_ms).order_by(DELETIONS.c.seq)
        with translated(self._path), self._engine.connect() as connection:
            return {row.digest: row.at_ms for row in connection.execute(statement)}

    def _known(self) -> frozenset[str]:
        if time.monotonic() - self._read_at >= READ_EVERY_S:
            with self._lock:
                self._digests, self._read_at = frozenset(self.digests()), time.monotonic()
        return self._digests

    def _needed(self) -> Secret:
        """The secret that the deletions were made with; one is not made anew."""
        if self._secret is None:
            found = read_secret(self.secret_file)
            if found is None:
                raise PrivacyError(
                    f"users were deleted, and the secret that says who they are is not in {self.secret_file}, so "
                    "nobody can be answered; put the file back, [privacy] key_file names it"
                )
            self._check(found)
            self._secret = found
        return self._secret

    def _check(self, secret: Secret) -> None:
        statement = sa.select(DELETIONS.c.key_id).where(DELETIONS.c.key_id != secret.key_id).limit(1)
        with translated(self._path), self._engine.connect() as connection:
            other = connection.execute(statement).scalar_one_or_none()
        if other is not None:
            raise PrivacyError(
                f"users were deleted with the secret {other}, and {self.secret_file} holds {secret.key_id}; put back "
                "the file that was used then, [privacy] key_file names it"
            )
