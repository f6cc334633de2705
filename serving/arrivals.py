"""A bundle with the products that came, and the changes that were made to products, since it was learned.

The rows of the product log are laid over snapshot and kernels in memory; the bundle on the disk stays as it
was measured and published. Which rows an answer saw is part of its `graph_version`, so a list can be computed again.
"""

import logging
from pathlib import Path

import numpy as np

from gnn.bundle import Bundle
from gnn.newcomers import Newcomers
from gnn.score import Scorer
from kg.additions import base_hash, check_products, with_additions
from serving.bundle_encoder import BundleEncoder
from serving.products import ProductLog, by_product
from serving.ready import Ready, prepare
from serving.reason_config import ReasonConfig
from serving.text import product_sentences

logger = logging.getLogger(__name__)
MOST = 10_000
"""Products that one bundle takes beside its own; further ones wait for the next retraining."""


class Arrivals:
    """Lays the product log over one bundle, again whenever it grows."""

    def __init__(self, bundle: Bundle, log: ProductLog, encoder: BundleEncoder | None = None) -> None:
        """Begin with a bundle as it was published, and with its encoder where that is open already."""
        self.bundle, self._log = bundle, log
        self._encoder = encoder or BundleEncoder(bundle)
        self._newcomers: Newcomers | None = None

    def until(self, number: int) -> Bundle:
        """Return the bundle with the rows of the log up to and with a number; the bundle itself where there are none.

        Raises:
            StateError: the log cannot be read.
        """
        rows = by_product(self._log.rows(after=self.bundle.products_applied, until=number))
        if not rows:
            return self.bundle
        snapshot = self.bundle.snapshot
        fresh = [row["product_id"] for row in rows if snapshot.row("Product", row["product_id"]) is None]
        late = set(fresh[MOST:])
        if late:
            logger.warning("more new products than one model takes; retrain", extra={"num_products": len(late)})
        additions, bad = check_products([row for row in rows if row["product_id"] not in late], snapshot)
        for row in bad:
            logger.warning("a product of the log does not fit this model: %s", row.reason)
        grown = with_additions(snapshot, additions, number=number)
        texts = product_sentences(grown, first=snapshot.num_nodes("Product"))
        vectors = self._encoder.encode(texts) if texts else None
        if vectors is None:
            vectors = np.zeros((len(texts), self.bundle.text_vectors.shape[1]), dtype=np.float32)
        if self._newcomers is None:
            self._newcomers = Newcomers(self._apart())
        return self._newcomers.join(grown, vectors)

    def ready(self, number: int, reasons: ReasonConfig | None = None) -> Ready:
        """Return the same, made ready to answer; what reasons may say is as `prepare` has it."""
        return prepare(self.until(number), reasons, self._encoder)

    def _apart(self) -> Bundle:
        """The bundle with a scorer of its own, so that what the served one has laid out can be let go with it."""
        scorer = self.bundle.scorer
        own = Scorer(scorer.kernels, scorer.priors, scorer.blend)
        return self.bundle.revised(self.bundle.snapshot, own, self.bundle.text_vectors)


def ready_with_arrivals(
    bundle: Bundle, state: Path, reasons: ReasonConfig | None = None, *, graph_version: str | None = None
) -> Ready:
    """Return a bundle ready to answer, with what a state file says of products.

    Args:
        bundle: as it was published.
        state: the state file; it need not be there.
        reasons: what reasons may say; None: the defaults.
        graph_version: of an answer that is computed again: the rows that it saw count. None: all.

    Raises:
        StateError: the file cannot be read.
    """
    number = None if graph_version is None else base_hash(graph_version)[1]
    if number == 0 or not state.exists():
        return prepare(bundle, reasons)
    with ProductLog.open(state) as log:
        return Arrivals(bundle, log).ready(log.last_seq() if number is None else number, reasons)
