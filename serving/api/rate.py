"""How often somebody did something in this minute, counted in this process."""

import time

import limits
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter


class Rate:
    """So many times a minute for each of those who are counted."""

    def __init__(self, per_minute: int) -> None:
        """Count from zero; with 0 `per_minute` there is no limit."""
        self.per_minute = per_minute
        self._item = limits.RateLimitItemPerMinute(per_minute) if per_minute else None
        self._limiter = FixedWindowRateLimiter(MemoryStorage()) if per_minute else None

    def hit(self, who: str) -> int | None:
        """Count one more; return the seconds to wait where it is one too many, and else None."""
        if self._item is None or self._limiter is None or self._limiter.hit(self._item, who):
            return None
        until = self._limiter.get_window_stats(self._item, who).reset_time
        return max(1, round(until - time.time() + 0.5))
