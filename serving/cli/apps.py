"""What `whycart serve` has each of its processes answer with: the API of a project, or of several shops."""

import functools
import time

from fastapi import FastAPI
from starlette.types import ASGIApp
from threadpoolctl import threadpool_limits

from gnn.canary import Canary
from kg.ask import open_reading
from kg.store import GraphStore
from serving.alert_config import AlertConfig
from serving.api.app import create_app
from serving.api.keyring import Guard
from serving.api.shops import create_front
from serving.api.trial import CanaryWatch, Judgement
from serving.audit_config import AuditConfig
from serving.events import EventLog
from serving.logs import Level, setup_logging, working_for
from serving.model_store import open_models
from serving.publish_config import PublishConfig
from serving.reason_config import read_reasons
from serving.settings import Settings
from serving.shops import Shop
from serving.slots import ListsConfig
from serving.tracing import open_traces
from serving.tracing_config import TracingConfig
from serving.uptake import UptakeLog
from serving.webhook import post


def build_app(settings: Settings, *, always: bool, level: Level, json_lines: bool) -> FastAPI:
    """Return the API of a project; called in every API process.

    Args:
        settings: of the project.
        always: whether a key is needed even where none was ever made.
        level: least level of log lines.
        json_lines: whether log lines are JSON.
    """
    _set_up(level, json_lines)
    return _app_of(settings, always=always)


def build_front(shops: tuple[Shop, ...], *, wrong_per_minute: int, level: Level, json_lines: bool) -> ASGIApp:
    """Return the API of several shops; called in every API process.

    Args:
        shops: that share nothing.
        wrong_per_minute: most wrong keys of one address in a minute; 0: as many as come.
        level: least level of log lines.
        json_lines: whether log lines are JSON.
    """
    _set_up(level, json_lines)
    apps = {}
    for shop in shops:
        with working_for(shop.name):
            apps[shop.name] = _app_of(shop.settings, always=True)
    origins = {origin for shop in shops for origin in shop.settings.serve.cors_origins}
    return create_front(apps, origins=tuple(sorted(origins)), wrong_per_minute=wrong_per_minute)


def _set_up(level: Level, json_lines: bool) -> None:
    setup_logging(level, json=json_lines)
    # An answer is many small products of matrices; sharing each among threads costs a hundred times what it saves.
    threadpool_limits(limits=1)


def _app_of(settings: Settings, *, always: bool) -> FastAPI:
    log = EventLog.open(settings.state, settings.secret_file, sessions_days=settings.privacy.sessions_days)
    return create_app(
        open_models(settings),
        log,
        open_graph=functools.partial(GraphStore.open, settings.graph),
        ask_graph=functools.partial(open_reading, settings.graph),
        reasons=read_reasons(settings),
        audit=settings.section("audit", AuditConfig),
        lists=settings.section("lists", ListsConfig),
        saved=settings.saved_filters(),
        canary=_canary_watch(settings),
        pseudonyms=settings.secret() if settings.privacy.pseudonymise else None,
        traces=open_traces(settings.section("tracing", TracingConfig)),
        guard=Guard(
            always=always,
            per_minute=settings.serve.per_minute,
            wrong_per_minute=settings.serve.wrong_keys_per_minute,
            origins=settings.serve.cors_origins,
        ),
    )


def _canary_watch(settings: Settings) -> CanaryWatch:
    config, webhook = settings.section("publish", PublishConfig), settings.section("alerts", AlertConfig).webhook

    def judge(canary: Canary) -> Judgement:
        with UptakeLog.open(settings.state) as log:
            found = log.read(canary, until_ms=int(time.time() * 1000), days=config.taken_days)
        figures = "; ".join(found.sentences(min_users=config.min_users))
        return Judgement(found.against(min_users=config.min_users), figures)

    return CanaryWatch(config, judge, functools.partial(post, webhook))
