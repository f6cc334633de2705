"""A bundle made ready to answer: edges sorted for look-ups, the catalogue as arrays, vectors indexed. Once a bundle."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from gnn.bundle import Bundle
from gnn.score import History
from kg.paths import PathFinder
from serving.answer import Filter, Surface
from serving.errors import UnknownProduct
from serving.index import ProductIndex
from serving.language import Languages
from serving.reason_config import ReasonConfig
from serving.shelf import Shelf, build_shelf
from serving.words import Words


@dataclass(frozen=True, slots=True)
class Ready:
    """Everything an answer is made from; shared by all requests and never written."""

    bundle: Bundle
    finder: PathFinder
    """Finds and verifies paths in the bundle's snapshot."""
    shelf: Shelf
    """What filters and labels read."""
    index: ProductIndex
    """Products alike."""
    reasons: ReasonConfig
    """What reasons may say."""
    languages: Languages
    """What reasons are told in."""

    def words(self, language: str | None = None, surface: Surface = "long") -> Words:
        """Return how reasons are told.

        Args:
            language: BCP 47 tag; None: the shop's language.
            surface: how much room there is.

        Raises:
            UnknownLanguage: no message catalogue fits.
        """
        return Words(self.languages.find(language or self.reasons.language), surface)

    def allow(self, wish: Filter, history: History | None) -> tuple[Bool[np.ndarray, " product"], dict[str, int]]:
        """Return which products may be recommended, and how many were left out by what.

        Args:
            wish: what the caller wants.
            history: whose products are left out where the wish or the model says so; None leaves none out.

        Raises:
            InputError: a category or brand that the shop does not have.
        """
        allowed = self.shelf.matching(wish)
        removed = {"filter": int((~allowed).sum()), "seen": 0}
        exclude_seen = self.bundle.exclude_seen if wish.exclude_seen is None else wish.exclude_seen
        if history is not None and exclude_seen:
            seen = np.unique(history.product)
            removed["seen"] = int(allowed[seen].sum())
            allowed[seen] = False
        return allowed, removed

    def product_row(self, product_id: str) -> int:
        """Return the row of a product.

        Raises:
            UnknownProduct: the bundle does not hold it.
        """
        row = self.bundle.snapshot.row("Product", product_id)
        if row is None:
            version = self.bundle.version
            raise UnknownProduct(f"model {version} knows no product {product_id!r}; retraining brings new ones in")
        return row


def prepare(bundle: Bundle, reasons: ReasonConfig | None = None) -> Ready:
    """Make a bundle ready; takes about a second for some ten thousand products.

    Args:
        bundle: a loaded bundle.
        reasons: what reasons may say; None: the defaults.
    """
    snapshot = bundle.snapshot
    config = reasons or ReasonConfig()
    finder, shelf, index = PathFinder(snapshot), build_shelf(snapshot), ProductIndex(bundle)
    return Ready(bundle, finder, shelf, index, config, Languages(config.wording))
