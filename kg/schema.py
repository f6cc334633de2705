"""What a shop's graph is made of: node kinds, relation kinds and event types, built in or declared in `whycart.toml`.

Declared kinds take part everywhere (ingest, snapshot, operators, network, reasons) without code.
This module does not read files and does not talk to a server.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from kg.errors import SchemaError

Kind = TypeVar("Kind")
_LABEL = re.compile(r"[A-Z][A-Za-z0-9]{0,62}")
_RELATION = re.compile(r"[A-Z][A-Z0-9_]{0,62}")
_REASON = re.compile(r"(?:[^{}\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]|\{name\})+")
_WORD = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class NodeKind:
    """A kind of node: its Neo4j label, its key property and the input table it comes from."""

    label: str
    """Neo4j label, CamelCase: `Product`."""
    key: str
    """Property that identifies a node, snake_case: `product_id`."""
    table: str
    """Name of the input table without its ending: `products`."""
    text: tuple[str, ...] = ()
    """Properties whose values make up the text of a node, in this order."""


@dataclass(frozen=True, slots=True)
class RelationKind:
    """A kind of directed relation between two node kinds."""

    name: str
    """Neo4j relationship type, UPPER_CASE: `MADE_BY`."""
    source: str
    """Label of the kind it starts from."""
    target: str
    """Label of the kind it points to."""
    symmetric: bool = False
    """Whether the relation says the same in both directions (`BOUGHT_TOGETHER`)."""
    reason: str | None = None
    """Words for a reason, with `{name}` for the far node: `made of {name}`."""


@dataclass(frozen=True, slots=True)
class EventKind:
    """A type of event between a user and a product."""

    name: str
    """The word in tables and JSON: `bought`."""
    weight: float = 1.0
    """How much one event counts against another; may be negative (a dislike, a return)."""
    half_life_days: float = 60.0
    """Days after which an event counts half; above 0."""

    @property
    def relation(self) -> str:
        """Neo4j relationship type of the event: `BOUGHT`."""
        return self.name.upper()


_NODES = (
    NodeKind("User", "user_id", "users"),
    NodeKind("Product", "product_id", "products", ("title", "description")),
    NodeKind("Brand", "brand_id", "brands", ("name",)),
    NodeKind("Category", "category_id", "categories", ("name",)),
)
DELETED_USER = NodeKind("DeletedUser", "digest", "deleted_users")
"""What the graph keeps of a deleted user (`kg.deletions`); no kind of the shop, and read by nothing that learns."""
GRAPH_FORMAT = NodeKind("GraphFormat", "name", "graph_formats")
"""The node by which a graph says its form (`kg.graph_format`); no kind of the shop either."""
OWN = (DELETED_USER, GRAPH_FORMAT)
"""Kinds that are Whycart's own, whatever a shop declares."""
_RELATIONS = (
    RelationKind("MADE_BY", "Product", "Brand", reason="made by {name}"),
    RelationKind("IN_CATEGORY", "Product", "Category", reason="in {name}"),
    RelationKind("CHILD_OF", "Category", "Category"),
    RelationKind("ALSO_BOUGHT", "Product", "Product", reason="also bought with {name}"),
    RelationKind("ALSO_VIEWED", "Product", "Product", reason="also viewed with {name}"),
    RelationKind("BOUGHT_TOGETHER", "Product", "Product", symmetric=True, reason="bought together with {name}"),
)
_EVENTS = (
    EventKind("viewed", 1.0, 14.0),
    EventKind("carted", 3.0, 30.0),
    EventKind("bought", 5.0, 60.0),
    EventKind("rated", 3.0, 120.0),
)
STRUCTURE = frozenset({"MADE_BY", "IN_CATEGORY", "CHILD_OF"})
"""Relations that come from columns of the product and category tables, not from the table `relations`."""


@dataclass(frozen=True, slots=True)
class GraphSchema:
    """Every node kind, relation kind and event type of one shop, by name."""

    nodes: Mapping[str, NodeKind] = field(default_factory=lambda: {kind.label: kind for kind in _NODES})
    relations: Mapping[str, RelationKind] = field(default_factory=lambda: {kind.name: kind for kind in _RELATIONS})
    events: Mapping[str, EventKind] = field(default_factory=lambda: {kind.name: kind for kind in _EVENTS})

    def relation(self, name: str) -> RelationKind:
        """Return the relation kind of this name.

        Raises:
            SchemaError: no such relation; the nearest name is offered.
        """
        return _lookup(self.relations, name, "relation")

    def event(self, name: str) -> EventKind:
        """Return the event type of this name.

        Raises:
            SchemaError: no such event type; the nearest name is offered.
        """
        return _lookup(self.events, name, "event type")


