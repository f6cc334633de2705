"""A client of the API for applications: `from serving.client import Whycart`.

It imports httpx and nothing else of the project, so it works where neither torch nor a graph server is installed.
"""

from serving.client.care_wishes import Rule
from serving.client.clients import AsyncWhycart, Whycart
from serving.client.errors import (
    ApiError,
    Changed,
    ConnectionFailed,
    Forbidden,
    InvalidRequest,
    NotFound,
    Refused,
    ServerFailed,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    WrongArgument,
)
from serving.client.exchange import Retries
from serving.client.wishes import Event, Explain, Impression, Product, SessionEvent

__all__ = [
    "ApiError",
    "AsyncWhycart",
    "Changed",
    "ConnectionFailed",
    "Event",
    "Explain",
    "Forbidden",
    "Impression",
    "InvalidRequest",
    "NotFound",
    "Product",
    "Refused",
    "Retries",
    "Rule",
    "ServerFailed",
    "SessionEvent",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "Whycart",
    "WrongArgument",
]
