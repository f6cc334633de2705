"""The root of every error of the project, and the errors of the query catalogue.

The root lives in the lowest package because every other package may import this one and not the reverse.
"""

from typing import ClassVar


class WhycartError(Exception):
    """Anything Whycart raises on purpose. The text says what, the value, what is allowed and what to do."""

    exit_code: ClassVar[int] = 1
    """Exit code of the command line when this error ends it."""


class InputError(WhycartError):
    """Something handed to Whycart (file, flag, setting, request) cannot be used as it is."""

    exit_code: ClassVar[int] = 2


class QueryError(InputError):
    """A query's header is wrong, its parameters do not fit, or a statement would do more than read."""


class UnknownQuery(QueryError):
    """No query of the catalogue has this name, or it is not for people."""
