"""How often a retraining does all of it, and what it may take."""

from dataclasses import dataclass

from serving.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class JobConfig:
    """How often a retraining does all of it, and what it may take."""

    full_every_days: float = 7.0
    """Days after the last full run from which on one that is asked to be incremental is full too; 0 or more."""
    max_minutes: float = 0.0
    """Minutes after which a run is stopped; 0: it takes as long as it takes."""
    max_memory_gb: float = 0.0
    """Gigabytes of memory of its process above which a run is stopped, before the system ends it without a word;
    0: it takes what it takes."""
    graph_wait_minutes: float = 10.0
    """How long a run waits for a graph server that does not answer, asking again less and less often; 0: not at all."""
    schedule: str | None = None
    """When `whycart serve --with-jobs` retrains: an interval such as "6h", or a line of crontab such as "0 3 * * *" in
    the time of the machine; None: never."""

    def __post_init__(self) -> None:
        for name in ("full_every_days", "max_minutes", "max_memory_gb", "graph_wait_minutes"):
            if getattr(self, name) < 0:
                raise ConfigError(f"[job] {name} must be 0 or more, got {getattr(self, name)}")
