"""Whether shown paths are true, asked from the tables by id: shares no code with what finds or scores paths.

All claims of many answers are collected first and looked up at once with pandas.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pandas as pd

from kg.snapshot import Snapshot
from serving.answer import Path, PathEdge
from serving.reason_config import ReasonConfig


@dataclass(frozen=True, slots=True)
class Claim:
    """A shown path, and to whom it was shown for which product."""

    user_id: str
    product_id: str
    path: Path


@dataclass(slots=True)
class Facts:
    """What claims say, in the form that it is looked up in; `claim` is the place of the claim."""

    edges: list[tuple[int, str, str, str]] = field(default_factory=list)
    """claim, relation, source id, target id."""
    events: list[tuple[int, str, str, str, int | None]] = field(default_factory=list)
    """claim, event type as a relation, user id, product id, epoch milliseconds."""
    crowds: list[tuple[int, str, str, str, str, float | None]] = field(default_factory=list)
    """claim, event type as a relation, user left out, two product ids, number that is said."""
    false: set[int] = field(default_factory=set)
    """Claims whose shape alone is wrong."""


def false_claims(snapshot: Snapshot, claims: Iterable[Claim], *, bounds: ReasonConfig) -> list[Claim]:
    """Return the claims that the snapshot does not hold; none for a sound program.

    Args:
        snapshot: what the answers were made from.
        claims: every shown path.
        bounds: how many other users must stand behind an aggregated edge, and from how many on they must be counted.
    """
    asked = list(claims)
    facts = facts_of(asked)
    wrong = facts.false | _missing_edges(snapshot, facts) | _missing_events(snapshot, facts)
    wrong |= _thin_crowds(snapshot, facts, bounds=bounds)
    return [asked[place] for place in sorted(wrong)]


def facts_of(claims: Sequence[Claim]) -> Facts:
    """Return everything that some claims say, fact by fact."""
    facts = Facts()
    for place, claim in enumerate(claims):
        _collect(facts, place, claim)
    return facts


def _collect(facts: Facts, place: int, claim: Claim) -> None:
    nodes, edges = claim.path.nodes, claim.path.edges
    ends = [(min(edge.source, edge.target), max(edge.source, edge.target)) for edge in edges]
    begins = (nodes[0].type, nodes[0].id) == ("User", claim.user_id)
    if not begins or nodes[-1].id != claim.product_id or ends != list(pairwise(range(len(nodes)))):
        facts.false.add(place)
        return
    crowds: dict[int, list[PathEdge]] = defaultdict(list)
    for edge in edges:
        source, target = nodes[edge.source], nodes[edge.target]
        if source.type == "User" and edge.source:
            crowds[edge.source].append(edge)
        elif source.type == "User":
            facts.events.append((place, edge.type, source.id or "", target.id or "", edge.at_ms))
        else:
            facts.edges.append((place, edge.type, source.id or "", target.id or ""))
    for number, sides in crowds.items():
        types, said = {edge.type for edge in sides}, {edge.weight for edge in sides}
        if nodes[number].id is not None or len(sides) != 2 or len(types) != 1 or len(said) != 1:
            facts.false.add(place)
            continue
        first, second = (nodes[edge.target].id or "" for edge in sides)
        facts.crowds.append((place, types.pop(), claim.user_id, first, second, said.pop()))


def _missing_edges(snapshot: Snapshot, facts: Facts) -> set[int]:
    said = pd.DataFrame(facts.edges, columns=["claim", "type", "source", "target"])
    wrong: set[int] = set()
    for relation, claimed in said.groupby("type"):
        if relation not in snapshot.edges:
            wrong |= set(claimed["claim"])
            continue
        kind, edges = snapshot.schema.relation(str(relation)), snapshot.edges[str(relation)]
        known = pd.MultiIndex.from_arrays(
            [_ids(snapshot, kind.source).take(edges.source), _ids(snapshot, kind.target).take(edges.target)]
        )
        there = pd.MultiIndex.from_frame(claimed[["source", "target"]]).isin(known)
        wrong |= set(claimed["claim"][~there])
    return wrong


def _missing_events(snapshot: Snapshot, facts: Facts) -> set[int]:
    said = pd.DataFrame(facts.events, columns=["claim", "type", "user", "product", "at"])
    known = _events(snapshot)
    known = known[known["user"].isin(said["user"].unique())]
    keys = ["type", "user", "product"]
    if snapshot.order == "clock":
        keys.append("at")
        said["at"] = said["at"].astype("Int64")
        known = known.assign(at=known["at"].astype("Int64"))
    there = pd.MultiIndex.from_frame(said[keys]).isin(pd.MultiIndex.from_frame(known[keys]))
    return set(said["claim"][~there])


def _thin_crowds(snapshot: Snapshot, facts: Facts, *, bounds: ReasonConfig) -> set[int]:
    known = _events(snapshot)
    named = {product for _, _, _, *pair, _ in facts.crowds for product in pair}
    known = known[known["product"].isin(named)]
    users_of = {key: set(users) for key, users in known.groupby(["type", "product"])["user"]}
    wrong: set[int] = set()
    for place, kind, user, first, second, said in facts.crowds:
        both = users_of.get((kind, first), set()) & users_of.get((kind, second), set())
        count = len(both - {user})
        if count < bounds.min_supporters or said != (float(count) if count >= bounds.count_from else None):
            wrong.add(place)
    return wrong


def _events(snapshot: Snapshot) -> pd.DataFrame:
    events = snapshot.events
    names = pd.Index([snapshot.schema.events[name].relation for name in snapshot.event_names])
    return pd.DataFrame(
        {
            "type": names.take(events.kind),
            "user": _ids(snapshot, "User").take(events.user),
            "product": _ids(snapshot, "Product").take(events.product),
            "at": events.time,
        }
    )


def _ids(snapshot: Snapshot, label: str) -> pd.Index:
    return pd.Index(snapshot.ids(label), dtype=object)
