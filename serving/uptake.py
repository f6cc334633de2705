"""What users took up of the lists that two models showed them: the report of a canary, and of an A/B test.

Both sides are read from what is recorded anyway: lists with the model they came from, and events. A user counts once,
on the side that answered; taken up is a product that a list showed and an event came with within some days.
"""

import json
import math
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from scipy import stats

from gnn.canary import Canary
from kg.snapshot import DAY_MS
from serving.state import EVENTS, RECOMMENDATIONS, StateFile, open_state, translated

ANY = "any"
"""An event of whatever type."""
SPLIT_P = 0.001
"""Below this probability the users are not split as told, and a comparison says nothing."""
_LEVEL = 0.95
_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a number of users, with its 95% interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Side:
    """What one model showed and what came of it."""

    version: str
    num_users: int
    """Users that it alone answered."""
    num_lists: int
    took: Counter[str]
    """Users who took something up, by event type and for ANY."""

    def share(self, kind: str = ANY) -> Share:
        """Return the part of the users who took something up, with Wilson's interval; nan without users."""
        return wilson(self.took[kind], self.num_users)


@dataclass(frozen=True, slots=True)
class Uptake:
    """Both sides of a canary."""

    canary: Canary
    before: Side
    after: Side
    num_mixed: int
    """Users that both models answered, such as at its beginning; they count on no side."""

    @property
    def split_p(self) -> float:
        """How probable so uneven a split is if users are split as told; 1 without users."""
        users = self.before.num_users + self.after.num_users
        return float(stats.binomtest(self.after.num_users, users, self.canary.share).pvalue) if users else 1.0

    def difference(self, kind: str = ANY) -> Share:
        """Return how much more of the canary's users took something up, with Newcombe's interval."""
        return newcombe(self.after.share(kind), self.before.share(kind))

    def against(self, *, min_users: int) -> str | None:
        """Return what speaks against serving the canary to all, in words; None: nothing does.

        Args:
            min_users: of each side, below which uptake says nothing.
        """
        if self.split_p < SPLIT_P:
            users = self.before.num_users + self.after.num_users
            return (
                f"users are not split as told: {self.after.num_users:,} of {users:,} saw the canary, "
                f"{self.canary.share:.1%} should (p = {self.split_p:.1g})"
            )
        if min(self.before.num_users, self.after.num_users) < min_users:
            return None
        found = self.difference()
        if found.high < 0:
            return (
                f"its users take up less: {self.after.share().mean:.1%} beside {self.before.share().mean:.1%}, a "
                f"difference of {found.mean:+.1%} [{found.low:+.1%}, {found.high:+.1%}]"
            )
        return None

    def sentences(self, *, min_users: int) -> list[str]:
        """Return what the figures say, in words; `min_users` as for `against`."""
        found, against = self.difference(), self.against(min_users=min_users)
        said = (
            []
            if math.isnan(found.mean)
            else [
                f"difference {found.mean:+.2%} [{found.low:+.2%}, {found.high:+.2%}]; users split as told: p = "
                f"{self.split_p:.2g}; {self.num_mixed:,} users saw both and are left out"
            ]
        )
        if against is not None:
            return [*said, f"against it: {against}"]
        few = min(self.before.num_users, self.after.num_users) < min_users
        return [*said, f"fewer than {min_users} users on a side: too early to say" if few else "nothing against it"]

    def rows(self) -> list[tuple[str, ...]]:
        """Return both sides as rows: model, shown to, users, lists, part that took something up, from, to."""
        return [
            (side.version, shown, f"{side.num_users:,}", f"{side.num_lists:,}", *_texts(side.share()))
            for side, shown in ((self.before, "others"), (self.after, "canary"))
        ]

    def facts(self) -> dict[str, Any]:
        """Return everything as plain values, event types included; null where there are no users."""
        kinds = sorted({ANY, *self.before.took, *self.after.took})
        sides = {
            name: {
                "version": side.version,
                "users": side.num_users,
                "lists": side.num_lists,
                "took_up": {kind: _plain(side.share(kind)) for kind in kinds},
            }
            for name, side in (("others", self.before), ("canary", self.after))
        }
        differences = {kind: _plain(self.difference(kind)) for kind in kinds}
        return sides | {"mixed": self.num_mixed, "split_p": self.split_p, "difference": differences}


