"""Times as they are given on the command line."""

from datetime import datetime, tzinfo

from cypher.errors import InputError


def parse_time(text: str | None, *, option: str = "--cutoff", zone: tzinfo | None = None) -> datetime | None:
    """Return the time of an option; None where it was not given.

    Args:
        text: as it was given.
        option: its name, for errors.
        zone: of a time that names none; None: it has to name one.

    Raises:
        InputError: it is no time in ISO 8601, or has no time zone.
    """
    if text is None:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as err:
        raise InputError(f"{option} must be a time in ISO 8601 such as 2026-01-31T00:00:00Z, got {text!r}") from err
    if parsed.tzinfo is None and zone is not None:
        return parsed.replace(tzinfo=zone)
    if parsed.tzinfo is None:
        raise InputError(f"{option} needs a time zone, got {text!r}; for UTC write {parsed.isoformat()}Z")
    return parsed


def to_ms(at: datetime | None) -> int | None:
    """Return a time as epoch milliseconds; None stays None."""
    return None if at is None else int(at.timestamp() * 1000)
