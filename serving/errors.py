"""The errors of the processes: command line, API and jobs."""

from typing import ClassVar

from cypher.errors import InputError, WhycartError


class ConfigError(InputError):
    """A key of `whycart.toml`, an environment variable or a flag cannot be used as it is."""


class GateRefused(WhycartError):
    """The gate did not let a new bundle be published; the one served so far stays."""

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, version: str | None = None) -> None:
        """Say why, and which bundle is kept for study."""
        super().__init__(message)
        self.version = version


class PortInUse(InputError):
    """Another process listens on the address the API was told to use."""


class UnknownProduct(InputError):
    """A product is named that the served model does not know."""


class UnknownRecommendation(InputError):
    """No list is recorded under this id, or none any more."""


class UnknownUser(InputError):
    """Nothing is held of a user."""


class UnknownLanguage(InputError):
    """Reasons are asked for in a language that has no message catalogue."""


class EventsError(InputError):
    """Events handed in cannot be taken as they are."""


class StateError(WhycartError):
    """The file of the operational state cannot be read or written, or has another format version."""


class SessionTaken(InputError):
    """A session is another user's."""


class NoBundleError(WhycartError):
    """No model has been published, or the first one is not loaded yet."""


class FilterError(InputError):
    """A filter cannot be read, or names what the shop does not have."""


class RuleError(InputError):
    """A business rule cannot be used as it is."""


class RuleChanged(RuleError):
    """A rule is no longer as whoever writes it believes."""


class UnknownRule(RuleError):
    """No rule has this name."""


class KeysError(InputError):
    """An API key cannot be made as it is asked for."""


class UnknownKey(InputError):
    """No API key has this id, or it is no longer good."""


class Unauthorized(InputError):
    """A request has no key, or none that is good."""


class Forbidden(InputError):
    """The key of a request is not for what it asks."""


class TooManyRequests(InputError):
    """The key of a request has been used too often, or too many wrong ones came from where it came from."""

    def __init__(self, message: str, *, wait_s: int) -> None:
        """Say what happened, and after how many seconds to ask again."""
        super().__init__(message)
        self.wait_s = wait_s


class JobBusyError(WhycartError):
    """Another run of the same job is under way."""


class LimitReached(WhycartError):
    """A job took more time or memory than it may."""


class UnknownRun(InputError):
    """No run has this id."""


class ArchiveError(InputError):
    """An archive of a shop cannot be written or used, or there is no room for what it holds."""
