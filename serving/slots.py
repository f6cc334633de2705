"""Places of a list that are kept for products which are so new that nobody had them: how else would anybody get to.

The best list stays the best list; every so many places one new product stands, the one that its texts, brand and
categories bring nearest to the user. A place is kept only where no new product came as far by itself.
"""

import zoneinfo
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from jaxtyping import Bool, Float, Int

from gnn.score import top_products
from serving.audit_config import AuditConfig
from serving.errors import ConfigError

MAX_SHOWN = 1000
"""Most showings that a bound may allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListsConfig:
    """What lists hold beside the best."""

    new_every: int = 10
    """One of so many places is kept for a product that is new and that nobody had yet; 0: none."""
    shown_most: int = 0
    """A product that a user was shown so often in `shown_days`, and did nothing with since, comes after all others
    until the days are over; 0: no bound. Counted from the recorded lists ([audit])."""
    shown_days: int = 7
    """How long a showing counts, in days; at most as long as lists are recorded."""
    time_zone: str = "UTC"
    """Time zone of the hours and weekdays of business rules, such as `Europe/Berlin`."""

    def __post_init__(self) -> None:
        if self.new_every < 0:
            raise ConfigError(f"[lists] new_every must be 0 or more, got {self.new_every}")
        if not 0 <= self.shown_most <= MAX_SHOWN:
            raise ConfigError(f"[lists] shown_most must be between 0 and {MAX_SHOWN}, got {self.shown_most}")
        if self.shown_days < 1:
            raise ConfigError(f"[lists] shown_days must be at least 1, got {self.shown_days}")
        try:
            zoneinfo.ZoneInfo(self.time_zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as err:
            raise ConfigError(
                f"[lists] time_zone must be the name of a time zone such as 'Europe/Berlin', got {self.time_zone!r}"
            ) from err

    def clock(self) -> datetime:
        """Return what a clock of the shop shows."""
        return datetime.now(zoneinfo.ZoneInfo(self.time_zone))

    def check_records(self, audit: AuditConfig) -> None:
        """Make sure that there is something to count showings from.

        Raises:
            ConfigError: no list is recorded, or not for as long as a showing counts.
        """
        if not self.shown_most:
            return
        if not audit.enabled:
            raise ConfigError(
                "[lists] shown_most counts recorded lists, and [audit] enabled is false; record them, or set it to 0"
            )
        if self.shown_days > audit.keep_days:
            raise ConfigError(
                f"[lists] shown_days is {self.shown_days}, and lists are recorded for {audit.keep_days} days "
                "([audit] keep_days); lower the one or raise the other"
            )


def with_new(
    ranked: Int[np.ndarray, " place"],
    scores: Float[np.ndarray, " product"],
    *,
    new: Bool[np.ndarray, " product"],
    every: int,
) -> tuple[Int[np.ndarray, " place"], set[int]]:
    """Return a list of the same length with its kept places taken, and the products that took them.

    Args:
        ranked: product rows, the best first, from rank 1 on.
        scores: of every product.
        new: new products that may be recommended.
        every: the places kept are those whose rank is a multiple of it; 0: none.
    """
    if not every or len(ranked) < every or not new.any():
        return ranked, set()
    waiting = top_products(scores, new, k=len(ranked) // every + int(new[ranked].sum())).tolist()
    rest, found, kept = iter(ranked.tolist()), list[int](), set[int]()
    for rank in range(1, len(ranked) + 1):
        is_due = rank % every == 0 and not any(new[row] for row in found[rank - every :])
        if is_due and (row := next((row for row in waiting if row not in found), None)) is not None:
            found.append(row)
            kept.add(row)
        else:
            found.append(next(row for row in rest if row not in kept))
    return np.array(found, dtype=ranked.dtype), kept
