"""Which form the content of a graph has, and how one of an older release is brought up: by numbered steps, in order.

The graph says its form in one node, `GraphFormat`; one without it was written before there was such a node and has
form 1. A step may be taken again without harm, and its number is written when it is done, so whoever is killed on the
way begins with it again.
"""

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from cypher.catalogue import load_query
from kg.errors import SchemaError
from kg.schema import GRAPH_FORMAT

if TYPE_CHECKING:
    from kg.store import GraphStore

logger = logging.getLogger(__name__)
Steps = Mapping[int, Callable[["GraphStore"], None]]
"""By the number of a form, what makes of a graph of the form before one of this form; its constraints are there."""
STEPS: Steps = {}
"""There is one form so far. A release that changes what is in the graph adds the next number here, from 2 on."""
FIRST = 1
_NAME = "graph"


def newest(steps: Steps = STEPS) -> int:
    """Return the form that this release writes."""
    return max(steps, default=FIRST)


def read_format(store: "GraphStore", *, steps: Steps = STEPS) -> int:
    """Return the form of a graph.

    Raises:
        SchemaError: a newer release wrote it.
    """
    found = _marked(store) or FIRST
    if found > newest(steps):
        raise SchemaError(
            f"the graph at {store.server.uri} has form {found}, written by a newer release; this one reads up to "
            f"{newest(steps)}: use the release that wrote it, or an empty graph"
        )
    return found


def bring_up(store: "GraphStore", *, steps: Steps = STEPS) -> None:
    """Bring a graph up to the form of this release, and have it say so; nothing happens where it has it.

    Args:
        store: an open graph that is not of a newer release (`read_format`), and whose constraints are there.
        steps: what to do, by number.
    """
    marked = _marked(store)
    for number in sorted(number for number in steps if number > (marked or FIRST)):
        steps[number](store)
        _mark(store, number)
        logger.info("graph brought up", extra={"form": number})
    if marked is None and not steps:
        _mark(store, FIRST)


def _marked(store: "GraphStore") -> int | None:
    rows = store.read(load_query("nodes_of_kind").bind(label=GRAPH_FORMAT.label))
    return max((int(row["properties"]["version"]) for row in rows), default=None)


def _mark(store: "GraphStore", version: int) -> None:
    query = load_query("merge_nodes").bind(label=GRAPH_FORMAT.label, key=GRAPH_FORMAT.key)
    store.write(query, [{GRAPH_FORMAT.key: _NAME, "version": version}])
