"""One bundle in use, with what the product log says laid over it."""

import logging
import time
from dataclasses import dataclass

from cypher.errors import WhycartError
from gnn.bundle import Bundle
from serving.api.cards import Cards
from serving.arrivals import Arrivals
from serving.bundle_encoder import BundleEncoder
from serving.products import ProductLog
from serving.ready import Ready, prepare
from serving.reason_config import ReasonConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    """One bundle and what the API keeps beside it."""

    ready: Ready
    cards: Cards

    @property
    def bundle(self) -> Bundle:
        """The bundle."""
        return self.ready.bundle


class Holding:
    """Keeps one bundle up with the product log; a request takes `served` and keeps it to its end."""

    def __init__(
        self,
        bundle: Bundle,
        reasons: ReasonConfig | None,
        products: ProductLog | None,
        *,
        before: "Holding | None" = None,
    ) -> None:
        """Lay over a bundle what the log says now.

        Args:
            bundle: as it was loaded.
            reasons: what reasons may say; None: the defaults.
            products: what was said of products; None: nothing is laid over the bundle.
            before: what is in use; its text encoder is taken over where this bundle has the same.
        """
        self._reasons, self._products = reasons, products
        self._encoder: BundleEncoder = BundleEncoder(bundle, None if before is None else before._encoder)
        self._arrivals = None if products is None else Arrivals(bundle, products, self._encoder)
        self._seen, self._rest_until = 0 if products is None else products.last_seq(), 0.0
        self.behind = False
        """Whether what was said of products last could not be taken in."""
        self.served = self._lay(bundle)
        """What is answered from."""

    @property
    def version(self) -> str:
        """Version of the bundle."""
        return self.served.bundle.version

    def catch_up(self) -> bool:
        """Take in what the log says since the last look, then rest half as long as it took; return whether it did."""
        started = time.monotonic()
        if self._products is None or started < self._rest_until:
            return False
        try:
            number = self._products.last_seq()
            if number == self._seen:
                return False
            self._seen, before = number, self.served
            self.served = self._lay(before.bundle, before)
        except Exception as err:  # the edge of a thread: whatever is wrong with a row, what is served stays
            self.behind = True
            logger.warning("products cannot be taken in: %s", err, exc_info=not isinstance(err, WhycartError))
            return False
        now = time.monotonic()
        self.behind, self._rest_until = False, now + (now - started) / 2
        logger.info("products taken in", extra={"products_until": number})
        return True

    def _lay(self, bundle: Bundle, before: Served | None = None) -> Served:
        arrivals = self._arrivals
        if arrivals is None:
            ready = prepare(bundle, self._reasons, self._encoder)
        else:
            ready = arrivals.ready(self._seen, self._reasons)
        if before is not None:
            ready.search.follow(before.ready.search)
        ready.search.refresh()
        return Served(ready, Cards(ready.bundle.snapshot))
