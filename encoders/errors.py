"""The errors of the encoders package."""

from cypher.errors import InputError, WhycartError


class EncoderConfigError(InputError):
    """A setting under `[encoder]` has a value that cannot be used."""


class EncoderModelError(InputError):
    """A model is not there, is incomplete, or is of a kind that Whycart cannot run."""


class EncodingError(WhycartError):
    """A model gave vectors that cannot be used (not finite)."""


class VectorCacheError(WhycartError):
    """The folder of cached vectors cannot be read or written."""
