"""`whycart users`: what is held of a user, handed out and deleted. What that is stands in `serving.people_data`."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from cypher.errors import InputError
from kg.store import GraphStore
from serving.audit_config import AuditConfig
from serving.cli.output import print_json, say
from serving.events import EventLog
from serving.people_data import allow as let_come_back
from serving.people_data import forget, hand_out
from serving.records import RecordLog
from serving.settings import Settings, load_settings

app = typer.Typer(no_args_is_help=True, help="Hand out or delete what is held of a user.")
User = Annotated[str, typer.Argument(metavar="USER", help="User id, as the shop has it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def _group() -> None:
    """Hand out or delete what is held of a user."""


@app.command()
def export(
    user: User,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write there instead of printing.")] = None,
) -> None:
    """Print everything that is held of a user as JSON: graph, event log, recorded lists.

    Example: whycart users export u42 --out u42.json
    """
    settings = load_settings()
    with _stores(settings) as (log, records, store):
        found = hand_out(settings.user(user), log=log, records=records, store=store, schema=settings.schema)
    if out is None:
        print_json(found)
        return
    out.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    say(f"what is held of {user} is in {out}")


@app.command()
def delete(
    users: Annotated[
        list[str] | None, typer.Argument(metavar="[USER]...", help="User ids, as the shop has them.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", metavar="FILE", help="File with one user id a line.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete users everywhere: graph, event log, recorded lists, and their past in what is served.

    An old file does not bring them back ('whycart users allow' does). Models and snapshots that hold them are deleted
    when the next model is published; copies that you made (backups, exports, lists in files) are yours to delete.

    Example: whycart users delete u42 --yes
    """
    settings = load_settings()
    ids = list(dict.fromkeys(settings.user(user) for user in _named(users, file)))
    _ask(len(ids), yes=yes)
    with _stores(settings) as (log, records, store):
        done = forget(ids, log=log, records=records, store=store, schema=settings.schema)
    if as_json:
        print_json({"users": len(ids), "events": done.events, "recommendations": done.lists, "traces": done.traces})
        return
    noun = "user was" if len(ids) == 1 else "users were"
    say(
        f"{len(ids):,} {noun} deleted: from the graph with all events, and with {done.events:,} events of the log and "
        f"{done.lists:,} recorded lists"
    )
    say("models and snapshots lose their copy when the next model is published: whycart retrain")
    if done.traces:
        say(f"note: {done.traces}")


@app.command()
def allow(user: User) -> None:
    """Let a deleted user come back, by an import or by a new event.

    Example: whycart users allow u42
    """
    settings = load_settings()
    with _stores(settings) as (log, _, store):
        was = let_come_back(settings.user(user), log=log, store=store, schema=settings.schema)
    if not was:
        raise InputError(f"{user} was not deleted, so there is nothing to allow")
    say(f"{user} may come back")


@app.command()
def pseudonym(user: User) -> None:
    """Print what the graph knows a user by, where users have pseudonyms.

    Example: whycart users pseudonym u42
    """
    settings = load_settings()
    if not settings.privacy.pseudonymise:
        raise InputError("users are known by their own ids here; [privacy] pseudonymise = true gives them pseudonyms")
    typer.echo(settings.user(user))


def _named(users: list[str] | None, file: Path | None) -> list[str]:
    lines = []
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as err:
            raise InputError(f"--file {file} cannot be read as a text file of ids, one a line: {err}") from err
    named = [*(users or []), *(line.strip() for line in lines if line.strip())]
    if not named:
        raise InputError("give USER, one or more, or --file FILE with one id a line")
    return named


def _ask(number: int, *, yes: bool) -> None:
    if yes:
        return
    noun = "user" if number == 1 else "users"
    if not typer.confirm(f"Delete {number:,} {noun} for good?", err=True):
        raise typer.Exit(1)


@contextlib.contextmanager
def _stores(settings: Settings) -> Iterator[tuple[EventLog, RecordLog, GraphStore]]:
    with (
        EventLog.open(settings.state, settings.secret_file) as log,
        RecordLog.open(settings.state, settings.section("audit", AuditConfig)) as records,
        GraphStore.open(settings.graph) as store,
    ):
        yield log, records, store
