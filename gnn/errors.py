"""The errors of the learning package."""

from cypher.errors import InputError, WhycartError


class ConfigError(InputError):
    """A setting of training, scoring or measuring is outside what is allowed."""


class TooLittleData(InputError):
    """There are not enough events to learn from or to measure on."""


class NonFiniteLoss(WhycartError):
    """Training reached a loss that is not a number."""


class BundleError(WhycartError):
    """A bundle is incomplete, was changed, or has another format version."""
