"""Where traces of answers go, and of how many."""

import re
from dataclasses import dataclass

from serving.errors import ConfigError

_ENDPOINT = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class TracingConfig:
    """Where traces of answers go, and of how many."""

    endpoint: str = ""
    """Collector that speaks OTLP over HTTP, such as `http://127.0.0.1:4318`; empty: no traces. Needs `pip install
    whycart[tracing]`. Headers, certificates and names come from the usual OTEL_ variables."""
    share: float = 1.0
    """Part of the answers that are traced, above 0 to 1; a caller's `traceparent` decides for itself."""

    def __post_init__(self) -> None:
        if self.endpoint and not _ENDPOINT.fullmatch(self.endpoint):
            raise ConfigError(
                f"[tracing] endpoint must be an address such as http://127.0.0.1:4318, got {self.endpoint!r}; the path "
                "v1/traces is added to it"
            )
        if not 0.0 < self.share <= 1.0:
            raise ConfigError(
                f"[tracing] share must be above 0 and at most 1, got {self.share:g}; an empty endpoint traces nothing"
            )