def declare(schema: GraphSchema, declaration: Mapping[str, Any], *, where: str) -> GraphSchema:
    """Return the schema extended by what `whycart.toml` declares.

    Args:
        schema: what is known so far, usually `GraphSchema()`.
        declaration: the parsed file; only `graph.nodes`, `graph.relations` and `events` are read.
        where: the file's name, for error texts.

    Raises:
        SchemaError: an unknown key, a name that Neo4j would refuse, or a relation between unknown kinds.
    """
    graph = declaration.get("graph", {})
    nodes = dict(schema.nodes)
    for label, entry in graph.get("nodes", {}).items():
        nodes[label] = _node(label, entry, known=nodes, where=where)
    _reject_shared_tables(nodes.values(), where)
    relations = dict(schema.relations)
    for name, entry in graph.get("relations", {}).items():
        relations[name] = _relation(name, entry, labels=nodes, where=where)
    events = dict(schema.events)
    for name, entry in declaration.get("events", {}).items():
        events[name] = _event(name, entry, known=events, where=where)
    clash = {kind.relation for kind in events.values()} & set(relations)
    if clash:
        raise SchemaError(f"{where}: {sorted(clash)[0]!r} is both an event type and a relation; rename one of them")
    return GraphSchema(nodes=nodes, relations=relations, events=events)


def check_keys(entry: Mapping[str, Any], allowed: Iterable[str], *, where: str) -> None:
    """Refuse keys that nobody reads, offering the nearest one that is read.

    Raises:
        SchemaError: a key of `entry` is not among `allowed`.
    """
    known = sorted(allowed)
    for key in entry:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
            raise SchemaError(f"{where}: unknown key {key!r}; {hint}")


def _lookup(kinds: Mapping[str, Kind], name: str, noun: str) -> Kind:
    if name in kinds:
        return kinds[name]
    near = difflib.get_close_matches(name, kinds, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(kinds))}"
    raise SchemaError(f"no {noun} is named {name!r}; {hint}")


def _node(label: str, entry: Mapping[str, Any], *, known: Mapping[str, NodeKind], where: str) -> NodeKind:
    place = f"{where}: [graph.nodes.{label}]"
    check_keys(entry, ("key", "table", "text"), where=place)
    if label in known and label in {kind.label for kind in _NODES}:
        if set(entry) - {"text"}:
            raise SchemaError(f"{place} is built in: only its 'text' can be declared")
        return replace(known[label], text=tuple(entry.get("text", known[label].text)))
    if not _LABEL.fullmatch(label):
        raise SchemaError(f"{place}: a label is CamelCase letters and digits, got {label!r}")
    if label in {kind.label for kind in OWN}:
        raise SchemaError(f"{place}: this label is one of Whycart's own; take another one")
    key = entry.get("key", f"{_snake(label)}_id")
    table = entry.get("table", f"{_snake(label)}s")
    for name, value in (("key", key), ("table", table)):
        if not isinstance(value, str) or not _WORD.fullmatch(value):
            raise SchemaError(f"{place}: {name} is a snake_case word, got {value!r}")
    return NodeKind(label, key, table, tuple(entry.get("text", ())))


def _relation(name: str, entry: Mapping[str, Any], *, labels: Mapping[str, NodeKind], where: str) -> RelationKind:
    place = f"{where}: [graph.relations.{name}]"
    check_keys(entry, ("from", "to", "symmetric", "reason"), where=place)
    if not _RELATION.fullmatch(name):
        raise SchemaError(f"{place}: a relation is UPPER_CASE letters, digits and underscores, got {name!r}")
    if name in STRUCTURE:
        raise SchemaError(f"{place} is built in and cannot be declared again")
    for key in ("from", "to"):
        if entry.get(key) not in labels:
            raise SchemaError(f"{place}: {key!r} must be one of {', '.join(sorted(labels))}, got {entry.get(key)!r}")
    reason = entry.get("reason")
    if reason is not None and (not isinstance(reason, str) or not _REASON.fullmatch(reason)):
        raise SchemaError(
            f"{place}: reason is one line of text with no placeholder but {{name}}, such as 'made of {{name}}', "
            f"got {reason!r}"
        )
    return RelationKind(name, entry["from"], entry["to"], symmetric=bool(entry.get("symmetric", False)), reason=reason)


def _event(name: str, entry: Mapping[str, Any], *, known: Mapping[str, EventKind], where: str) -> EventKind:
    place = f"{where}: [events.{name}]"
    check_keys(entry, ("weight", "half_life_days"), where=place)
    if not _WORD.fullmatch(name):
        raise SchemaError(f"{place}: an event type is a snake_case word, got {name!r}")
    base = known.get(name, EventKind(name))
    weight, half_life = entry.get("weight", base.weight), entry.get("half_life_days", base.half_life_days)
    if not isinstance(weight, int | float) or isinstance(weight, bool):
        raise SchemaError(f"{place}: weight is a number, got {weight!r}")
    if not isinstance(half_life, int | float) or half_life <= 0:
        raise SchemaError(f"{place}: half_life_days is a number above 0, got {half_life!r}")
    return EventKind(name, float(weight), float(half_life))


def _reject_shared_tables(nodes: Iterable[NodeKind], where: str) -> None:
    owner: dict[str, str] = {"events": "events", "relations": "relations"}
    for kind in nodes:
        other = owner.setdefault(kind.table, kind.label)
        if other != kind.label:
            raise SchemaError(
                f"{where}: table {kind.table!r} belongs to {other} and to {kind.label}; name another table"
            )


def _snake(label: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", label).lower()
