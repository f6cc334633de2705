"""What a list shows of a product: title, brand, price, picture and categories, read from the snapshot.

A card is built when its product is first shown and kept as long as the bundle is served.
"""

from typing import Any

import numpy as np

from kg.snapshot import Snapshot

_SHOWN = ("title", "price", "image_url")


class Cards:
    """Cards by product row of one snapshot; may be used from several threads."""

    def __init__(self, snapshot: Snapshot) -> None:
        """Look into a snapshot; nothing is copied."""
        self._snapshot = snapshot
        self._table = snapshot.nodes["Product"]
        self._built: dict[str, dict[str, Any]] = {}

    def card(self, product_id: str) -> dict[str, Any]:
        """Return title, brand, price, image_url and categories; None where the shop says nothing."""
        found = self._built.get(product_id)
        if found is None:
            found = self._built[product_id] = self._build(product_id)
        return found

    def _build(self, product_id: str) -> dict[str, Any]:
        row = self._snapshot.row("Product", product_id)
        if row is None:
            raise KeyError(product_id)
        shown = {name: self._value(name, row) for name in _SHOWN}
        brands = self._names("MADE_BY", row)
        return {
            "title": shown["title"],
            "brand": brands[0] if brands else None,
            "price": shown["price"],
            "image_url": shown["image_url"],
            "categories": self._names("IN_CATEGORY", row),
        }

    def _value(self, name: str, row: int) -> Any:
        return self._table[name][row].as_py() if name in self._table.column_names else None

    def _names(self, relation: str, row: int) -> list[str]:
        """Return the names of the nodes a product points to; the id of one without a name."""
        edges = self._snapshot.edges.get(relation)
        if edges is None:
            return []
        label = self._snapshot.schema.relation(relation).target
        table, ids = self._snapshot.nodes[label], self._snapshot.ids(label)
        first, last = np.searchsorted(edges.source, [row, row + 1])
        names = table["name"] if "name" in table.column_names else None
        return [
            (names[target].as_py() if names is not None else None) or ids[target]
            for target in edges.target[first:last].tolist()
        ]
