"""Paths and reasons in words, in the language and for the place that is asked for.

Other people are counted, from the anonymity bound up, and never named. The texts stand in `serving/languages`. What
comes out is plain text: a page that shows it has to escape it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kg.paths import OTHERS, GraphNode, GraphPath
from kg.schema import GraphSchema, RelationKind
from kg.snapshot import Snapshot
from serving.answer import Path, Reason, Surface
from serving.language import Language, fill
from serving.plain import shorten
from serving.shelf import Shelf

CAPTION = 60
"""Characters of a text for the surface `short`; a title that makes it longer is cut."""
_TITLE = 12
"""Characters that a title keeps however long the words around it are."""
_BUILT_IN = GraphSchema().relations


@dataclass(frozen=True, slots=True)
class Words:
    """How reasons are told: a language, and the place the words are for."""

    language: Language
    surface: Surface
    """`short`: a caption; `long`: a full sentence."""


def describe_path(words: Words, path: GraphPath, *, shelf: Shelf, event: str, count: int | None) -> str:
    """Return a path in words.

    Args:
        words: language and surface.
        path: from a product of the history to the recommended one.
        shelf: gives the names.
        event: type of the user's latest event with the first product.
        count: other customers behind the path, None when they are too few to be counted.
    """
    language, first = words.language, path.nodes[0]
    if words.surface == "short":
        return _caption(language, shelf.label(first.label, first.row or 0), event)
    you = _you(language, event, _name(language, shelf, first))
    if len(path.nodes) == 5 and OTHERS in {edge.relation for edge in path.edges}:
        return _five_hops(language, path, shelf, you)
    if path.relation == OTHERS:
        if count is None:
            return language.text("others", {"you": you})
        return language.counted("others_counted", count, {"you": you})
    kind = shelf.snapshot.schema.relation(path.relation)
    if len(path.nodes) == 2:
        return language.text("direct", {"you": you, "relation": _relation(language, kind, language.text("it"))})
    middle = path.nodes[path.top]
    relation = _relation(language, kind, _name(language, shelf, middle))
    key = "through_product" if middle.label == "Product" else "through_entity"
    return language.text(key, {"you": you, "relation": relation})


def _five_hops(language: Language, path: GraphPath, shelf: Shelf, you: str) -> str:
    """The way from the product of the history to this one over a product in between."""
    values = {"you": you, "between": _name(language, shelf, path.nodes[2])}
    relations = [edge.relation for edge in path.edges]
    named = next((relation for relation in relations if relation != OTHERS), None)
    if named is None:
        return language.text("others_twice", values)
    kind, entity = shelf.snapshot.schema.relation(named), path.nodes[path.top]
    values["relation"] = _relation(language, kind, _name(language, shelf, entity))
    return language.text("others_then_entity" if relations[0] == OTHERS else "entity_then_others", values)


def describe_habit(words: Words, times: int, last_ms: int | None, *, event: str) -> str:
    """Return how often the user had a product, and for the surface `long` when last, where that is known."""
    language = words.language
    you = _you(language, event, language.text("this"))
    if last_ms is None or words.surface == "short":
        return language.counted("habit", times, {"you": you})
    return language.counted("habit_last", times, {"you": you, "date": language.date(last_ms)})


def describe_item(words: Words, paths: Sequence[Path], reasons: Sequence[Reason]) -> str:
    """Return why an item is there in one sentence: its strongest path, else the reason that carried most.

    Args:
        words: language and surface.
        paths: those shown, the strongest first; told before in the same words.
        reasons: codes, the one that carried most first; at least one.
    """
    return paths[0].text if paths else words.language.text(f"reason_{reasons[0].lower()}")


def describe_although(words: Words, product: int, *, shelf: Shelf, event: str) -> str:
    """Return what speaks against a recommendation, as a part of a sentence: `although you returned Tea`."""
    language = words.language
    name = _name(language, shelf, GraphNode("Product", product))
    return language.text("although", {"event": name_event(language, event), "product": name})


def name_event(language: Language, event: str) -> str:
    """Return the word for an event type; a declared type without one says its own name."""
    key = f"event_{event}"
    return language.text(key) if language.has(key) else event


def event_time(snapshot: Snapshot, time: int) -> int | None:
    """Return the epoch milliseconds of an event, None where the shop's events have no clock."""
    return time if snapshot.order == "clock" else None


def _you(language: Language, event: str, product: str) -> str:
    """What the user did: the beginning of a sentence."""
    return _did(language, "you", event, product)


def _caption(language: Language, title: str, event: str) -> str:
    room = CAPTION - len(_did(language, "because", event, _set_title(language, "")))
    return _did(language, "because", event, _set_title(language, shorten(title, max(room, _TITLE))))


def _did(language: Language, start: str, event: str, product: str) -> str:
    key = f"{start}_{event}" if language.has(f"{start}_{event}") else f"{start}_did"
    return language.text(key, {"product": product, "event": name_event(language, event)})


def _name(language: Language, shelf: Shelf, node: GraphNode) -> str:
    """What a node is called within a sentence."""
    label = shelf.label(node.label, node.row or 0)
    return _set_title(language, label) if node.label == "Product" else label


def _set_title(language: Language, title: str) -> str:
    return language.text("title", {"title": title})


def _relation(language: Language, kind: RelationKind, name: str) -> str:
    """A relation with the name at its far end: in the shop's words, else those of the catalogue."""
    key = f"relation_{kind.name.lower()}"
    is_own = kind.reason is not None and (kind.name not in _BUILT_IN or kind.reason != _BUILT_IN[kind.name].reason)
    if kind.reason is not None and is_own and key not in language.own:
        return fill(kind.reason, {"name": name})
    if language.has(key):
        return language.text(key, {"name": name})
    return language.text("relation_declared", {"what": kind.name.lower().replace("_", " "), "name": name})
