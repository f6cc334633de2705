"""What goes wrong between an application and the API; everything is an `ApiError`.

The client knows nothing of the rest of the project, and so not of its errors either.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from serving.client.parts import FieldProblem, RejectedEvent, RejectedImpression, RejectedProduct


class ApiError(Exception):
    """Anything the client raises on purpose."""


class WrongArgument(ApiError, ValueError):
    """Something handed to the client cannot be sent; nothing was."""


class ConnectionFailed(ApiError):
    """No answer came, however often it was asked; whether the API acted on the request is not known."""


class UnexpectedAnswer(ApiError):
    """An answer came that is not what docs/openapi.json says; another program may listen there, or another version."""


class Refused(ApiError):
    """The API, or something before it, answered with an error; its kinds are the classes below."""

    def __init__(
        self,
        message: str,
        *,
        problem: Mapping[str, Any],
        errors: Sequence[FieldProblem] = (),
        rejected: Sequence[RejectedEvent | RejectedProduct | RejectedImpression] = (),
        retry_after_s: float | None = None,
    ) -> None:
        """Keep what the API said.

        Args:
            message: the text of the error.
            problem: type, title, status, detail and request_id of the answer.
            errors: parts of the request that are wrong.
            rejected: events, products or impressions, where none was taken.
            retry_after_s: after how many seconds it may be tried again; None: nothing was said of that.
        """
        super().__init__(message)
        self.status = int(problem["status"])
        self.type = str(problem["type"])
        self.title = str(problem["title"])
        self.detail = str(problem["detail"])
        self.request_id = str(problem["request_id"])
        """What the log of the API knows the request by."""
        self.errors = tuple(errors)
        self.rejected = tuple(rejected)
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it pass from one process to another, as pools of workers need."""
        return _again, (type(self), self.args, vars(self))


def _again(kind: type[Refused], args: tuple[Any, ...], said: dict[str, Any]) -> Refused:
    error = kind.__new__(kind, *args)
    vars(error).update(said)
    return error


class InvalidRequest(Refused):
    """The request cannot be used as it is (400, 408, 413, 415, 422 and other 4xx)."""


class Unauthorized(Refused):
    """A key is needed, and none that is good was given (401)."""


class Forbidden(Refused):
    """The key is not for such requests (403)."""


class NotFound(Refused):
    """What is asked about is not there (404)."""


class Changed(Refused):
    """What should be changed is no longer as it was read (412)."""


class TooManyRequests(Refused):
    """The key was used too often (429)."""


class Unavailable(Refused):
    """The API cannot answer now: 503, or 502 and 504 of a server before it."""


class ServerFailed(Refused):
    """An error of the server (another 5xx); its log has more under the request_id."""


_KINDS: Mapping[int, type[Refused]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    412: Changed,
    429: TooManyRequests,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def kind_of(status: int) -> type[Refused]:
    """Return the class of an answer with this status, 300 to 599."""
    return _KINDS.get(status, ServerFailed if status >= 500 else InvalidRequest)
