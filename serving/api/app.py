"""Puts the API together: bundle, event log, routes, problems and the edge. It reads no settings and opens no port."""

import contextlib
import importlib.metadata
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.telemetry import TelemetryConfig
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from gnn.bundles import BundleStore
from kg.privacy import Secret
from kg.snapshot import Snapshot
from kg.store import GraphStore
from serving.api import (
    catalogue,
    events,
    graph,
    impressions,
    people,
    people_data,
    recommendations,
    rules,
    runs,
    search,
    sessions,
    surfaces,
    uptake,
)
from serving.api.applier import EventApplier
from serving.api.asking import GraphDoor
from serving.api.conditional import known, tag_of, tagged
from serving.api.current import CHECK_EVERY_S, CurrentBundle
from serving.api.edge import HEADER, Edge
from serving.api.graph_document import describe_queries
from serving.api.keyring import Doorkeeper, Guard, Keyring
from serving.api.metrics import Metrics
from serving.api.problems import install_problems
from serving.api.recent import Recent
from serving.api.recorder import Recorder
from serving.api.routes import health, router
from serving.api.schemas import problem_schema
from serving.api.services import Services
from serving.api.trial import CanaryWatch
from serving.audit_config import AuditConfig
from serving.events import EventLog
from serving.keys import KeyLog
from serving.products import ProductLog
from serving.reason_config import ReasonConfig
from serving.records import RecordLog
from serving.rule_log import RuleBook, RuleLog
from serving.runs import RunLog
from serving.saved_filters import SavedFilters
from serving.slots import ListsConfig
from serving.tracing import Traces

COMPRESSED_FROM = 2048
"""Bytes from which an answer is compressed for those who take it so."""
_OTHERS = (
    events,
    impressions,
    surfaces,
    people,
    people_data,
    search,
    catalogue,
    rules,
    recommendations,
    uptake,
    runs,
    graph,
    sessions,
)
"""Modules with further routes."""
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""FastAPI's own spans hold paths and bodies, which name people; those of `serving.tracing` do not."""
_DESCRIPTION = "Recommendations for a shop, each with the graph paths that carried its score."


