"""Lists, impressions and events written to a state file as the API writes them, for tests of what came of lists."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from serving.answer import RecommendRequest
from serving.audit_config import AuditConfig
from serving.click_through import ClickLog, ClickThrough, Part, Span
from serving.events import EventLog, NewEvent
from serving.impressions import NewImpression, Noted
from serving.records import Record, RecordLog, SimilarRequest

T0 = 1_700_000_000_000
HOUR_MS, DAY_MS = 3_600_000, 86_400_000


def list_id(number: int) -> str:
    """Return the id of a list."""
    return f"{number:032x}"


def recorded(
    number: int,
    products: list[str],
    *,
    user: str | None = "u1",
    at_ms: int = T0,
    first_rank: int = 1,
    placement: str | None = None,
    version: str = "m1",
    alike: bool = False,
) -> Record:
    """Return a recorded list of products."""
    items = [{"product_id": product, "rank": rank} for rank, product in enumerate(products, first_rank)]
    similar = SimilarRequest(product_id="p0", placement=placement)
    return Record(
        recommendation_id=list_id(number),
        at_ms=at_ms,
        wish=similar if alike else RecommendRequest(user_id=user, placement=placement),
        model_version=version,
        graph_version="g",
        events_after=0,
        events_until=None,
        answer=json.dumps({"items": items}).encode(),
    )


@dataclass
class SeenLists:
    """A state file that is filled, then read."""

    path: Path
    num_events: int = field(default=0)

    def show(self, *records: Record) -> None:
        """Record lists."""
        with RecordLog.open(self.path, AuditConfig()) as log:
            log.add(records)

    def see(self, number: int, *positions: int, products: tuple[str, ...] = (), now_ms: int = T0) -> Noted:
        """Tell what was seen of a list."""
        seen = NewImpression(recommendation_id=list_id(number), positions=positions, product_ids=products, at_ms=now_ms)
        with RecordLog.open(self.path, AuditConfig()) as log:
            return log.impressions.append([seen], now_ms=now_ms)

    def do(
        self, product: str, *, user: str = "u1", kind: str = "viewed", at_ms: int = T0 + 1, named: int | None = None
    ) -> None:
        """Log what a user did, as an event that names a list or none."""
        self.num_events += 1
        event = NewEvent(
            event_id=f"e{self.num_events}",
            user_id=user,
            product_id=product,
            type=kind,
            at_ms=at_ms,
            recommendation_id=None if named is None else list_id(named),
        )
        with EventLog.open(self.path) as log:
            log.append([event])

    def read(self, *by: Part, since_ms: int = T0, days: float = 7.0) -> ClickThrough:
        """Return what came of the lists of 30 days."""
        with ClickLog.open(self.path) as log:
            return log.read(Span(since_ms=since_ms, until_ms=T0 + 30 * DAY_MS, days=days), by=by)
