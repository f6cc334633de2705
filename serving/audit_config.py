"""Which lists are kept so that they can be looked up later, and for how long."""

from dataclasses import dataclass

from kg.snapshot import DAY_MS
from serving.errors import ConfigError

MAX_DAYS = 36_500


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditConfig:
    """Records of the lists that were answered."""

    enabled: bool = True
    """Whether every list is recorded, to be looked up and computed again by its recommendation_id."""
    keep_days: int = 30
    """Days after which a record is deleted; 1 or more."""

    def __post_init__(self) -> None:
        if not 0 < self.keep_days <= MAX_DAYS:
            raise ConfigError(
                f"[audit] keep_days must be between 1 and {MAX_DAYS:,}, got {self.keep_days}; "
                "enabled = false records nothing"
            )

    def oldest_ms(self, now_ms: int) -> int:
        """Return the epoch milliseconds before which a list has expired."""
        return now_ms - self.keep_days * DAY_MS

    def unknown(self, recommendation_id: str) -> str:
        """Return the sentence about a list that is not recorded, or not any more."""
        days = f"{self.keep_days} day{'s' if self.keep_days > 1 else ''}"
        state = "" if self.enabled else "; nothing is recorded now, as [audit] enabled is false"
        return (
            f"no list is recorded under the id {recommendation_id[:100]!r}; records are kept for {days} "
            f"([audit] keep_days){state}"
        )
