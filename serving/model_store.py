"""The bundles of a project as its settings say: where they are, and what they must be signed with."""

from pathlib import Path

from gnn.bundles import BundleStore
from serving.errors import ConfigError
from serving.publish_config import PublishConfig
from serving.settings import Settings

LEAST_KEY = 16
"""Bytes of a signing key, at least."""


def open_models(settings: Settings) -> BundleStore:
    """Return the bundles of a project.

    Raises:
        ConfigError: the signing key cannot be read, or is too short.
    """
    file = settings.section("publish", PublishConfig).signing_key
    return BundleStore(settings.bundles, key=None if file is None else _read_key(file))


def _read_key(file: Path) -> bytes:
    try:
        key = file.expanduser().read_bytes().strip()
    except OSError as err:
        raise ConfigError(f"[publish] signing_key {file}: cannot be read ({err.strerror})") from err
    if len(key) < LEAST_KEY:
        raise ConfigError(
            f"[publish] signing_key {file}: {len(key)} bytes are too few, at least {LEAST_KEY} are wanted; make one "
            "with: openssl rand -hex 32"
        )
    return key
