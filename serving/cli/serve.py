"""`whycart serve` and `whycart recommend`: recommendations over HTTP and on a terminal.

Lists and reasons come from `serving.recommend`; here a port is opened and answers are told.
"""

import contextlib
import functools
import http.client
import ipaddress
import signal
import socket
import ssl
import threading
import time
from typing import Annotated, Literal

import typer
import uvicorn
from fastapi import FastAPI
from threadpoolctl import threadpool_limits
from uvicorn.supervisors import Multiprocess

from gnn.canary import Canary
from kg.ask import open_reading
from kg.store import GraphStore
from serving.alert_config import AlertConfig
from serving.api.app import create_app
from serving.api.keyring import Guard
from serving.api.trial import CanaryWatch, Judgement
from serving.audit_config import AuditConfig
from serving.cli.output import say
from serving.cli.repeat import beside, parse_plan
from serving.errors import ConfigError, PortInUse
from serving.events import EventLog
from serving.job_config import JobConfig
from serving.keys import KeyLog
from serving.logs import Level, setup_logging
from serving.model_store import open_models
from serving.publish_config import PublishConfig
from serving.reason_config import read_reasons
from serving.settings import Settings, load_settings
from serving.slots import ListsConfig
from serving.uptake import UptakeLog
from serving.webhook import post

GRACE_S = 10
"""How long requests under way may take after SIGTERM."""
WORKER_START_S = 90
"""A worker that does not answer its supervisor for so long is replaced; imports alone may take many seconds."""


def serve(
    host: Annotated[
        str | None, typer.Option("--host", help="Address to listen on; beyond loopback only with keys.")
    ] = None,
    port: Annotated[int | None, typer.Option("--port", help="TCP port; 0 takes any free one.")] = None,
    workers: Annotated[int | None, typer.Option("--workers", help="API processes that share the port.")] = None,
    with_jobs: Annotated[
        bool, typer.Option("--with-jobs", help="Retrain too, when [job] schedule says so; for small shops.")
    ] = False,
    context: typer.Context = None,  # type: ignore[assignment]  # typer fills it in
) -> None:
    """Serve recommendations over HTTP.

    Prints the address once requests are answered. A newly published bundle is taken up within a second or two.
    Ends on Ctrl-C or SIGTERM after the requests under way. Once there is a key ('whycart keys create'), every request
    needs one.

    Example: whycart serve --port 9000
    """
    settings = load_settings(flags={"serve": {"host": host, "port": port, "workers": workers}})
    read_reasons(settings)  # a wrong word is said here, not by the processes that are started
    settings.saved_filters()
    level, as_json = _log_options(context)
    jobs = _jobs(settings) if with_jobs else contextlib.nullcontext()
    if not _is_loopback(settings.serve.host):
        _check_keys(settings)
    with listen(settings.serve.host, settings.serve.port) as listener, jobs:
        address, taken = listener.getsockname()[:2]
        config = uvicorn.Config(
            functools.partial(build_app, settings, level=level, json_lines=as_json),
            factory=True,
            workers=settings.serve.workers,
            loop="uvloop",
            http="httptools",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE_S,
            timeout_worker_healthcheck=WORKER_START_S,
            ssl_certfile=settings.serve.tls_cert,
            ssl_keyfile=settings.serve.tls_key,
        )
        _announce_when_live(address, taken, settings=settings)
        # The server raises SIGTERM again when it has ended; ended well is not ended by a signal.
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        if settings.serve.workers > 1:
            Multiprocess(config, sockets=[listener]).run()
        else:
            uvicorn.Server(config).run(sockets=[listener])


def _jobs(settings: Settings) -> contextlib.AbstractContextManager[None]:
    """What retrains beside the API, each time in a process of its own."""
    schedule = settings.section("job", JobConfig).schedule
    if schedule is None:
        raise ConfigError('--with-jobs needs [job] schedule in whycart.toml, such as "6h" or "0 3 * * *"')
    return beside(["retrain", "--incremental"], parse_plan(schedule, name="[job] schedule"))


def build_app(settings: Settings, *, level: Level, json_lines: bool) -> FastAPI:
    """Return the API of a project; called in every API process.

    Args:
        settings: of the project.
        level: least level of log lines.
        json_lines: whether log lines are JSON.
    """
    setup_logging(level, json=json_lines)
    # An answer is many small products of matrices; sharing each among threads costs a hundred times what it saves.
    threadpool_limits(limits=1)
    log = EventLog.open(settings.state, settings.secret_file)
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
        guard=Guard(
            always=not _is_loopback(settings.serve.host),
            per_minute=settings.serve.per_minute,
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


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address.

    Raises:
        ConfigError: this machine has no such address, or the port needs rights that this process lacks.
        PortInUse: another process listens there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, accepted connections are sent on without Nagle's delay of 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except PermissionError as err:
        listener.close()
        raise ConfigError(f"[serve] port {port} needs rights this process lacks; take one from 1024 up") from err
    except OSError as err:
        listener.close()
        raise PortInUse(
            f"port {port} of {host} cannot be used ({err.strerror}); end the process that listens there, or choose "
            "another port with --port (0 takes any free one)"
        ) from err
    listener.set_inheritable(True)
    return listener


def _check_keys(settings: Settings) -> None:
    """Refuse to listen where other machines can ask, as long as nobody has a key."""
    with KeyLog.open(settings.state) as keys:
        if not any(key.is_good(int(time.time() * 1000)) for key in keys.all()):
            raise ConfigError(
                f"[serve] host {settings.serve.host!r} can be reached by other machines, and there is no key that is "
                "good: make one with 'whycart keys create NAME --scope read', or listen on 127.0.0.1"
            )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _log_options(context: typer.Context | None) -> tuple[Level, bool]:
    """Return level and form of log lines as the door was told."""
    door = context.find_root().params if context is not None else {}
    level: Level = "debug" if door.get("debug") else door.get("log_level", "warning")
    return level, bool(door.get("log_json"))


def _announce_when_live(host: str, port: int, *, settings: Settings) -> None:
    """Print the address once the server answers, from a thread that ends with the process."""
    place, is_tls = f"[{host}]" if ":" in host else host, settings.serve.tls_cert is not None

    def wait() -> None:
        while _status_of(host, port, "/health/live", is_tls=is_tls) != 200:
            time.sleep(0.05)
        say(f"serving at http{'s' if is_tls else ''}://{place}:{port}")
        if _status_of(host, port, "/health/ready", is_tls=is_tls) != 200:
            say(f"no model is served yet: publish one with 'whycart retrain' (looked in {settings.bundles})")

    threading.Thread(target=wait, name="announce", daemon=True).start()


def _status_of(host: str, port: int, path: Literal["/health/live", "/health/ready"], *, is_tls: bool) -> int | None:
    connection = http.client.HTTPConnection(host, port, timeout=60)
    if is_tls:  # it asks itself, under an address that the certificate need not name
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, port, timeout=60, context=context)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()
