"""The shops that one API process serves: a project folder each, and nothing that two of them share.

A shop is a project like any other: it is filled, retrained and given keys in its folder. Here settings are read and
held apart; what answers is made by `serving.cli.apps`.
"""

import itertools
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kg.store import GraphConfig
from serving.errors import ConfigError
from serving.keys import Key, KeyLog
from serving.settings import FILE_NAME, Settings, load_settings

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_BOLT_PORT = 7687


@dataclass(frozen=True, slots=True)
class Shop:
    """One of several shops."""

    name: str
    """As the one who runs the API calls it; log lines and health carry it."""
    folder: Path
    """Where its `whycart.toml` lies."""
    settings: Settings


def parse_shops(given: Sequence[str]) -> dict[str, Path]:
    """Return the folders of shops by name.

    Args:
        given: `NAME=FOLDER`, one a shop.

    Raises:
        ConfigError: one has another form, or a name comes twice.
    """
    found: dict[str, Path] = {}
    for text in given:
        name, _, folder = text.partition("=")
        if not name or not folder:
            raise ConfigError(f"--shop must be NAME=FOLDER such as north=shops/north, got {text[:100]!r}")
        if name in found:
            raise ConfigError(f"--shop: {name!r} is named twice; give each shop a name of its own")
        found[name] = Path(folder)
    return found


def read_shops(folders: Mapping[str, Path]) -> tuple[Shop, ...]:
    """Read the settings of shops, in the order of their names.

    Args:
        folders: project folder by name.

    Raises:
        ConfigError: a folder holds no project, its settings cannot be used, or two shops share a state file, a folder
            of bundles or a graph.
    """
    shops = tuple(_read(name, folder) for name, folder in sorted(folders.items()))
    for one, other in itertools.combinations(shops, 2):
        both = zip(_places(one.settings), _places(other.settings), strict=True)
        if (what := next((what for (what, place), (_, beside) in both if place == beside), None)) is not None:
            raise ConfigError(
                f"the shops {one.name} and {other.name} share {what}; each needs its own: look at {FILE_NAME} of both, "
                "and at variables such as WHYCART_HOME, which hold for all of them"
            )
    return shops


def without_keys(shops: Sequence[Shop]) -> list[Shop]:
    """Return the shops that nobody has a good key of.

    Raises:
        ConfigError: two shops have the same key, so that nobody could tell whose it is.
        StateError: the state file of one cannot be read.
    """
    found, owners = list[Shop](), dict[bytes, Shop]()
    for shop in shops:
        good = _good_keys(shop)
        for key in good:
            owner = owners.setdefault(key.digest, shop)
            if owner is not shop:
                raise ConfigError(
                    f"the shops {owner.name} and {shop.name} both have the key {key.key_id}, as when a state file was "
                    "copied; a key belongs to one shop: revoke it in one with 'whycart keys revoke'"
                )
        if not good:
            found.append(shop)
    return found


def _good_keys(shop: Shop) -> list[Key]:
    with KeyLog.open(shop.settings.state) as log:
        now_ms = int(time.time() * 1000)
        return [key for key in log.all() if key.is_good(now_ms)]


def _read(name: str, folder: Path) -> Shop:
    folder = folder.expanduser().absolute()
    if not (folder / FILE_NAME).is_file():
        raise ConfigError(
            f"the shop {name}: {folder} holds no {FILE_NAME}; 'whycart init' there makes one, and a project of it"
        )
    return Shop(name, folder, load_settings(folder=folder))


def _places(settings: Settings) -> Iterator[tuple[str, object]]:
    """What no other shop may have: in words, and as a value that is the same for the same place."""
    yield f"the state file {settings.state}", settings.state.resolve()
    yield f"the folder of bundles {settings.bundles}", settings.bundles.resolve()
    yield f"the graph {_name_of(settings.graph)}", _place_of(settings.graph)


def _name_of(graph: GraphConfig) -> str:
    return str(graph.folder) if graph.uri is None else f"database {graph.database!r} of {graph.uri}"


def _place_of(graph: GraphConfig) -> object:
    """The same value for two ways to the same graph, as far as addresses tell."""
    if graph.uri is None:
        return graph.folder.resolve()
    address = urllib.parse.urlsplit(graph.uri)
    host = (address.hostname or "").lower()
    return "loopback" if host in _LOOPBACK else host, address.port or _BOLT_PORT, graph.database.lower()
