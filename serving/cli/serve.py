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
from collections.abc import Callable
from typing import Annotated, Literal

import typer
import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from serving.audit_config import AuditConfig
from serving.cli.apps import build_app, build_front
from serving.cli.output import say, warn
from serving.cli.repeat import beside, parse_plan
from serving.errors import ConfigError, PortInUse
from serving.job_config import JobConfig
from serving.keys import KeyLog
from serving.logs import Level
from serving.model_store import open_models
from serving.reason_config import read_reasons
from serving.settings import ServeConfig, Settings, load_settings
from serving.shops import Shop, parse_shops, read_shops, without_keys
from serving.slots import ListsConfig
from serving.tracing import check_tracing
from serving.tracing_config import TracingConfig

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
    shop: Annotated[
        list[str] | None,
        typer.Option("--shop", metavar="NAME=FOLDER", help="A shop to serve, once for each; keys are then needed."),
    ] = None,
    context: typer.Context = None,  # type: ignore[assignment]  # typer fills it in
) -> None:
    """Serve recommendations over HTTP.

    Prints the address once requests are answered. A newly published bundle is taken up within a second or two.
    Ends on Ctrl-C or SIGTERM after the requests under way. Once there is a key ('whycart keys create'), every request
    needs one. With --shop, or [serve] shops in whycart.toml, one API serves several projects: the key of a request
    says which.

    Example: whycart serve --port 9000
    """
    flags = {"host": host, "port": port, "workers": workers, "shops": parse_shops(shop or ()) or None}
    settings = load_settings(flags={"serve": flags})
    level, as_json = _log_options(context)
    shops = read_shops(settings.serve.shops)
    projects = [one.settings for one in shops] or [settings]
    for project in projects:  # a wrong word is said here, not by the processes that are started
        read_reasons(project)
        project.saved_filters()
        check_tracing(project.section("tracing", TracingConfig))
        project.section("lists", ListsConfig).check_records(project.section("audit", AuditConfig))
    jobs = _jobs(settings, is_one=not shops) if with_jobs else contextlib.nullcontext()
    build: Callable[[], ASGIApp]
    if shops:
        _tell_without_keys(shops)
        wrong = settings.serve.wrong_keys_per_minute
        build = functools.partial(build_front, shops, wrong_per_minute=wrong, level=level, json_lines=as_json)
    else:
        always = not _is_loopback(settings.serve.host)
        if always:
            _check_keys(settings)
        build = functools.partial(build_app, settings, always=always, level=level, json_lines=as_json)
    with listen(settings.serve.host, settings.serve.port) as listener, jobs:
        _announce_when_live(listener, is_tls=settings.serve.tls_cert is not None, projects=projects)
        _run(settings.serve, build, listener)


def _run(serve: ServeConfig, build: Callable[[], ASGIApp], listener: socket.socket) -> None:
    """Answer until the process is told to end."""
    config = server_config(serve, build)
    # The server raises SIGTERM again when it has ended; ended well is not ended by a signal.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    if serve.workers > 1:
        Multiprocess(config, sockets=[listener]).run()
    else:
        uvicorn.Server(config).run(sockets=[listener])


def server_config(serve: ServeConfig, build: Callable[[], ASGIApp]) -> uvicorn.Config:
    """Return how uvicorn serves what `build` makes in each process; what a proxy says of addresses only if it may."""
    return uvicorn.Config(
        build,
        factory=True,
        workers=serve.workers,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(serve.trusted_proxies),
        forwarded_allow_ips=list(serve.trusted_proxies),
        timeout_graceful_shutdown=GRACE_S,
        timeout_worker_healthcheck=WORKER_START_S,
        ssl_certfile=serve.tls_cert,
        ssl_keyfile=serve.tls_key,
    )


def _jobs(settings: Settings, *, is_one: bool) -> contextlib.AbstractContextManager[None]:
    """What retrains beside the API, each time in a process of its own."""
    if not is_one:
        raise ConfigError(
            "--with-jobs retrains one project; run 'whycart retrain --every 6h' in the folder of each shop"
        )
    schedule = settings.section("job", JobConfig).schedule
    if schedule is None:
        raise ConfigError('--with-jobs needs [job] schedule in whycart.toml, such as "6h" or "0 3 * * *"')
    return beside(["retrain", "--incremental"], parse_plan(schedule, name="[job] schedule"))


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


def _tell_without_keys(shops: tuple[Shop, ...]) -> None:
    for shop in without_keys(shops):
        warn(f"nobody has a good key of {shop.name}; make one with 'whycart keys create NAME' in {shop.folder}")


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


def _announce_when_live(listener: socket.socket, *, is_tls: bool, projects: list[Settings]) -> None:
    """Print the address once the server answers, from a thread that ends with the process."""
    host, port = listener.getsockname()[:2]
    place = f"[{host}]" if ":" in host else host

    def wait() -> None:
        while _status_of(host, port, "/health/live", is_tls=is_tls) != 200:
            time.sleep(0.05)
        say(f"serving at http{'s' if is_tls else ''}://{place}:{port}")
        if _status_of(host, port, "/health/ready", is_tls=is_tls) != 200:
            for models in map(open_models, projects):
                if len(projects) == 1 or models.current_version() is None:
                    say(f"no model is served yet: publish one with 'whycart retrain' (looked in {models.folder})")

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
