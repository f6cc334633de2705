"""The bundle that is served: loaded once, replaced when another one is published, kept when the new one is broken.

A background thread looks at the pointer and at the product log, and lays over the bundle what the log says; a request
takes what is there and keeps it to its end. What a bundle is and
how it is checked is `gnn.bundle`'s.
"""

import ctypes
import functools
import gc
import logging
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from cypher.errors import WhycartError
from gnn.bundle import Bundle
from gnn.bundles import BundleStore
from kg.additions import base_hash
from serving.api.cards import Cards
from serving.api.metrics import Metrics
from serving.arrivals import Arrivals
from serving.errors import NoBundleError
from serving.products import ProductLog
from serving.ready import Ready, prepare
from serving.reason_config import ReasonConfig

logger = logging.getLogger(__name__)
CHECK_EVERY_S = 0.25
TRIM_EVERY_S = 60.0
LET_GO_S = 2.0
"""After so long nobody answers from what was served before."""


@dataclass(frozen=True, slots=True)
class Served:
    """One bundle and what the API keeps beside it."""

    ready: Ready
    cards: Cards

    @property
    def bundle(self) -> Bundle:
        """The bundle."""
        return self.ready.bundle


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was served before, and how far it had taken products in."""

    served: Served
    arrivals: Arrivals | None
    seen: int


class CurrentBundle:
    """Holds the bundle in use; `start` loads it, `stop` ends the background thread."""

    def __init__(
        self,
        bundles: BundleStore,
        metrics: Metrics,
        *,
        check_every_s: float = CHECK_EVERY_S,
        reasons: ReasonConfig | None = None,
        products: ProductLog | None = None,
    ) -> None:
        """Watch `bundles` and `products`; nothing is loaded before `start`."""
        self._bundles, self._metrics, self._check_every_s = bundles, metrics, check_every_s
        self._reasons, self._products = reasons, products
        self._arrivals: Arrivals | None = None
        self._seen, self._rest_until, self._behind = 0, 0.0, False
        self._tidy_at = self._trim_at = float("inf")
        self._served: Served | None = None
        self._kept: _Kept | None = None
        self._failed_version: str | None = None
        self._failed = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def failed(self) -> bool:
        """Whether a newer bundle is published that cannot be loaded."""
        return self._failed

    @property
    def behind(self) -> bool:
        """Whether what was said of products last could not be taken in."""
        return self._behind

    @property
    def loaded(self) -> Served | None:
        """The bundle in use; None before the first one is loaded."""
        return self._served

    def get(self) -> Served:
        """Return the bundle in use.

        Raises:
            NoBundleError: none is loaded yet.
        """
        served = self._served
        if served is None:
            raise NoBundleError("no bundle is loaded; publish one with 'whycart retrain'")
        return served

    @property
    def bundles(self) -> BundleStore:
        """All bundles, the one in use and others."""
        return self._bundles

    def open_bundle(self, version: str, graph_version: str) -> Ready:
        """Return what a list was answered from; the one in use is at hand, another one is loaded for the caller.

        Args:
            version: of the bundle.
            graph_version: of the list, which says how much was known of products.

        Raises:
            BundleError: there is no such version, or it cannot be used.
        """
        served = self._served
        if served is not None and (served.bundle.version, served.bundle.snapshot.hash) == (version, graph_version):
            return served.ready
        bundle = self._bundles.load(version)
        if self._products is None:
            return prepare(bundle, self._reasons)
        return Arrivals(bundle, self._products).ready(base_hash(graph_version)[1], self._reasons)

    def start(self) -> None:
        """Load the published bundle, if there is one, and watch for the next."""
        self.check()
        self._tidy()
        self._stop.clear()
        self._thread = threading.Thread(target=self._watch, name="bundle-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the background thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        gc.unfreeze()

    def check(self) -> None:
        """Look once at the pointer, and load what it names when that is not in use; else look at the product log."""
        self._tidy()
        try:
            version = self._bundles.current_version()
            if version is None or self._is_known(version):
                self._catch_up()
                return
            if not self._go_back(version):
                self._use(self._bundles.load(version))
        except Exception as err:  # the edge of a thread: whatever is wrong with a bundle, the old one stays
            self._failed = True
            logger.error(  # noqa: TRY400 - the sentence of our own errors says it all
                "the published bundle cannot be loaded; the one in use stays: %s",
                err,
                exc_info=not isinstance(err, WhycartError),
            )

    def _tidy(self) -> None:
        """Set aside what is served, once nobody holds any more what was served before; hand freed memory back."""
        now = time.monotonic()
        if now >= self._tidy_at:
            self._tidy_at, self._trim_at = float("inf"), now
            _set_aside()
        if now >= self._trim_at:
            self._trim_at = now + TRIM_EVERY_S
            _hand_back()

    def _is_known(self, version: str) -> bool:
        """Return whether a version is in use or was tried in vain, as a broken bundle is not read every second."""
        if self._served is not None and self._served.bundle.version == version:
            self._failed, self._failed_version = False, None
            return True
        if version == self._failed_version:
            return True
        self._failed_version = version
        return False

    def _go_back(self, version: str) -> bool:
        """Serve again what was served before, where it is asked for again; it is at hand, so this takes no time."""
        kept = self._kept
        if kept is None or kept.served.bundle.version != version:
            return False
        self._keep()
        self._arrivals, self._seen, self._behind = kept.arrivals, kept.seen, False
        self._serve(kept.served.ready)
        self._failed, self._failed_version = False, None
        logger.info("the bundle before is in use again", extra={"model_version": version})
        return True

    def _keep(self) -> None:
        """Keep what is served at hand, for whoever goes back to it; what was kept until now goes."""
        if self._served is not None:
            self._kept = _Kept(self._served, self._arrivals, self._seen)

    def _use(self, bundle: Bundle) -> None:
        if self._products is None:
            ready = prepare(bundle, self._reasons)
            self._keep()
            self._serve(ready)
        else:
            arrivals, number = Arrivals(bundle, self._products), self._products.last_seq()
            ready = arrivals.ready(number, self._reasons)
            self._keep()
            self._arrivals, self._seen, self._behind = arrivals, number, False
            self._serve(ready)
        self._failed, self._failed_version = False, None
        logger.info("bundle in use", extra={"model_version": bundle.version})

    def _catch_up(self) -> None:
        """Take in what the product log says since the last look; then rest half as long as it took."""
        started = time.monotonic()
        if self._arrivals is None or self._products is None or started < self._rest_until:
            return
        try:
            number = self._products.last_seq()
            if number != self._seen:
                self._seen = number
                self._serve(self._arrivals.ready(number, self._reasons))
                now = time.monotonic()
                self._behind, self._rest_until = False, now + (now - started) / 2
                logger.info("products taken in", extra={"products_until": number})
        except Exception as err:  # the edge of a thread: whatever is wrong with a row, what is served stays
            self._behind = True
            logger.warning("products cannot be taken in: %s", err, exc_info=not isinstance(err, WhycartError))

    def _serve(self, ready: Ready) -> None:
        before = self._served
        if before is not None and before.bundle.version == ready.bundle.version:
            ready.search.follow(before.ready.search)
        self._served = Served(ready, Cards(ready.bundle.snapshot))
        ready.search.refresh()
        self._tidy_at = time.monotonic() + (0.0 if before is None else LET_GO_S)
        bundle = ready.bundle
        self._metrics.set_model(bundle.version, bundle.snapshot.hash, created_s=bundle.created_at.timestamp())

    def _watch(self) -> None:
        while not self._stop.wait(self._check_every_s):
            self.check()


def _set_aside() -> None:
    """Have the garbage collector pass over what is served from now on.

    A look at all of a bundle would stop answers for as long as many of them take; what is set aside is not looked at
    again, and goes by itself when the last who holds it lets go, as nothing in it holds itself.
    """
    gc.collect()
    gc.freeze()


def _hand_back() -> None:
    """Have glibc hand back what was freed, which stays with the process in pieces else; a few milliseconds."""
    if (trim := _trimmer()) is not None:
        trim(0)


@functools.cache
def _trimmer() -> Callable[[int], int] | None:
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
