"""What a model must reach to be published."""

from dataclasses import dataclass

from gnn.errors import ConfigError

_SHARES = (
    "min_reason_coverage",
    "min_data",
    "min_category",
    "max_future_share",
    "min_of_live",
    "min_slice_of_live",
    "min_coverage_of_live",
    "min_overlap",
)
_FACTORS = ("max_of_live", "max_popularity_of_live", "max_slowdown", "max_growth")


@dataclass(frozen=True, slots=True, kw_only=True)
class GateConfig:
    """What a model must reach to be published; what is compared with the live model counts once there is one."""

    min_users: int = 20
    """Users with a test target below which nothing can be said, so nothing is refused for its quality; 1 or more."""
    tolerance: float = 0.0
    """How far the whole interval of the difference to a baseline, or to the live settings, may lie below zero."""
    reason_users: int = 100
    """Users whose lists are looked at for their reasons; 0 leaves the reasons out of the gate and of the report."""
    min_reason_coverage: float = 0.0
    """Part of the recommended items that must have a path; 0 to 1. What a shop's graph can give differs widely."""
    min_data: float = 0.8
    """Part of the live model's events, users, products and edges of each kind that must still be there; 0 to 1."""
    min_category: float = 0.5
    """The same for the events of each large category; 0 to 1."""
    max_future_share: float = 0.001
    """Part of the events that may lie in the future, by the clock of this machine; 0 to 1."""
    min_of_live: float = 0.7
    """Part of what the live model was measured at that the upper end of the interval must reach; 0 to 1."""
    max_of_live: float = 1.5
    """Times what the live model was measured at above which the lower end is too good to be true; above 1."""
    min_slice_of_live: float = 0.5
    """As `min_of_live`, for each large group of users, products and categories; 0 to 1."""
    min_coverage_of_live: float = 0.5
    """Part of the live model's coverage of the catalogue, and of its coverage with reasons, that must be reached."""
    max_popularity_of_live: float = 1.5
    """Times the live model's popularity lift that are too many; above 1."""
    canary_users: int = 50
    """Users, drawn by seed among those that both models know, whose lists are compared with the live ones; 0: none."""
    min_overlap: float = 0.2
    """Part of those lists that must stay, on average; 0 to 1."""
    max_slowdown: float = 3.0
    """Times as long as the live model, for the same lists on this machine, that are too slow; above 1."""
    max_growth: float = 3.0
    """Times as large as the live model on the disk, and so in memory, that are too large; above 1."""

    def __post_init__(self) -> None:
        if self.min_users < 1 or self.tolerance < 0:
            raise ConfigError(
                "[gate] min_users must be at least 1 and tolerance 0 or more, "
                f"got min_users={self.min_users}, tolerance={self.tolerance}"
            )
        if self.reason_users < 0 or self.canary_users < 0:
            raise ConfigError(
                "[gate] reason_users and canary_users must be 0 or more, "
                f"got reason_users={self.reason_users}, canary_users={self.canary_users}"
            )
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"[gate] {name} must be between 0 and 1, got {getattr(self, name)}")
        for name in _FACTORS:
            if not getattr(self, name) > 1:
                raise ConfigError(f"[gate] {name} must be above 1, got {getattr(self, name)}")