class RecommendationAPI(FastAPI):
    """FastAPI whose document also describes the problems that errors are answered with."""

    def __init__(self, **options: Any) -> None:
        """Take what FastAPI takes; the document has a route of its own, `show_document`."""
        super().__init__(openapi_url=None, **options)
        self._written: dict[str, tuple[bytes, str]] = {}

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document; it is made once."""
        if self.openapi_schema is None:
            document = super().openapi()
            parts = document["components"]["schemas"]
            problem = problem_schema()
            parts.update(problem.pop("$defs"))
            parts["Problem"] = problem
            describe_queries(document)
        return super().openapi()

    def written(self, prefix: str) -> tuple[bytes, str]:
        """Return the document as it is sent, with its tag; each is written once.

        Args:
            prefix: under which the API is mounted; empty: none.
        """
        if prefix not in self._written:
            servers = {"servers": [{"url": prefix}]} if prefix else {}
            text = json.dumps(self.openapi() | servers, ensure_ascii=False).encode()
            self._written[prefix] = text, tag_of("document", text)
        return self._written[prefix]


def show_document(request: Request) -> Response:
    """Return the OpenAPI document, which only another release changes."""
    text, tag = request.app.written(request.scope.get("root_path", "").rstrip("/"))
    return known(request, tag) or tagged(Response(text, media_type="application/json"), tag)


def create_app(  # noqa: PLR0913  # each is one part of the process, set apart from the others
    bundles: BundleStore,
    log: EventLog,
    *,
    open_graph: Callable[[], GraphStore] | None = None,
    ask_graph: Callable[[], GraphStore] | None = None,
    check_every_s: float = CHECK_EVERY_S,
    reasons: ReasonConfig | None = None,
    audit: AuditConfig | None = None,
    guard: Guard | None = None,
    lists: ListsConfig | None = None,
    canary: CanaryWatch | None = None,
    pseudonyms: Secret | None = None,
    saved: SavedFilters | None = None,
    traces: Traces | None = None,
) -> FastAPI:
    """Return the API; its background threads live from the app's start to its end, which also closes the log.

    Args:
        bundles: where published bundles are; there may be none yet.
        log: takes events in.
        open_graph: opens the graph that events are written to; None: they stay in the log.
        ask_graph: opens the graph that is asked, with an account that can only read; None: nobody may ask it.
        check_every_s: seconds between two looks for a new bundle.
        reasons: what reasons may say; None: the defaults.
        audit: which lists are recorded beside the log; None: the defaults.
        guard: what is asked of those who ask; None: a key where there ever was one.
        lists: what lists hold beside the best; None: the defaults.
        canary: how a model that some users are shown is looked after; None: the defaults.
        pseudonyms: what users are known by instead of their ids; None: their ids.
        saved: filters that are called by name; None: none.
        traces: is told of every answer, and closed at the end; None: nobody is.
    """
    metrics = Metrics()
    products = ProductLog.open(log.path)
    current = CurrentBundle(
        bundles, metrics, check_every_s=check_every_s, reasons=reasons, products=products, watch=canary
    )

    def snapshot() -> Snapshot | None:
        served = current.loaded
        return None if served is None else served.bundle.snapshot

    applier = None
    if open_graph is not None:
        applier = EventApplier(log, products, open_graph, snapshot=snapshot, traces=traces)
    recorder = Recorder(
        RecordLog.open(log.path, audit or AuditConfig()), metrics, forgets=log.forgets, expire_more=log.sessions.expire
    )
    keyring = Keyring(KeyLog.open(log.path), guard or Guard())
    runs_log, book = RunLog.open(log.path), RuleBook(RuleLog.open(log.path))
    asked = (Recent(log), lists or ListsConfig(), runs_log, GraphDoor(ask_graph), book, saved or SavedFilters({}))
    services = Services(current, log, products, metrics, applier, recorder, keyring, *asked)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        _start(services)
        try:
            yield
        finally:
            _stop(services)
            if traces is not None:
                traces.close()

    app = bare_app(lifespan, keyring)
    app.state.services = services
    add_routes(app)
    wrap(app, metrics, (guard or Guard()).origins, pseudonyms, traces)
    return app


def bare_app(lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]], doorkeeper: Doorkeeper) -> FastAPI:
    """Return an app without routes, at whose door somebody says who may ask what."""
    app = RecommendationAPI(
        title="Whycart",
        version=importlib.metadata.version("whycart"),
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        telemetry=_NO_TELEMETRY,
    )
    app.state.doorkeeper = doorkeeper
    return app


def add_routes(app: FastAPI) -> None:
    """Give an app every route of the API, and problems for errors."""
    for routes in (router, *(module.router for module in _OTHERS), health):
        app.include_router(routes)
    app.add_route("/openapi.json", show_document, include_in_schema=False)
    install_problems(app)


def wrap(
    app: FastAPI,
    metrics: Metrics,
    origins: Sequence[str],
    pseudonyms: Secret | None = None,
    traces: Traces | None = None,
) -> None:
    """Put around the routes what every request passes: compression, other origins where allowed, and the edge."""
    app.add_middleware(GZipMiddleware, minimum_size=COMPRESSED_FROM, compresslevel=1)
    if origins:
        methods = ["GET", "POST", "PUT", "DELETE"]
        headers = ["Authorization", "Content-Type", "If-Match", "If-None-Match", HEADER, "X-API-Key"]
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=methods,
            allow_headers=headers,
            expose_headers=["ETag", HEADER, "Retry-After", "Server-Timing"],
        )
    app.add_middleware(Edge, metrics=metrics, secret=pseudonyms, traces=traces)


def _start(services: Services) -> None:
    services.keyring.start()
    services.recorder.start()
    services.current.start()
    if services.applier is not None:
        services.applier.start()


def _stop(services: Services) -> None:
    if services.applier is not None:
        services.applier.stop()
    services.current.stop()
    services.graph.close()
    services.recorder.stop()
    services.keyring.close()
    services.products.close()
    services.runs.close()
    services.rules.close()
    services.log.close()
