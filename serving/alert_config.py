"""When somebody should look at what users do, and how they are told."""

from dataclasses import dataclass

from serving.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertConfig:
    """When somebody should look."""

    max_psi: float = 0.25
    """Population stability index of a distribution above which it has shifted; above 0."""
    max_daily: float = 3.0
    """Times the usual events of a day that are a flood; above 1."""
    min_daily: float = 0.33
    """Part of the usual events of a day that is a silence; 0 to 1."""
    min_of_live: float = 0.75
    """Part of its own figure that the upper end of what the live model finds since must reach; 0 to 1."""
    webhook: str = ""
    """Address that alarms and refusals are posted to as JSON, such as `https://chat.example/hooks/1`; empty: none."""

    def __post_init__(self) -> None:
        if self.max_psi <= 0 or self.max_daily <= 1:
            raise ConfigError(
                "[alerts] max_psi must be above 0 and max_daily above 1, "
                f"got max_psi={self.max_psi}, max_daily={self.max_daily}"
            )
        if not (0 <= self.min_daily <= 1 and 0 <= self.min_of_live <= 1):
            raise ConfigError(
                "[alerts] min_daily and min_of_live must be between 0 and 1, "
                f"got min_daily={self.min_daily}, min_of_live={self.min_of_live}"
            )
        if self.webhook and not self.webhook.startswith(("http://", "https://")):
            raise ConfigError(f"[alerts] webhook must begin with http:// or https://, got {self.webhook!r}")
