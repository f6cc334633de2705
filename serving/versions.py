"""Versions of the libraries that shape a model, for bundles and model cards."""

import importlib.metadata
import platform

_SHAPING = ("whycart", "numpy", "scipy", "torch", "torch-geometric", "transformers", "sentence-transformers", "pyarrow")


def package_versions() -> dict[str, str]:
    """Return the version of Python and of every library that shapes a model."""
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in _SHAPING}}
