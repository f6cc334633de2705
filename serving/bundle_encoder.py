"""The text encoder that lies in a bundle, opened when the first text comes; several threads may share one."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from encoders.query import QueryEncoder


class BundleEncoder:
    """Turns texts into vectors in the space of a bundle's products."""

    def __init__(self, folder: Path) -> None:
        """Open nothing yet; `folder` is the bundle's."""
        self._folder, self._lock = folder / "encoder", threading.Lock()
        self._opened: QueryEncoder | None = None

    def encode(self, texts: Sequence[str]) -> Float[np.ndarray, "text dim"] | None:
        """Return a unit vector a text, None where the bundle has no encoder."""
        with self._lock:
            if self._opened is None:
                if not self._folder.is_dir():
                    return None
                self._opened = QueryEncoder.open(self._folder)
            encoder = self._opened
        return np.asarray(encoder.encode(texts))
