"""What a route asks of a request before it answers: a key with the right scope (`serving.api.keyring`)."""

from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader
from starlette.datastructures import Headers

from serving.api.keyring import Doorkeeper
from serving.keys import Scope

HEADER = APIKeyHeader(
    name="X-API-Key", auto_error=False, description="Made by `whycart keys create`; `Authorization: Bearer` does too."
)


def needs(scope: Scope) -> Any:
    """Return the dependency of a route that a key with this scope may use."""

    async def check(request: Request, key: Annotated[str | None, Security(HEADER)]) -> None:
        doorkeeper: Doorkeeper = request.app.state.doorkeeper
        address = None if request.client is None else request.client.host
        doorkeeper.admit(key_in(request.headers), scope, address=address)

    return Depends(check)


def key_in(headers: Headers) -> str | None:
    """Return the key that a request sends, in either of two headers; None: none."""
    if given := headers.get(HEADER.model.name):
        return given
    kind, _, bearer = headers.get("authorization", "").partition(" ")
    return bearer.strip() if kind.lower() == "bearer" and bearer.strip() else None
