"""Which lists are kept so that they can be looked up later, and for how long."""

from dataclasses import dataclass

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
