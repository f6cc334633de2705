"""How the last import was spread, kept in the home folder so that the next one can be held against it."""

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from kg.files import write_whole
from kg.health import Shop
from kg.shift import Shift, shifts, spread_of
from serving.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Moved:
    """What is spread otherwise than at the last import."""

    at: str
    """When that was, ISO 8601, UTC."""
    folder: str
    shifts: list[Shift]
    """The farthest first, those that are none included."""


def moved_since_last(settings: Settings, shop: Shop) -> Moved | None:
    """Return how far a shop has moved since the last import; None where there was none that can be read."""
    try:
        known = json.loads(settings.last_import.read_text(encoding="utf-8"))
        return Moved(known["at"], known["folder"], shifts(known["spread"], shop))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as err:
        logger.warning("%s cannot be read, so nothing is said of what has moved: %s", settings.last_import, err)
        return None


def remember_import(settings: Settings, shop: Shop, folder: str) -> None:
    """Keep how an import is spread; of its rows nothing is kept."""
    settings.home.mkdir(parents=True, exist_ok=True)
    said = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "folder": folder, "spread": spread_of(shop)}
    write_whole(settings.last_import, json.dumps(said, indent=1, ensure_ascii=False) + "\n", prefix=".last-import.")
