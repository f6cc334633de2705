"""Whether shown paths are true, asked from the live graph in Cypher: neither the snapshot nor its code takes part."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cypher.catalogue import Query, load_query
from kg.schema import GraphSchema
from kg.store import GraphStore
from serving.ledger import Claim, Facts, facts_of
from serving.reason_config import ReasonConfig

_BATCH = 1000
Rows = list[dict[str, Any]]


def claims_not_in_graph(
    store: GraphStore,
    schema: GraphSchema,
    claims: Sequence[Claim],
    *,
    bounds: ReasonConfig,
    until_ms: int | None = None,
) -> list[Claim]:
    """Return the claims that the graph does not hold.

    Args:
        store: an open graph.
        schema: kinds in use.
        claims: every shown path.
        until_ms: latest event that the answers could know of, epoch milliseconds; later ones are not counted.
        bounds: how many other users must stand behind an aggregated edge, and from how many on they must be counted.

    Raises:
        GraphConnectionError: the server does not answer.
        QueryError: the server refuses a query.
    """
    facts = facts_of(claims)
    wrong = facts.false | _missing_edges(store, schema, facts) | _missing_events(store, facts)
    wrong |= _thin_crowds(store, facts, bounds=bounds, until_ms=until_ms)
    return [claims[place] for place in sorted(wrong)]


def _missing_edges(store: GraphStore, schema: GraphSchema, facts: Facts) -> set[int]:
    by_relation: dict[str, Rows] = defaultdict(list)
    for number, (_, relation, source, target) in enumerate(facts.edges):
        by_relation[relation].append({"number": number, "from_id": source, "to_id": target})
    there: set[int] = set()
    for relation, rows in by_relation.items():
        if relation in schema.relations:
            kind = schema.relation(relation)
            keys = {"source_key": schema.nodes[kind.source].key, "target_key": schema.nodes[kind.target].key}
            query = load_query("claimed_edges").bind(relation=relation, source=kind.source, target=kind.target, **keys)
            there |= {row["number"] for row in _ask(store, query, rows)}
    return {claim for number, (claim, *_) in enumerate(facts.edges) if number not in there}


def _missing_events(store: GraphStore, facts: Facts) -> set[int]:
    by_type: dict[str, Rows] = defaultdict(list)
    for number, (_, relation, user, product, at) in enumerate(facts.events):
        by_type[relation].append({"number": number, "user_id": user, "product_id": product, "at": at})
    there = {
        row["number"]
        for relation, rows in by_type.items()
        for row in _ask(store, load_query("claimed_events").bind(relation=relation), rows)
    }
    return {claim for number, (claim, *_) in enumerate(facts.events) if number not in there}


def _thin_crowds(store: GraphStore, facts: Facts, *, bounds: ReasonConfig, until_ms: int | None) -> set[int]:
    by_type: dict[str, Rows] = defaultdict(list)
    for number, (_, relation, user, first, second, _) in enumerate(facts.crowds):
        row = {"number": number, "user_id": user, "first_id": first, "second_id": second, "until": until_ms}
        by_type[relation].append(row)
    others = {
        row["number"]: row["others"]
        for relation, rows in by_type.items()
        for row in _ask(store, load_query("claimed_crowds").bind(relation=relation), rows)
    }
    wrong: set[int] = set()
    for number, (claim, *_, said) in enumerate(facts.crowds):
        count = others.get(number, 0)
        if count < bounds.min_supporters or said != (float(count) if count >= bounds.count_from else None):
            wrong.add(claim)
    return wrong


def _ask(store: GraphStore, query: Query, rows: Rows) -> Iterator[Mapping[str, Any]]:
    for start in range(0, len(rows), _BATCH):
        yield from store.read(query, {"rows": rows[start : start + _BATCH]})