def wilson(number: int, total: int) -> Share:
    """Return a proportion with its Wilson score interval (Wilson 1927) of 95%; nan of nothing."""
    if not total:
        return Share(math.nan, math.nan, math.nan)
    interval = stats.binomtest(number, total).proportion_ci(_LEVEL, method="wilson")
    return Share(number / total, float(interval.low), float(interval.high))


def newcombe(first: Share, second: Share) -> Share:
    """Return the difference of two proportions with the interval of Newcombe (1998), method 10, from their Wilson ones.

    low = d - sqrt((p1 - l1)^2 + (u2 - p2)^2), high = d + sqrt((u1 - p1)^2 + (p2 - l2)^2).
    """
    mean = first.mean - second.mean
    low = mean - math.hypot(first.mean - first.low, second.high - second.mean)
    high = mean + math.hypot(first.high - first.mean, second.mean - second.low)
    return Share(mean, low, high)


@dataclass(slots=True)
class _Seen:
    """What one user was shown."""

    versions: set[str] = field(default_factory=set)
    num_lists: int = 0
    shown: dict[str, list[int]] = field(default_factory=dict)
    """Times at which each product was shown, epoch milliseconds."""
    took: set[str] = field(default_factory=set)


class UptakeLog(StateFile):
    """Reads the recorded lists and the events of one project together."""

    @classmethod
    def open(cls, path: Path) -> "UptakeLog":
        """Open a state file.

        Raises:
            StateError: the file cannot be opened or was written by a newer release.
        """
        return cls(path, open_state(path))

    def read(self, canary: Canary, *, until_ms: int, days: float) -> Uptake:
        """Return what was taken up of the lists of both models since a canary began.

        Args:
            canary: under way or over.
            until_ms: epoch milliseconds up to which lists and events count.
            days: within which after a list an event with one of its products counts.

        Raises:
            StateError: the file cannot be read.
        """
        seen: dict[str, _Seen] = {}
        for user, version, at_ms, products in self._lists(canary, until_ms):
            one = seen.setdefault(user, _Seen())
            one.versions.add(version)
            one.num_lists += 1
            for product in products:
                one.shown.setdefault(product, []).append(at_ms)
        for user, product, kind, at_ms in self._events(canary.since_ms, until_ms):
            if user in seen and any(0 <= at_ms - shown <= days * DAY_MS for shown in seen[user].shown.get(product, ())):
                seen[user].took |= {kind, ANY}
        before, after = (_side(version, seen) for version in (canary.before, canary.version))
        return Uptake(canary, before, after, num_mixed=sum(len(one.versions) > 1 for one in seen.values()))

    def _lists(self, canary: Canary, until_ms: int) -> Iterator[tuple[str, str, int, list[str]]]:
        table = RECOMMENDATIONS.c
        statement = sa.select(table.user_id, table.model_version, table.at_ms, table.answer).where(
            table.at_ms.between(canary.since_ms, until_ms),
            table.user_id.is_not(None),
            table.model_version.in_((canary.before, canary.version)),
        )
        with translated(self.path), self._engine.connect() as connection:
            for row in connection.execution_options(yield_per=_ROWS).execute(statement):
                items = json.loads(zlib.decompress(row.answer))["items"]
                yield row.user_id, row.model_version, row.at_ms, [item["product_id"] for item in items]

    def _events(self, since_ms: int, until_ms: int) -> Iterator[tuple[str, str, str, int]]:
        table = EVENTS.c
        statement = sa.select(table.user_id, table.product_id, table.type, table.received_at_ms).where(
            table.received_at_ms.between(since_ms, until_ms)
        )
        with translated(self.path), self._engine.connect() as connection:
            for row in connection.execution_options(yield_per=_ROWS).execute(statement):
                yield row.user_id, row.product_id, row.type, row.received_at_ms


def _texts(share: Share) -> tuple[str, str, str]:
    if math.isnan(share.mean):
        return "", "", ""
    return f"{share.mean:.2%}", f"{share.low:.2%}", f"{share.high:.2%}"


def _plain(share: Share) -> dict[str, float] | None:
    return None if math.isnan(share.mean) else asdict(share)


def _side(version: str, seen: dict[str, _Seen]) -> Side:
    own = [one for one in seen.values() if one.versions == {version}]
    took = Counter(kind for one in own for kind in one.took)
    return Side(version, len(own), sum(one.num_lists for one in own), took)
