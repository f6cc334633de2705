"""A verified path as an answer shows it: the user's own event in front, names of nodes, and words."""

import numpy as np

from kg.paths import OTHERS, GraphEdge, GraphPath
from kg.snapshot import Snapshot
from serving.answer import Objection, Path, PathEdge, PathNode
from serving.evidence import Evidence
from serving.words import describe_although, describe_habit, describe_path, event_time


def tell_habit(evidence: Evidence, product: int, part: float) -> Path:
    """What the user did with the item itself, and how often; `part` is what rests on it."""
    snapshot, history = evidence.ready.bundle.snapshot, evidence.history
    event = evidence.own_events[product]
    kind = snapshot.event_names[int(history.kind[event])]
    times = evidence.num_events[product, int(history.kind[event])]
    last = event_time(snapshot, int(history.time[event]))
    nodes = (_user_node(evidence), _node(evidence, "Product", product))
    edge = PathEdge(snapshot.schema.events[kind].relation, 0, 1, last, None)
    text = describe_habit(evidence.words, times, last, event=kind)
    return Path(nodes, (edge,), part, _pattern(nodes, (edge,)), text)


def tell_objection(evidence: Evidence, product: int, value: float) -> Objection:
    """What the user did last with a product that speaks against an item, with words."""
    snapshot, history = evidence.ready.bundle.snapshot, evidence.history
    event = int(np.flatnonzero((history.product == product) & (history.weight < 0))[-1])
    kind = snapshot.event_names[int(history.kind[event])]
    text = describe_although(evidence.words, product, shelf=evidence.ready.shelf, event=kind)
    return Objection(snapshot.ids("Product")[product], kind, value, text)


def tell_path(evidence: Evidence, path: GraphPath, part: float) -> Path:
    """A verified path with names, the user's own event in front, and words; `part` is what rests on it."""
    snapshot, history = evidence.ready.bundle.snapshot, evidence.history
    evidence.ready.finder.verify(path, user=evidence.user)
    event = evidence.own_events[path.nodes[0].row or 0]
    kind = snapshot.event_names[int(history.kind[event])]
    enough = evidence.ready.reasons.count_from
    count = next((count for count in path.supporters if count >= enough), None)
    nodes = (_user_node(evidence), *[_node(evidence, node.label, node.row) for node in path.nodes])
    own = PathEdge(snapshot.schema.events[kind].relation, 0, 1, event_time(snapshot, int(history.time[event])), None)
    edges = (own, *[_edge(snapshot, path, edge, enough=enough) for edge in path.edges])
    text = describe_path(evidence.words, path, shelf=evidence.ready.shelf, event=kind, count=count)
    return Path(nodes, edges, part, _pattern(nodes, edges), text)


def _edge(snapshot: Snapshot, path: GraphPath, edge: GraphEdge, *, enough: int) -> PathEdge:
    """An edge behind the user's own; other users are counted as long as they are many enough."""
    if edge.relation != OTHERS:
        return PathEdge(edge.relation, edge.source + 1, edge.target + 1)
    count, relation = path.supporters_at(edge.source), snapshot.schema.events[path.event or ""].relation
    return PathEdge(relation, edge.source + 1, edge.target + 1, None, float(count) if count >= enough else None)


def _user_node(evidence: Evidence) -> PathNode:
    ids = evidence.ready.bundle.snapshot.ids("User")
    return PathNode(None if evidence.user is None else ids[evidence.user], "User", "you")


def _node(evidence: Evidence, label: str, row: int | None) -> PathNode:
    known = evidence.ready.path_nodes
    found = known.get((label, row))
    if found is None:
        if row is None:
            found = PathNode(None, label, "other customers")
        else:
            ready = evidence.ready
            found = PathNode(ready.bundle.snapshot.ids(label)[row], label, ready.shelf.label(label, row))
        known[label, row] = found
    return found


def _pattern(nodes: tuple[PathNode, ...], edges: tuple[PathEdge, ...]) -> str:
    """The meta-path: kinds of nodes and relations along the way."""
    text = nodes[0].type
    for place, edge in enumerate(edges):
        arrow = f"-{edge.type}->" if edge.source == place else f"<-{edge.type}-"
        text += f"{arrow}{nodes[place + 1].type}"
    return text
