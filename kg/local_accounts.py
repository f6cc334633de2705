"""The accounts of the local server: one that may do everything, and one that can only read and only for a while.

The server keeps them in two files of its `config` folder; both are written here before it starts, so that it never runs
without the second account.
"""

import base64
import hashlib
import json
import os
import secrets
from pathlib import Path

from kg.errors import LocalServerError

OWNER, READER = "root", "reader"
READ_TIMEOUT_MS = 60_000
"""After which the server ends what the reading account asked."""
_ITERATIONS = 65_536
_FULL = ("createRecord", "readRecord", "updateRecord", "deleteRecord")


def password_of(folder: Path, user: str) -> str:
    """Return the password of an account; made when it is asked for the first time.

    Raises:
        LocalServerError: the owner's password is lost while the graph is locked with it.
    """
    file = _password_file(folder, user)
    if not file.exists():
        if user == OWNER and _users_file(folder).exists():
            raise LocalServerError(f"{file} is gone but the graph in {folder} is locked with it; restore that file")
        write_private(file, secrets.token_urlsafe(24))
    return file.read_text("utf-8")


def has_account(folder: Path, user: str) -> bool:
    """Whether an account was ever made."""
    return _password_file(folder, user).exists()


def prepare_accounts(folder: Path) -> None:
    """Write the files of the accounts, so far as something is missing in them; the server must not be running."""
    owner, reader = password_of(folder, OWNER), password_of(folder, READER)
    file = _users_file(folder)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    known = {json.loads(line)["name"] for line in lines if line.strip()}
    missing = [(OWNER, owner, "admin"), (READER, reader, READER)]
    added = [_user(name, password, group=group) for name, password, group in missing if name not in known]
    if added:
        write_private(file, "\n".join([*lines, *added]) + "\n")
    write_private(file.with_name("server-groups.json"), json.dumps(_groups(), indent=2))


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    part = file.with_name(f"{file.name}.{os.getpid()}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    part.replace(file)


def _password_file(folder: Path, user: str) -> Path:
    return folder / ("password" if user == OWNER else f"password-{user}")


def _users_file(folder: Path) -> Path:
    return folder / "config" / "server-users.jsonl"


def _user(name: str, password: str, *, group: str) -> str:
    salt = base64.b64encode(secrets.token_bytes(32)).decode()
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), _ITERATIONS)
    sealed = f"PBKDF2WithHmacSHA256${_ITERATIONS}${salt}${base64.b64encode(digest).decode()}"
    return json.dumps({"name": name, "databases": {"*": [group]}, "password": sealed})


def _groups() -> dict[str, object]:
    def group(access: list[str], records: tuple[str, ...], timeout_ms: int) -> dict[str, object]:
        return {
            "resultSetLimit": -1,
            "readTimeout": timeout_ms,
            "access": access,
            "types": {"*": {"access": list(records)}},
        }

    owner = group(["updateSecurity", "updateSchema", "updateDatabaseSettings"], _FULL, -1)
    groups = {"admin": owner, READER: group([], ("readRecord",), READ_TIMEOUT_MS), "*": group([], (), -1)}
    return {"databases": {"*": {"groups": groups}}, "version": 2}
