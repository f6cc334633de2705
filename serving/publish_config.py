"""Who sees a new model first, and what takes it away again."""

from dataclasses import dataclass
from pathlib import Path

from serving.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishConfig:
    """Who sees a new model first, and what takes it away again."""

    canary: float = 0.0
    """Part of the users that a new model is shown to first, such as 0.05; 0: it is served to all at once."""
    canary_hours: float = 20.0
    """Hours after which it is served to all if nothing speaks against it; less than from one retraining to the next.
    0: when somebody says so."""
    max_slowdown: float = 3.0
    """Times the usual time of an answer above which a canary is taken away; above 1."""
    min_answers: int = 200
    """Answers of each side in one API process below which their times are not compared; 20 or more."""
    min_users: int = 100
    """Users of each side below which what they took up is not compared; 10 or more."""
    taken_days: float = 7.0
    """Days after a list within which an event with one of its products counts as taken up; above 0."""

    signing_key: Path | None = None
    """File with a secret of 16 bytes or more that every model is signed with; one that is not is refused. None: models
    are not signed."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.canary < 1.0:
            raise ConfigError(f"[publish] canary must be 0 or more and below 1, got {self.canary}")
        if self.canary_hours < 0 or self.taken_days <= 0:
            raise ConfigError(
                "[publish] canary_hours must be 0 or more and taken_days above 0, "
                f"got canary_hours={self.canary_hours}, taken_days={self.taken_days}"
            )
        if self.max_slowdown <= 1 or self.min_answers < 20 or self.min_users < 10:
            raise ConfigError(
                "[publish] max_slowdown must be above 1, min_answers at least 20 and min_users at least 10, got "
                f"max_slowdown={self.max_slowdown}, min_answers={self.min_answers}, min_users={self.min_users}"
            )
