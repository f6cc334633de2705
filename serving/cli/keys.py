"""`whycart keys`: the keys of the API: made, listed, rotated, revoked. What a key is stands in `serving.keys`."""

import re
import time
from datetime import UTC, datetime
from typing import Annotated

import typer

from cypher.errors import InputError
from serving.cli.output import print_json, print_table, say
from serving.keys import SCOPES, Key, KeyLog, NewKey
from serving.settings import load_settings

_UNITS = {"h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION = re.compile(r"([0-9]{1,5})([hdw])")

app = typer.Typer(no_args_is_help=True, help="Make, list, rotate and revoke keys of the API.")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
KeyId = Annotated[str, typer.Argument(metavar="ID", help="Id of the key, as 'whycart keys list' shows it.")]


@app.callback()
def _group() -> None:
    """Make, list, rotate and revoke keys of the API."""


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who or what it is for.")],
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help=f"What it is for, once or more: {', '.join(SCOPES)}.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="TIME", help="How long it is good, such as 90d, 12w or 24h.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, this once.

    From the first key on every request needs one. Without --scope it may read.

    Example: whycart keys create storefront --scope read --scope write --expires 90d
    """
    now_ms = _now_ms()
    end = None if expires is None else now_ms + parse_duration(expires, option="--expires")
    with KeyLog.open(load_settings().state) as keys:
        _tell_new(keys.create(name, scope or ["read"], now_ms=now_ms, expires_at_ms=end), as_json=as_json)


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List every key that was ever made; secrets are not kept.

    Example: whycart keys list
    """
    now_ms = _now_ms()
    with KeyLog.open(load_settings().state) as log:
        keys = log.all()
    if as_json:
        print_json({"keys": [_facts(key, now_ms) for key in keys]})
        return
    if not keys:
        say("there is no key, so the API answers everybody on this machine; make one with 'whycart keys create NAME'")
        return
    rows = [
        (
            key.key_id,
            key.name,
            " ".join(key.scopes),
            _day(key.created_at_ms),
            _day(key.expires_at_ms),
            _minute(key.last_used_at_ms),
            key.state(now_ms),
        )
        for key in keys
    ]
    print_table(("id", "name", "scopes", "made", "good until", "last used", "state"), rows)


@app.command()
def rotate(
    key_id: KeyId,
    grace: Annotated[
        str, typer.Option("--grace", metavar="TIME", help="How long the old key stays good, such as 1h or 7d.")
    ] = "24h",
    as_json: AsJson = False,
) -> None:
    """Make a key with the same name, scopes and lifetime; the old one stays good for a while.

    Example: whycart keys rotate 0123456789ab --grace 7d
    """
    with KeyLog.open(load_settings().state) as keys:
        made = keys.rotate(key_id, now_ms=_now_ms(), grace_ms=parse_duration(grace, option="--grace"))
    _tell_new(made, as_json=as_json)
    if not as_json:
        say(f"the key {key_id} stays good for {grace}")


@app.command()
def revoke(key_id: KeyId) -> None:
    """Make a key useless, in every API process within a second.

    Example: whycart keys revoke 0123456789ab
    """
    with KeyLog.open(load_settings().state) as keys:
        key = keys.revoke(key_id, now_ms=_now_ms())
    say(f"the key {key_id} ({key.name}) is revoked")


def parse_duration(text: str, *, option: str) -> int:
    """Return a time such as `90d` in milliseconds.

    Raises:
        InputError: it is none.
    """
    shape = _DURATION.fullmatch(text)
    if shape is None:
        raise InputError(
            f"{option} must be a number of hours, days or weeks such as 24h, 90d or 12w, got {text[:40]!r}"
        )
    return int(shape[1]) * _UNITS[shape[2]]


def _tell_new(made: NewKey, *, as_json: bool) -> None:
    if as_json:
        print_json(_facts(made.key, _now_ms()) | {"key": made.text})
        return
    say(made.text)
    until = "" if made.key.expires_at_ms is None else f", good until {_day(made.key.expires_at_ms)}"
    say(f"{made.key.name}: {' '.join(made.key.scopes)}{until}; this is shown once, send it in the header X-API-Key")


def _facts(key: Key, now_ms: int) -> dict[str, object]:
    return {
        "key_id": key.key_id,
        "name": key.name,
        "scopes": list(key.scopes),
        "created_at": _iso(key.created_at_ms),
        "expires_at": None if key.expires_at_ms is None else _iso(key.expires_at_ms),
        "last_used_at": None if key.last_used_at_ms is None else _iso(key.last_used_at_ms),
        "state": key.state(now_ms),
    }


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _day(at_ms: int | None) -> str:
    return "" if at_ms is None else _iso(at_ms)[:10]


def _minute(at_ms: int | None) -> str:
    return "" if at_ms is None else f"{_iso(at_ms)[:16]}Z"


def _now_ms() -> int:
    return int(time.time() * 1000)
