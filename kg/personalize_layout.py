"""The layout of Amazon Personalize: CSV of interactions, items and users, of a domain or with a schema of one's own.

A few columns are prescribed (`USER_ID`, `ITEM_ID`, `TIMESTAMP`, `EVENT_TYPE`, `CATEGORY_L1`); a shop names the others.
"""

from collections.abc import Iterator, Sequence

from kg.event_words import explain_words, words_of
from kg.own_columns import OF_PRODUCTS, is_personal, own_columns
from kg.sample import Entry, Found, Sample, texts_of

_OF_ITS_OWN = {"recommendationid", "eventattributionsource", "eventvalue", "categoryl1", "creationtimestamp"}
"""Names that nobody else gives, without case and marks."""
_LEVELS = ("category_l1", "category_l2", "category_l3", "category_l4")
_FLAGS = ("true", "false", "yes", "no", "1", "0", "t", "f", "y", "n")


def find_personalize(sample: Sample, others: Sequence[Sample]) -> Iterator[Found]:
    """Yield what a file is, if it is one of Amazon Personalize."""
    if not any(map(_is_certain, others)):
        return
    user, item = sample.column("user_id"), sample.column("item_id")
    if user and item and sample.column("timestamp"):
        yield from _interactions(sample)
    elif item and not user:
        yield from _items(sample)
    elif user and not item:
        yield from _users(sample)


def _is_certain(sample: Sample) -> bool:
    """Whether a file is of Personalize for sure: capitals, or names of its own, beside an id."""
    names = sample.plain_names()
    if sample.has("USER_ID", "ITEM_ID", "TIMESTAMP"):
        return True
    if {"userid", "itemid"} & names and all(str(name).isupper() for name in sample.frame.columns):
        return True
    return "itemid" in names and bool(names & _OF_ITS_OWN)


def _interactions(sample: Sample) -> Iterator[Found]:
    wanted = {"user_id": "user_id", "product_id": "item_id", "type": "event_type", "at": "timestamp"}
    wanted |= {"value": "event_value", "quantity": "quantity"}
    columns = {ours: found for ours, theirs in wanted.items() if (found := sample.column(theirs))}
    entry: Entry = sample.base() | {"table": "events", "columns": columns}
    unread = [str(name) for name in sample.frame.columns if name not in columns.values()]
    if "type" in columns:
        types = set(texts_of(sample.whole()[columns["type"]]))
        words = words_of(types)
        yield entry | {"words": {"type": words}}
        yield from explain_words(sample.name, types, words)
    else:
        done = "rated" if "value" in columns else "bought"
        yield entry | {"set": {"type": done}}
        yield f"{sample.name}: every row counts as {done}, as there is no EVENT_TYPE"
    if unread:
        yield f"{sample.name}: not read: {', '.join(unread)} (what was shown, and where)"


def _items(sample: Sample) -> Iterator[Found]:
    wanted = {"product_id": "item_id", "created_at": "creation_timestamp"}
    columns = {ours: found for ours, theirs in wanted.items() if (found := sample.column(theirs))}
    levels = [found for level in _LEVELS if (found := sample.column(level))]
    paths = {str(name): str(name) for name in sample.frame.columns if name not in (*columns.values(), *levels)}
    known = (*OF_PRODUCTS, *(() if levels else ("categories",)), *(("available",) if _has_flags(sample) else ()))
    own, left = own_columns(paths, known)
    columns |= own
    if "description" in columns and "title" not in columns:
        columns["title"] = text = columns.pop("description")
        yield f"{sample.name}: {text} is read as the title, as there is none; products are shown by it"
    entry: Entry = sample.base() | {"table": "products", "columns": columns}
    if len(levels) == 1:
        columns["categories"] = levels[0]
    elif levels:
        entry["paths"] = {"categories": levels}
        several = [level for level in levels if any("|" in text for text in texts_of(sample.frame[level]))]
        if several:
            yield f"{sample.name}: {', '.join(several)} hold several names with | between; each cell counts as one name"
    if "categories" in columns:
        entry["split"] = {"categories": "|"}
    if "price" in columns:
        entry["number"] = ["price"]
    yield entry
    if left:
        yield f"{sample.name}: not read: {', '.join(left)} (no name for a property, or one that is taken)"


def _has_flags(sample: Sample) -> bool:
    """Whether a column says of each product whether it can be had, in words that are flags."""
    name = sample.column("available", "in_stock", "availability", "is_active")
    return name is not None and {text.lower() for text in texts_of(sample.frame[name])} <= set(_FLAGS)


def _users(sample: Sample) -> Iterator[Found]:
    key = str(sample.column("user_id"))
    others = [str(name) for name in sample.frame.columns if name != key]
    columns, left = own_columns({name: name for name in others if not is_personal(name)}, ())
    yield sample.base() | {"table": "users", "columns": {"user_id": key} | columns}
    left += filter(is_personal, others)
    if left:
        yield f"{sample.name}: not read: {', '.join(left)} (who somebody is, or no name for a property)"
