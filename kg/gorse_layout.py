"""The layout of Gorse: users, items and feedback, as its dashboard exports them and its REST API takes them.

Older versions export text with `item_id`, `is_hidden`, `time_stamp`, newer ones objects of JSON with `ItemId`,
`IsHidden`, `Timestamp`. Labels are a list of words in old versions, and fields with values in new ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from kg.event_words import explain_words, words_of
from kg.foreign_cells import fields_of, list_of
from kg.foreign_entry import GO
from kg.own_columns import OF_PRODUCTS, is_personal, own_columns, property_name
from kg.sample import Entry, Found, Kind, Sample, texts_of

_OF_ITEMS = {"itemid", "ishidden", "categories", "timestamp", "labels", "description", "comment"}
_OF_USERS = {"userid", "labels", "subscribe", "comment", "lastactivetime", "lastupdatetime"}
_HIDDEN = ("true", "t", "1")
_SHOWN = ("false", "f", "0")
_BUILT_IN = ("user", "product", "brand", "category", "categorie", "event", "relation", "deleted_user", "graph_format")
"""Names of kinds, and of tables without their last letter, that labels cannot be; theirs are `item_brand` and so on."""
_LONGEST = 40
"""Most characters of a name that a kind is made of."""


def find_gorse(sample: Sample, _: Sequence[Sample]) -> Iterator[Found]:
    """Yield what a file is, if it is one of Gorse."""
    names = sample.plain_names()
    if {"feedbacktype", "userid", "itemid"} <= names:
        yield from _feedback(sample)
    elif {"itemid", "ishidden"} <= names or {"itemid", "timestamp", "labels"} <= names <= _OF_ITEMS:
        yield from _items(sample)
    elif {"userid", "labels"} <= names <= _OF_USERS:
        yield from _users(sample)


def _feedback(sample: Sample) -> Iterator[Found]:
    wanted = {"user_id": "user_id", "product_id": "item_id", "type": "feedback_type", "at": "timestamp"}
    columns = {ours: found for ours, theirs in wanted.items() if (found := sample.column(theirs))}
    value = sample.column("value")
    if value and pd.to_numeric(sample.frame[value], errors="coerce").fillna(0).any():
        columns["value"] = value
    types = set(texts_of(sample.whole()[columns["type"]]))
    words = words_of(types)
    entry: Entry = sample.base() | {"table": "events", "columns": columns, "words": {"type": words}}
    yield entry | ({"format": {"at": GO}} if "at" in columns else {})
    yield from explain_words(sample.name, types, words)


def _items(sample: Sample) -> Iterator[Found]:
    key, labels, comment = (sample.column(*names) for names in (["item_id"], ["labels"], ["comment", "description"]))
    columns = {"product_id": str(key)}
    own, lists, left = _labels_of(sample, labels, OF_PRODUCTS)
    if comment and sample.frame[comment].notna().any():
        columns["description" if "title" in own else "title"] = comment
        if "title" not in own:
            yield f"{sample.name}: {comment} is read as the title; make it description if it is more than a name"
    columns |= {ours: path for ours, path in own.items() if ours not in columns}
    entry: Entry = sample.base() | {"table": "products", "columns": columns}
    categories, at, hidden = (sample.column(name) for name in ("categories", "timestamp", "is_hidden"))
    if categories:
        columns["categories"] = categories
        entry["split"] = {"categories": _mark_of(sample, categories)}
    if at:
        columns["created_at"] = at
        entry["format"] = {"created_at": GO}
    if hidden:
        columns["available"] = hidden
        entry |= {"words": {"available": _availability(sample, hidden)}, "optional": ["available"]}
    if "price" in columns:
        entry["number"] = ["price"]
    yield entry
    for name, path in lists.items():
        yield from _linked(sample, str(key), name=name, path=path)
    if left:
        yield f"{sample.name}: not read of the labels: {', '.join(left)} (no words, or no name for a property)"


def _availability(sample: Sample, hidden: str) -> dict[str, str]:
    """What each spelling of being hidden says of being available."""
    spelled = {text for text in sample.frame[hidden].dropna() if isinstance(text, str)}
    words = ("true", "false", *sorted(spelled - {"true", "false"}))
    available = dict.fromkeys(_HIDDEN, "false") | dict.fromkeys(_SHOWN, "true")
    return {text: available[text.lower()] for text in words if text.lower() in available}


def _linked(sample: Sample, item: str, *, name: str, path: str) -> Iterator[Found]:
    """The words of a label as nodes that products stand in a relation to."""
    name = f"item_{name}" if name in _BUILT_IN else name
    kind = "".join(part.capitalize() for part in name.split("_"))
    key, table, relation = f"{name}_id", f"{name}s", f"HAS_{name.upper()}"
    base = sample.base() | {"explode": path}
    yield base | {"table": table, "columns": {key: path, "name": path}}
    ends = {"from_id": item, "to_id": path}
    yield base | {"table": "relations", "columns": ends, "set": {"relation": relation}}
    facts = {"key": key, "table": table, "text": ["name"]}
    yield Kind(f"graph.nodes.{kind}", facts, f"{path} of {sample.name}: a node for each word.")
    said = {"from": "Product", "to": kind, "reason": f"with {name.replace('_', ' ')} {{name}}"}
    yield Kind(f"graph.relations.{relation}", said, "reason is what users are told where it leads to a product.")


def _users(sample: Sample) -> Iterator[Found]:
    own, lists, left = _labels_of(sample, sample.column("labels"), ())
    personal = [path for ours, path in own.items() if is_personal(ours)]
    columns = {ours: path for ours, path in own.items() if path not in personal}
    yield sample.base() | {"table": "users", "columns": {"user_id": str(sample.column("user_id"))} | columns}
    left += [path.partition(".")[2] or "words without a field" for path in (*lists.values(), *personal)]
    if left:
        yield f"{sample.name}: not read of the labels: {', '.join(left)} (lists, and who somebody is)"


def _labels_of(
    sample: Sample, column: str | None, known: Sequence[str]
) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """Labels with one value as columns, those with several words as paths by name, and names of what is left out."""
    if column is None:
        return {}, {}, []
    cells = sample.frame[column].dropna()
    values: dict[str, list[Any]] = {}
    for cell in cells:
        for name, value in fields_of(cell).items():
            values.setdefault(str(name), []).append(value)
    if not values:
        words = any(_are_words(list_of(cell, "|")) for cell in cells)
        return {}, {"tag": column} if words else {}, []
    single, lists, left = {}, {}, []
    for name, found in values.items():
        ours = property_name(name)
        if not any(isinstance(value, list | Mapping) for value in found):
            single[name] = f"{column}.{name}"
        elif ours and len(ours) <= _LONGEST and all(isinstance(one, str) or _are_words(one) for one in found if one):
            lists[ours] = f"{column}.{name}"
        else:
            left.append(name)
    columns, others = own_columns(single, known)
    return columns, lists, [*left, *others]


def _are_words(value: object) -> bool:
    """Whether a value is a list of words; numbers are an embedding, or mean nothing by themselves."""
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def _mark_of(sample: Sample, column: str) -> str:
    texts = [text for text in sample.frame[column].dropna() if isinstance(text, str) and not text.startswith("[")]
    return next((mark for mark in ("|", ";") if any(mark in text for text in texts)), "|")
