"""Times as they are given on the command line."""

from datetime import datetime

from cypher.errors import InputError


def parse_time(text: str | None, *, option: str = "--cutoff") -> datetime | None:
    """Return the time of an option; None where it was not given.

    Raises:
        InputError: it is no time in ISO 8601, or has no time zone.
    """
    if text is None:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as err:
        raise InputError(f"{option} must be a time in ISO 8601 such as 2026-01-31T00:00:00Z, got {text!r}") from err
    if parsed.tzinfo is None:
        raise InputError(f"{option} needs a time zone, got {text!r}; for UTC write {parsed.isoformat()}Z")
    return parsed
