"""The text encoder that lies in a bundle, opened when the first text comes; several threads may share one."""

import threading
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from encoders.query import QueryEncoder
from gnn.bundle import Bundle

_FOLDER = "encoder"


class BundleEncoder:
    """Turns texts into vectors in the space of a bundle's products."""

    def __init__(self, bundle: Bundle, before: "BundleEncoder | None" = None) -> None:
        """Open nothing yet.

        Args:
            bundle: whose encoder it is.
            before: of another bundle; what is open there is taken over where the files are the same, as opening them
                takes a third of a second and a hundred MiB.
        """
        self._folder, self._lock = bundle.folder / _FOLDER, threading.Lock()
        self._files = {
            name: digest for name, digest in bundle.manifest.get("files", {}).items() if name.startswith(f"{_FOLDER}/")
        }
        self._opened: QueryEncoder | None = None
        if before is not None and self._files and before._files == self._files:
            self._opened = before._opened

    def encode(self, texts: Sequence[str]) -> Float[np.ndarray, "text dim"] | None:
        """Return a unit vector a text, None where the bundle has no encoder."""
        with self._lock:
            if self._opened is None:
                if not self._folder.is_dir():
                    return None
                self._opened = QueryEncoder.open(self._folder)
            encoder = self._opened
        return np.asarray(encoder.encode(texts))
