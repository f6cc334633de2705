"""One question to the API as a value: what is sent, and what comes back. Nothing is sent here."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Generic, Literal, TypeVar
from urllib.parse import quote

from serving.client.errors import WrongArgument

Answer = TypeVar("Answer")
PATIENCE_S, PATIENCE_OF_GRAPH_S = 10.0, 40.0
"""How long an answer is waited for; a question to the graph may take 30 seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[Answer]):
    """A question to the API. Each without a tag may be asked again: events and products are known by their ids."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    route: str
    """As docs/openapi.json has it, with names in braces."""
    answer: type[Answer]
    """What comes back; str: plain text."""
    target: str
    """Path and parameters, as they go into an address."""
    content: bytes | None = None
    """JSON, of a POST or PUT."""
    if_match: str | None = None
    """Tag of what is changed, as it was read; None: whatever it is by now."""
    is_repeated: bool = True
    """Whether it is asked again when the API cannot answer now."""
    patience_s: float = PATIENCE_S
    """How long an answer is waited for where the client is not told otherwise."""


def get(
    route: str, answer: type[Answer], options: Mapping[str, object], /, *, is_repeated: bool = True, **names: str
) -> Call[Answer]:
    """Return a question whose wishes stand in the address.

    Args:
        route: as the document has it.
        answer: what comes back.
        options: parameters; None and lists without entries are left out.
        is_repeated: whether it is asked again when the API cannot answer now.
        names: what stands for the names in the route.

    Raises:
        WrongArgument: a value that no address can hold.
    """
    pairs = [pair for name, value in options.items() for pair in _parameter(name, value)]
    asked = "&".join(f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in pairs)
    target = _path(route, names) + (f"?{asked}" if asked else "")
    return Call(method="GET", route=route, answer=answer, target=target, is_repeated=is_repeated)


def post(
    route: str,
    answer: type[Answer],
    body: Mapping[str, object],
    /,
    *,
    patience_s: float = PATIENCE_S,
    **names: str,
) -> Call[Answer]:
    """Return a question whose wishes stand in the body; fields that are None are left out.

    Raises:
        WrongArgument: a value that JSON cannot hold, or a time without a zone.
    """
    target, content = _path(route, names), _content(body)
    return Call(method="POST", route=route, answer=answer, target=target, content=content, patience_s=patience_s)


def put(
    route: str, answer: type[Answer], body: Mapping[str, object], /, *, if_match: str | None = None, **names: str
) -> Call[Answer]:
    """Return the wish that something stands as the body says; fields that are None are left out.

    Raises:
        WrongArgument: a value that JSON cannot hold, or a time without a zone.
    """
    target, content = _path(route, names), _content(body)
    # One that was done and whose answer was lost would be told that somebody else changed the thing.
    repeated = if_match is None
    return Call(
        method="PUT",
        route=route,
        answer=answer,
        target=target,
        content=content,
        if_match=if_match,
        is_repeated=repeated,
    )


def _content(body: Mapping[str, object]) -> bytes:
    return to_json({name: value for name, value in body.items() if value is not None})


def delete(route: str, answer: type[Answer], /, *, if_match: str | None = None, **names: str) -> Call[Answer]:
    """Return the wish that something goes."""
    target, repeated = _path(route, names), if_match is None
    return Call(method="DELETE", route=route, answer=answer, target=target, if_match=if_match, is_repeated=repeated)


def to_json(value: object) -> bytes:
    """Return a value as it stands in a body.

    Raises:
        WrongArgument: JSON cannot hold it, or it is a time without a zone.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain).encode()
    except WrongArgument:
        raise
    except (TypeError, ValueError) as err:
        raise WrongArgument(
            f"this cannot be sent as JSON: {err}; send texts, finite numbers, lists and tables"
        ) from err


def _plain(value: object) -> object:
    """What stands for a value that JSON does not know."""
    if isinstance(value, datetime):
        return _time(value)
    if is_dataclass(value) and not isinstance(value, type):
        pairs = ((one.name.removesuffix("_"), getattr(value, one.name)) for one in fields(value))
        return {name: one for name, one in pairs if one is not None}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray):
        return list(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _time(value: datetime) -> str:
    if value.tzinfo is None:
        raise WrongArgument(
            f"the time {value.isoformat()} says no zone, so nobody knows when it is; give one, such as "
            "datetime.now(UTC)"
        )
    return value.isoformat()


def _path(route: str, names: Mapping[str, str]) -> str:
    """The path with what stands for its names; a dot at its end would be read as a folder."""
    return route.format_map(
        {
            name: quote(text, safe="").replace(".", "%2E") if text in (".", "..") else quote(text, safe="")
            for name, text in names.items()
        }
    )


def _parameter(name: str, value: object) -> list[tuple[str, str]]:
    if value is None:
        return []
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [pair for one in value for pair in _parameter(name, one)]
    if isinstance(value, bool):
        return [(name, "true" if value else "false")]
    if isinstance(value, float) and not math.isfinite(value):
        raise WrongArgument(f"{name} must be a finite number, got {value}")
    if isinstance(value, datetime):
        return [(name, _time(value))]
    if isinstance(value, str | int | float):
        return [(name, str(value))]
    raise WrongArgument(f"{name} must be a text, a number, a time, true or false, or a list of them, got {value!r}")
