"""What the routes work with, and how a route reaches it. No route and no HTTP detail lives here."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool

from cypher.errors import InputError
from serving.answer import Filter, RecommendRequest
from serving.api.applier import EventApplier
from serving.api.asking import GraphDoor
from serving.api.current import CurrentBundle
from serving.api.keyring import Keyring
from serving.api.metrics import Metrics
from serving.api.problems import request_id_of
from serving.api.recent import Recent
from serving.api.recorder import Recorder
from serving.api.shape import Stamp
from serving.errors import SessionTaken
from serving.events import EventLog
from serving.products import ProductLog
from serving.rule_log import RuleBook
from serving.rules import Context, ListName, Rule, fitting, of_list
from serving.runs import RunLog
from serving.saved_filters import SavedFilters
from serving.sessions import OTHERS_SESSION
from serving.slots import ListsConfig
from serving.stages import lap


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one API process."""

    current: CurrentBundle
    log: EventLog
    products: ProductLog
    """What was said of products."""
    metrics: Metrics
    applier: EventApplier | None
    """None: events stay in the log until somebody else writes them to the graph."""
    recorder: Recorder
    """Keeps lists so that they can be looked up."""
    keyring: Keyring
    """Knows who may ask what."""
    recent: Recent
    """Counts what was done since the bundle was made."""
    lists: ListsConfig
    """What lists hold beside the best, where a request does not say."""
    runs: RunLog
    """What the retraining did."""
    graph: GraphDoor
    """What is asked of the graph itself."""
    rules: RuleBook
    """What the shop itself says about its lists."""
    saved: SavedFilters
    """Filters that are called by name."""
    turn: threading.Lock = field(default_factory=threading.Lock)
    """Held while a thread computes an answer: threads that compute at once take the interpreter from each other and all
    of them get slower. Events do not wait for it; more cores are used by more processes (`[serve] workers`)."""
    replaying: threading.Lock = field(default_factory=threading.Lock)
    """Held while a list is computed again, as this may load a whole model."""

    @property
    def causes(self) -> list[str]:
        """Why answers are degraded; empty when they are not."""
        found = []
        if self.current.failed:
            found.append("bundle-not-loadable")
        if self.current.behind:
            found.append("products-not-taken-in")
        if self.applier is not None and self.applier.failing:
            found.append("graph-unreachable")
        if self.recorder.failing:
            found.append("lists-not-recorded")
        if self.rules.failing:
            found.append("rules-not-read")
        return found

    def said(self, bounds: Filter) -> Filter:
        """Return what may be in a list in plain words, those of saved filters in place of their names.

        Raises:
            FilterError: no such filter is saved, or it is not called as it has to be.
        """
        return bounds if bounds.where is None else replace(bounds, where=self.saved.expand(bounds.where))

    def ruled(self, bounds: Filter, name: ListName | None = None) -> Filter:
        """Return what may be in a list in plain words, with the rules of the shop that hold now and here.

        Args:
            bounds: what was asked for.
            name: the list; None: several, and each goes by those rules that change it.

        Raises:
            FilterError: as `said`.
        """
        bounds = self.said(bounds)
        rules = self.holding(bounds.context)
        if not rules:
            return bounds
        return replace(bounds, rules=rules if name is None else of_list(rules, name))

    def holding(self, context: Context) -> tuple[Rule, ...]:
        """Return the rules of the shop that hold now for a context, by name."""
        rules = self.rules.holding()
        return fitting(rules, context, self.lists.clock()) if rules else ()

    def counted(self, wish: RecommendRequest, *, now_ms: int) -> RecommendRequest:
        """Return a wish with the products in it that its user was shown too often.

        Args:
            wish: says how often that is.
            now_ms: epoch milliseconds that days are counted back from.

        Raises:
            InputError: no list is recorded, so nobody knows what was shown.
            StateError: the records cannot be read.
        """
        if not wish.shown_most or wish.user_id is None:
            return wish
        records = self.recorder.records
        if not records.config.enabled:
            raise InputError("shown_most counts recorded lists, and none are recorded ([audit] enabled); leave it out")
        snapshot = self.current.of(wish.user_id).bundle.snapshot
        often = records.showings.often(
            wish.user_id, snapshot, most=wish.shown_most, days=self.lists.shown_days, now_ms=now_ms
        )
        lap("showings")
        return replace(wish, shown_often=often)

    def visited(self, wish: RecommendRequest, session_id: str | None) -> RecommendRequest:
        """Return a wish with what is known of a session in it: whose it became, or what was done in it.

        Args:
            wish: of whoever asks; events of its own come after those of the session.
            session_id: the session; None: there is none.

        Raises:
            SessionTaken: the wish is a user's, and the session another one's.
            StateError: the sessions cannot be read.
        """
        if session_id is None:
            return wish
        visit = self.log.sessions.read(session_id)
        if wish.user_id is not None and visit.user_id not in (None, wish.user_id):
            raise SessionTaken(OTHERS_SESSION)
        return replace(wish, user_id=wish.user_id or visit.user_id, session=(*visit.events, *wish.session))

    def stamp(self, request: Request, *, recommendation_id: str | None = None) -> Stamp:
        """Return what the answer to a request carries, with the time spent so far.

        Args:
            request: the request under way.
            recommendation_id: id of the list in the answer; None: the answer is none.
        """
        return Stamp(
            request_id=request_id_of(request),
            took_ms=round((time.perf_counter() - request.state.started) * 1000, 3),
            degraded=bool(self.causes),
            recommendation_id=recommendation_id,
        )


async def compute(services: Services, work: Callable[[], Response], *, is_short: bool) -> Response:
    """Compute an answer: a short one at once, as handing it to a thread takes a third of the time that it takes itself;
    a long one in a thread, one at a time, so that others are answered meanwhile.

    Args:
        services: of the process.
        work: computes the answer.
        is_short: whether it takes a few milliseconds at most.
    """
    lap("request")
    if is_short:
        return work()

    def in_turn() -> Response:
        with services.turn:
            lap("turn")
            return work()

    return await run_in_threadpool(in_turn)


def services_of(request: Request) -> Services:
    """Return the services of the app that a request came to."""
    services: Services = request.app.state.services
    return services
