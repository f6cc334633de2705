"""`whycart recommend --all`: the lists of every user as a Parquet file."""

import time
from pathlib import Path

from cypher.errors import InputError
from gnn.bundle import Bundle
from serving.answer import RecommendRequest
from serving.batch import Source, recommend_to_all
from serving.cli.output import progress_bars, say
from serving.events import EventLog
from serving.model_store import open_models
from serving.reason_config import read_reasons
from serving.settings import Settings


def write_lists(
    settings: Settings, wish: RecommendRequest, *, out: Path, only: Path | None, workers: int, restart: bool
) -> None:
    """Write the lists of the users of the published model, or of those in a file, and say what came out.

    Args:
        settings: of the project.
        wish: length, paths and language of the lists.
        out: the Parquet file.
        only: file with one user id a line; None: every user that the model knows.
        workers: processes.
        restart: throw away what an earlier run left.

    Raises:
        InputError: the name of the file does not end in .parquet, or the file of users cannot be read.
    """
    if out.suffix != ".parquet":
        raise InputError(f"--out writes Parquet, got {out.name!r}; give a name that ends in .parquet")
    bundle = open_models(settings).current()
    users = _users(settings, bundle, only)
    source = Source(settings.bundles, bundle.version, read_reasons(settings), settings.state, settings.secret_file)
    started = time.perf_counter()
    with progress_bars() as progress:
        num_rows = recommend_to_all(
            users, out, source=source, wish=wish, workers=workers, restart=restart, progress=progress
        )
    took = time.perf_counter() - started
    say(f"{num_rows:,} rows for {len(users):,} users in {out} ({took:.1f} s, {len(users) / took:,.0f} users a second)")
    say(f"model {bundle.version}")


def _users(settings: Settings, bundle: Bundle, only: Path | None) -> list[str]:
    """Return who gets a list, in order: those who were deleted do not."""
    named = bundle.snapshot.ids("User") if only is None else map(settings.user, _read_users(only))
    with EventLog.open(settings.state, settings.secret_file) as log:
        return sorted(user for user in set(named) if not log.forgets(user))


def _read_users(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--users {path} cannot be read as a text file of ids, one a line: {error}") from error
    users = [line.strip() for line in lines if line.strip()]
    if not users:
        raise InputError(f"--users {path} holds no id; write one a line")
    return users
