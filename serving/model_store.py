"""The bundles of a project as its settings say: where they are, and what they must be signed with."""

from gnn.bundles import BundleStore
from kg.files import read_key
from serving.errors import ConfigError
from serving.publish_config import PublishConfig
from serving.settings import Settings


def open_models(settings: Settings) -> BundleStore:
    """Return the bundles of a project.

    Raises:
        ConfigError: the signing key cannot be read, or is too short.
    """
    file = settings.section("publish", PublishConfig).signing_key
    key = None if file is None else read_key(file, setting="[publish] signing_key", error=ConfigError)
    return BundleStore(settings.bundles, key=key)
