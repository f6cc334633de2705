"""What searches are answered from: the words of a catalogue, the names of its nodes, and the encoder of query texts."""

import threading

import numpy as np
from jaxtyping import Float

from encoders.query import QueryEncoder
from gnn.bundle import Bundle
from serving.lexicon import Lexicon
from serving.query import Names
from serving.shelf import Shelf


class SearchIndex:
    """Words, names and meanings of one catalogue; made when the first search comes, as not every shop searches here."""

    def __init__(self, shelf: Shelf, bundle: Bundle) -> None:
        """Read nothing yet."""
        self._shelf, self._bundle, self._lock = shelf, bundle, threading.Lock()
        self._made: tuple[Lexicon, Names] | None = None
        self._encoder: QueryEncoder | None = None

    @property
    def made(self) -> tuple[Lexicon, Names]:
        """The words of the catalogue and the names of its nodes."""
        with self._lock:
            if self._made is None:
                self._made = Lexicon(product_texts(self._shelf)), Names(self._shelf)
            return self._made

    def encode(self, text: str) -> Float[np.ndarray, " dim"] | None:
        """Return the vector of a text in the space of the products' vectors, None where the bundle has no encoder."""
        folder = self._bundle.folder / "encoder"
        with self._lock:
            if self._encoder is None:
                if not folder.is_dir():
                    return None
                self._encoder = QueryEncoder.open(folder)
            encoder = self._encoder
        return np.asarray(encoder.encode([text])[0])


def product_texts(shelf: Shelf) -> list[list[str]]:
    """Return what is said of each product: its own texts, its id, and the names of the nodes that it is linked to."""
    snapshot = shelf.snapshot
    table = snapshot.nodes["Product"]
    found = [[key] for key in snapshot.ids("Product")]
    for name in snapshot.schema.nodes["Product"].text:
        if name in table.column_names:
            for parts, value in zip(found, table[name].to_pylist(), strict=True):
                parts.append(str(value or ""))
    for links in shelf.selection.links.values():
        labels, member = shelf.labels[links.label], links.member.tocsr()
        for row, parts in enumerate(found):
            parts += [labels[node] for node in member.indices[member.indptr[row] : member.indptr[row + 1]]]
    return found
