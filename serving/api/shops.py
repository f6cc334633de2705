"""Several shops in one API process: each is an app of its own, and a front door hands it the requests with its keys.

A request without a good key is answered in the lobby, an app of no shop: it is refused there in the words of any other
API, and told whether all shops are ready. Routes know nothing of shops, and no shop is told of another.
"""

import contextlib
import time
from collections.abc import AsyncIterator, Mapping

from fastapi import FastAPI, Request, Response
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.api.admission import key_in
from serving.api.app import add_routes, bare_app, wrap
from serving.api.keyring import Keyring, refusal
from serving.api.metrics import Metrics
from serving.api.problems import request_id_of, unavailable
from serving.api.routes import as_json
from serving.api.services import Services
from serving.api.wrong_keys import WrongKeys
from serving.errors import StateError
from serving.keys import Key
from serving.keys import Scope as KeyScope
from serving.logs import working_for

READY = "/health/ready"


class ShopFront:
    """An ASGI app in front of the apps of several shops."""

    def __init__(self, shops: Mapping[str, FastAPI], lobby: FastAPI) -> None:
        """Open nothing: the lobby's lifespan is that of all shops."""
        self._shops, self._lobby = shops, lobby
        self._keyrings = {name: _services(app).keyring for name, app in shops.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand one request to the shop that its key belongs to, or to the lobby."""
        name = self._shop_of(scope) if scope["type"] == "http" else None
        if name is None:
            await self._lobby(scope, receive, send)
            return
        with working_for(name):
            await self._shops[name](scope, receive, send)

    def _shop_of(self, scope: Scope) -> str | None:
        """The shop of a request's key; None: it has no good one, or one that two shops have, as after a copied file."""
        text, found, now_ms = key_in(Headers(scope=scope)), list[str](), int(time.time() * 1000)
        if text is None:
            return None
        for name, keyring in self._keyrings.items():  # all of them, so that it takes as long for any shop
            with contextlib.suppress(StateError):  # the other shops go on; the lobby says that this cannot be known
                key = keyring.find(text)
                if key is not None and key.is_good(now_ms):
                    found.append(name)
        return found[0] if len(found) == 1 else None


class _Strangers:
    """Admits nobody: who is in the lobby has no key of any shop."""

    def __init__(self, keyrings: list[Keyring], wrong: WrongKeys) -> None:
        self._keyrings, self._wrong = keyrings, wrong

    def admit(self, text: str | None, scope: KeyScope, *, address: str | None) -> Key | None:
        """Refuse.

        Raises:
            Unauthorized: always, but for the next.
            TooManyRequests: too many wrong keys came from this address.
            StateError: the keys of a shop cannot be read, so nobody knows whether this is one.
        """
        if text is not None and not [key for keyring in self._keyrings if (key := keyring.find(text))]:
            self._wrong.count(address)
        raise refusal(text, scope)


def create_front(shops: Mapping[str, FastAPI], *, origins: tuple[str, ...] = (), wrong_per_minute: int = 0) -> ASGIApp:
    """Return the API of several shops; they start and end with it.

    Args:
        shops: the app of each by its name, as `create_app` makes them, each of which must always ask for a key.
        origins: those whose pages may ask any of the shops; a browser asks before it sends a key.
        wrong_per_minute: most wrong keys of one address in a minute, whichever shop they are meant for; 0: as many as
            come.
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for name, shop in shops.items():
                await stack.enter_async_context(_working(name, shop))
            yield

    keyrings = [_services(app).keyring for app in shops.values()]
    lobby = bare_app(lifespan, _Strangers(keyrings, WrongKeys(wrong_per_minute)))

    @lobby.get(READY, include_in_schema=False)
    def ready(request: Request) -> Response:
        """Return 200 once every shop has a bundle."""
        return _readiness({name: _services(app) for name, app in shops.items()}, request)

    add_routes(lobby)
    wrap(lobby, Metrics(), origins, None)
    return ShopFront(shops, lobby)


def _readiness(shops: Mapping[str, Services], request: Request) -> Response:
    waiting = [name for name, services in shops.items() if services.current.loaded is None]
    if waiting:
        detail = f"no model is loaded yet for {', '.join(waiting)}; publish one with 'whycart retrain' in its folder"
        return unavailable("no-model", detail, request_id_of(request))
    causes = [f"{name}: {cause}" for name, services in shops.items() for cause in services.causes]
    return as_json({"status": "ready", "degraded": bool(causes), "causes": causes})


@contextlib.asynccontextmanager
async def _working(name: str, app: FastAPI) -> AsyncIterator[None]:
    """Keep the app of a shop running."""
    with working_for(name):
        async with app.router.lifespan_context(app):
            yield


def _services(app: FastAPI) -> Services:
    services: Services = app.state.services
    return services
