"""The ids that requests name things by; those of users become what the graph knows the users by, once and here."""

from contextvars import ContextVar
from typing import Annotated

from pydantic import AfterValidator, Field

from kg.privacy import Secret
from serving.events import ID_LIMIT

_NO_CONTROL = r"^[^\x00-\x1f\x7f-\x9f]+$"
USER_SECRET: ContextVar[Secret | None] = ContextVar("user_secret", default=None)
"""What pseudonyms are made with while a request is read; None: users are known by their ids. Set by the edge."""


def known_as(user_id: str) -> str:
    """Return what the graph knows a user by: the id, or its pseudonym where users have such."""
    secret = USER_SECRET.get()
    return user_id if secret is None else secret.pseudonym(user_id)


Id = Annotated[str, Field(min_length=1, max_length=ID_LIMIT, pattern=_NO_CONTROL)]
"""An external id: one line of plain text."""
UserId = Annotated[Id, AfterValidator(known_as)]
"""The id of a user as the shop has it; what comes out is what the graph has."""
SessionId = Annotated[Id, AfterValidator(known_as)]
"""The id of a session as the shop has it; what comes out is what the state has: it names somebody as much."""
