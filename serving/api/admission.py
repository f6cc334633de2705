"""What a route asks of a request before it answers: a key with the right scope (`serving.api.keyring`)."""

from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader

from serving.api.services import services_of
from serving.keys import Scope

HEADER = APIKeyHeader(
    name="X-API-Key", auto_error=False, description="Made by `whycart keys create`; `Authorization: Bearer` does too."
)


def needs(scope: Scope) -> Any:
    """Return the dependency of a route that a key with this scope may use."""

    async def check(request: Request, key: Annotated[str | None, Security(HEADER)]) -> None:
        given = key
        if given is None:
            kind, _, bearer = request.headers.get("authorization", "").partition(" ")
            given = bearer.strip() if kind.lower() == "bearer" and bearer.strip() else None
        services_of(request).keyring.admit(given, scope)

    return Depends(check)
