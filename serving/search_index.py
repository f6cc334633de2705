"""What searches are answered from: the words of a catalogue, the names of its nodes, and the encoder of query texts."""

import threading

import numpy as np
from jaxtyping import Float

from serving.bundle_encoder import BundleEncoder
from serving.lexicon import Lexicon
from serving.query import Names
from serving.shelf import Shelf


class SearchIndex:
    """Words, names and meanings of one catalogue; made when the first search comes, as not every shop searches here."""

    def __init__(self, shelf: Shelf, encoder: BundleEncoder) -> None:
        """Read nothing yet."""
        self._shelf, self._encoder, self._lock = shelf, encoder, threading.Lock()
        self._made: tuple[Lexicon, Names] | None = None

    def follow(self, before: "SearchIndex") -> None:
        """Answer from the words of an earlier index of the same products until `refresh`; no search waits."""
        if before._made is not None:
            self._made = (before._made[0].padded(len(self._shelf.available)), Names(self._shelf))

    def refresh(self) -> None:
        """Read the catalogue, if somebody has searched."""
        if self._made is not None:
            self._made = self._read()

    @property
    def made(self) -> tuple[Lexicon, Names]:
        """The words of the catalogue and the names of its nodes."""
        with self._lock:
            if self._made is None:
                self._made = self._read()
            return self._made

    def _read(self) -> tuple[Lexicon, Names]:
        return Lexicon(product_texts(self._shelf)), Names(self._shelf)

    def encode(self, text: str) -> Float[np.ndarray, " dim"] | None:
        """Return the vector of a text in the space of the products' vectors, None where the bundle has no encoder."""
        found = self._encoder.encode([text])
        return None if found is None else np.asarray(found[0])


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
