"""What of people goes into the graph, and where the secret is that hides the rest."""

import re
from dataclasses import dataclass
from pathlib import Path

from serving.errors import ConfigError

SECRET_NAME = "privacy.key"
"""Name of the shop's secret in its home folder."""
SESSIONS_DAYS = 30
"""How long sessions are kept unless it is said otherwise."""
MAX_SESSIONS_DAYS = 365
_REGION = re.compile(r"[A-Z]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyConfig:
    """What of people goes into the graph, and where the secret is that hides the rest."""

    pseudonymise: bool = False
    """Whether users are known by a keyed pseudonym, from the first import on; the API then takes the shop's ids and
    turns each into its pseudonym at the door."""
    scrub: bool = False
    """Whether an import replaces e-mail addresses and phone numbers in texts by `[e-mail]` and `[phone]`."""
    phone_region: str | None = None
    """Country whose phone numbers are known without a prefix, as two letters (`US`); None: numbers with + alone."""
    key_file: Path | None = None
    """File with the shop's secret of 16 bytes or more; None: `privacy.key` in the home folder, made when it is needed.
    Keep a copy apart from the backups: without it nobody knows who was deleted, or which pseudonym is whose."""
    sessions_days: int = SESSIONS_DAYS
    """How long the API keeps what a visitor did who does not log in, and knows whose a session became, in days."""

    def __post_init__(self) -> None:
        if not 1 <= self.sessions_days <= MAX_SESSIONS_DAYS:
            raise ConfigError(
                f"[privacy] sessions_days must be between 1 and {MAX_SESSIONS_DAYS}, got {self.sessions_days}"
            )
        if self.phone_region is not None and not _REGION.fullmatch(self.phone_region):
            raise ConfigError(f"[privacy] phone_region is two capital letters such as 'US', got {self.phone_region!r}")
