"""What the shop allows its reasons to say."""

from dataclasses import dataclass

from serving.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonConfig:
    """Bounds of reasons: what they may name, and how many people stand behind them."""

    min_supporters: int = 2
    """Other customers that a path over people needs at least; 2 or more."""
    count_from: int = 20
    """Other customers from which on their number is said."""
    max_members_share: float = 0.25
    """A brand, category or other entity with more than this share of the catalogue says too little to be a reason."""
    min_share: float = 0.02
    """Part of an item's score that must rest on a path at least; 0 or more, below 1."""
    never_mention: tuple[str, ...] = ()
    """Categories, by id or name, that no reason says; nor does any name a product in or below them."""

    def __post_init__(self) -> None:
        if self.min_supporters < 2:
            raise ConfigError(
                f"[reasons] min_supporters must be at least 2, got {self.min_supporters}: a path over one customer "
                "would tell what this customer did"
            )
        if self.count_from < self.min_supporters:
            raise ConfigError(
                f"[reasons] count_from must be at least min_supporters ({self.min_supporters}), got {self.count_from}"
            )
        if not 0 < self.max_members_share <= 1:
            raise ConfigError(
                f"[reasons] max_members_share must be above 0 and at most 1, got {self.max_members_share}"
            )
        if not 0 <= self.min_share < 1:
            raise ConfigError(f"[reasons] min_share must be 0 or more and below 1, got {self.min_share}")
