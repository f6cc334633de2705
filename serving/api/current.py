"""The bundles that are served: loaded once, replaced when another one is published, kept when the new one is broken.

A background thread looks at the pointers and at the product log; a request takes what is there and keeps it to its end.
While a canary is under way some users are answered from it. What a bundle is and how it is checked is `gnn.bundle`'s.
"""

import contextlib
import ctypes
import functools
import gc
import logging
import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from cypher.errors import WhycartError
from gnn.bundles import BundleStore
from gnn.errors import BundleError
from kg.additions import base_hash
from serving.api.holding import Holding, Served
from serving.api.metrics import Metrics, Result
from serving.api.trial import CanaryWatch, Trial
from serving.arrivals import Arrivals
from serving.errors import NoBundleError
from serving.logs import background
from serving.products import ProductLog
from serving.ready import Ready, prepare
from serving.reason_config import ReasonConfig

logger = logging.getLogger(__name__)
Found = TypeVar("Found")
CHECK_EVERY_S = 0.25
TRIM_EVERY_S = 60.0
LET_GO_S = 2.0
"""After so long nobody answers from what was served before."""
KEEP_S = 120.0
"""How long what was served before is kept at hand: it costs about as much memory as what is served."""


class CurrentBundle:
    """Holds the bundles in use; `start` loads them, `stop` ends the background thread."""

    def __init__(
        self,
        bundles: BundleStore,
        metrics: Metrics,
        *,
        check_every_s: float = CHECK_EVERY_S,
        reasons: ReasonConfig | None = None,
        products: ProductLog | None = None,
        watch: CanaryWatch | None = None,
    ) -> None:
        """Watch `bundles` and `products`; nothing is loaded before `start`."""
        self._bundles, self._metrics, self._check_every_s = bundles, metrics, check_every_s
        self._reasons, self._products, self._canary_watch = reasons, products, watch or CanaryWatch()
        self._tidy_at = self._trim_at = float("inf")
        self._live: Holding | None = None
        self._kept: Holding | None = None
        self._keep_until = float("inf")
        self._trial: Trial | None = None
        self._failed_version: str | None = None
        self._said = ""
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
        return self._live is not None and self._live.behind

    @property
    def loaded(self) -> Served | None:
        """The bundle that all, or all but a few users, are answered from; None before the first one is loaded."""
        return None if self._live is None else self._live.served

    def get(self) -> Served:
        """Return the bundle that all, or all but a few users, are answered from.

        Raises:
            NoBundleError: none is loaded yet.
        """
        served = self.loaded
        if served is None:
            raise NoBundleError("no bundle is loaded; publish one with 'whycart retrain'")
        return served

    def of(self, user_id: str | None) -> Served:
        """Return the bundle that a user is answered from; None as a user is nobody in particular.

        Raises:
            NoBundleError: none is loaded yet.
        """
        return self._choose(user_id, self._trial)[0]

    def _choose(self, user_id: str | None, trial: Trial | None) -> tuple[Served, bool]:
        """The bundle of a user, and whether it is a canary."""
        if user_id is None or trial is None or not trial.canary.shows_to(user_id):
            return self.get(), False
        return trial.holding.served, True

    def ask(
        self, user_id: str | None, find: Callable[[Served], Found], *, is_empty: Callable[[Found], bool]
    ) -> tuple[Found, Served]:
        """Return what is found for a user, and in which bundle; a canary that fails is answered for by the other one.

        Args:
            user_id: whose bundle is asked; None: nobody's in particular.
            find: looks into a bundle.
            is_empty: whether what was found is nothing.

        Raises:
            NoBundleError: none is loaded yet.
        """
        trial = self._trial
        served, is_canary = self._choose(user_id, trial)
        if user_id is None or trial is None:
            return find(served), served
        started = time.perf_counter()
        try:
            found = find(served)
        except WhycartError:
            raise
        except Exception:  # the edge of a canary: whatever it fails at, its users get the answer of the model before
            trial.count("failed", time.perf_counter() - started, is_canary=is_canary)
            if not is_canary:
                raise
            logger.exception(
                "the canary failed; the model before answers", extra={"model_version": trial.canary.version}
            )
            return find(self.get()), self.get()
        result: Result = "empty" if is_empty(found) else "answered"
        trial.count(result, time.perf_counter() - started, is_canary=is_canary)
        return found, served

    @property
    def bundles(self) -> BundleStore:
        """All bundles, the one in use and others."""
        return self._bundles

    def open_bundle(self, version: str, graph_version: str) -> Ready:
        """Return what a list was answered from; those in use are at hand, another one is loaded for the caller.

        Args:
            version: of the bundle.
            graph_version: of the list, which says how much was known of products.

        Raises:
            BundleError: there is no such version, or it cannot be used.
        """
        for holding in self._in_use():
            served = holding.served
            if (served.bundle.version, served.bundle.snapshot.hash) == (version, graph_version):
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
        self._thread = background(self._watch, "bundle-watch")
        self._thread.start()

    def stop(self) -> None:
        """End the background thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        gc.unfreeze()

    def check(self) -> None:
        """Look once at the pointers, and load what they name when that is not in use; else look at the product log."""
        self._tidy()
        try:
            version = self._bundles.current_version()
            if version is None or self._is_known(version):
                self._catch_up()
            elif not self._at_hand(version):
                self._switch(self._hold(version))
        except Exception as err:  # the edge of a thread: whatever is wrong with a bundle, the old one stays
            self._failed = True
            logger.error(  # noqa: TRY400 - the sentence of our own errors says it all
                "the published bundle cannot be loaded; the one in use stays: %s",
                err,
                exc_info=not isinstance(err, WhycartError),
            )
        self._look_at_canary()

    def _look_at_canary(self) -> None:
        """Take a canary up, look after it, or let it go."""
        try:
            canary = self._bundles.canary.read()
            if canary is None or self._live is None or canary.version == self._live.version:
                self._trial = None
            elif self._trial is None or self._trial.canary != canary:
                self._trial = Trial(canary, self._hold(canary.version), self._canary_watch, self._metrics)
                logger.info("canary in use", extra={"model_version": canary.version, "share": canary.share})
            else:
                self._trial.look(self._bundles)
            self._metrics.set_canary(0.0 if self._trial is None else self._trial.canary.share)
        except Exception as err:  # the edge of a thread: whatever is wrong with a canary, nobody is shown it
            self._trial = None
            if str(err) != self._said:  # a file that cannot be read is looked at again every moment
                self._said = str(err)
                ours = isinstance(err, WhycartError)
                logger.error("the canary cannot be used; nobody is shown it: %s", err, exc_info=not ours)  # noqa: TRY400
            self._give_up(f"it cannot be used: {err}")

    def _give_up(self, why: str) -> None:
        """End a canary that cannot be used, so that it is not tried every moment."""
        with contextlib.suppress(BundleError):
            if (canary := self._bundles.canary.read()) is not None:
                self._bundles.canary.end(canary, "alarm", why, now_ms=int(time.time() * 1000))

    def _tidy(self) -> None:
        """Set aside what is served, once nobody holds any more what was served before; hand freed memory back."""
        now = time.monotonic()
        if now >= self._keep_until:
            self._keep_until, self._kept, self._tidy_at = float("inf"), None, now
        if now >= self._tidy_at:
            self._tidy_at, self._trim_at = float("inf"), now
            _set_aside()
        if now >= self._trim_at:
            self._trim_at = now + TRIM_EVERY_S
            _hand_back()

    def _is_known(self, version: str) -> bool:
        """Return whether a version is in use or was tried in vain, as a broken bundle is not read every second."""
        if self._live is not None and self._live.version == version:
            self._failed, self._failed_version = False, None
            return True
        if version == self._failed_version:
            return True
        self._failed_version = version
        return False

    def _at_hand(self, version: str) -> bool:
        """Serve what some users are shown or what was served before, where it is asked for; this takes no time."""
        for holding in (self._kept, None if self._trial is None else self._trial.holding):
            if holding is not None and holding.version == version:
                self._switch(holding)
                return True
        return False

    def _in_use(self) -> list[Holding]:
        trial = self._trial
        both = (self._live, None if trial is None else trial.holding)
        return [holding for holding in both if holding is not None]

    def _hold(self, version: str) -> Holding:
        return Holding(self._bundles.load(version), self._reasons, self._products, before=self._live)

    def _switch(self, holding: Holding) -> None:
        """Serve another bundle; what was served until now is kept at hand for a while, for whoever goes back to it."""
        before, self._live = self._live, holding
        self._kept, self._keep_until = before or self._kept, time.monotonic() + KEEP_S
        self._failed, self._failed_version = False, None
        self._told(0.0 if before is None else LET_GO_S)
        logger.info("bundle in use", extra={"model_version": holding.version})

    def _catch_up(self) -> None:
        """Take in what the product log says."""
        for holding in self._in_use():
            if holding.catch_up():
                self._told(LET_GO_S)

    def _told(self, let_go_s: float) -> None:
        """Say what is served, and tidy up once nobody answers from what was before."""
        self._tidy_at = time.monotonic() + let_go_s
        bundle = self.get().bundle
        self._metrics.set_model(bundle.version, bundle.snapshot.hash, created_s=bundle.created_at.timestamp())

    def _watch(self) -> None:
        while not self._stop.wait(self._check_every_s):
            self.check()


def never(found: object) -> bool:
    """Return False: what was found is never nothing."""
    return False


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
