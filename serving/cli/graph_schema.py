"""What `whycart graph schema` prints: the kinds of nodes, relations and events, as tables or as a diagram."""

from collections.abc import Iterator

from kg.schema import GraphSchema
from serving.cli.output import print_table


def tell_schema(schema: GraphSchema) -> None:
    """Print the kinds as three tables."""
    plain = GraphSchema()
    nodes = [
        (kind.label, kind.key, kind.table, ", ".join(kind.text), _origin(plain.nodes.get(kind.label) == kind))
        for kind in schema.nodes.values()
    ]
    print_table(("node", "key", "table", "text", "from"), nodes)
    relations = [
        (
            kind.name,
            kind.source,
            kind.target,
            kind.symmetric,
            kind.reason or "",
            _origin(plain.relations.get(kind.name) == kind),
        )
        for kind in schema.relations.values()
    ]
    print_table(("relation", "source", "target", "symmetric", "reason", "from"), relations)
    events = [
        (kind.name, kind.relation, kind.weight, kind.half_life_days, _origin(plain.events.get(kind.name) == kind))
        for kind in schema.events.values()
    ]
    print_table(("event", "relationship", "weight", "half life days", "from"), events)


def mermaid_of(schema: GraphSchema) -> Iterator[str]:
    """Yield the lines of an entity diagram in the language of Mermaid."""
    yield "erDiagram"
    for node in schema.nodes.values():
        yield f"    {node.label} {{"
        yield f"        string {node.key} PK"
        yield from (f"        string {name}" for name in node.text if name != node.key)
        yield "    }"
    for relation in schema.relations.values():
        yield f"    {relation.source} }}o--o{{ {relation.target} : {relation.name}"
    for event in schema.events.values():
        yield f"    User }}o--o{{ Product : {event.relation}"


def _origin(is_plain: bool) -> str:
    return "built in" if is_plain else "whycart.toml"
