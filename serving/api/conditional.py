"""Conditional requests (RFC 9110, 13): an answer that its caller has already, and a rule that somebody else changed.

An answer has an ETag if what it says follows from the model, the state and the request alone: then the tag is made of
these, before anything is computed. Lists of a user have none, for every one is recorded under an id of its own, and so
has /v1/similar. Tags of answers are weak: request_id and took_ms differ from answer to answer, and compression makes
other bytes of the same. The tag of a rule is strong, as it names the rule as it is kept, whoever shows it.
"""

import hashlib
import importlib.metadata
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from fastapi import Request, Response

from serving.api.holding import Served
from serving.api.routes import as_json
from serving.api.services import Services, compute, services_of

Facts = tuple[object, ...]
"""What an answer follows from; each is told apart by its `repr`."""
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            "ETag": {
                "description": "Of what is said; `If-None-Match` with it asks whether it still holds.",
                "schema": {"type": "string"},
            }
        }
    },
    304: {"description": "What `If-None-Match` names still holds; nothing was computed, and there is no body."},
}
"""How the OpenAPI document describes answers that have an ETag."""
_REVALIDATE = "private, no-cache"
_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


def tag_of(*facts: object) -> str:
    """Return the weak tag of what follows from these facts, in this release of Whycart."""
    return f'W/"{_digest((_release(), *facts))}"'


def known(request: Request, tag: str) -> Response | None:
    """Return the answer to a caller who has what a tag names; None: the caller has not."""
    names = tags_in(request, "if-none-match")
    if tag.removeprefix("W/") not in {name.removeprefix("W/") for name in names}:
        return None
    return tagged(Response(status_code=304), tag)


def tags_in(request: Request, header: str) -> list[str]:
    """Return the tags that a header of a request names; `*` is none, as nobody knows yet whether there is an answer."""
    return _TAG.findall(",".join(request.headers.getlist(header)))


def tagged(response: Response, tag: str) -> Response:
    """Return an answer with its tag; whoever keeps it asks before using it again."""
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = _REVALIDATE
    return response


async def answered_unless_known(
    request: Request,
    look: Callable[[Services, Served], tuple[Facts | None, Callable[[], dict[str, Any]]]],
    *,
    is_short: bool,
) -> Response:
    """Answer with what is found in the bundle in use, unless the caller has it.

    Args:
        request: the request under way; it is about no user.
        look: gives what the answer follows from beside the bundle and its settings, and what finds the body; None in
            place of facts: it follows from more, and has no tag.
        is_short: whether it takes a few milliseconds at most.
    """
    services = services_of(request)

    def work() -> Response:
        served = services.current.get()
        facts, find = look(services, served)
        if facts is None or request.method != "GET":
            return as_json(find())
        route = getattr(request.scope.get("route"), "path", "")
        about = (served.bundle.version, served.bundle.snapshot.hash, served.ready.reasons, bool(services.causes))
        tag = tag_of(request.method, route, *about, *facts)
        return known(request, tag) or tagged(as_json(find()), tag)

    return await compute(services, work, is_short=is_short)


@cache
def _release() -> str:
    return importlib.metadata.version("whycart")


def _digest(facts: Facts) -> str:
    return hashlib.blake2b(repr(facts).encode(), digest_size=12).hexdigest()
