"""The bundle that is served: loaded once, replaced when another one is published, kept when the new one is broken.

A background thread looks at the pointer; a request takes what is there and keeps it to its end. What a bundle is and
how it is checked is `gnn.bundle`'s.
"""

import gc
import logging
import threading
from dataclasses import dataclass

from cypher.errors import WhycartError
from gnn.bundle import Bundle, BundleStore
from serving.api.cards import Cards
from serving.api.metrics import Metrics
from serving.errors import NoBundleError
from serving.ready import Ready, prepare
from serving.reason_config import ReasonConfig

logger = logging.getLogger(__name__)
CHECK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Served:
    """One bundle and what the API keeps beside it."""

    ready: Ready
    cards: Cards

    @property
    def bundle(self) -> Bundle:
        """The bundle."""
        return self.ready.bundle


class CurrentBundle:
    """Holds the bundle in use; `start` loads it, `stop` ends the background thread."""

    def __init__(
        self,
        bundles: BundleStore,
        metrics: Metrics,
        *,
        check_every_s: float = CHECK_EVERY_S,
        reasons: ReasonConfig | None = None,
    ) -> None:
        """Watch `bundles`; nothing is loaded before `start`."""
        self._bundles, self._metrics, self._check_every_s = bundles, metrics, check_every_s
        self._reasons = reasons
        self._served: Served | None = None
        self._failed_version: str | None = None
        self._failed = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def failed(self) -> bool:
        """Whether a newer bundle is published that cannot be loaded."""
        return self._failed

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

    def open_bundle(self, version: str) -> Ready:
        """Return any bundle ready to answer; the one in use is at hand, another one is loaded for the caller.

        Raises:
            BundleError: there is no such version, or it cannot be used.
        """
        served = self._served
        if served is not None and served.bundle.version == version:
            return served.ready
        return prepare(self._bundles.load(version), self._reasons)

    def start(self) -> None:
        """Load the published bundle, if there is one, and watch for the next."""
        self.check()
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
        """Look at the pointer once, and load what it names when that is not in use."""
        try:
            version = self._bundles.current_version()
            if version is None or self._is_known(version):
                return
            self._use(self._bundles.load(version))
        except Exception as err:  # the edge of a thread: whatever is wrong with a bundle, the old one stays
            self._failed = True
            logger.error(  # noqa: TRY400 - the sentence of our own errors says it all
                "the published bundle cannot be loaded; the one in use stays: %s",
                err,
                exc_info=not isinstance(err, WhycartError),
            )

    def _is_known(self, version: str) -> bool:
        """Return whether a version is in use or was tried in vain, as a broken bundle is not read every second."""
        if self._served is not None and self._served.bundle.version == version:
            self._failed, self._failed_version = False, None
            return True
        if version == self._failed_version:
            return True
        self._failed_version = version
        return False

    def _use(self, bundle: Bundle) -> None:
        self._served = Served(prepare(bundle, self._reasons), Cards(bundle.snapshot))
        _set_aside()
        self._failed, self._failed_version = False, None
        self._metrics.set_model(bundle.version, bundle.snapshot.hash)
        logger.info("bundle in use", extra={"model_version": bundle.version})

    def _watch(self) -> None:
        while not self._stop.wait(self._check_every_s):
            self.check()


def _set_aside() -> None:
    """Have the garbage collector pass over what is there now: a look at all of a bundle stops an answer for as long as
    ten answers take. What was set aside for the bundle before is looked at once more."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
