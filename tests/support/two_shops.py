"""Two shops behind one front door, north and south: tiny shops alike in all but the names of everything in them."""

import contextlib
import functools
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from gnn.bundles import BundleStore
from kg.ask import open_reading
from kg.schema import GraphSchema
from kg.snapshot import build_snapshot
from kg.store import GraphConfig, GraphStore
from kg.tables import Tables
from serving.api.app import create_app
from serving.api.keyring import Guard
from serving.api.shops import create_front
from serving.events import EventLog
from serving.keys import KeyLog
from serving.logs import working_for
from tests.support.tiny_bundle import publish_tiny_bundle
from tests.worlds import make_tables, tiny_shop

NORTH, SOUTH = "north", "south"
_NAMES = ("user_id", "product_id", "brand_id", "category_id", "title", "name", "event_id")


def tables_of(word: str) -> Tables:
    """Return the tiny shop with a word before every id and every name: `south-u1`, `south-Green tea`."""
    tables, schema = tiny_shop(), GraphSchema()
    nodes = {
        label: [
            {key: f"{word}-{value}" if key in _NAMES else value for key, value in row.items()}
            for row in table.to_pylist()
        ]
        for label, table in tables.nodes.items()
    }
    edges: dict[str, list[tuple[Any, ...]]] = {
        name: [
            (f"{word}-{row['from_id']}", f"{word}-{row['to_id']}", row["at"], row["weight"])
            for row in table.to_pylist()
        ]
        for name, table in tables.edges.items()
    }
    events = [
        {key: f"{word}-{value}" if key in _NAMES else value for key, value in row.items()}
        for row in tables.events.to_pylist()
    ]
    return make_tables(schema, nodes, edges=edges, events=events)


def publish_two(folder: Path) -> dict[str, BundleStore]:
    """Publish the bundle of each shop in a folder of its name."""
    return {
        word: publish_tiny_bundle(folder / word / "bundles", snapshot=build_snapshot(tables_of(word)))
        for word in (NORTH, SOUTH)
    }


@dataclass(frozen=True, slots=True)
class TwoShops:
    """Two shops that are asked through one door."""

    client: TestClient
    keys: dict[str, str]
    """A key for everything, by shop."""
    states: dict[str, Path]
    """State file, by shop."""

    def ask(self, shop: str, path: str, body: Any = None, *, method: str | None = None) -> Any:
        """Return the answer to a request with a shop's key."""
        headers = {"X-API-Key": self.keys[shop]}
        return self.client.request(method or ("GET" if body is None else "POST"), path, json=body, headers=headers)


@contextlib.contextmanager
def two_shops(
    bundles: dict[str, BundleStore],
    folder: Path,
    *,
    graphs: Mapping[str, GraphConfig] | None = None,
    wrong_per_minute: int = 0,
    **guards: Guard,
) -> Iterator[TwoShops]:
    """Give two running shops whose state files lie in `folder`.

    Args:
        bundles: of each shop.
        folder: for what they write.
        graphs: of each shop; None: they have none.
        wrong_per_minute: most wrong keys of one address; 0: as many as come.
        guards: of a shop, by its name; without one it always asks for a key.
    """
    states = {word: folder / word / "state.db" for word in bundles}
    keys, apps = {}, {}
    for word, state in states.items():
        with KeyLog.open(state) as log:
            keys[word] = log.create(word, ["admin"], now_ms=int(time.time() * 1000)).text
        with working_for(word):
            apps[word] = create_app(
                bundles[word],
                EventLog.open(state),
                check_every_s=0.02,
                guard=guards.get(word, Guard(always=True)),
                open_graph=None if graphs is None else functools.partial(GraphStore.open, graphs[word]),
                ask_graph=None if graphs is None else functools.partial(open_reading, graphs[word]),
            )
    origins = tuple(origin for guard in guards.values() for origin in guard.origins)
    with TestClient(create_front(apps, origins=origins, wrong_per_minute=wrong_per_minute)) as client:
        yield TwoShops(client, keys, states)
